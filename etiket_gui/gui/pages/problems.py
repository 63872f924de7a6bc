"""The problems page: what needs time or a person, why, and what to do; retry, ignore, answer, sign in."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QHeaderView, QMenu, QSplitter, QStackedLayout, QWidget

from etiket_gui.bridge.queries_pages import Problem, ProblemGroup, problem_groups
from etiket_gui.domain.commands import Command, IgnoreDatasets, ProbeNow, RetryTransfers, ScanNow
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.pages.grouped_model import GroupedView
from etiket_gui.gui.pages.page import Page, page_column
from etiket_gui.gui.pages.places import dataset_place, open_place
from etiket_gui.gui.pages.problem_details import ProblemDetails, details_text
from etiket_gui.gui.pages.problems_model import REASON, ProblemsModel, groups_of
from etiket_gui.gui.sentences import problems_text
from etiket_gui.gui.widgets.empty_state import EmptyState
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel


class ProblemsPage(Page):
    """What others do: ``datasetRequested`` carries the id of a dataset somebody wants to see.

    ``signInRequested`` carries a destination's id, ``sourceSignInRequested`` that of a source.
    """

    signInRequested = Signal(int)
    sourceSignInRequested = Signal(int)
    datasetRequested = Signal(int)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.setObjectName("problems")
        self._stack = QStackedLayout(self)
        self._empty = EmptyState("circle-check", self.tr("No problem"), self.tr("Nothing needs you just now."))
        self._stack.addWidget(self._empty)
        content = QWidget()
        layout = page_column(content)
        self._summary = SentenceLabel(tint="muted")
        layout.addWidget(self._summary)
        layout.addWidget(self.reply)
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        self._splitter.setChildrenCollapsible(False)
        self.model = ProblemsModel(self)
        self.view = self._make_view()
        self.details = ProblemDetails()
        self._hint = TextLabel(self.tr("Choose a problem to see what to do about it."), tint="muted")
        self._splitter.addWidget(self.view)
        # In a low window the list gives way first: what is said of a problem must be readable as a whole.
        self.view.setMinimumHeight(self.fontMetrics().height())
        self._splitter.setStretchFactor(0, 1)
        layout.addWidget(self._splitter, 1)
        layout.addWidget(self._hint)
        layout.addWidget(self.details)
        self._stack.addWidget(content)
        self._connect()
        desk.host.problemsChanged.connect(self._on_count)

    def _make_view(self) -> GroupedView:
        view = GroupedView(self.model)
        view.setObjectName("problem-list")
        view.setAccessibleName(self.tr("Problems"))
        view.setSelectionMode(GroupedView.SelectionMode.ExtendedSelection)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._show_menu)
        view.setTextElideMode(Qt.TextElideMode.ElideRight)
        header = view.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        character = self.fontMetrics().averageCharWidth()
        for place, characters in enumerate((34, 40, 16, 11, 18)):
            view.setColumnWidth(place, character * characters)
        header.setSectionResizeMode(REASON, QHeaderView.ResizeMode.Stretch)
        return view

    def _connect(self) -> None:
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._show_details())
        self.model.modelReset.connect(self._show_details)
        self.view.doubleClicked.connect(lambda _: self._show_dataset())
        details = self.details
        details.retryRequested.connect(lambda: self.retry(self.view.chosen_rows()))
        details.retryKindRequested.connect(self.retry_kind)
        details.ignoreRequested.connect(self.ignore)
        details.folderRequested.connect(self.show_in_folder)
        details.copyRequested.connect(self.copy_details)
        details.signInRequested.connect(self._ask_sign_in)
        details.answerRequested.connect(self.answer)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.view)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy_details)

    def _on_count(self, _: int) -> None:
        self.refresh_soon()

    # -- what it shows -----------------------------------------------------------------------------------------------

    def ask_store(self) -> None:
        """Read the open problems."""
        self.desk.reads.ask(
            lambda reads: problem_groups(reads.connection), self, self._take, key="problems", is_long=True
        )

    def tell_ages(self) -> None:
        """Say anew how old they are."""
        self.model.ages_passed()

    def _take(self, found: tuple[ProblemGroup, ...]) -> None:
        self.view.set_groups(groups_of(found))
        count = sum(len(group.problems) for group in found)
        self._stack.setCurrentIndex(1 if count or self.reply.text else 0)
        text = problems_text(count)
        waiting = sum(problem.due_ns is not None for group in found for problem in group.problems)
        if count and waiting == count:
            text = self.tr("{problems}. All of them are tried again by themselves.").format(problems=text)
        elif count:
            text = self.tr("{problems}. What is archived is safe; the rest goes on.").format(problems=text)
        self._summary.setText(text)
        first = self.model.groups[0].rows[0] if count else None
        if first is not None and not self.view.selectionModel().hasSelection():
            index = self.model.index_of(first.key)
            selection = self.view.selectionModel()
            selection.setCurrentIndex(index, selection.SelectionFlag.ClearAndSelect | selection.SelectionFlag.Rows)
        self._show_details()

    def _show_details(self) -> None:
        chosen = self.view.chosen_rows()
        self.details.show_problems(chosen, len(self._of_kind(chosen[0])) if chosen else 0)
        self._hint.setVisible(not chosen)

    def _of_kind(self, problem: Problem) -> tuple[Problem, ...]:
        key = (problem.problem_kind, problem.title)
        return next((group.rows for group in self.model.groups if group.key == key), ())

    # -- what can be done --------------------------------------------------------------------------------------------

    def retry(self, problems: list[Problem]) -> None:
        """Try again what these are about. A question about many changes is not answered by this."""
        for command in commands_to_retry(problems):
            self.command(command)

    def retry_kind(self) -> None:
        """Try again everything of the kind of the chosen one."""
        chosen = self.view.chosen_rows()
        if chosen:
            self.retry(list(self._of_kind(chosen[0])))

    def ignore(self) -> None:
        """Leave out the datasets of the chosen problems."""
        ids = {problem.dataset_id for problem in self.view.chosen_rows() if problem.dataset_id is not None}
        if ids:
            self.command(IgnoreDatasets(tuple(sorted(ids))))

    def answer(self) -> None:
        """Yes: the many changes of the chosen sources are meant."""
        for problem in self.view.chosen_rows():
            if problem.is_question and problem.source_id is not None:
                self.command(RetryTransfers(source_id=problem.source_id))

    def show_in_folder(self) -> None:
        """Show where the chosen problem lies."""
        chosen = self.view.chosen_rows()
        if not chosen:
            return
        path = place_to_show(chosen[0])
        if not open_place(path):
            self.reply.say(self.tr("{path} cannot be shown on this computer.").format(path=path), is_bad=True)

    def copy_details(self) -> None:
        """Put all that is known of the chosen problems on the clipboard."""
        chosen = self.view.chosen_rows()
        if chosen:
            QGuiApplication.clipboard().setText("\n\n".join(details_text(problem) for problem in chosen))
            self.reply.say(self.tr("The details are on the clipboard."))

    def _ask_sign_in(self) -> None:
        for problem in self.view.chosen_rows():
            if problem.needs_sign_in and problem.destination_id is not None:
                self.signInRequested.emit(problem.destination_id)
                return
            if problem.needs_sign_in and problem.source_id is not None:
                self.sourceSignInRequested.emit(problem.source_id)
                return

    def _show_dataset(self) -> None:
        chosen = self.view.chosen_rows()
        if len(chosen) == 1 and chosen[0].dataset_id is not None:
            self.datasetRequested.emit(chosen[0].dataset_id)

    def _show_menu(self, where: QPoint) -> None:
        if not self.view.chosen_rows():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        details = self.details
        for button in (
            details.answer, details.sign_in, details.retry, details.retry_kind, details.ignore, details.folder,
            details.copy_details,
        ):  # fmt: skip
            if not button.isHidden():
                action = menu.addAction(button.icon(), button.text())
                action.setEnabled(button.isEnabled())
                action.triggered.connect(button.click)
        menu.popup(self.view.viewport().mapToGlobal(where))


def commands_to_retry(problems: list[Problem]) -> list[Command]:
    """What to ask the engine for so that these are tried again, and nothing else is agreed to."""
    datasets = sorted({problem.dataset_id for problem in problems if problem.dataset_id is not None})
    commands: list[Command] = [RetryTransfers(tuple(datasets))] if datasets else []
    others = [problem for problem in problems if problem.dataset_id is None]
    sources = {problem.source_id for problem in others if problem.source_id is not None}
    commands += [ScanNow(source_id) for source_id in sorted(sources)]
    places = {item.destination_id for item in others if item.destination_id is not None and item.source_id is None}
    commands += [ProbeNow(destination_id) for destination_id in sorted(places)]
    if any(item.source_id is None and item.destination_id is None for item in others):
        commands.append(ScanNow())
    return commands


def place_to_show(problem: Problem) -> str:
    """The folder where a problem lies."""
    if problem.dataset_id is not None:
        return dataset_place(problem.backend, problem.root, problem.place)
    return problem.root
