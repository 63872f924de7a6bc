"""Figures in a row of tiles, and pairs of a word and its value: how the wizards sum up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QWidget

from etiket_gui.gui.sentences import local, number_text, size_text, translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.wizards.draft import Amount, time_words


class Tiles(QFrame):
    """A row of figures, each with what it counts under it."""

    def __init__(self, words: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.setProperty("card", "true")
        self._figures: dict[str, TextLabel] = {}
        line = row(self, margin=Space.L, spacing=Space.XL)
        for key, what in words:
            figure = TextLabel("–", TextRole.TITLE)
            figure.setObjectName(f"figure-{key}")
            figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            figure.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._figures[key] = figure
            tile = column(spacing=0)
            tile.addWidget(figure)
            tile.addWidget(TextLabel(what, TextRole.SMALL, "muted"))
            line.addLayout(tile, 1)

    def show_figures(self, values: Mapping[str, str]) -> None:
        """Show other figures; those that are not named stay."""
        for key, value in values.items():
            self._figures[key].setText(value)
            self._figures[key].setAccessibleName(value)

    def text_of(self, key: str) -> str:
        """What a figure says now."""
        return self._figures[key].text()


def amount_tiles() -> Tiles:
    """Tiles for what a source holds."""
    return Tiles(
        [
            ("count", translate("wizards", "datasets")),
            ("size", translate("wizards", "in all")),
            ("oldest", translate("wizards", "oldest")),
            ("newest", translate("wizards", "newest")),
        ]
    )


def amount_figures(amount: Amount) -> dict[str, str]:
    """The figures of :func:`amount_tiles`."""
    return {
        "count": number_text(amount.count),
        "size": size_words(amount.size_bytes, is_estimated=amount.is_size_estimated),
        "oldest": day_words(amount.oldest_ns),
        "newest": day_words(amount.newest_ns),
    }


def survey_figures(survey: Mapping[str, Any]) -> dict[str, str]:
    """The figures of :func:`amount_tiles` for what a survey has found so far."""
    return {
        "count": number_text(survey["count"]),
        "size": size_words(survey["size_bytes"], is_estimated=survey.get("is_size_estimated", False)),
        "oldest": day_words(survey["oldest_ns"]),
        "newest": day_words(survey["newest_ns"]),
    }


def size_words(size_bytes: int, *, is_estimated: bool) -> str:
    """A size; that of a database is about that of its datasets."""
    return f"≈ {size_text(size_bytes)}" if is_estimated else size_text(size_bytes)


def day_words(time_ns: int | None) -> str:
    """A day as ``2026-03-01``; a dash for None."""
    return local(time_ns).strftime("%Y-%m-%d") if time_ns else "–"


class Facts(QWidget):
    """Pairs of a word and its value, under each other."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(Space.L)
        self._grid.setVerticalSpacing(Space.S)
        self._grid.setColumnStretch(1, 1)

    def show_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show other pairs."""
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for number, (word, value) in enumerate(facts):
            self._grid.addWidget(TextLabel(word, tint="muted"), number, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(SentenceLabel(value), number, 1)


def amount_sentence(amount: Amount) -> str:
    """How long it may take and what that rests on."""
    if amount.count == 0:
        return translate("wizards", "There is nothing to send now; new measurements are archived as they come.")
    return translate("wizards", "The first time takes {time} ({basis}).").format(
        time=time_words(amount), basis=amount.basis
    )
