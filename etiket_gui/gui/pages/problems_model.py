"""The list of open problems by kind, as the problems page shows it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, Qt
from PySide6.QtGui import QFont, QIcon

from etiket_gui.bridge.queries_pages import Problem, ProblemGroup
from etiket_gui.domain.names import display
from etiket_gui.gui.icons import icon
from etiket_gui.gui.pages.grouped_model import Group, GroupedModel
from etiket_gui.gui.sentences import ago_text, in_text, number_text, time_text, tries_text

WHAT, REASON, SINCE, TRIES, NEXT = range(5)
_QUESTION_ICON, _PROBLEM_ICON = "circle-help", "circle-alert"

translate = QCoreApplication.translate


def what_text(problem: Problem) -> str:
    """What a problem is about: a dataset, a source, a destination, or the program itself."""
    name = problem.dataset or problem.source or problem.destination
    return display(name) or translate("ProblemsModel", "This program")


def where_text(problem: Problem) -> str:
    """Where that is: the source of a dataset and the destination it goes to; "" where the name says all."""
    if problem.dataset:
        return " → ".join(part for part in (problem.source, problem.destination) if part)
    return problem.place


def next_text(problem: Problem) -> str:
    """When it is tried again, or what has to happen first."""
    if problem.is_question:
        return translate("ProblemsModel", "when you answer")
    if problem.due_ns is not None:
        return in_text(problem.due_ns)
    words = {
        "now": translate("ProblemsModel", "soon"),
        "soon": translate("ProblemsModel", "soon"),
        "at_time": translate("ProblemsModel", "soon"),
        "on_change": translate("ProblemsModel", "when it changes"),
        "on_user": translate("ProblemsModel", "when you retry"),
        "never": translate("ProblemsModel", "never by itself"),
    }
    return words.get(problem.retry_class, "")


def groups_of(found: Sequence[ProblemGroup]) -> tuple[Group[Problem], ...]:
    """The groups as the model wants them."""
    return tuple(Group((group.problem_kind, group.title), group.title, group.problems) for group in found)


class ProblemsModel(GroupedModel[Problem]):
    """Headings are kinds of problems with their number; rows say what, why, since when, and what comes next."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(
            (self.tr("What"), self.tr("Why"), self.tr("Since"), self.tr("Tried"), self.tr("Next try")), parent
        )

    def row_key(self, row: Problem) -> Hashable:
        """A problem is the same as long as the store keeps it under the same key."""
        return row.key

    def row_data(self, row: Problem, column: int, role: int) -> Any:
        """What a cell shows; the whole of it as tooltip."""
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column == WHAT:
            return self._sign(row)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == WHAT:
            return f"{what_text(row)}, {where_text(row)}"
        return None

    @staticmethod
    def _text(row: Problem, column: int) -> str:
        match column:
            case 0:
                return what_text(row)
            case 1:
                return " ".join(display(row.reason).split())
            case 2:
                return ago_text(row.since_ns)
            case 3:
                return tries_text(row.attempts)
        return next_text(row)

    @staticmethod
    def _tip(row: Problem, column: int) -> str:
        match column:
            case 0:
                return f"{what_text(row)}\n{display(where_text(row))}".strip()
            case 1:
                return display(row.reason)
            case 2:
                return time_text(row.since_ns)
            case 4:
                return time_text(row.due_ns)
        return ""

    @staticmethod
    def _sign(row: Problem) -> QIcon:
        return icon(_QUESTION_ICON, "warning") if row.is_question else icon(_PROBLEM_ICON, "bad")

    def group_data(self, group: Group[Problem], column: int, role: int) -> Any:
        """A heading: what happened, and how often."""
        if column != 0:
            return None
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return f"{group.title} · {number_text(len(group.rows))}"
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setBold(True)
            return font
        return None
