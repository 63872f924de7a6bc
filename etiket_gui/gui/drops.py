"""Things dropped on the window: taken as copies, recognised in the child process, each with a sheet of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QDialog, QFrame, QLabel, QPushButton, QWidget

from etiket_gui.bridge.queries_wizards import DestinationSetup, destination_setups, source_names
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import ScopePolicy
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon, kind_icon
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, PageTitle, SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row, scrolled
from etiket_gui.gui.wizards.adding import Adding
from etiket_gui.gui.wizards.destination_choice import DestinationChoice
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft

#: So many texts of one drop are looked at; the child sums up what is more than a sheet can hold.
MOST_DROPPED = 5000
_WIDTH_CHARACTERS, _HEIGHT_LINES = 92, 30


def dropped_texts(data: QMimeData) -> list[str]:
    """What a drop holds, as paths of this machine and as addresses of other things; touches no disk."""
    urls = data.urls()[:MOST_DROPPED]
    texts = [url.toLocalFile() if url.isLocalFile() else url.toString() for url in urls]
    if not texts and data.hasText():
        texts = [line.strip() for line in data.text().splitlines()[:MOST_DROPPED] if line.strip()]
    return [text for text in texts if text]


class DropFilter(QObject):
    """Lets a widget, with everything in it, take drops of files and folders. ``dropped`` has the texts.

    A drop is always taken as a copy: a file manager that moved would delete the measurements at their place.
    """

    dropped = Signal(list)

    def __init__(self, target: QWidget) -> None:
        super().__init__(target)
        self._target = target
        target.setAcceptDrops(True)
        target.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take drags of things, leave everything else alone."""
        if watched is not self._target:
            return False
        if isinstance(event, QDragEnterEvent) or event.type() is QEvent.Type.DragMove:
            return isinstance(event, QDragEnterEvent | QDragMoveEvent) and _taken_as_copy(event)
        if isinstance(event, QDropEvent) and event.type() is QEvent.Type.Drop:
            if not _taken_as_copy(event):
                return False
            self.dropped.emit(dropped_texts(event.mimeData()))
            return True
        return False


def _taken_as_copy(event: QDropEvent) -> bool:
    data = event.mimeData()
    if not (data.hasUrls() or data.hasText()):
        event.ignore()
        return False
    if guards.is_on("drops-copy"):
        if not event.possibleActions() & Qt.DropAction.CopyAction:
            event.ignore()
            return False
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
    else:
        event.acceptProposedAction()
    return True


class DropCard(QFrame):
    """One dropped thing: what it is, with Add and Change…, or why it is refused."""

    addRequested = Signal(object)
    changeRequested = Signal(object)

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__()
        self.setProperty("card", "true")
        self.answer = dict(answer)
        self.is_added = False
        is_refused = bool(answer["refusal"])
        best = None if is_refused else answer["recognised"][0]
        picture = QLabel()
        size = self.fontMetrics().height() + Space.S
        keep_icon(
            picture, "ban" if best is None else kind_icon(best["backend"]), "muted" if is_refused else "accent", size
        )
        words = column(spacing=Space.XS)
        title = ElidedLabel(answer["path"] or "–", TextRole.STRONG)
        words.addWidget(title)
        sentence = answer["refusal"] if best is None else best["sentence"]
        words.addWidget(SentenceLabel(sentence, tint="bad" if is_refused else ""))
        extra = [*answer["notes"], *(() if best is None else best["warnings"])]
        if extra:
            words.addWidget(SentenceLabel(" ".join(extra), TextRole.SMALL, "muted"))
        self._said = SentenceLabel("", TextRole.SMALL)
        self._said.hide()
        words.addWidget(self._said)
        line = row(self, margin=Space.M, spacing=Space.M)
        line.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        self._add = QPushButton(self.tr("Add"))
        self._add.setProperty("primary", "true")
        self._add.setObjectName("drop-add")
        self._change = QPushButton(self.tr("Change…"))
        self._change.setObjectName("drop-change")
        for button, signal in ((self._add, self.addRequested), (self._change, self.changeRequested)):
            button.setAutoDefault(False)
            button.setAccessibleName(f"{button.text()} {answer['name']}")
            button.setVisible(not is_refused)
            button.clicked.connect(lambda _=False, signal=signal: signal.emit(self))
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)

    def draft(self) -> SourceDraft:
        """The source that it would become."""
        best = self.answer["recognised"][0]
        return SourceDraft(
            backend=best["backend"],
            name=str(self.answer["name"]),
            config=dict(best["options"]),
            root=str(self.answer["path"]),
        )

    def set_addable(self, *, is_addable: bool) -> None:
        """Whether Add can be clicked now."""
        self._add.setEnabled(is_addable)

    def say(self, sentence: str, tint: str) -> None:
        """Show what became of it."""
        set_tint(self._said, tint)
        self._said.setText(sentence)
        self._said.setVisible(bool(sentence))

    def set_added(self) -> None:
        """It is a source now."""
        self.is_added = True
        self._add.hide()
        self._change.hide()
        self.say(self.tr("Added. It is looked through now."), "good")


