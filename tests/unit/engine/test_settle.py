"""The settle rule keeps its promises."""

from __future__ import annotations

from etiket_gui.domain.content import Found
from etiket_gui.domain.states import RunState
from etiket_gui.engine.settle import SHARE_CLOCK_MARGIN_S, SettleBook

_NS = 1_000_000_000
_NOW_NS = 1_800_000_000 * _NS


def _found(*, fingerprint: int = 1, age_s: float = 0.0, now_ns: int = _NOW_NS, **more: object) -> Found:
    return Found("run", "run", fingerprint, newest_change_ns=now_ns - round(age_s * _NS), looked_at_ns=now_ns, **more)


def test_a_dataset_quiet_for_longer_than_the_settle_time_settles_at_the_first_look() -> None:
    assert SettleBook(10.0).judge(_found(age_s=10.5), 0.0).is_settled


def test_a_fresh_dataset_is_looked_at_again_exactly_when_it_may_be_settled() -> None:
    judgement = SettleBook(10.0).judge(_found(age_s=4.0), 100.0)
    assert not judgement.is_settled
    assert abs(judgement.look_again_in_s - 6.0) < 1e-6


def test_two_equal_looks_a_settle_time_apart_settle_whatever_the_file_times_say() -> None:
    book = SettleBook(10.0)
    assert not book.judge(_found(age_s=-3600.0), 100.0).is_settled
    assert not book.judge(_found(age_s=-3600.0), 109.0).is_settled
    assert book.judge(_found(age_s=-3600.0), 110.0).is_settled


def test_a_change_between_two_looks_starts_the_settle_time_anew() -> None:
    book = SettleBook(10.0)
    assert not book.judge(_found(fingerprint=1, age_s=-1.0), 100.0).is_settled
    judgement = book.judge(_found(fingerprint=2, age_s=-1.0), 111.0)
    assert not judgement.is_settled
    assert abs(judgement.look_again_in_s - 10.0) < 1e-6


def test_a_file_time_in_the_future_waits_for_a_second_look_instead_of_for_ever() -> None:
    judgement = SettleBook(10.0).judge(_found(age_s=-80 * 365 * 86400.0), 0.0)
    assert not judgement.is_settled
    assert judgement.look_again_in_s <= 10.0


def test_after_a_clock_jump_an_old_looking_file_needs_two_looks() -> None:
    book = SettleBook(10.0)
    assert not book.judge(_found(age_s=86400.0), 0.0, is_clock_trusted=False).is_settled
    assert book.judge(_found(age_s=86400.0), 10.0, is_clock_trusted=False).is_settled


def test_on_a_share_the_other_machines_clock_is_not_enough_for_a_first_look() -> None:
    book = SettleBook(60.0, is_share=True)
    assert not book.judge(_found(age_s=120.0), 0.0).is_settled
    assert book.judge(_found(age_s=180.0), 60.0).is_settled
    assert SettleBook(60.0, is_share=True).judge(_found(age_s=SHARE_CLOCK_MARGIN_S + 1), 0.0).is_settled


def test_a_running_measurement_is_never_settled() -> None:
    book = SettleBook(10.0)
    for monotonic_s in (0.0, 50.0, 5000.0):
        assert not book.judge(_found(age_s=9999.0, run_state=RunState.LIVE), monotonic_s).is_settled


def test_a_completion_mark_settles_at_the_second_unchanged_look() -> None:
    book = SettleBook(10.0)
    assert not book.judge(_found(age_s=0.0, has_completion_mark=True), 0.0).is_settled
    assert book.judge(_found(age_s=0.0, has_completion_mark=True), 0.5).is_settled
