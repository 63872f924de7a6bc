"""A form built from what a plug-in says of its options; checked while it is typed, with a sentence under each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column
from etiket_gui.gui.wizards.editors import Editor, editor_of

SECRET = "sign-in"  # noqa: S105 - the name of a field


class FieldRow(QWidget):
    """One option: its title, its editor, its help, and what is wrong with it."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__()
        self.editor: Editor = editor_of(field)
        self.title = TextLabel(str(field["title"]), TextRole.STRONG)
        self.title.setBuddy(self.editor.focus_widget)
        self.error = SentenceLabel(tint="bad")
        self.error.setObjectName(f"error-{field['name']}")
        self.error.hide()
        layout = column(self, spacing=Space.XS)
        layout.addWidget(self.title)
        layout.addWidget(self.editor)
        layout.addWidget(self.error)
        if field["description"]:
            layout.addWidget(SentenceLabel(str(field["description"]), TextRole.SMALL, "muted"))

    def set_error(self, sentence: str) -> None:
        """Show what is wrong, nothing for an empty sentence."""
        self.error.setText(sentence)
        self.error.setVisible(bool(sentence))
        self.editor.set_wrong(is_wrong=bool(sentence))
        described = str(self.editor.field["description"])
        self.editor.focus_widget.setAccessibleDescription(f"{sentence} {described}".strip())


class ConfigForm(QWidget):
    """The options of one plug-in. ``edited`` comes at each edit.

    ``is_short``: only what must be given is shown at first. Errors of a field that was never touched stay hidden until
    :meth:`show_all_errors`: an empty form is not yet wrong.
    """

    edited = Signal()

    def __init__(self, fields: Sequence[Mapping[str, Any]], *, is_short: bool = False) -> None:
        super().__init__()
        if is_short:
            fields = [{**field, "is_advanced": not (field["required"] or field["is_secret"])} for field in fields]
        self._rows: dict[str, FieldRow] = {}
        self._touched: set[str] = set()
        self._errors: dict[str, str] = {}
        self._given: dict[str, Any] = {}
        self._is_showing_all = False
        layout = column(self, spacing=Space.L)
        self._whole = SentenceLabel(tint="bad")
        self._whole.hide()
        # What must be given comes first, or it would be missed below long lists.
        fields = sorted(fields, key=lambda field: not field["required"])
        advanced = [field for field in fields if field["is_advanced"]]
        for field in fields:
            if not field["is_advanced"]:
                layout.addWidget(self._made(field))
        self._more: QToolButton | None = None
        self._advanced = QWidget()
        if advanced:
            self._add_advanced(layout, advanced)
        layout.addWidget(self._whole)
        layout.addStretch(1)

    def _made(self, field: Mapping[str, Any]) -> FieldRow:
        made = FieldRow(field)
        name = str(field["name"])
        self._rows[name] = made
        made.editor.changed.connect(lambda: self._on_edited(name))
        return made

    def _add_advanced(self, layout: QVBoxLayout, fields: Sequence[Mapping[str, Any]]) -> None:
        more = QToolButton()
        more.setText(self.tr("More options"))
        more.setAccessibleName(self.tr("More options"))
        more.setObjectName("more-options")
        more.setCheckable(True)
        more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        keep_icon(more, "chevron-right")
        more.toggled.connect(self._show_advanced)
        inside = column(self._advanced, spacing=Space.L)
        for field in fields:
            inside.addWidget(self._made(field))
        self._advanced.hide()
        self._more = more
        layout.addWidget(more, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._advanced)

    def _show_advanced(self, is_shown: bool) -> None:  # a slot
        self._advanced.setVisible(is_shown)
        if self._more is not None:
            keep_icon(self._more, "chevron-down" if is_shown else "chevron-right")

    # -- values ------------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """What is in the form, without secrets; options that it does not show stay as they were given."""
        shown = {name: made.editor.value() for name, made in self._rows.items() if not made.editor.field["is_secret"]}
        return {**self._given, **shown}

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show these values; fields that are not named keep theirs."""
        self._given = {name: value for name, value in values.items() if name not in self._rows}
        for name, value in values.items():
            made = self._rows.get(name)
            if made is not None:
                made.editor.blockSignals(True)
                made.editor.set_value(value)
                made.editor.blockSignals(False)

    def set_value(self, name: str, value: Any) -> None:
        """Show one value, as if it had been typed."""
        made = self._rows.get(name)
        if made is None:
            self._given[name] = value
            self.edited.emit()
            return
        made.editor.blockSignals(True)
        made.editor.set_value(value)
        made.editor.blockSignals(False)
        self._on_edited(name)

    def secret(self) -> str:
        """The password that was typed, empty for none."""
        for made in self._rows.values():
            if made.editor.field["is_secret"]:
                return str(made.editor.value() or "")
        return ""

    def field_names(self) -> tuple[str, ...]:
        """The names of the fields that are shown."""
        return tuple(self._rows)

    def row(self, name: str) -> FieldRow:
        """The row of a field. Raises KeyError."""
        return self._rows[name]

    def label_of(self, name: str) -> QLabel:
        """The label in which the error of a field is shown. Raises KeyError."""
        return self._rows[name].error

    # -- errors ------------------------------------------------------------------------------------------------------

    def set_errors(self, errors: Mapping[str, str]) -> None:
        """Show what is wrong with each field that was touched; errors of no field stand at the end."""
        self._errors = dict(errors)
        self._tell_errors()

    def show_all_errors(self) -> None:
        """From now on show errors of fields that nobody touched, too; the first wrong field gets the keyboard."""
        self._is_showing_all = True
        self._tell_errors()
        for name, made in self._rows.items():
            if name in self._errors:
                if made.editor.field["is_advanced"] and self._more is not None:
                    self._more.setChecked(True)
                made.editor.setFocus()
                return

    def _tell_errors(self) -> None:
        for name, made in self._rows.items():
            has_value = bool(made.editor.value())
            is_told = self._is_showing_all or (name in self._touched) or has_value
            made.set_error(self._errors.get(name, "") if is_told else "")
        rest = [sentence for name, sentence in self._errors.items() if name not in self._rows]
        self._whole.setText(" ".join(rest))
        self._whole.setVisible(bool(rest))

    def _on_edited(self, name: str) -> None:
        self._touched.add(name)
        self.edited.emit()


def password_fields(kind: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The field for the password of a described plug-in; none where it needs no sign-in."""
    if not kind["sign_in_title"]:
        return []
    help_text = translate("ConfigForm", "It goes to the password store of this computer and nowhere else.")
    return [secret_field(kind["sign_in_title"], help_text)]


def secret_field(title: str, description: str) -> dict[str, Any]:
    """The described field of a password, to be put into a form beside the options."""
    return {
        "name": SECRET, "title": title, "description": description, "type": "secret", "default": None,
        "required": False, "is_nullable": True, "is_secret": True, "is_path": "", "choices": [], "is_list": False,
        "is_map": False, "is_advanced": False,
    }  # fmt: skip
