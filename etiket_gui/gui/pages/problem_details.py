"""What is known of the problem that is chosen, and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from etiket_gui.bridge.queries_pages import Problem
from etiket_gui.domain.names import display
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.pages.problems_model import next_text, what_text, where_text
from etiket_gui.gui.sentences import advice_text, ago_text, clock_text, ended, translate, tries_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row


def details_text(problem: Problem) -> str:
    """Everything about a problem as plain text, for a mail or a report."""
    lines = [
        problem.title,
        f"What: {what_text(problem)}",
        f"Where: {where_text(problem) or problem.place}",
        f"Path: {problem.place}" if problem.dataset else "",
        f"Why: {problem.reason}",
        f"What to do: {problem.advice}" if problem.advice else "",
        f"Since: {clock_text(problem.since_ns)}",
        f"Tried: {problem.attempts}",
        f"Next try: {next_text(problem)}",
        f"Dataset: {problem.uuid}" if problem.uuid else "",
        f"Kind: {problem.problem_kind} ({problem.kind}, {problem.retry_class})",
    ]
    return "\n".join(line for line in lines if line)


class ProblemDetails(QFrame):
    """The lower part of the problems page. Nothing can be done while nothing is chosen."""

    retryRequested = Signal()
    retryKindRequested = Signal()
    ignoreRequested = Signal()
    folderRequested = Signal()
    copyRequested = Signal()
    signInRequested = Signal()
    answerRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", "true")
        layout = column(self, margin=Space.M, spacing=Space.XS)
        self._title = ElidedLabel("", TextRole.HEADING)
        self._where = ElidedLabel("", TextRole.SMALL, "muted")
        self._reason = SentenceLabel()
        self._advice = SentenceLabel()
        self._times = SentenceLabel(role=TextRole.SMALL, tint="muted")
        for label in (self._title, self._where, self._reason, self._advice, self._times):
            layout.addWidget(label)
        self._reason.setObjectName("problem-reason")
        self._advice.setObjectName("problem-advice")
        buttons = row(spacing=Space.S)
        self.answer = self._button("answer", self.tr("Yes, that is meant"), "check", is_primary=True)
        self.sign_in = self._button("sign-in", self.tr("Sign in…"), "log-in", is_primary=True)
        self.retry = self._button("retry", self.tr("Retry"), "rotate-ccw")
        self.retry_kind = self._button("retry-kind", self.tr("Retry all of this kind"), "refresh-cw")
        self.ignore = self._button("ignore", self.tr("Ignore"), "eye-off")
        self.folder = self._button("folder", self.tr("Show in folder"), "folder-open")
        self.copy_details = self._button("copy", self.tr("Copy details"), "copy")
        pairs = (
            (self.answer, self.answerRequested), (self.sign_in, self.signInRequested),
            (self.retry, self.retryRequested), (self.retry_kind, self.retryKindRequested),
            (self.ignore, self.ignoreRequested), (self.folder, self.folderRequested),
            (self.copy_details, self.copyRequested),
        )  # fmt: skip
        for button, signal in pairs:
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout.addSpacing(Space.XS)
        layout.addLayout(buttons)
        self.show_problems([], 0)

    @staticmethod
    def _button(name: str, text: str, icon_name: str, *, is_primary: bool = False) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"problem-{name}")
        button.setAccessibleName(text)
        if is_primary:
            button.setProperty("primary", "true")
        keep_icon(button, icon_name, "on_accent" if is_primary else "text")
        return button

    @property
    def text(self) -> str:
        """All that it says."""
        labels = (self._title, self._where, self._reason, self._advice, self._times)
        return "\n".join(label.text() for label in labels if not label.isHidden())

    def show_problems(self, problems: list[Problem], of_this_kind: int) -> None:
        """Show the first of the chosen problems; ``of_this_kind`` so many are open of its kind."""
        self.setVisible(bool(problems))
        if not problems:
            return
        problem, count = problems[0], len(problems)
        title = what_text(problem)
        if count > 1:
            title = translate("ProblemDetails", "{what} and {n} more").format(what=title, n=count - 1)
        self._say(self._title, title)
        self._say(self._where, display(where_text(problem)))
        self._say(self._reason, ended(display(problem.reason)))
        self._say(self._advice, advice_text(problem.problem_kind, problem.advice))
        self._times.setText(self._times_text(problem))
        are_datasets = all(item.dataset_id is not None for item in problems)
        self.answer.setVisible(problem.is_question)
        self.sign_in.setVisible(problem.needs_sign_in)
        self.retry.setVisible(not problem.is_question)
        self.retry_kind.setVisible(of_this_kind > 1 and not problem.is_question)
        self.ignore.setVisible(are_datasets)
        self.folder.setEnabled(count == 1 and bool(problem.root))

    @staticmethod
    def _say(label: ElidedLabel | SentenceLabel, text: str) -> None:
        label.setText(text)
        label.setVisible(bool(text))

    def _times_text(self, problem: Problem) -> str:
        parts = [
            self.tr("Since {time}, {ago}").format(time=clock_text(problem.since_ns), ago=ago_text(problem.since_ns))
        ]
        if problem.attempts:
            parts.append(self.tr("tried {times}").format(times=tries_text(problem.attempts)))
        coming = next_text(problem)
        if coming:
            parts.append(self.tr("next try {when}").format(when=coming))
        return " · ".join(parts)
