"""The engine as others see it: start, run, steer, stop. One engine per home."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from etiket_gui.domain import guards
from etiket_gui.domain.commands import (
    BY_COMMAND_LINE,
    AddDestination,
    AddSource,
    AskStatus,
    Command,
    EditDestination,
    EditSource,
    HoldSync,
    PauseSync,
    ProbeNow,
    RecordVerification,
    ReloadSettings,
    RemoveDestination,
    RemoveSource,
    Reply,
    ResumeSync,
    RetryTransfers,
    ScanNow,
    ShowWindow,
    SignInChanged,
    StopEngine,
    command_from_json,
)
from etiket_gui.domain.errors import EtiketError, HomeInUse, StoreProblem
from etiket_gui.domain.events import EngineStarted, EngineStopped, Event
from etiket_gui.engine.coordinator import Coordinator
from etiket_gui.engine.desk import Clock
from etiket_gui.engine.recovery import read_back_first
from etiket_gui.engine.report import RunReport, report_of
from etiket_gui.engine.retry import LONGEST_DELAY_S
from etiket_gui.engine.steering import Steering
from etiket_gui.osys.control import ControlServer
from etiket_gui.osys.locking import HomeLock
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, load_settings
from etiket_gui.store.health import open_store
from etiket_gui.store.reader import StoreReader

log = logging.getLogger(__name__)

_SETTLE_GRACE_S = 5.0
_REPLY_TIMEOUT_S = 10.0
_STOP_S = 5.0
_LOCK_WAIT_S = 2.0
#: A run that is to end waits this long altogether for a store that cannot be written; one without end for ever.
STORE_PATIENCE_S = 60.0
_CONFIGURES = (AddSource, EditSource, RemoveSource, AddDestination, EditDestination, RemoveDestination)
_STEERS = (PauseSync, ResumeSync, HoldSync)


class Engine:
    """Owns one home while it runs. All methods but the ``request_…`` ones belong to one thread."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        listeners: Sequence[Callable[[Event], None]] = (),
        clock: Clock | None = None,
        has_low_priority: bool = True,
        on_show: Callable[[], None] | None = None,
    ) -> None:
        self._home = home
        self._settings = settings
        self._listeners = list(listeners)
        self._clock = clock
        self._has_low_priority = has_low_priority
        self._on_show = on_show
        self._lock = HomeLock(home.run)
        self._control: ControlServer | None = None
        self._coordinator: Coordinator | None = None
        self._stop_asked = threading.Event()
        self._was_interrupted = False
        self._has_end = False
        self._unseen: tuple[str, ...] = ()
        self._waited_for_store_s = 0.0

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator of a started engine."""
        if self._coordinator is None:
            raise AssertionError("the engine was not started")
        return self._coordinator

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Have a function called with every event, on the engine's thread; it must be quick and must not raise."""
        self._listeners.append(listener)

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def start(self) -> None:
        """Take the home and get ready.

        Raises HomeInUse when another engine owns it, StoreTooNew when a newer version wrote the store.
        """
        # A command that only wanted the store for a moment is no other engine.
        self._lock.acquire(wait_s=_LOCK_WAIT_S)
        try:
            self._open()
            self._control = ControlServer(self._home.run, self._answer)
            self._control.start()
        except BaseException:
            self._close()
            raise
        self.coordinator.desk.diary.note("The program started and looks after its sources.")
        self._emit(EngineStarted())

    def _open(self) -> None:
        opened = open_store(self._home)
        if opened.sentence:
            log.info("%s", opened.sentence)
            opened.writer.add_activity(opened.sentence)
        if opened.needs_rebuild:
            read_back_first(opened.writer)
            self._home.rebuild_mark.unlink(missing_ok=True)
        self._coordinator = Coordinator(
            self._home,
            self._settings,
            opened.writer,
            self._emit,
            clock=self._clock,
            has_low_priority=self._has_low_priority,
        )

    # --- control channel ------------------------------------------------------------------------------------

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Called on a thread of the control server: hand over to the coordinator's thread and wait."""
        command = command_from_json(request)
        return self.ask(command, timeout_s=_REPLY_TIMEOUT_S, by=BY_COMMAND_LINE).to_json()

    def ask(self, command: Command, timeout_s: float = _REPLY_TIMEOUT_S, *, by: str = "") -> Reply:
        """Have a command carried out by the running engine; callable from any other thread.

        Raises EtiketError when it fails (StoreProblem while the engine waits for its store), TimeoutError when the
        engine does not answer in time.
        """
        return self.submit(command, by=by).result(timeout_s)

    def submit(self, command: Command, *, by: str = "") -> concurrent.futures.Future[Reply]:
        """Like :meth:`ask` for who cannot wait: the answer comes later, on the engine's thread.

        ``by`` says where it was asked for, in words for the list of what happened.

        Raises StoreProblem while the engine waits for its store.
        """
        answer: concurrent.futures.Future[Reply] = concurrent.futures.Future()

        def obey() -> None:
            try:
                reply = self._obey(command, by)
            except StoreProblem as error:
                answer.set_exception(error)
                raise
            except EtiketError as error:
                answer.set_exception(error)
                return

            def tell(failure: BaseException | None) -> None:
                # A yes is only said of what is on the disk.
                if failure is None:
                    answer.set_result(reply)
                else:
                    answer.set_exception(failure)

            if guards.is_on("answers-after-the-commit"):
                self.coordinator.answer_after_commit(tell)
            else:
                tell(None)

        coordinator = self._coordinator
        if coordinator is None:
            raise StoreProblem(f"{self._home.store} cannot be written just now; the engine waits for it.")
        coordinator.post(obey)
        return answer

    def _obey(self, command: Command, by: str = "") -> Reply:
        coordinator = self.coordinator
        if isinstance(command, AskStatus):
            return Reply(is_ok=True, value=coordinator.status())
        if isinstance(command, StopEngine):
            self.request_stop()
            return Reply(is_ok=True, sentence="The engine stops.")
        if isinstance(command, ShowWindow):
            if self._on_show is None:
                return Reply(is_ok=False, sentence="The running engine has no window.")
            self._on_show()
            return Reply(is_ok=True)
        if isinstance(command, ReloadSettings):
            self._settings = load_settings(self._home)
            coordinator.use_settings(self._settings)
            return Reply(is_ok=True, sentence="The settings hold from now on.")
        if isinstance(command, ScanNow):
            for source in coordinator.sources.values():
                if command.source_id in {None, source.row.id}:
                    source.request_scan()
            return Reply(is_ok=True, sentence="Looking through the sources now.")
        if isinstance(command, ProbeNow):
            for destination in coordinator.destinations.values():
                if command.destination_id in {None, destination.row.id}:
                    destination.request_probe()
            return Reply(is_ok=True, sentence="Looking now whether it can be reached.")
        if isinstance(command, SignInChanged):
            coordinator.desk.pool.forget_secret(command.account)
            for source in coordinator.sources.values():
                if source.row.uuid == command.account:
                    source.request_scan()
            for destination in coordinator.destinations.values():
                if destination.row.uuid == command.account:
                    destination.request_probe()
            return Reply(is_ok=True, sentence="It is tried now.")
        desk = coordinator.desk
        reply = Steering(desk.writer, desk.reader, self._home, desk.clock.now_ns).apply(command, by)
        if isinstance(command, _CONFIGURES):
            coordinator.load_configuration()
            coordinator.transfers.note_waiting()
        elif isinstance(command, _STEERS):
            coordinator.load_steering()
        elif isinstance(command, RetryTransfers) and command.dataset_ids:
            coordinator.retry_some()
        elif isinstance(command, RetryTransfers):
            coordinator.retry_everything(command.source_id, is_answer=command.is_answer)
        elif isinstance(command, RecordVerification):
            coordinator.transfers.note_waiting()
        return reply

    def request_stop(self, *, is_interrupt: bool = False) -> None:
        """End :meth:`run` or :meth:`run_once` soon; callable from any thread and from signal handlers."""
        self._was_interrupted = self._was_interrupted or is_interrupt
        self._stop_asked.set()
        coordinator = self._coordinator
        if coordinator is not None:
            coordinator.desk.writer.hurry()
            coordinator.post(_nothing)

    # --- running --------------------------------------------------------------------------------------------

    def run_once(self) -> RunReport:
        """Look through every source, wait for what settles soon, send, verify, and report."""
        return self.run(cycles=1)

    def run(self, cycles: int | None = None) -> RunReport:
        """Work until stopped, or for so many rounds of looking through everything and sending it.

        Raises StoreProblem when so many rounds cannot be done because the store cannot be written for a minute.
        """
        started_s = time.monotonic()
        self._has_end, self._waited_for_store_s = cycles is not None, 0.0
        self._unseen = ()
        done = 0
        while not self._stop_asked.is_set() and (cycles is None or done < cycles):
            if cycles is None:
                self._turn()
                continue
            if done:
                for source in self.coordinator.sources.values():
                    source.request_scan()
            self._one_cycle()
            done += 1
        with self._reader() as reader:
            report = report_of(reader, duration_s=time.monotonic() - started_s, was_interrupted=self._was_interrupted)
        if not guards.is_on("unseen-is-said"):
            return report
        return dataclasses.replace(report, unseen_sources=self._unseen)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[StoreReader]:
        """The coordinator's reader; one of its own where the end came while the store could not be written."""
        if self._coordinator is not None:
            yield self._coordinator.desk.reader
            return
        with contextlib.closing(StoreReader(self._home.store)) as reader:
            yield reader

    def _one_cycle(self) -> None:
        """Turn until nothing is left that a run once may do."""
        deadline_s: float | None = None
        coordinator = self.coordinator
        before = {source_id: source.finished_scans for source_id, source in coordinator.sources.items()}
        while not self._stop_asked.is_set():
            if coordinator is not self.coordinator:
                # Begun anew after the store could not be written: its sources have not been looked through yet.
                coordinator, before = self.coordinator, {}
            unseen = [
                source.row.name
                for source_id, source in coordinator.sources.items()
                if not source.circuit.failures
                and source.finished_scans <= before.get(source_id, 0)
                and not coordinator.waits_for_a_destination(source)
            ]
            if coordinator.is_held:
                self._unseen = tuple(unseen)
                return
            if coordinator.is_paused and not guards.is_on("a-pause-goes-on-looking"):
                return
            if coordinator.is_drained and not unseen:
                now_s = time.monotonic()
                if deadline_s is None:
                    deadline_s = now_s + coordinator.longest_settle_time_s + _SETTLE_GRACE_S
                dues = [source.next_settle_due_s for source in coordinator.sources.values()]
                due_s = min((due for due in dues if due is not None), default=None)
                if due_s is None or due_s > deadline_s or now_s > deadline_s:
                    return
            self._turn(longest_wait_s=1.0)

    def _turn(self, longest_wait_s: float = 30.0) -> None:
        try:
            self.coordinator.turn(longest_wait_s)
        except StoreProblem as error:
            self._wait_for_store(error)

    def _wait_for_store(self, error: StoreProblem) -> None:
        """The store cannot be written: stop all work, wait until it can, and go on from what it says.

        Raises StoreProblem when a run that is to end has waited long enough.
        """
        log.error("%s The engine pauses until it can. %s", error.reason, error.advice)
        delay_s = 1.0
        self._close_coordinator()
        while True:
            begun_s = time.monotonic()
            if self._has_end and guards.is_on("a-run-once-ends"):
                left_s = STORE_PATIENCE_S - self._waited_for_store_s
                if left_s <= 0:
                    raise StoreProblem(
                        f"{error.reason} It stayed so for {STORE_PATIENCE_S:.0f} s, so this run ends before its work "
                        "is done. What was archived is safe; the next run goes on from there.",
                        advice=error.advice,
                        path=error.path,
                    ) from error
                delay_s = min(delay_s, left_s)
            if self._stop_asked.wait(delay_s):
                return
            delay_s = min(delay_s * 2, LONGEST_DELAY_S / 10)
            self._waited_for_store_s += time.monotonic() - begun_s
            try:
                self._open()
            except StoreProblem as again:
                log.info("The store still cannot be written: %s", again.reason)
                continue
            log.warning("The store can be written again; the engine goes on.")
            self.coordinator.desk.diary.note("The program could not write its own list for a while; the work goes on.")
            return

    # --- stopping -------------------------------------------------------------------------------------------

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Give the home back; everything that was under way goes on at the next start."""
        self._stop_asked.set()
        if self._coordinator is not None:
            self._coordinator.desk.diary.note("The program stopped; nothing new is seen until it is started again.")
        self._close(timeout_s)
        self._emit(EngineStopped())

    def _close(self, timeout_s: float = _STOP_S) -> None:
        if self._control is not None:
            self._control.stop(timeout_s=1.0)
            self._control = None
        self._close_coordinator(timeout_s)
        self._lock.release()

    def _close_coordinator(self, timeout_s: float = _STOP_S) -> None:
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is None:
            return
        coordinator.stop(timeout_s)
        try:
            coordinator.desk.writer.close()
        except EtiketError as error:
            log.info("The store could not be closed tidily: %s", error.reason)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()


def _nothing() -> None:
    """Wake the coordinator."""


__all__ = ["Engine", "HomeInUse", "RunReport"]
