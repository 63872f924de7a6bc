"""What is said of the rest is right most of the time, or not said at all; over many simulated runs."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etiket_gui.bridge.progress import ProgressBoard, RestEstimator

_STEP_S = 0.25
MB = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """Shares of a run's time: when the rest was told, and when what was told was right."""

    told: float
    right: float


def _simulated(seed: int, change: float, file_bytes: float) -> Outcome:
    """A run of three speeds that differ by up to the factor ``change``, with jitter and short standstills."""
    rng = random.Random(seed)
    whole_s = rng.uniform(30, 600)
    base = rng.uniform(5 * MB, 200 * MB)
    speeds = [base * change ** rng.uniform(-0.5, 0.5) for _ in range(3)]
    cuts = sorted(rng.uniform(0.15, 0.85) for _ in range(2))
    looks: list[tuple[float, int]] = []
    now_s, done_bytes = 0.0, 0.0
    while now_s < whole_s:
        phase = sum(now_s > cut * whole_s for cut in cuts)
        speed = 0.0 if rng.random() < 0.03 else speeds[phase] * rng.lognormvariate(0, 0.35)
        now_s += _STEP_S
        done_bytes += speed * _STEP_S
        looks.append((now_s, int(done_bytes)))
    end_s, size_bytes = looks[-1]
    estimator = RestEstimator(0.0)
    told = right = 0
    for now_s, done in looks:
        estimator.update(
            now_s,
            done_bytes=done,
            size_bytes=size_bytes,
            done_files=int(done / file_bytes),
            file_count=int(size_bytes / file_bytes),
        )
        rest_s = estimator.estimate(now_s).rest_s
        if rest_s is None:
            continue
        told += 1
        true_s = end_s - now_s
        right += abs(rest_s - true_s) <= 1.5 or 1 / 1.5 <= rest_s / true_s <= 1.5
    return Outcome(told / len(looks), right / len(looks))


@pytest.mark.parametrize("file_bytes", [20_000.0, 5.0 * MB, 500.0 * MB])
def test_with_two_changes_of_speed_the_rest_is_right_for_80_percent_of_the_time(file_bytes: float) -> None:
    outcomes = [_simulated(seed, 2.0, file_bytes) for seed in range(150)]
    good = sum(outcome.right >= 0.8 for outcome in outcomes)
    assert good >= 0.9 * len(outcomes), good
    assert statistics.median(outcome.right for outcome in outcomes) > 0.95


def test_where_the_speed_changes_a_lot_most_of_what_is_told_is_right() -> None:
    outcomes = [_simulated(seed, 5.0, 5.0 * MB) for seed in range(150)]
    assert statistics.median(outcome.right / outcome.told for outcome in outcomes) > 0.7


def test_nothing_is_told_at_the_begin() -> None:
    estimator = RestEstimator(0.0)
    for tick in range(12):
        estimator.update(tick * _STEP_S, done_bytes=tick * MB, size_bytes=1000 * MB)
        assert estimator.estimate(tick * _STEP_S).rest_s is None


def test_after_a_standstill_nothing_is_told_until_it_moves_again() -> None:
    estimator = RestEstimator(0.0)
    for tick in range(100):
        estimator.update(tick * 0.25, done_bytes=tick * MB, size_bytes=1000 * MB)
    assert estimator.estimate(24.75).rest_s == pytest.approx(225, rel=0.05)
    assert estimator.estimate(40.0).rest_s is None


def test_a_speed_that_drops_to_a_tenth_is_estimating_first() -> None:
    estimator = RestEstimator(0.0)
    now_s, done_bytes = 0.0, 0
    for _ in range(200):
        now_s += 0.25
        done_bytes += 10 * MB
        estimator.update(now_s, done_bytes=done_bytes, size_bytes=20_000 * MB)
    for _ in range(24):
        now_s += 0.25
        done_bytes += MB
        estimator.update(now_s, done_bytes=done_bytes, size_bytes=20_000 * MB)
    assert estimator.estimate(now_s).rest_s is None


def test_a_run_that_begins_anew_is_estimated_anew() -> None:
    estimator = RestEstimator(0.0)
    for tick in range(100):
        estimator.update(tick * 0.25, done_bytes=tick * MB, size_bytes=1000 * MB)
    estimator.update(25.0, done_bytes=0, size_bytes=1000 * MB)
    assert estimator.estimate(25.0).rest_s is None


def test_what_is_done_has_no_rest() -> None:
    estimator = RestEstimator(0.0)
    estimator.update(1.0, done_bytes=10, size_bytes=10, done_files=1, file_count=1)
    assert estimator.estimate(1.0).rest_s == 0


@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.integers(0, 1 << 60), st.integers(0, 1 << 60), st.integers(0, 1000)), max_size=60
    )
)
def test_whatever_is_told_it_is_none_or_not_negative(looks: list[tuple[float, int, int, int]]) -> None:
    estimator = RestEstimator(0.0)
    now_s = 0.0
    for passed_s, done_bytes, size_bytes, done_files in looks:
        now_s += passed_s
        estimator.update(now_s, done_bytes=done_bytes, size_bytes=size_bytes, done_files=done_files, file_count=100)
        estimate = estimator.estimate(now_s)
        assert estimate.rest_s is None or estimate.rest_s >= 0
        assert estimate.rate_bytes_per_s >= 0


def test_a_board_keeps_rows_apart_and_forgets_them() -> None:
    board = ProgressBoard()
    for tick in range(40):
        board.note("a", tick * 0.25, done_bytes=tick * MB, size_bytes=100 * MB)
        board.note(("b", 1), tick * 0.25, done_bytes=tick * 2 * MB, size_bytes=100 * MB)
    first, second = board.estimate("a", 9.75), board.estimate(("b", 1), 9.75)
    assert first is not None
    assert second is not None
    assert first.rate_bytes_per_s == pytest.approx(4 * MB, rel=0.1)
    assert second.rate_bytes_per_s == pytest.approx(8 * MB, rel=0.1)
    board.forget("a")
    board.keep_only(set())
    assert board.estimate("a", 10) is None
    assert board.estimate(("b", 1), 10) is None