class DropSheet(QDialog):
    """Says of each dropped thing what it is, and adds it with one click where a destination is known."""

    def __init__(self, desk: Desk, parent: QWidget | None, paths: Sequence[str]) -> None:
        super().__init__(parent)
        self._desk = desk
        self._cards: list[DropCard] = []
        self._waiting: list[DropCard] = []
        self._destinations: tuple[DestinationSetup, ...] | None = None
        self._names: set[str] = set()
        self._choice: DestinationChoice | None = None
        self._archive_folder = ""
        self.setObjectName("drop-sheet")
        self.setWindowTitle(self.tr("Add what was dropped"))
        self._title = PageTitle(self.tr("Looking what that is…"))
        self._said = SentenceLabel(tint="muted")
        self._said.setObjectName("drop-sentence")
        content = QWidget()
        self._body = column(content, margin=Space.XL, spacing=Space.M)
        self._list = column(spacing=Space.S)
        self._body.addLayout(self._list)
        self._choice_place = column()
        self._body.addLayout(self._choice_place)
        self._body.addStretch(1)
        self._all = QPushButton(self.tr("Add all"))
        self._all.setProperty("primary", "true")
        self._all.setObjectName("drop-add-all")
        self._all.setAccessibleName(self._all.text())
        self._all.setAutoDefault(False)
        self._all.hide()
        self._all.clicked.connect(self._add_all)
        self._close = QPushButton(self.tr("Close"))
        self._close.setObjectName("drop-close")
        self._close.setAccessibleName(self._close.text())
        self._close.setAutoDefault(False)
        self._close.clicked.connect(self.close)
        self._assemble(content)
        self._catalogue = Catalogue(desk, self)
        self._adding = Adding(desk, self, self)
        self._adding.done.connect(self._on_added)
        self._adding.failed.connect(self._on_not_added)
        self._current: tuple[DropCard, SourceDraft] | None = None
        self._job: int | None = desk.jobs.start(
            "recognise", {"paths": list(paths)}, self, self._on_whole, self._on_failure,
            lambda body: self._show_answer(body["answer"]),
        )  # fmt: skip
        desk.reads.ask(
            lambda reads: (destination_setups(reads.connection), source_names(reads.connection)),
            self, self._on_setup, lambda _: self._on_setup(((), ())),
        )  # fmt: skip
        self.finished.connect(lambda _: self._stop())

    def _assemble(self, content: QWidget) -> None:
        head = QWidget()
        top = column(head, spacing=Space.XS)
        top.setContentsMargins(Space.XL, Space.XL, Space.XL, 0)
        top.addWidget(self._title)
        top.addWidget(self._said)
        foot = QFrame()
        foot.setProperty("bar", "bottom")
        buttons = row(foot, margin=Space.M)
        buttons.addStretch(1)
        buttons.addWidget(self._close)
        buttons.addWidget(self._all)
        whole = column(self, spacing=0)
        whole.addWidget(head)
        whole.addWidget(scrolled(content), 1)
        whole.addWidget(foot)
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * _WIDTH_CHARACTERS, metrics.height() * _HEIGHT_LINES)

    def _stop(self) -> None:
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None

    # -- what was dropped --------------------------------------------------------------------------------------------

    def _show_answer(self, answer: dict[str, Any]) -> None:
        card = DropCard(answer)
        card.addRequested.connect(self._add)
        card.changeRequested.connect(self._change)
        self._cards.append(card)
        self._list.addWidget(card)
        self._tell()

    def _on_whole(self, result: dict[str, Any]) -> None:
        self._job = None
        known = {card.answer["path"] for card in self._cards}
        for answer in result["answers"]:
            if answer["path"] not in known:
                self._show_answer(answer)
        self._archive_folder = result["archive_folder"]
        self._suggest_archive()
        self._tell()

    def _suggest_archive(self) -> None:
        """One click less: a folder for the archive stands there already."""
        if self._choice is not None and self._archive_folder and not self._destinations:
            self._choice.suggest_path(self._archive_folder)

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self._title.setText(self.tr("This could not be looked at"))
        set_tint(self._said, "bad")
        self._said.setText(f"{error.reason} {error.advice}".strip())

    def _on_setup(self, answer: tuple[tuple[DestinationSetup, ...], tuple[str, ...]]) -> None:
        self._destinations, names = answer
        self._names = {name.casefold() for name in names}
        self._catalogue.load()
        self._catalogue.when_here(self._tell)
        if len(self._destinations) != 1:
            self._choice = DestinationChoice(self._desk, self._catalogue)
            self._choice.changed.connect(self._tell)
            self._choice_place.addWidget(PageTitle(self.tr("Where do they go?")))
            self._choice_place.addWidget(self._choice)
            self._suggest_archive()
        self._tell()

    def _addable(self) -> list[DropCard]:
        return [card for card in self._cards if not card.answer["refusal"] and not card.is_added]

    def _tell(self) -> None:
        good, refused = self._addable(), [card for card in self._cards if card.answer["refusal"]]
        if self._job is None:
            if good or not refused:
                self._title.setText(self.tr("Add what was dropped?"))
            elif any(card.is_added for card in self._cards):
                self._title.setText(self.tr("Added, but not all of it"))
            else:
                self._title.setText(self.tr("This cannot be added"))
        if self._destinations is not None and len(self._destinations) == 1 and good:
            self._said.setText(self.tr("Goes to {name}.").format(name=self._destinations[0].name))
        elif not good:
            self._said.setText("")
        is_addable = self._may_add()
        for card in good:
            card.set_addable(is_addable=is_addable and not self._needs_scope(card))
            if self._needs_scope(card):
                card.say(self.tr("It needs a scope: give it with Change…"), "muted")
        self._all.setVisible(len(good) > 1)
        self._all.setEnabled(is_addable)

    def _may_add(self) -> bool:
        if self._destinations is None or self._current is not None:
            return False
        return self._choice is None or self._choice.is_ready

    def _needs_scope(self, card: DropCard) -> bool:
        kind = self._catalogue.backends.get(card.answer["recognised"][0]["backend"])
        return kind is not None and kind["scope_policy"] == ScopePolicy.REQUIRED.value

    # -- adding ------------------------------------------------------------------------------------------------------

    def _add_all(self) -> None:
        self._waiting = [card for card in self._addable() if not self._needs_scope(card)]
        self._add_next()

    def _add_next(self) -> None:
        if self._waiting:
            self._add(self._waiting.pop(0))

    def _add(self, card: DropCard) -> None:
        if not self._may_add():
            return
        draft = card.draft()
        base, number = draft.name, 1
        while draft.name.casefold() in self._names:
            number += 1
            draft.name = f"{base} {number}"
        if self._choice is not None:
            draft.destination, draft.new_destination = self._choice.chosen, self._choice.new
        elif self._destinations:
            draft.destination = self._destinations[0].name
        self._current = (card, draft)
        card.say(self.tr("Checking…"), "muted")
        self._tell()
        parameters = {"group": "backend", "identifier": draft.backend, "values": draft.config}
        self._desk.jobs.start("validate", parameters, self, self._on_checked, self._on_not_added)

    def _on_checked(self, result: dict[str, Any]) -> None:
        if self._current is None:
            return
        card, draft = self._current
        if result["config"] is None:
            self._current = None
            card.say(" ".join(result["errors"].values()), "bad")
            self._tell()
            self._add_next()
            return
        draft.config = dict(result["config"])
        card.say(self.tr("Adding…"), "muted")
        self._adding.start([draft])

    def _on_added(self, _: int) -> None:
        if self._current is None:
            return
        card, draft = self._current
        self._current = None
        self._names.add(draft.name.casefold())
        card.set_added()
        if self._is_done:
            self.accept()
            return
        self._tell()
        self._add_next()

    @property
    def _is_done(self) -> bool:
        """Whether all of it was added, so that nothing is left to say."""
        return self._job is None and bool(self._cards) and all(card.is_added for card in self._cards)

    def _on_not_added(self, error: EtiketError) -> None:
        if self._current is None:
            return
        card, _ = self._current
        self._current = None
        self._waiting = []
        card.say(f"{error.reason} {error.advice}".strip(), "bad")
        self._tell()

    def _change(self, card: DropCard) -> None:
        """The wizard, with what was recognised."""
        from etiket_gui.gui.wizards.add_source import AddSourceWizard

        wizard = AddSourceWizard(self._desk, self, card.answer)
        wizard.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        wizard.accepted.connect(lambda: self._on_changed(card))
        wizard.open()

    def _on_changed(self, card: DropCard) -> None:
        """It was added by the wizard."""
        card.set_added()
        if self._is_done:
            self.accept()
        else:
            self._tell()
