"""Fields for numbers and dates with the same room around their text as all other fields."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractSpinBox, QDateEdit, QDoubleSpinBox, QSpinBox, QWidget

from etiket_gui.gui.theme.tokens import Space


def give_room(field: QAbstractSpinBox) -> None:
    """Keep the text off the left edge: with buttons of its own, a style sheet leaves no room there."""
    line = field.lineEdit()
    if line is not None:
        line.setTextMargins(Space.XS + 2, 0, 0, 0)


def name_line(field: QAbstractSpinBox, name: str) -> None:
    """The line in the field is what gets the focus, so it carries the name, too."""
    line = field.lineEdit()
    if line is not None:
        line.setAccessibleName(name)


class NumberField(QSpinBox):
    """A whole number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        give_room(self)

    def setAccessibleName(self, name: str) -> None:
        """Name the field for screen readers."""
        super().setAccessibleName(name)
        name_line(self, name)


class DecimalField(QDoubleSpinBox):
    """A number with decimals."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        give_room(self)

    def setAccessibleName(self, name: str) -> None:
        """Name the field for screen readers."""
        super().setAccessibleName(name)
        name_line(self, name)


class DateField(QDateEdit):
    """A day, chosen from a calendar or typed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCalendarPopup(True)

    def setAccessibleName(self, name: str) -> None:
        """Name the field for screen readers."""
        super().setAccessibleName(name)
        name_line(self, name)
