"""Every sentence of the window can be translated: no words are given to a widget but through tr or translate."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import etiket_gui.gui

_FOLDER = Path(etiket_gui.gui.__path__[0])

#: What shows its words to a person.
_SHOWS = {
    "QAction", "QCheckBox", "QGroupBox", "QLabel", "QMenu", "QPushButton", "QRadioButton", "QToolButton",
    "addAction", "addItem", "addMenu", "addRow", "addTab", "critical", "getExistingDirectory", "getOpenFileName",
    "getSaveFileName", "information", "question", "say", "setAccessibleDescription", "setAccessibleName",
    "setDetailedText", "setInformativeText", "setPlaceholderText", "setPrefix", "setSpecialValueText", "setSuffix",
    "setText", "setTitle", "setToolTip", "setWindowTitle", "showMessage", "warning",
    "Banner", "Card", "Chip", "ElidedLabel", "EmptyState", "Notice", "PageTitle", "SentenceLabel", "TextLabel", "Told",
    "ask", "tell",
}  # fmt: skip
#: Words that are the same in every language, and arguments that are names for the program alone.
_SAME = {"etiket"}
_NAMES = {"name", "key", "icon", "tint", "action", "role", "objectName"}


def _has_words(node: ast.expr) -> bool:
    """Whether the expression itself holds words of a sentence: two letters in a row, not a lone name."""
    texts = []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        texts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        texts = [part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    elif isinstance(node, ast.BinOp):
        return _has_words(node.left) or _has_words(node.right)
    elif isinstance(node, ast.IfExp):
        return _has_words(node.body) or _has_words(node.orelse)
    return any(
        text not in _SAME
        and not _is_name_for_the_program(text)
        and any(first.isalpha() and second.isalpha() for first, second in pairwise(text))
        for text in texts
    )


def _is_name_for_the_program(text: str) -> bool:
    """``folder-archive`` and ``bad`` are looked up, never read: no capital, no blank."""
    return text == text.lower() and " " not in text


def untranslated(source: str) -> list[tuple[int, str]]:
    """The lines in which words are shown as they are."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in _SHOWS or ast.unparse(node.func).startswith(("log.", "logger.", "logging.")):
            continue
        shown = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg not in _NAMES)]
        for argument in shown:
            if isinstance(argument, ast.Constant) and _is_name_for_the_program(str(argument.value)):
                continue
            if _has_words(argument):
                found.append((node.lineno, ast.unparse(argument)))
    return found


def test_every_sentence_goes_through_the_translation() -> None:
    found = [
        f"{path.relative_to(_FOLDER)}:{line}: {words}"
        for path in sorted(_FOLDER.rglob("*.py"))
        for line, words in untranslated(path.read_text("utf-8"))
    ]
    assert found == []


def test_words_that_are_not_translated_are_found() -> None:
    assert untranslated("button.setText('Add it')\nlabel = QLabel(f'{n} Files')") == [
        (1, "'Add it'"), (2, "f'{n} Files'"),
    ]  # fmt: skip
    assert untranslated("button.setText(self.tr('Add it'))\nlog.warning('No icon')\nkeep(QLabel(), 'folder')") == []


def test_what_is_translated_is_a_literal_that_the_tools_find() -> None:
    """``lupdate`` reads the source: a sentence that is put together there is never found."""
    found = []
    for path in sorted(_FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"tr": 0, "translate": 1}.get(called)
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.JoinedStr):
                found.append(f"{path.relative_to(_FOLDER)}:{node.lineno}")
    assert found == []
