"""Keeps the facts from which tray, header and banners follow, and tells when they changed; never waits for anything."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.bridge.queries_shell import ShellFacts, shell_facts
from etiket_gui.bridge.rates import Rates
from etiket_gui.bridge.reads import StoreReads
from etiket_gui.bridge.scans import ScanWatch
from etiket_gui.domain.commands import AskStatus, Reply
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.events import DatasetProgressed, Event, FileProgressed, SteeringChanged
from etiket_gui.gui.currency import DOUBT_AFTER_S, Currency
from etiket_gui.gui.program_state import Facts, TrayState, tray_state

#: Sentences with ages are made anew this often; a pause that ends by itself shows at most this late.
_AGES_MS = 15_000
#: Progress that is older than this is not "now" any more.
_STALE_S = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Moving:
    """What is on its way just now, summed up. ``rest_s`` is None while it cannot be told."""

    dataset_count: int = 0
    done_bytes: int = 0
    size_bytes: int = 0
    rate_bytes_per_s: float = 0.0
    rate_files_per_s: float = 0.0
    rest_s: float | None = None


class ProgramWatch(QObject):
    """One per program. ``changed`` when :attr:`facts` or :attr:`state` are others, ``moved`` when progress came."""

    changed = Signal()
    moved = Signal()

    def __init__(
        self,
        host: EngineHost,
        reads: StoreReads,
        parent: QObject | None = None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(parent)
        self._host = host
        self._reads = reads
        self._now_ns = now_ns
        self._facts = Facts()
        self._state = tray_state(self._facts, now_ns())
        self._progress: dict[int, tuple[float, DatasetProgressed]] = {}
        self._rates = Rates()
        host.eventHappened.connect(self._on_event)
        self._scans = ScanWatch(host, self)
        self._scans.changed.connect(self._on_scans)
        host.overviewChanged.connect(self.look)
        host.steeringChanged.connect(self._on_steering)
        host.started.connect(self._on_started)
        host.stopped.connect(self._on_stopped)
        host.failed.connect(self._on_failed)
        host.progressed.connect(self._on_progressed)
        host.transfersEnded.connect(self._on_ended)
        reads.changed.connect(self.look)
        reads.availabilityChanged.connect(self._on_availability)
        self._currency = Currency(now_ns)
        self._doubt = QTimer(self)
        self._doubt.setInterval(int(DOUBT_AFTER_S * 1000))
        self._doubt.timeout.connect(self._ask_if_current)
        self._doubt.start()
        # A transfer that is broken off may end without a word.
        self._silence = QTimer(self)
        self._silence.setSingleShot(True)
        self._silence.setInterval(int(_STALE_S * 1000) + 100)
        self._silence.timeout.connect(self.moved)
        self._ages = QTimer(self)
        self._ages.setInterval(_AGES_MS)
        self._ages.timeout.connect(self._renew)
        self._ages.start()

    @property
    def facts(self) -> Facts:
        """What is known."""
        return self._facts

    @property
    def state(self) -> TrayState:
        """What follows from it."""
        return self._state

    @property
    def moving(self) -> Moving:
        """What is on its way just now."""
        now_s = time.monotonic()
        for transfer_id in [key for key, (seen_s, _) in self._progress.items() if now_s - seen_s > _STALE_S]:
            del self._progress[transfer_id]
        rows = [row for _, row in self._progress.values() if row.done_bytes < row.size_bytes]
        rate = sum(row.rate_bytes_per_s for row in rows)
        whole = self._rates.whole(now_s)
        left = sum(row.size_bytes - row.done_bytes for row in rows)
        can_tell = bool(rows) and rate > 0 and all(row.rest_s is not None for row in rows)
        return Moving(
            dataset_count=len(rows),
            done_bytes=sum(row.done_bytes for row in rows),
            size_bytes=sum(row.size_bytes for row in rows),
            rate_bytes_per_s=whole.bytes_per_s,
            rate_files_per_s=whole.files_per_s,
            rest_s=left / rate if can_tell else None,
        )

    @Slot()
    def look(self, *_: Any) -> None:
        """Read the store again."""
        self._reads.ask(lambda reads: shell_facts(reads.connection), self, self._take, key="program-state")

    def note_keyring(self, *, is_locked: bool) -> None:
        """The password store was found locked, or open."""
        self._set(dataclasses.replace(self._facts, is_keyring_locked=is_locked))

    def note_complaint(self, sentence: str) -> None:
        """Something about settings or log that a person should know."""
        self._set(dataclasses.replace(self._facts, complaint=sentence))

    def note_failure(self, error: EtiketError | None) -> None:
        """There is no engine, and why; None: there will be one."""
        self._set(dataclasses.replace(self._facts, failure=error))

    def _take(self, shell: ShellFacts) -> None:
        locked = any(problem.failure == "KeyringLocked" for problem in shell.worst)
        self._set(
            dataclasses.replace(
                self._facts,
                shell=shell,
                is_keyring_locked=locked,
                paused_until_ns=shell.overview.paused_until_ns,
                held_until_ns=shell.overview.held_until_ns,
            )
        )

    @Slot(object)
    def _on_steering(self, event: SteeringChanged) -> None:
        self._set(
            dataclasses.replace(
                self._facts,
                paused_until_ns=event.paused_until_ns,
                held_until_ns=event.held_until_ns,
                is_measuring=event.is_measuring,
            )
        )

    @Slot()
    def _on_started(self) -> None:
        self._set(dataclasses.replace(self._facts, is_running=True, failure=None))
        self._host.ask(AskStatus(), self, self._take_status)
        self.look()

    @Slot(object)
    def _on_availability(self, away: EtiketError | None) -> None:
        self._currency.note_store(is_away=away is not None)
        self._show_currency()
        self.look()

    @Slot()
    def _ask_if_current(self) -> None:
        """Whether the engine still answers is only known by asking; what it says of measuring is taken over."""
        if self._facts.is_running and self._currency.note_asked():
            self._host.ask(AskStatus(), self, self._take_status, self._take_no_status)
        self._show_currency()

    def _take_no_status(self, _: EtiketError) -> None:
        self._currency.note_refused()
        self._show_currency()

    def _show_currency(self) -> None:
        as_of_ns = self._currency.as_of_ns
        self._set(dataclasses.replace(self._facts, as_of_ns=as_of_ns, is_store_away=self._currency.is_store_away))

    def _take_status(self, reply: Reply) -> None:
        self._currency.note_answer()
        self._show_currency()
        self._set(dataclasses.replace(self._facts, is_measuring=bool(reply.value.get("is_measuring"))))

    @Slot()
    def _on_stopped(self) -> None:
        self._progress.clear()
        self._currency.forget_engine()
        self.moved.emit()
        self._set(dataclasses.replace(self._facts, is_running=False, is_measuring=False))

    @Slot(object)
    def _on_event(self, event: Event) -> None:
        if self._rates.note(event, time.monotonic()):
            self._silence.start()
            self.moved.emit()

    @Slot()
    def _on_scans(self) -> None:
        self._set(dataclasses.replace(self._facts, looking=tuple(sorted(self._scans.under_way))))

    @Slot(object)
    def _on_failed(self, error: EtiketError) -> None:
        self._set(dataclasses.replace(self._facts, is_running=False, failure=error))

    @Slot(object)
    def _on_progressed(self, rows: tuple[DatasetProgressed | FileProgressed, ...]) -> None:
        now_s = time.monotonic()
        for row in rows:
            if isinstance(row, DatasetProgressed):
                self._progress[row.transfer_id] = (now_s, row)
        self._silence.start()
        self.moved.emit()

    @Slot(object)
    def _on_ended(self, transfer_ids: frozenset[int]) -> None:
        for transfer_id in transfer_ids & self._progress.keys():
            del self._progress[transfer_id]
        self.moved.emit()

    @Slot()
    def _renew(self) -> None:
        self._state = tray_state(self._facts, self._now_ns())
        self.changed.emit()

    def _set(self, facts: Facts) -> None:
        if facts != self._facts:
            self._facts = facts
            self._renew()
