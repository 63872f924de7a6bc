"""How fast a destination receives is the sum over all its transfers of the last seconds, small ones and large ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.events import RouteMoved
from etiket_gui.engine.progress import RECENT_S, RecentRate
from etiket_gui.engine.status import status_of
from tests.faults.test_engine_time import Played
from tests.support.clock import SECOND_NS


def test_hundreds_of_small_files_count_together() -> None:
    rate = RecentRate()
    for number in range(1000):
        rate.add(number / 100, 246, 1)
    bytes_per_s, files_per_s = rate.rates(10.0)
    assert bytes_per_s == pytest.approx(24_600, rel=0.1)
    assert files_per_s == pytest.approx(100, rel=0.1)


def test_one_large_transfer_is_told_right_and_ends_soon() -> None:
    rate = RecentRate()
    for number in range(120):
        rate.add(number / 4, 10_000_000)
    assert rate.rates(30.0)[0] == pytest.approx(40e6, rel=0.1)
    assert rate.rates(30.0 + RECENT_S) == (0.0, 0.0)


def test_a_single_piece_is_not_infinitely_fast_and_a_new_burst_is_not_slowed_by_the_pause() -> None:
    rate = RecentRate()
    rate.add(0.0, 1000, 1)
    assert rate.rates(0.0) == (1000.0, 1.0)
    for number in range(8):
        rate.add(100.0 + number / 4, 1_000_000)
    assert rate.rates(102.0)[0] == pytest.approx(4e6, rel=0.1)


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    yield made
    made.close()


def _found(played: Played, count: int, size_bytes: int) -> list[Found]:
    return [
        Found(
            f"run {number}", f"run {number}", 1, newest_change_ns=played.begun_ns - 3600 * SECOND_NS,
            looked_at_ns=played.clock.now_ns(), size_bytes=size_bytes, file_count=1, place=f"1:{number}",
        )
        for number in range(count)
    ]  # fmt: skip


def test_the_engine_tells_the_sum_while_it_sends_and_zero_afterwards(played: Played) -> None:
    # Each takes a tenth of a second: every worker sends 100 MB/s.
    found = _found(played, 900, 10_000_000)
    played.pool.look = lambda: found
    for _ in range(100):
        if played.coordinator.transfers.rates.rates():
            break
        played.pass_time(1.0)
    played.pass_time(8.0)
    [rate] = status_of(played.coordinator)["rates"]
    assert rate["destination"] == "archive"
    workers = played.pool.workers
    assert workers > 1
    assert rate["bytes_per_s"] == pytest.approx(workers * 100e6, rel=0.25)
    assert rate["files_per_s"] == pytest.approx(workers * 10, rel=0.25)
    played.pass_time(60.0)
    told = [event for event in played.events if isinstance(event, RouteMoved)]
    assert max(event.rate_bytes_per_s for event in told) == pytest.approx(workers * 100e6, rel=0.25)
    assert (told[-1].rate_bytes_per_s, told[-1].rate_files_per_s) == (0.0, 0.0)
    assert status_of(played.coordinator)["rates"] == []
    assert len(told) < 250
