"""Retry classes lead to the states and times they promise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etiket_gui.domain import errors
from etiket_gui.domain.states import RetryClass, TransferState
from etiket_gui.engine import retry

_NOW_NS = 1_800_000_000_000_000_000


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


@given(attempts=st.integers(0, 10_000), seed=st.integers())
def test_the_back_off_never_exceeds_fifteen_minutes_and_never_spins(attempts: int, seed: int) -> None:
    delay_s = retry.backoff_delay_s(attempts, random.Random(seed))
    assert 0.25 <= delay_s <= retry.LONGEST_DELAY_S


def test_the_back_off_grows_with_the_attempts(rng: random.Random) -> None:
    early = [retry.backoff_delay_s(1, rng) for _ in range(200)]
    late = [retry.backoff_delay_s(10, rng) for _ in range(200)]
    assert max(early) <= 1.0
    assert sum(late) / len(late) > 100.0


@pytest.mark.parametrize("error", [errors.SourceChanged("x"), errors.SourceGone("x")])
def test_what_changed_or_went_is_held_and_is_no_failed_attempt(error: errors.EtiketError, rng: random.Random) -> None:
    assert retry.judge(error, 3, _NOW_NS, rng) == retry.Verdict(TransferState.HELD, None, counts_as_attempt=False)


@pytest.mark.parametrize("error", [errors.DestinationOffline("x"), errors.DestinationFull("x"), errors.Stopped("x")])
def test_an_absent_destination_is_never_a_failed_attempt_of_a_dataset(
    error: errors.EtiketError, rng: random.Random
) -> None:
    verdict = retry.judge(error, 3, _NOW_NS, rng)
    assert (verdict.state, verdict.counts_as_attempt) == (TransferState.WAITING, False)


@pytest.mark.parametrize("error", [errors.PermissionRefused("x"), errors.NameTooLong("x"), errors.ProgramError("x")])
def test_what_needs_a_person_or_a_change_is_not_tried_in_a_loop(error: errors.EtiketError, rng: random.Random) -> None:
    verdict = retry.judge(error, 0, _NOW_NS, rng)
    assert (verdict.state, verdict.due_ns) == (TransferState.FAILED, None)


def test_a_passing_failure_is_due_again_soon(rng: random.Random) -> None:
    verdict = retry.judge(errors.FileBusy("x"), 0, _NOW_NS, rng)
    assert verdict.state is TransferState.FAILED
    assert verdict.due_ns is not None
    assert 0 < verdict.due_ns - _NOW_NS <= 10**9


def test_a_time_that_was_asked_for_is_obeyed_but_not_beyond_an_hour(rng: random.Random) -> None:
    def due_s(after_s: float) -> float:
        due_ns = _NOW_NS + round(after_s * 1e9)
        error = errors.EtiketError("x", retry_class=RetryClass.AT_TIME, due_ns=due_ns)
        verdict = retry.judge(error, 0, _NOW_NS, rng)
        assert verdict.due_ns is not None
        return (verdict.due_ns - _NOW_NS) / 1e9

    assert due_s(120.0) == 120.0
    assert due_s(86400.0) == retry.LONGEST_ASKED_DELAY_S
    assert due_s(-50.0) == 0.0


def test_trying_at_once_gives_up_its_haste_after_three_times(rng: random.Random) -> None:
    error = errors.EtiketError("x", retry_class=RetryClass.NOW)
    assert retry.judge(error, 0, _NOW_NS, rng).state is TransferState.WAITING
    assert retry.judge(error, 3, _NOW_NS, rng).state is TransferState.FAILED


def test_a_circuit_opens_probes_and_closes(rng: random.Random) -> None:
    circuit = retry.Circuit(rng)
    assert circuit.is_closed
    again_s = circuit.fail(errors.DestinationOffline("x"), 100.0, _NOW_NS)
    assert again_s is not None
    assert 100.25 <= again_s <= 101.0
    assert not circuit.is_closed
    circuit.close()
    assert circuit.is_closed
    assert circuit.try_at_s is None


def test_an_open_circuit_is_tried_at_once_when_a_person_asks(rng: random.Random) -> None:
    circuit = retry.Circuit(rng)
    circuit.fail(errors.DestinationRefused("x"), 100.0, _NOW_NS)
    assert circuit.waits_for_user
    assert circuit.try_at_s == 100.0 + retry.LONGEST_DELAY_S / 3
    circuit.try_now(105.0)
    assert circuit.try_at_s == 105.0
