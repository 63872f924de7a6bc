"""One editor for each kind of option: text, path, choice, yes or no, list, map and secret, all used alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import restyle
from etiket_gui.gui.widgets.layouts import column, row

_LIST_LINES = 6


class Editor(QWidget):
    """Base of all editors. ``changed`` comes at each edit; values are JSON values, numbers as the text typed."""

    changed = Signal()

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__()
        self.field = field

    def value(self) -> Any:
        """What is in the editor now."""
        return None

    def set_value(self, value: Any) -> None:
        """Show a value."""

    @property
    def focus_widget(self) -> QWidget:
        """The widget that gets the keyboard."""
        return self

    def set_wrong(self, *, is_wrong: bool) -> None:
        """Mark or unmark it as wrong."""
        widget = self.focus_widget
        wanted = "true" if is_wrong else "false"
        if widget.property("wrong") != wanted:
            widget.setProperty("wrong", wanted)
            restyle(widget)


class TextEditor(Editor):
    """One line of text; also for numbers, durations and sizes, which are understood when they are checked."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._line = QLineEdit()
        self._line.setClearButtonEnabled(field["type"] == "text")
        self._line.textEdited.connect(self.changed)
        layout = row(self)
        layout.addWidget(self._line)
        if field["type"] != "text":
            self._line.setMaximumWidth(self.fontMetrics().averageCharWidth() * 28)
            layout.addStretch(1)
        if field.get("is_nullable"):
            self._line.setPlaceholderText(self.tr("Automatic"))

    @property
    def focus_widget(self) -> QWidget:
        """The line."""
        return self._line

    def value(self) -> Any:
        """The text."""
        return self._line.text()

    def set_value(self, value: Any) -> None:
        """Show a value; durations and sizes with their unit."""
        if value is None:
            text = ""
        elif self.field["type"] == "duration" and isinstance(value, int | float):
            text = _duration(value)
        elif self.field["type"] == "size" and isinstance(value, int | float):
            text = _size(value)
        elif isinstance(value, float):
            text = f"{value:g}"
        else:
            text = str(value)
        self._line.setText(text)


class PathEditor(Editor):
    """A file or folder: typed, or chosen in the system's own dialog."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._line = QLineEdit()
        self._line.textEdited.connect(self.changed)
        self._button = QPushButton(self.tr("Choose…"))
        self._button.setAutoDefault(False)
        self._button.setAccessibleName(self.tr("Choose {title}").format(title=field["title"]))
        self._button.clicked.connect(self._choose)
        layout = row(self)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button)

    @property
    def focus_widget(self) -> QWidget:
        """The line."""
        return self._line

    def value(self) -> Any:
        """The path as it is typed."""
        return self._line.text().strip()

    def set_value(self, value: Any) -> None:
        """Show a path."""
        self._line.setText("" if value is None else str(value))

    def _choose(self) -> None:
        chosen = choose_path(self, is_file=self.field.get("is_path") == "file", start=self._line.text())
        if chosen:
            self._line.setText(chosen)
            self.changed.emit()


def choose_path(parent: QWidget, *, is_file: bool, start: str = "") -> str:
    """The file or folder that a person chooses in the system's dialog, empty when they do not."""
    if is_file:
        chosen, _ = QFileDialog.getOpenFileName(parent, parent.tr("Choose a file"), start)
        return chosen
    return QFileDialog.getExistingDirectory(parent, parent.tr("Choose a folder"), start)


class ChoiceEditor(Editor):
    """One of several values."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._box = QComboBox()
        for value in field["choices"]:
            self._box.addItem(_title(str(value)), value)
        self._box.activated.connect(lambda _: self.changed.emit())
        layout = row(self)
        layout.addWidget(self._box)
        layout.addStretch(1)

    @property
    def focus_widget(self) -> QWidget:
        """The box."""
        return self._box

    def value(self) -> Any:
        """The chosen value."""
        return self._box.currentData()

    def set_value(self, value: Any) -> None:
        """Choose a value."""
        self._box.setCurrentIndex(max(0, self._box.findData(value)))


class TruthEditor(Editor):
    """Yes or no; where neither need be said, also "automatic"."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._box: QComboBox | None = None
        self._tick: QCheckBox | None = None
        layout = row(self)
        if field.get("is_nullable"):
            self._box = QComboBox()
            for words, value in ((self.tr("Automatic"), None), (self.tr("Yes"), True), (self.tr("No"), False)):
                self._box.addItem(words, value)
            self._box.activated.connect(lambda _: self.changed.emit())
            layout.addWidget(self._box)
        else:
            self._tick = QCheckBox(self.tr("Yes"))
            self._tick.toggled.connect(lambda _: self.changed.emit())
            layout.addWidget(self._tick)
        layout.addStretch(1)

    @property
    def focus_widget(self) -> QWidget:
        """The box or the tick."""
        return self._box or self._tick or self

    def value(self) -> Any:
        """True, False, or None for automatic."""
        if self._box is not None:
            return self._box.currentData()
        return self._tick is not None and self._tick.isChecked()

    def set_value(self, value: Any) -> None:
        """Show a value."""
        if self._box is not None:
            self._box.setCurrentIndex({None: 0, True: 1, False: 2}[value])
        if self._tick is not None:
            self._tick.setChecked(bool(value))


