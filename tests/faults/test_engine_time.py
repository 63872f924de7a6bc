"""Clocks and long times, played on a fake clock: a fridge that measures day and night, clocks that jump."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import VerificationFailed
from etiket_gui.domain.states import RunState, TransferState
from etiket_gui.domain.tasks import SourceTraits
from etiket_gui.engine.coordinator import Coordinator
from etiket_gui.osys.sleeping import ClockChange
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from etiket_gui.store.health import open_store
from etiket_gui.store.reader import StoreReader
from tests.support.clock import SECOND_NS
from tests.support.scripted_pool import EngineClock, ScriptedPool, pass_time

MINUTE_S = 60.0
HOUR_S = 3600.0
SAFE_WITHIN_S = HOUR_S
MEASURING_RATE = 190e3
_TRAITS = SourceTraits(
    realm="source", root="/played", settle_time_s=20.0, live_sync=True, folders=(), poll_interval_s=60.0
)


class Played:
    """A coordinator whose workers and clock are played; its store is real."""

    def __init__(self, folder: Path) -> None:
        self.clock = EngineClock()
        self.home = Home.locate(folder / "home")
        self.home.prepare()
        writer = open_store(self.home).writer
        destination = writer.add_destination(str(uuid.uuid4()), "archive", "archive", {"path": "/played"})
        writer.add_source(str(uuid.uuid4()), "fridge", "folder", {"root_directory": "/played"}, [(destination.id, "")])
        writer.close()
        self.writer = open_store(self.home).writer
        self.writer.now_ns = self.clock.now_ns
        self.events: list[object] = []
        settings = Settings(safe_within_s=SAFE_WITHIN_S, measuring_rate_bytes_per_s=MEASURING_RATE)
        self.coordinator = Coordinator(self.home, settings, self.writer, self.events.append, clock=self.clock)
        self.pool = ScriptedPool(self.clock, _TRAITS)
        self.coordinator.desk.pool = self.pool  # type: ignore[assignment]
        self.begun_ns = self.clock.now_ns()

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        pass_time(self.coordinator, self.pool, seconds)

    def state(self, identifier: str) -> TransferState:
        """The state of a dataset."""
        with closing(StoreReader(self.home.store)) as reader:
            [dataset] = [row for row in reader.datasets() if row.identifier == identifier]
            return reader.transfers(dataset.id)[0].state

    def close(self) -> None:
        """Give the store back."""
        self.coordinator.stop(1.0)
        self.writer.close()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def _found(played: Played, identifier: str, *, changed_ns: int, size_bytes: int = 1000, fingerprint: int = 1) -> Found:
    return Found(
        identifier, identifier, fingerprint, newest_change_ns=changed_ns, looked_at_ns=played.clock.now_ns(),
        size_bytes=size_bytes, file_count=1, place=f"1:{identifier}",
    )  # fmt: skip


@pytest.mark.fault("F113", guard="safe-within")
def test_fridge_that_measures_day_and_night_is_archived_within_the_promised_time(played: Played) -> None:
    """Every minute the live dataset grows; every 5 minutes a run is done, and every 20th is a large one."""
    completed: dict[str, int] = {}

    def look() -> list[Found]:
        now_ns = played.clock.now_ns()
        minutes = (now_ns - played.begun_ns) // (60 * SECOND_NS)
        for number in range(int(minutes) // 5):
            identifier = f"run {number:03}"
            if identifier not in completed:
                completed[identifier] = now_ns
        # 60 MB every 5 minutes are more than the rate while measuring can carry.
        finds = [
            _found(
                played, name, changed_ns=done_ns - 20 * SECOND_NS,
                size_bytes=3_000_000_000 if int(name[4:]) % 20 == 3 else 60_000_000,
            )
            for name, done_ns in completed.items()
            if name not in played.pool.archived_at_ns
        ]  # fmt: skip
        live = _found(played, "live", changed_ns=now_ns, fingerprint=2 + int(minutes))
        return [*finds, dataclasses.replace(live, run_state=RunState.LIVE)]

    # Looked at once a minute, as everything else is: 17 000 looks at the same growing run show nothing more.
    played.pool.traits = dataclasses.replace(_TRAITS, live_sync=False)
    played.pool.look = look
    played.pool.full_rate_bytes_per_s = 100e6
    # Seven large runs, each of which would take more than four hours at the rate for measuring.
    for _ in range(12):
        played.pass_time(HOUR_S)
    assert len(completed) >= 140
    late = {
        name: (played.pool.archived_at_ns.get(name, played.clock.now_ns()) - done_ns) / SECOND_NS / 60
        for name, done_ns in completed.items()
    }
    # What is found goes by the scan interval, and a large file needs its own time once it may go.
    longest_min = (SAFE_WITHIN_S + 60 + 2 * 3_000_000_000 / 100e6) / 60 + 5
    assert {name: minutes for name, minutes in late.items() if minutes > longest_min} == {}
    # It was slow all the same: most of the day the limit for measuring held.
    assert any(rate == pytest.approx(MEASURING_RATE) for _, rate in played.pool.rates)


@pytest.mark.fault("F113", guard="signs-outlast-the-looks")
def test_measurement_on_a_share_that_is_looked_at_once_a_minute_is_spared_all_the_time(played: Played) -> None:
    played.pool.traits = dataclasses.replace(_TRAITS, settle_time_s=60.0, live_sync=False)

    def look() -> list[Found]:
        now_ns = played.clock.now_ns()
        return [
            dataclasses.replace(_found(played, "live", changed_ns=now_ns, fingerprint=now_ns), run_state=RunState.LIVE)
        ]

    played.pool.look = look
    played.pass_time(3 * MINUTE_S)
    before = len(played.pool.rates)
    played.pass_time(HOUR_S)
    assert len(played.pool.rates) == before
    assert played.pool.rate_bytes_per_s == pytest.approx(MEASURING_RATE)


@pytest.mark.fault("F113", guard="backlog-is-no-hurry")
def test_backlog_of_old_data_is_sent_slowly_while_measured_until_it_waited_as_long_as_promised(played: Played) -> None:
    old_ns = played.begun_ns - 30 * 86_400 * SECOND_NS
    names = [f"old {number:02}" for number in range(60)]

    def look() -> list[Found]:
        now_ns = played.clock.now_ns()
        old = [
            _found(played, name, changed_ns=old_ns, size_bytes=60_000_000)
            for name in names
            if name not in played.pool.archived_at_ns
        ]
        live = _found(played, "live", changed_ns=now_ns, fingerprint=now_ns)
        return [*old, dataclasses.replace(live, run_state=RunState.LIVE)]

    played.pool.look = look
    played.pass_time(SAFE_WITHIN_S - 5 * MINUTE_S)
    assert 0 < len(played.pool.archived_at_ns) < len(names) / 2
    # At full speed only until the first look sees the measurement.
    assert all(at_ns < played.begun_ns + SECOND_NS for at_ns, _ in played.pool.rates)
    assert played.pool.rate_bytes_per_s == pytest.approx(MEASURING_RATE)
    played.pass_time(20 * MINUTE_S)
    assert set(played.pool.archived_at_ns) >= set(names)


@pytest.mark.fault("F86", guard="due-times-follow-the-clock")
def test_failed_transfer_is_tried_again_in_time_although_the_clock_was_set_back(played: Played) -> None:
    changed_ns = played.begun_ns - 3600 * SECOND_NS
    played.pool.look = lambda: [_found(played, "run", changed_ns=changed_ns)]
    played.pool.failures["run"] = VerificationFailed("the copy differs").to_json()
    played.pass_time(120)
    assert played.state("run") is TransferState.FAILED
    played.pool.failures.clear()
    jump_s = -3600.0
    played.clock.jump(jump_s)
    played.coordinator.upkeep.take_clock_change(ClockChange(wall_jump_ns=int(jump_s * SECOND_NS)))
    played.pass_time(16 * MINUTE_S)
    assert played.state("run") is TransferState.ARCHIVED


@pytest.mark.parametrize("jump_s", [-86_400.0, 10 * 365 * 86_400.0])
@pytest.mark.fault("F86", guard="pauses-follow-the-clock")
def test_hold_of_an_hour_is_one_of_an_hour_although_the_clock_jumped(played: Played, jump_s: float) -> None:
    played.writer.set_steering(-1, played.clock.now_ns() + 3600 * SECOND_NS)
    played.coordinator.load_steering()
    played.pass_time(10)
    played.clock.jump(jump_s)
    played.coordinator.upkeep.take_clock_change(ClockChange(wall_jump_ns=int(jump_s * SECOND_NS)))
    played.pass_time(50 * MINUTE_S)
    assert played.coordinator.is_held
    played.pass_time(11 * MINUTE_S)
    assert not played.coordinator.is_held
    # A pause without end has none.
    assert played.writer.steering().paused_until_ns == -1
    assert played.coordinator.is_paused


@pytest.mark.parametrize("jump_s", [-86_400.0, 10 * 365 * 86_400.0, 3600.0, -3600.0])
@pytest.mark.fault("F86", guard="clock-jump-is-distrusted")
def test_after_a_jump_of_the_clock_no_file_counts_as_old_that_is_being_written(played: Played, jump_s: float) -> None:
    played.pool.look = list
    played.pass_time(61)
    written_ns = played.clock.now_ns()
    played.clock.jump(jump_s)
    played.coordinator.upkeep.take_clock_change(ClockChange(wall_jump_ns=int(jump_s * SECOND_NS)))
    steps = [0]

    def look() -> list[Found]:
        steps[0] += 1
        return [_found(played, "growing", changed_ns=written_ns, fingerprint=steps[0])]

    played.pool.look = look
    for source in played.coordinator.sources.values():
        source.request_scan()
    played.pass_time(15)
    assert played.state("growing") is TransferState.HELD
    last = steps[0]
    played.pool.look = lambda: [_found(played, "growing", changed_ns=written_ns, fingerprint=last)]
    played.pass_time(5 * MINUTE_S)
    assert played.state("growing") is TransferState.ARCHIVED
