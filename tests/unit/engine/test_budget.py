"""Measuring slows, only the user's hold stops."""

from __future__ import annotations

from etiket_gui.engine.budget import FIRST_LOOK_S, SIGN_OF_LIFE_S, Allowance, Budget


def _budget(**changes: float) -> Budget:
    values: dict[str, float | None] = {
        "worker_count": 2,
        "rate_bytes_per_s": None,
        "measuring_rate_bytes_per_s": 5e6,
        "safe_within_s": 3600.0,
    }
    return Budget(**(values | changes))  # type: ignore[arg-type]


def test_without_a_measurement_everything_may_be_used() -> None:
    allowance = _budget().allowance(0.0, has_small_waiting=True, oldest_unsafe_s=None)
    assert allowance == Allowance(2, None, large_files=True, is_measuring=False)


def test_while_measuring_one_worker_five_megabytes_per_second_and_large_files_last() -> None:
    budget = _budget()
    budget.note_sign_of_life(1, 100.0)
    allowance = budget.allowance(101.0, has_small_waiting=True, oldest_unsafe_s=60.0)
    assert allowance == Allowance(1, 5e6, large_files=False, is_measuring=True, is_gentle=True)
    assert budget.allowance(101.0, has_small_waiting=False, oldest_unsafe_s=60.0).large_files


def test_what_counts_is_how_long_a_dataset_was_kept_waiting_and_not_how_old_it_is() -> None:
    budget = _budget()
    budget.note_sign_of_life(1, 0.0, looks_every_s=10_000.0)
    year_s = 365 * 86_400.0
    assert not budget.allowance(0.0, has_small_waiting=True, oldest_unsafe_s=year_s).is_overdue
    assert not budget.allowance(3599.0, has_small_waiting=True, oldest_unsafe_s=year_s).is_overdue
    assert budget.allowance(3600.0, has_small_waiting=True, oldest_unsafe_s=year_s).is_overdue
    assert not budget.allowance(3600.0, has_small_waiting=True, oldest_unsafe_s=3599.0).is_overdue
    # Nothing waits for a moment: what comes then is not kept waiting yet.
    budget.allowance(3700.0, has_small_waiting=False, oldest_unsafe_s=None)
    assert not budget.allowance(3701.0, has_small_waiting=True, oldest_unsafe_s=year_s).is_overdue


def test_the_end_of_a_measurement_is_noticed() -> None:
    budget = _budget()
    budget.note_sign_of_life(1, 100.0)
    assert budget.ends_at_s(101.0) == 100.0 + SIGN_OF_LIFE_S
    assert budget.measuring_sources(100.0 + SIGN_OF_LIFE_S + 0.1) == ()
    assert budget.ends_at_s(100.0 + SIGN_OF_LIFE_S + 0.1) is None


def test_a_lower_limit_of_the_user_holds_while_measuring_too() -> None:
    budget = _budget(rate_bytes_per_s=1e6)
    budget.note_sign_of_life(1, 0.0)
    assert budget.allowance(1.0, has_small_waiting=True, oldest_unsafe_s=None).rate_bytes_per_s == 1e6


def test_a_source_that_is_removed_no_longer_counts_as_measuring() -> None:
    budget = _budget()
    budget.note_sign_of_life(1, 0.0)
    budget.forget(1)
    assert budget.measuring_sources(1.0) == ()


def test_as_long_as_nobody_has_looked_the_engine_goes_as_slowly_as_beside_a_measurement() -> None:
    budget = _budget()
    assert budget.note_unknown(1, 100.0) == 100.0 + FIRST_LOOK_S
    budget.note_unknown(2, 100.0)
    slow = Allowance(1, 5e6, large_files=True, is_measuring=False, is_gentle=True)
    assert budget.allowance(101.0, has_small_waiting=False, oldest_unsafe_s=None) == slow
    budget.note_known(1)
    assert budget.allowance(101.0, has_small_waiting=False, oldest_unsafe_s=None) == slow
    budget.note_known(2)
    assert budget.allowance(101.0, has_small_waiting=False, oldest_unsafe_s=None).workers == 2


def test_a_source_that_nobody_can_look_at_does_not_slow_the_others_for_long() -> None:
    budget = _budget()
    budget.note_unknown(1, 100.0)
    allowance = budget.allowance(100.0 + FIRST_LOOK_S, has_small_waiting=False, oldest_unsafe_s=None)
    assert allowance == Allowance(2, None, large_files=True, is_measuring=False)