class ListEditor(Editor):
    """Several texts, one on each line."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._text = QPlainTextEdit()
        self._text.setTabChangesFocus(True)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFixedHeight(self.fontMetrics().lineSpacing() * _LIST_LINES + 2 * Space.M)
        self._text.setPlaceholderText(self.tr("One on each line"))
        self._text.textChanged.connect(self.changed)
        row(self).addWidget(self._text)

    @property
    def focus_widget(self) -> QWidget:
        """The text."""
        return self._text

    def value(self) -> Any:
        """The lines that are not empty."""
        return [line for line in self._text.toPlainText().splitlines() if line.strip()]

    def set_value(self, value: Any) -> None:
        """Show the items."""
        self._text.setPlainText("\n".join(str(item) for item in value or ()))


class MapEditor(Editor):
    """Names with values, in rows that are added and removed."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._table = QTableWidget(0, 2)
        self._table.setHorizontalHeaderLabels([self.tr("Name"), self.tr("Value")])
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setTabKeyNavigation(False)
        header = self._table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.setFixedHeight(self.fontMetrics().lineSpacing() * (_LIST_LINES + 1))
        self._table.itemChanged.connect(lambda _: self.changed.emit())
        add = QPushButton(self.tr("Add a row"))
        add.setObjectName(f"add-row-{field['name']}")
        keep_icon(add, "plus")
        add.clicked.connect(self._add)
        remove = QPushButton(self.tr("Remove"))
        remove.setObjectName(f"remove-row-{field['name']}")
        keep_icon(remove, "minus")
        remove.clicked.connect(self._remove)
        for button in (add, remove):
            button.setAutoDefault(False)
            button.setAccessibleName(f"{button.text()}: {field['title']}")
        layout = column(self)
        layout.addWidget(self._table)
        buttons = row()
        buttons.addWidget(add)
        buttons.addWidget(remove)
        buttons.addStretch(1)
        layout.addLayout(buttons)

    @property
    def focus_widget(self) -> QWidget:
        """The table."""
        return self._table

    def value(self) -> Any:
        """The map of the rows that have a name."""
        found = {}
        for number in range(self._table.rowCount()):
            name, value = (self._cell(number, place) for place in (0, 1))
            if name.strip():
                found[name.strip()] = value
        return found

    def set_value(self, value: Any) -> None:
        """Show a map."""
        self._table.blockSignals(True)
        self._table.setRowCount(0)
        for name, item in (value or {}).items():
            self._append(str(name), str(item))
        self._table.blockSignals(False)

    def _cell(self, number: int, place: int) -> str:
        item = self._table.item(number, place)
        return "" if item is None else item.text()

    def _append(self, name: str, value: str) -> None:
        number = self._table.rowCount()
        self._table.insertRow(number)
        self._table.setItem(number, 0, QTableWidgetItem(name))
        self._table.setItem(number, 1, QTableWidgetItem(value))

    def _add(self) -> None:
        self._append("", "")
        self._table.setFocus()
        self._table.setCurrentCell(self._table.rowCount() - 1, 0)
        item = self._table.currentItem()
        if item is not None:
            self._table.editItem(item)

    def _remove(self) -> None:
        number = self._table.currentRow()
        if number >= 0:
            self._table.removeRow(number)
            self.changed.emit()


class SecretEditor(Editor):
    """A password; it leaves this widget only for the password store."""

    def __init__(self, field: Mapping[str, Any]) -> None:
        super().__init__(field)
        self._line = QLineEdit()
        self._line.setEchoMode(QLineEdit.EchoMode.Password)
        self._line.textEdited.connect(self.changed)
        self._eye = QToolButton()
        self._eye.setCheckable(True)
        self._eye.setObjectName(f"show-{field['name']}")
        self._eye.setAccessibleName(self.tr("Show the password"))
        self._eye.setToolTip(self.tr("Show the password"))
        keep_icon(self._eye, "eye")
        self._eye.toggled.connect(self._show)
        layout = row(self, spacing=Space.XS)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._eye)

    @property
    def focus_widget(self) -> QWidget:
        """The line."""
        return self._line

    def value(self) -> Any:
        """The secret."""
        return self._line.text()

    def set_value(self, value: Any) -> None:
        """Only empties the field: a kept secret is never shown."""
        self._line.clear()

    def set_placeholder(self, text: str) -> None:
        """What stands in the empty field."""
        self._line.setPlaceholderText(text)

    def _show(self, is_shown: bool) -> None:  # a slot
        mode = QLineEdit.EchoMode.Normal if is_shown else QLineEdit.EchoMode.Password
        self._line.setEchoMode(mode)
        keep_icon(self._eye, "eye-off" if is_shown else "eye")


class JsonEditor(ListEditor):
    """Any other value, written as JSON."""

    def value(self) -> Any:
        """The value, or the text itself where it is no JSON; the check then says what is wrong."""
        text = self._text.toPlainText()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def set_value(self, value: Any) -> None:
        """Show a value."""
        self._text.setPlainText("" if value is None else json.dumps(value, indent=2, ensure_ascii=False))


_EDITORS: Mapping[str, type[Editor]] = {
    "text": TextEditor, "integer": TextEditor, "number": TextEditor, "duration": TextEditor, "size": TextEditor,
    "path": PathEditor, "choice": ChoiceEditor, "boolean": TruthEditor, "list": ListEditor, "map": MapEditor,
    "secret": SecretEditor, "json": JsonEditor,
}  # fmt: skip


def editor_of(field: Mapping[str, Any]) -> Editor:
    """The editor for a described field, showing its default."""
    editor = _EDITORS.get(str(field["type"]), TextEditor)(field)
    widget = editor.focus_widget
    widget.setObjectName(f"field-{field['name']}")
    widget.setAccessibleName(str(field["title"]))
    widget.setAccessibleDescription(str(field["description"]))
    editor.setFocusProxy(widget)
    editor.set_value(field.get("default"))
    return editor


def _title(value: str) -> str:
    return value.replace("_", " ").capitalize()


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _size(size_bytes: float) -> str:
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= size and size_bytes % size == 0:
            return f"{size_bytes / size:g} {unit}"
    return f"{size_bytes:g} B"
