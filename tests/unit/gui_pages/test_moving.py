"""What is being sent belongs to its source and destination, and the rest of a source is right or not told."""

from __future__ import annotations

from etiket_gui.domain.events import DatasetProgressed
from etiket_gui.gui.pages.moving import Moving, SourceRest


def _told(transfer_id: int, done: int, size: int = 100, rate: float = 10.0) -> DatasetProgressed:
    return DatasetProgressed(transfer_id, f"u{transfer_id}", f"run {transfer_id}", done, size, rate, None)


def test_progress_is_told_at_both_ends_and_forgotten_when_it_stops() -> None:
    moving = Moving()
    moving.note([_told(1, 10), _told(2, 20), object()], 0.0)
    assert sorted(moving.unplaced) == [1, 2]
    moving.place({1: (7, 9), 2: (8, 9)})
    assert [item.name for item in moving.of_source(7)] == ["run 1"]
    assert len(moving.of_destination(9)) == 2
    moving.note([_told(1, 30)], 2.5)
    assert [item.done_bytes for item in moving.of_destination(9)] == [30]
    moving.forget_old(10.0)
    assert not moving.is_anything


def test_what_is_over_does_not_move_any_more() -> None:
    moving = Moving()
    moving.note([_told(1, 10), _told(2, 20)], 0.0)
    moving.place({1: (7, 9), 2: (7, 9)})
    moving.end(frozenset({1, 5}))
    assert [item.name for item in moving.of_source(7)] == ["run 2"]
    moving.end(frozenset({2}))
    assert not moving.is_anything


def test_the_rest_is_within_a_factor_of_one_and_a_half_or_not_told() -> None:
    total, sent, now_s = 4_000_000_000, 0.0, 0.0
    moments: list[tuple[float, float | None]] = []
    rest = SourceRest(0.0)
    while sent < total:
        rate = 40e6 if sent < total * 0.4 else 28e6 if sent < total * 0.7 else 45e6
        now_s += 1.5
        sent = min(total, sent + rate * 1.5)
        rest.update(now_s, int(total - sent), 40 - int(40 * sent / total))
        moments.append((now_s, rest.rest_s(now_s)))
    told = [(now_s - at_s, rest_s) for at_s, rest_s in moments if rest_s is not None and now_s - at_s > 3]
    good = [true_s for true_s, rest_s in told if true_s / 1.5 <= rest_s <= true_s * 1.5]
    untold = len(moments) - len(told)
    assert len(told) > len(moments) / 3
    assert len(good) + untold >= 0.8 * len(moments)


def test_what_comes_on_top_makes_the_rest_longer_and_does_not_count_as_done() -> None:
    rest = SourceRest(0.0)
    for second in range(1, 11):
        rest.update(float(second), 1000 - 50 * second, 0)
    before = rest.rest_s(10.0)
    for second in range(11, 21):
        rest.update(float(second), 2500 - 50 * second, 0)
    after = rest.rest_s(20.0)
    assert before is not None
    assert after is not None
    assert after > before
