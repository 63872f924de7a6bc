"""The overview: how everything stands in one sentence, and a card for each source and each destination."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QPushButton, QStackedLayout, QVBoxLayout, QWidget

from etiket_gui.bridge.queries_pages import Overview, overview, routes_of_transfers, unsent
from etiket_gui.bridge.rates import TOLD_FOR_S, Rates
from etiket_gui.bridge.scans import ScanWatch
from etiket_gui.domain.commands import EditSource, ScanNow
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.events import Event, ScanFinished, SteeringChanged
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.pages.card_grid import CardGrid, Tile
from etiket_gui.gui.pages.destination_card import DestinationCard
from etiket_gui.gui.pages.moving import MOVES_FOR_S, Moving
from etiket_gui.gui.pages.overview_sentences import headline
from etiket_gui.gui.pages.page import Page
from etiket_gui.gui.pages.source_card import SourceCard
from etiket_gui.gui.sentences import capitalised, is_ahead
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.empty_state import EmptyState
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row, scrolled
from etiket_gui.gui.widgets.status_dot import StatusDot

_UNSENT_EVERY_S = 1.5


class OverviewPage(Page):
    """Signals say what others are to do; ids are those of the store."""

    addSourceRequested = Signal()
    addDestinationRequested = Signal()
    editSourceRequested = Signal(int)
    removeSourceRequested = Signal(int)
    editDestinationRequested = Signal(int)
    removeDestinationRequested = Signal(int)
    signInRequested = Signal(int)
    datasetsRequested = Signal(int)
    problemsRequested = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None, *, has_headline: bool = True) -> None:
        """``has_headline``: say on top how everything stands; for a window that does not say so itself."""
        super().__init__(desk, parent)
        self.setObjectName("overview")
        self._has_headline = has_headline
        self._facts: Overview | None = None
        self._engine_away = ""
        self._is_measuring = False
        self._moving = Moving()
        self._rates = Rates()
        self._scans = ScanWatch(desk.host, self)
        self._scans.changed.connect(self.tell_ages)
        # How long a look takes is counted while somebody sees it.
        self._seconds = QTimer(self)
        self._seconds.setInterval(1000)
        self._seconds.timeout.connect(self._count_seconds)
        self._unsent_asked_s = 0.0
        self._source_cards: dict[int, SourceCard] = {}
        self._destination_cards: dict[int, DestinationCard] = {}
        self._at_rest = QTimer(self)
        self._at_rest.setSingleShot(True)
        self._at_rest.setInterval(int(max(MOVES_FOR_S, TOLD_FOR_S) * 1000) + 100)
        self._at_rest.timeout.connect(self._show_moving)
        self._stack = QStackedLayout(self)
        self._make_empty()
        self._stack.addWidget(scrolled(self._make_content()))
        host = desk.host
        host.overviewChanged.connect(self.refresh_soon)
        host.progressed.connect(self._note_progress)
        host.transfersEnded.connect(self._note_ended)
        host.steeringChanged.connect(self._note_steering)
        host.eventHappened.connect(self._note_event)
        host.failed.connect(self._note_failed)
        host.started.connect(self._note_started)

    # -- what it consists of -----------------------------------------------------------------------------------------

    def _make_empty(self) -> None:
        self._empty = EmptyState(
            "inbox",
            self.tr("Nothing to archive yet"),
            self.tr(
                "Drop a folder or a database with measurements anywhere in this window, or choose one. "
                "Your measurements are only read, never changed."
            ),
            self.tr("Add a source…"),
        )
        self._empty.button.setObjectName("add-first-source")
        self._empty.acted.connect(self.addSourceRequested)
        self._waiting = QWidget()
        self._stack.addWidget(self._waiting)
        self._stack.addWidget(self._empty)

    def _make_content(self) -> QWidget:
        content = QWidget()
        layout = column(content, margin=Space.XL, spacing=Space.L)
        layout.addWidget(self._make_headline())
        layout.addWidget(self.reply)
        self._sources = self._make_part(layout, self.tr("Sources"))
        self._destinations = self._make_part(layout, self.tr("Destinations"))
        hint = SentenceLabel(
            self.tr("Drop folders or files anywhere in this window to add them. They are read where they are."),
            TextRole.SMALL,
            "muted",
        )
        layout.addWidget(hint)
        layout.addStretch(1)
        self._add_source = self._tile(
            "add-source", "folder-plus", self.tr("Add a source"), self.tr("A folder or a database with measurements")
        )
        self._add_source.clicked.connect(self.addSourceRequested)
        self._add_destination = self._tile(
            "add-destination", "hard-drive", self.tr("Add a destination"), self.tr("A place that keeps them")
        )
        self._add_destination.clicked.connect(self.addDestinationRequested)
        return content

    def _make_headline(self) -> QWidget:
        whole = QWidget()
        line = row(whole, spacing=Space.M)
        self._sign = StatusDot("new", scale=1.6)
        line.addWidget(self._sign)
        texts = column(spacing=2)
        self._headline = SentenceLabel(role=TextRole.TITLE)
        self._headline.setObjectName("headline")
        self._detail = SentenceLabel(tint="muted")
        self._detail.setObjectName("headline-detail")
        texts.addWidget(self._headline)
        texts.addWidget(self._detail)
        line.addLayout(texts, 1)
        self._look = QPushButton(self.tr("Look now"))
        self._look.setObjectName("look-now")
        self._look.setAccessibleName(self.tr("Look through all sources now"))
        keep_icon(self._look, "refresh-cw")
        self._look.clicked.connect(lambda: self.command(ScanNow()))
        line.addWidget(self._look)
        whole.setVisible(self._has_headline)
        return whole

    @staticmethod
    def _make_part(layout: QVBoxLayout, title: str) -> CardGrid:
        layout.addSpacing(Space.S)
        layout.addWidget(SectionHeading(title))
        grid = CardGrid()
        layout.addWidget(grid)
        return grid

    @staticmethod
    def _tile(name: str, icon_name: str, title: str, sentence: str) -> Tile:
        tile = Tile(icon_name, title, sentence)
        tile.setObjectName(name)
        return tile

    # -- what it shows -----------------------------------------------------------------------------------------------

    @property
    def headline(self) -> str:
        """The sentence on top."""
        return self._headline.text()

    def ask_store(self) -> None:
        """Read the overview."""
        self.desk.reads.ask(
            lambda reads: overview(reads.connection), self, self._take, self._take_nothing, key="overview"
        )

    def _take(self, facts: Overview) -> None:
        self._facts = facts
        self._show()

    def _take_nothing(self, error: EtiketError) -> None:
        if self._facts is None and not self.desk.host.is_alive:
            self._engine_away = self._engine_away or f"{error.reason} {error.advice}".strip()
        if self._facts is None and self._engine_away:
            self._facts = Overview()
            self._show()

    def tell_ages(self) -> None:
        """Say anew how old things are."""
        if self._facts is not None:
            self._show()

    def _show(self) -> None:
        facts = self._facts
        if facts is None:
            return
        now_ns = time.time_ns()
        is_empty = not facts.sources and not facts.destinations and not self._engine_away
        self._stack.setCurrentIndex(1 if is_empty else 2)
        told = headline(facts, is_measuring=self._is_measuring, engine_away=self._engine_away, now_ns=now_ns)
        self._sign.set_state(told.sign, told.sentence)
        self._headline.setText(capitalised(told.sentence))
        self._detail.setText(told.detail)
        self._detail.setVisible(bool(told.detail))
        self._look.setEnabled(bool(facts.enabled))
        self._show_sources(facts, now_ns)
        self._show_destinations(facts, now_ns)
        self._show_moving()

    def _show_sources(self, facts: Overview, now_ns: int) -> None:
        cards = {
            source.id: self._source_cards.get(source.id) or self._new_source(source.id) for source in facts.sources
        }
        # An engine that is not held looks through what is new to it at once.
        is_looking = self.desk.host.is_running and not is_ahead(facts.held_until_ns, now_ns)
        scans = self._scans.under_way
        for source in facts.sources:
            looking_s = scans.get(source.id)
            cards[source.id].show_facts(source, is_looking=is_looking, looking_s=looking_s, now_ns=now_ns)
        if scans and self.isVisible():
            self._seconds.start()
        self._source_cards = cards
        self._sources.set_cards([*cards.values(), self._add_source])

    def _count_seconds(self) -> None:
        if self._scans.under_way and self.isVisible():
            self.tell_ages()
        else:
            self._seconds.stop()

    def _show_destinations(self, facts: Overview, now_ns: int) -> None:
        cards = {
            place.id: self._destination_cards.get(place.id) or self._new_destination(place.id)
            for place in facts.destinations
        }
        for place in facts.destinations:
            cards[place.id].show_facts(place, now_ns=now_ns)
        self._destination_cards = cards
        self._destinations.set_cards([*cards.values(), self._add_destination])

    def _new_source(self, source_id: int) -> SourceCard:
        assert self._facts is not None
        card = SourceCard(next(source for source in self._facts.sources if source.id == source_id))
        card.datasetsRequested.connect(self.datasetsRequested)
        card.problemsRequested.connect(lambda _: self.problemsRequested.emit())
        card.editRequested.connect(self.editSourceRequested)
        card.removeRequested.connect(self.removeSourceRequested)
        card.lookRequested.connect(lambda number: self.command(ScanNow(number)))
        card.switchRequested.connect(self._switch)
        return card

    def _new_destination(self, destination_id: int) -> DestinationCard:
        assert self._facts is not None
        card = DestinationCard(next(place for place in self._facts.destinations if place.id == destination_id))
        card.testRequested.connect(self._test)
        card.openRequested.connect(self._open)
        card.editRequested.connect(self.editDestinationRequested)
        card.removeRequested.connect(self.removeDestinationRequested)
        card.signInRequested.connect(self.signInRequested)
        return card

    # -- what can be done --------------------------------------------------------------------------------------------

    def _switch(self, source_id: int, is_on: bool) -> None:
        self.command(EditSource(self._source_cards[source_id].facts.name, is_enabled=is_on))

    def _test(self, destination_id: int) -> None:
        card = self._destination_cards[destination_id]
        card.show_testing()
        self.desk.jobs.start("test_destination", {"name": card.facts.name}, card, card.show_test, card.show_test_failed)

    def _open(self, destination_id: int) -> None:
        place = self._destination_cards[destination_id].facts
        QDesktopServices.openUrl(QUrl.fromLocalFile(place.place) if place.is_local else QUrl(place.place))

    # -- what is under way -------------------------------------------------------------------------------------------

    def _note_progress(self, told: Iterable[object]) -> None:
        now_s = time.monotonic()
        moving = self._moving
        moving.note(told, now_s)
        if not self.isVisible() or not moving.is_anything:
            return
        self._at_rest.start()
        unknown = moving.unplaced
        if unknown:
            self.desk.reads.ask(
                lambda reads: routes_of_transfers(reads.connection, unknown), self, self._take_places, key="moving"
            )
        if now_s - self._unsent_asked_s > _UNSENT_EVERY_S:
            self._unsent_asked_s = now_s
            self.desk.reads.ask(
                lambda reads: unsent(reads.connection), self, self._take_unsent, key="unsent", is_long=True
            )
        self._show_moving()

    def _note_ended(self, transfer_ids: frozenset[int]) -> None:
        self._moving.end(transfer_ids)
        self._show_moving()

    def _take_places(self, places: dict[int, tuple[int, int]]) -> None:
        self._moving.place(places)
        self._show_moving()

    def _take_unsent(self, left: dict[int, tuple[int, int]]) -> None:
        self._moving.note_unsent(left, time.monotonic())
        self._show_moving()

    def _show_moving(self) -> None:
        now_s = time.monotonic()
        moving = self._moving
        moving.forget_old(now_s)
        for source_id, card in self._source_cards.items():
            told = moving.of_source(source_id)
            rate = self._rates.of_source(source_id, now_s)
            card.show_moving(told[0].name if told else "", len(told), rate, moving.rest_s(source_id, now_s))
        for destination_id, place in self._destination_cards.items():
            place.show_moving(self._rates.of_destination(destination_id, now_s))

    def _note_steering(self, event: SteeringChanged) -> None:
        self._is_measuring = event.is_measuring
        self.refresh_soon()

    def _note_event(self, event: Event) -> None:
        if isinstance(event, ScanFinished):
            self.refresh_soon()
        elif self._rates.note(event, time.monotonic()) and self.isVisible():
            self._at_rest.start()
            self._show_moving()

    def _note_failed(self, error: EtiketError) -> None:
        self._engine_away = f"{error.reason} {error.advice}".strip()
        if self._facts is None:
            self._facts = Overview()
        self._show()

    def _note_started(self) -> None:
        self._engine_away = ""
        self.refresh_soon()
