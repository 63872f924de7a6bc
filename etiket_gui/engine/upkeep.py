"""What keeps a long-running engine healthy: clocks, sleep, backups of the store, recycled workers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etiket_gui.domain import guards
from etiket_gui.engine.desk import Desk
from etiket_gui.osys.sleeping import ClockChange, SleepWatch

if TYPE_CHECKING:
    from etiket_gui.engine.coordinator import Coordinator

log = logging.getLogger(__name__)

_LOOK_AFTER_S = 60.0
_BACKUP_EVERY_S = 24 * 3600.0
_FIRST_BACKUP_S = 900.0


class Upkeep:
    """Plans its own times with the desk's timers; acts on the coordinator."""

    def __init__(self, desk: Desk, coordinator: Coordinator) -> None:
        self._desk = desk
        self._coordinator = coordinator
        self._sleep_watch = SleepWatch()

    def plan(self) -> None:
        """Set the first times."""
        now_s = self._desk.clock.monotonic_s()
        self._desk.timers.at("backup", now_s + _FIRST_BACKUP_S, self._back_up)
        self._desk.timers.at("recycle", now_s + _LOOK_AFTER_S, self._recycle)
        self._coordinator.proving.plan(self._coordinator.destinations)
        self._coordinator.transfers.release_due()

    def _recycle(self) -> None:
        self._desk.pool.recycle_idle()
        self._desk.timers.at("recycle", self._desk.clock.monotonic_s() + _LOOK_AFTER_S, self._recycle)

    def _back_up(self) -> None:
        self._desk.timers.at("backup", self._desk.clock.monotonic_s() + _BACKUP_EVERY_S, self._back_up)
        self._coordinator.is_backup_due = True

    def look_at_clocks(self) -> None:
        """Notice sleep and jumps of the wall clock since the last turn, and make them harmless."""
        change = self._sleep_watch.look()
        if change is not None:
            self.take_clock_change(change)

    def take_clock_change(self, change: ClockChange) -> None:
        """Due times, pauses and holds move with the wall clock; after a sleep everything is looked at again at once."""
        if change.wall_jump_ns:
            log.info("The wall clock jumped by %.0f s.", change.wall_jump_ns / 1e9)
            with self._desk.writer.batch():
                if guards.is_on("due-times-follow-the-clock"):
                    self._desk.writer.shift_due(change.wall_jump_ns)
                if guards.is_on("pauses-follow-the-clock"):
                    self._shift_steering(change.wall_jump_ns)
            self._distrust_clock()
            self._coordinator.load_steering()
        if change.is_wake:
            log.info("The machine slept for %.0f s; everything is looked at again.", change.slept_ns / 1e9)
            for source in self._coordinator.sources.values():
                source.request_scan()
                if source.discovery is not None:
                    source.discovery.book.forget_all()
            for destination in self._coordinator.destinations.values():
                destination.request_probe()

    def _shift_steering(self, jump_ns: int) -> None:
        """A pause or hold of an hour stays one of an hour; one without end has no time that could move."""
        steering = self._desk.writer.steering()
        times_ns = (steering.paused_until_ns, steering.held_until_ns)
        self._desk.writer.set_steering(
            *(max(1, until_ns + jump_ns) if until_ns > 0 else until_ns for until_ns in times_ns)
        )

    def _distrust_clock(self) -> None:
        """Times of files written before the jump say nothing about how long ago that was: two looks decide."""
        self._desk.is_clock_trusted = not guards.is_on("clock-jump-is-distrusted")
        for source in self._coordinator.sources.values():
            if source.discovery is not None:
                source.discovery.book.forget_all()
        again_s = self._desk.clock.monotonic_s() + 2 * self._coordinator.longest_settle_time_s + 5.0
        self._desk.timers.at("clock", again_s, self._trust_clock)

    def _trust_clock(self) -> None:
        self._desk.is_clock_trusted = True
