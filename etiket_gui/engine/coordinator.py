"""The engine's one thread of decisions: takes what comes in, writes it down, and starts what may run next."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, SourceUnreadable
from etiket_gui.domain.events import DatasetArchived, EngineIdled, Event, ProblemsChanged, SteeringChanged
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.budget import Allowance, Budget
from etiket_gui.engine.desk import Clock, Desk, SystemClock
from etiket_gui.engine.destination_desk import DestinationDesk
from etiket_gui.engine.inbox import Inbox
from etiket_gui.engine.live import LiveRuns
from etiket_gui.engine.proving import Proving
from etiket_gui.engine.recovery import Recovery
from etiket_gui.engine.secrets import EngineSecrets
from etiket_gui.engine.source_desk import SourceDesk
from etiket_gui.engine.status import status_of
from etiket_gui.engine.transfers import Route, Transfers
from etiket_gui.engine.upkeep import Upkeep
from etiket_gui.engine.watching import Watching, watched_folders
from etiket_gui.engine.workers import WorkerPool
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from etiket_gui.store.health import back_up
from etiket_gui.store.reader import StoreReader
from etiket_gui.store.writer import StoreWriter

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 30.0
_BUSY_WAIT_S = 1.0
_NOT_STEERED = 0


class Coordinator:
    """Joins the parts. Everything but :meth:`post` belongs to the thread that calls :meth:`turn`."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        writer: StoreWriter,
        emit: Callable[[Event], None],
        *,
        clock: Clock | None = None,
        has_low_priority: bool = True,
    ) -> None:
        self._home = home
        self._inbox = Inbox()
        stderr_path = str(home.logs / "workers.log")
        pool = WorkerPool(
            {
                "store_path": str(home.store),
                "work_folder": str(home.work),
                "agent": home.agent_uuid(),
                "has_low_priority": has_low_priority,
            },
            self.post,
            stderr_path=stderr_path,
        )
        self._secrets = EngineSecrets()
        pool.on_secret_wanted = self._secrets.answer
        self.desk = Desk(
            writer=writer,
            reader=StoreReader(home.store),
            pool=pool,
            clock=clock or SystemClock(),
            settings=settings,
            budget=Budget(
                worker_count=settings.worker_count,
                rate_bytes_per_s=settings.rate_limit_bytes_per_s,
                measuring_rate_bytes_per_s=settings.measuring_rate_bytes_per_s,
                safe_within_s=settings.safe_within_s,
            ),
            emit=emit,
        )
        self.sources: dict[int, SourceDesk] = {}
        self.destinations: dict[int, DestinationDesk] = {}
        self.transfers = Transfers(self.desk)
        self.recovery = Recovery(self.desk)
        self.live = LiveRuns(self.desk, home.live)
        self.transfers.provisional = self.live
        self.proving = Proving(self.desk, self.transfers.note_waiting)
        self.upkeep = Upkeep(self.desk, self)
        self.watching = Watching(
            self.post,
            changed=self._paths_changed,
            limited=self._watcher_limited,
            lost=self._watcher_lost,
            began=self._watcher_began,
            stderr_path=stderr_path,
        )
        self.archived: list[DatasetArchived] = []
        self._answers: list[Callable[[BaseException | None], None]] = []
        self.transfers.on_archived = self._note_archived
        self._steering = (_NOT_STEERED, _NOT_STEERED)
        self._is_measuring = False
        self._problem_count = -1
        self._was_idle = False
        self.is_backup_due = False
        self.allowance = Allowance(1, None, large_files=True, is_measuring=False)
        if guards.is_on("claims-are-recovered"):
            writer.recover_claims()
        self.load_configuration()
        self.load_steering()
        self.upkeep.plan()
        # Nothing comes in before the first look is asked for, and the first turn must not wait for it.
        self.post(lambda: None)

    def post(self, action: Callable[[], None]) -> None:
        """Have an action run on the coordinator's thread; callable from any thread."""
        self._inbox.put(action)

    # --- configuration and steering -------------------------------------------------------------------------

    def load_configuration(self) -> None:
        """Take over sources, destinations and routes as the store has them now."""
        writer = self.desk.writer
        rows = {row.id: row for row in writer.sources() if row.is_enabled}
        for source_id, source in list(self.sources.items()):
            row = rows.get(source_id)
            if row is None or (row.backend, row.config, row.name) != (
                source.row.backend,
                source.row.config,
                source.row.name,
            ):
                source.retire()
                self.recovery.forget_source(source_id)
                self.desk.budget.forget(source_id)
                self.live.forget_source(source_id)
                self.desk.timers.cancel(("scan", source_id))
                del self.sources[source_id]
        for source_id, row in rows.items():
            if source_id not in self.sources:
                # Replaced after a change: what was written down of it at the destinations may be otherwise now.
                for destination in self.destinations.values():
                    destination.forget_source(source_id)
                desk = SourceDesk(self.desk, row, self._source_changed, self.transfers.note_waiting)
                desk.on_looked = self.live.take
                desk.on_gone = self.live.finished
                self.sources[source_id] = desk
        self._load_destinations()
        self._load_routes()
        self._watch()

    def _load_destinations(self) -> None:
        rows = {row.id: row for row in self.desk.writer.destinations()}
        for destination_id, destination in list(self.destinations.items()):
            row = rows.get(destination_id)
            if row is None or (row.kind, row.config, row.name) != (
                destination.row.kind, destination.row.config, destination.row.name,
            ):  # fmt: skip
                destination.retire()
                del self.destinations[destination_id]
        for destination_id, row in rows.items():
            if destination_id not in self.destinations:
                self.destinations[destination_id] = DestinationDesk(self.desk, row, self._destination_changed)

    def _load_routes(self) -> None:
        routes = {}
        for row in self.desk.writer.routes():
            source = self.sources.get(row.source_id)
            destination = self.destinations.get(row.destination_id)
            if source is None or destination is None:
                continue
            old = self.transfers.routes.get(row.id)
            if old is not None and old.source is source and old.destination is destination and old.row == row:
                routes[row.id] = old
                continue
            routes[row.id] = Route(row, source, destination)
            if source.traits is not None:
                self._remember(source, destination)
        self.recovery.forget_routes(self.transfers.routes.keys() - routes.keys())
        self.transfers.routes = routes

    def load_steering(self) -> None:
        """Take over pause and hold as the store has them; hold stops what is under way."""
        steering = self.desk.writer.steering()
        self._steering = (steering.paused_until_ns, steering.held_until_ns)
        if self.is_held:
            for source in self.sources.values():
                source.cancel()
            for destination in self.destinations.values():
                destination.cancel()
            if guards.is_on("hold-stops-reading-back"):
                self.recovery.cancel()
            self.transfers.cancel()
            self.proving.cancel()
            self.live.cancel()
        elif self.is_paused:
            self.transfers.cancel()
            self.proving.cancel()
            self.live.cancel_sending()
        self._tell_steering()

    def use_settings(self, settings: Settings) -> None:
        """Go by other settings from now on; what is under way goes on as it began."""
        budget = self.desk.budget
        self.desk.settings = settings
        budget.worker_count = settings.worker_count
        budget.rate_bytes_per_s = settings.rate_limit_bytes_per_s
        budget.measuring_rate_bytes_per_s = settings.measuring_rate_bytes_per_s
        budget.safe_within_s = settings.safe_within_s

    def _tell_steering(self) -> None:
        paused_ns, held_ns = self._steering
        self.desk.emit(SteeringChanged(paused_ns, held_ns, self._is_measuring))

    @property
    def is_measuring(self) -> bool:
        """Whether a measurement counts as running now."""
        return self._is_measuring

    @property
    def was_idle(self) -> bool:
        """Whether nothing was left to do at the end of the last turn."""
        return self._was_idle

    @property
    def is_held(self) -> bool:
        """Whether nothing at all may be touched now."""
        return self._is_until(self._steering[1])

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be sent now."""
        return self._is_until(self._steering[0])

    def _is_until(self, until_ns: int) -> bool:
        return until_ns < 0 or until_ns > self.desk.clock.now_ns()

    # --- what comes in --------------------------------------------------------------------------------------

    def _source_changed(self, source: SourceDesk) -> None:
        self.transfers.note_waiting(source.row.id)
        if source.traits is not None:
            for route in self.transfers.routes.values():
                if route.source is source:
                    self._remember(source, route.destination)
        self._watch()

    def _remember(self, source: SourceDesk, destination: DestinationDesk) -> None:
        if source.traits is None:
            return
        stored = {
            "uuid": source.row.uuid,
            "name": source.row.name,
            "backend": source.row.backend,
            "root": source.traits.root,
            "share": source.traits.share,
            "root_place": source.row.root_place,
            "written_at_ns": 0,
        }
        if destination.told_sources.get(source.row.id) != stored:
            destination.told_sources[source.row.id] = stored
            destination.sources_to_remember[source.row.id] = {**stored, "written_at_ns": self.desk.clock.now_ns()}

    def _destination_changed(self, destination: DestinationDesk) -> None:
        for route in self.transfers.routes.values():
            if route.destination is destination:
                route.may_have_small = route.may_have_large = True
        self._watch()

    def _watch(self) -> None:
        folders = []
        for source in self.sources.values():
            traits = source.traits
            if traits is not None and traits.poll_interval_s is None:
                folders += watched_folders(source.row.id, traits)
            source.is_watched = traits is not None and traits.poll_interval_s is None
            source.is_watch_sound = partial(self.watching.is_sound, source.row.id)
        excluded = [destination.address for destination in self.destinations.values() if destination.address]
        self.watching.watch(folders, [*excluded, str(self._home.root)])

    def _paths_changed(self, source_id: int, paths: list[str]) -> None:
        source = self.sources.get(source_id)
        if source is not None:
            source.mark_dirty(paths)

    def _watcher_limited(self, sentence: str, needed: int) -> None:
        error = SourceUnreadable(
            sentence,
            advice=f"Everything is still found by scanning, only later. The setting should be at least {needed}.",
        )
        self.desk.writer.open_problem("engine", "watcher", error)
        for source in self.sources.values():
            # A pause that was planned in trust of the watcher ends here.
            source.is_scan_due = source.is_scan_due or source.is_watched

    def _watcher_lost(self, source_id: int, reason: str) -> None:
        log.info("Events of source %d may be missing: %s.", source_id, reason)
        source = self.sources.get(source_id)
        if source is not None:
            source.is_scan_due = True

    def _watcher_began(self, source_id: int) -> None:
        source = self.sources.get(source_id)
        if source is not None and guards.is_on("look-when-watching-began"):
            source.scan_soon()

    def _note_archived(self, event: DatasetArchived) -> None:
        self.archived.append(event)
        del self.archived[:-1000]

    def retry_some(self) -> None:
        """A person named datasets: nothing else is agreed to."""
        for destination in self.destinations.values():
            destination.request_probe()
        self.transfers.note_waiting()

    def retry_everything(self, source_id: int | None, *, is_answer: bool) -> None:
        """A person asked: probe what was away, look again; ``is_answer``: what was asked about is meant."""
        now_s = self.desk.clock.monotonic_s()
        for source in self.sources.values():
            if source_id in {None, source.row.id}:
                source.circuit.try_now(now_s)
                if is_answer:
                    source.accept_mass_change()
        for destination in self.destinations.values():
            destination.request_probe()
        self.transfers.note_waiting(source_id)

    # --- the loop -------------------------------------------------------------------------------------------

    def turn(self, longest_wait_s: float = _LONGEST_WAIT_S) -> None:
        """Wait for something to happen, write down what it means, start what may run next.

        Raises StoreProblem when the store cannot be written; the state in memory is then to be thrown away.
        """
        actions = self._wait(longest_wait_s)
        writer = self.desk.writer
        if actions or self._has_due_timers():
            try:
                with writer.batch():
                    for action in actions:
                        action()
                    self.desk.timers.run_due(self.desk.clock.monotonic_s())
                    self.transfers.flush()
            except BaseException as error:
                self._answer(error)
                raise
            self._answer(None)
            self._inbox.note_turn()
        self.upkeep.look_at_clocks()
        self.dispatch()
        self._tell_changes()

    def answer_after_commit(self, answer: Callable[[BaseException | None], None]) -> None:
        """Have somebody told when what this turn does is kept, or why it is not; called by an action of this turn."""
        self._answers.append(answer)

    def _answer(self, error: BaseException | None) -> None:
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(error)

    def _has_due_timers(self) -> bool:
        due_s = self.desk.timers.next_due_s()
        return due_s is not None and due_s <= self.desk.clock.monotonic_s()

    def _wait(self, longest_wait_s: float) -> list[Callable[[], None]]:
        now_s = self.desk.clock.monotonic_s()
        times = [now_s + longest_wait_s]
        timer_s = self.desk.timers.next_due_s()
        if timer_s is not None:
            times.append(timer_s)
        if not self.is_held:
            wake_s = [due_s for source in self.sources.values() if (due_s := source.wake_at_s) is not None]
            if not self.desk.pool.can_take(TaskKind.DISCOVER):
                # What is due waits for a worker, whose answer wakes this thread; asking in a circle frees none.
                wake_s = [max(due_s, now_s + _BUSY_WAIT_S) for due_s in wake_s]
            times += wake_s
            if not self.is_paused and (live_s := self.live.due_at_s) is not None:
                times.append(max(live_s, now_s + _BUSY_WAIT_S))
            if self.watching.restart_at_s is not None:
                times.append(self.watching.restart_at_s)
        times += self._steering_ends_s(now_s)
        return self._inbox.take(min(times) - now_s, may_gather=longest_wait_s > 0)

    def _steering_ends_s(self, now_s: float) -> list[float]:
        now_ns = self.desk.clock.now_ns()
        return [now_s + (until_ns - now_ns) / 1e9 for until_ns in self._steering if until_ns > now_ns]

    def dispatch(self) -> None:
        """Start everything that may run now, the most urgent first."""
        if self._steering != (_NOT_STEERED, _NOT_STEERED) and not self.is_held and not self.is_paused:
            self._steering = (_NOT_STEERED, _NOT_STEERED)
            self.desk.diary.note("The time of the pause or hold is over; the work goes on.")
            self._tell_steering()
        if self.is_backup_due:
            self.is_backup_due = False
            threading.Thread(target=self._back_up, name="store-backup", daemon=True).start()
        if self.is_held:
            return
        self.watching.restart_if_due()
        self.allowance = self._allowance()
        self.desk.pool.set_limits(
            self.allowance.workers, self.allowance.rate_bytes_per_s, {"measuring": self.allowance.is_gentle}
        )
        for destination in self.destinations.values():
            destination.dispatch_looks()
        self.recovery.dispatch(self.transfers.routes)
        for source in self.sources.values():
            source.dispatch()
        self.live.dispatch_points()
        if self.is_paused:
            return
        self.live.dispatch_provisional(self.transfers.routes)
        self.transfers.dispatch(self.allowance)
        if not self.transfers.has_work():
            for destination in self.destinations.values():
                # Links for people to browse do not compete with the last datasets on their way.
                if not self.transfers.is_sending_small_to(destination):
                    destination.dispatch_views()
            if not self.allowance.is_measuring:
                self.proving.dispatch(self.destinations)

    def _back_up(self) -> None:
        """On a thread of its own: reading a large store takes seconds, and readers never disturb the writer."""
        try:
            back_up(self._home, dt.datetime.now(dt.UTC))
        except EtiketError as error:
            log.warning("The store could not be copied: %s", error.reason)

    def _allowance(self) -> Allowance:
        now_s = self.desk.clock.monotonic_s()
        oldest_unsafe_s = None
        if self.desk.budget.measuring_sources(now_s):
            oldest_ns = self.desk.writer.oldest_waiting_ns()
            if oldest_ns is not None:
                oldest_unsafe_s = (self.desk.clock.now_ns() - oldest_ns) / 1e9
            ends_at_s = self.desk.budget.ends_at_s(now_s)
            if ends_at_s is not None:
                self.desk.timers.at("measuring", ends_at_s, lambda: None)
        has_small = any(route.may_have_small for route in self.transfers.routes.values() if route.is_open)
        allowance = self.desk.budget.allowance(now_s, has_small_waiting=has_small, oldest_unsafe_s=oldest_unsafe_s)
        if allowance.is_measuring != self._is_measuring:
            self._is_measuring = allowance.is_measuring
            self._tell_steering()
        return allowance

    def _tell_changes(self) -> None:
        count = self.desk.writer.open_problem_count()
        if count != self._problem_count:
            self._problem_count = count
            self.desk.emit(ProblemsChanged(count))
        is_idle = self.is_drained and self.desk.pool.is_idle
        if is_idle and not self._was_idle:
            self.desk.emit(EngineIdled())
        self._was_idle = is_idle

    @property
    def is_drained(self) -> bool:
        """Whether everything that can be done now is done; settling datasets and absent servers do not count."""
        if self.is_held or self.is_paused:
            return self.desk.pool.is_idle
        return (
            self.transfers.is_idle
            and self.recovery.is_idle
            and not any(source.has_work for source in self.sources.values())
            and not any(destination.has_work for destination in self.destinations.values())
            and not self.transfers.has_work()
        )

    def waits_for_a_destination(self, source: SourceDesk) -> bool:
        """Whether a source is not looked through because what a destination knows of it cannot be read back now."""
        routes = [route for route in self.transfers.routes.values() if route.source is source]
        return source.is_blocked and self.recovery.is_stuck(routes)

    @property
    def longest_settle_time_s(self) -> float:
        """The longest settle time of all sources that described themselves."""
        return max((source.traits.settle_time_s for source in self.sources.values() if source.traits), default=0.0)

    def stop(self, timeout_s: float) -> None:
        """Cancel everything, end the children, write down what is known."""
        self.desk.pool.stop(timeout_s * 0.6)
        self._secrets.close()
        self.watching.stop(timeout_s * 0.2)
        try:
            with self.desk.writer.batch():
                self.transfers.flush()
                self.desk.diary.tell_all()
                self.desk.writer.recover_claims()
        except EtiketError as error:
            log.info("The last results could not be written down and are found again: %s", error.reason)
        self.desk.reader.close()

    def status(self) -> dict[str, Any]:
        """What the engine does just now, for whoever asks over the control channel."""
        return status_of(self)
