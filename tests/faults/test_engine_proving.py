"""Re-reading stored copies, played on a fake clock: damage is repaired at once, what says nothing changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import DestinationDamaged, EtiketError, FileBusy, UsageError
from etiket_gui.domain.states import TransferState
from etiket_gui.engine import proving
from tests.faults.test_engine_time import Played
from tests.support.clock import SECOND_NS

HOUR_S = 3600.0


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    begun_ns = made.begun_ns

    def find(name: str) -> Found:
        return Found(
            name, name, 1, newest_change_ns=begun_ns - 3600 * SECOND_NS, looked_at_ns=made.clock.now_ns(),
            size_bytes=1000, file_count=1, place=f"1:{name}",
        )  # fmt: skip

    made.pool.look = lambda: [find("run 1"), find("run 2"), find("run 3")]
    made.pass_time(120)
    yield made
    made.close()


@pytest.mark.fault("F110", guard="only-damage-is-damage")
def test_copy_that_cannot_be_read_now_is_no_damage_and_comes_after_the_others(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "_BATCH", 1)
    sent = dict(played.pool.archived_at_ns)
    played.pool.unreadable["w/run 1"] = FileBusy("another program holds it").to_json()
    played.pass_time(6 * HOUR_S)
    assert played.state("run 1") is TransferState.ARCHIVED
    assert played.writer.open_problem_count() == 0
    assert sorted(played.pool.verified) == ["w/run 2", "w/run 3"]
    played.pool.unreadable.clear()
    played.pass_time(2 * HOUR_S)
    assert sorted(played.pool.verified) == ["w/run 1", "w/run 2", "w/run 3"]
    assert played.pool.archived_at_ns == sent


@pytest.mark.parametrize("error", [DestinationDamaged("rotten"), UsageError("there is no such dataset")])
@pytest.mark.fault("F110", guard="damage-is-repaired-at-once")
def test_damaged_copy_that_a_re_read_found_is_sent_again_at_once(played: Played, error: EtiketError) -> None:
    sent_ns = played.pool.archived_at_ns["run 2"]
    # Nothing else may wake the queue.
    played.pool.look = list
    for source in played.coordinator.sources.values():
        source.retire()
    played.pass_time(20 * 60)
    for what in ("probe", "sweep"):
        played.coordinator.desk.timers.cancel((what, 1))
    played.pool.unreadable["w/run 2"] = error.to_json()
    while not played.writer.open_problem_count() and played.pool.archived_at_ns["run 2"] == sent_ns:
        played.pass_time(60)
    played.pass_time(10)
    assert played.pool.archived_at_ns["run 2"] > sent_ns
