"""Figures, times and states in plain words."""

from __future__ import annotations

import datetime as dt

import pytest

from etiket_gui.gui import sentences as s

_NOW_NS = int(dt.datetime(2026, 3, 10, 14, 2, tzinfo=dt.datetime.now().astimezone().tzinfo).timestamp() * 1e9)
_S = 10**9


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (812_000, "812 kB"), (1.3e9, "1.3 GB"), (99_949, "99.9 kB"),
     (99_960, "100 kB"), (999_499_999, "999 MB"), (5e15, "5000 TB")],
)  # fmt: skip
def test_sizes_are_short_and_never_broken(size_bytes: float, text: str) -> None:
    assert s.size_text(size_bytes) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (7500, "2 h 5 min"), (7200, "2 h"), (2 * 86_400, "2 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert s.duration_text(seconds) == text.replace(" ", "\u00a0")


def test_how_long_ago() -> None:
    assert s.ago_text(None) == s.ago_text(0) == "never"
    assert s.ago_text(_NOW_NS, _NOW_NS) == "just now"
    assert s.ago_text(_NOW_NS - 180 * _S, _NOW_NS) == "3\u00a0min ago"
    assert s.ago_text(_NOW_NS + 60 * _S, _NOW_NS) == "just now"


@pytest.mark.parametrize(
    ("shift_s", "text"),
    [(0, "14:02"), (-86_400, "yesterday 14:02"), (86_400, "tomorrow 14:02"), (-5 * 86_400, "5 March 14:02")],
)
def test_moments_as_a_person_says_them(shift_s: int, text: str) -> None:
    assert s.clock_text(_NOW_NS + shift_s * _S, _NOW_NS) == text
    assert s.clock_text(_NOW_NS - 400 * 86_400 * _S, _NOW_NS) == "3 February 2025"


def test_days_are_headings() -> None:
    today = dt.date(2026, 3, 10)
    assert s.day_text(today, today) == "Today"
    assert s.day_text(today - dt.timedelta(days=1), today) == "Yesterday"
    assert s.day_text(dt.date(2026, 3, 3), today) == "Tuesday 3 March 2026"


def test_numbers_have_their_thousands_apart() -> None:
    assert s.number_text(1204) == "1\u202f204"
    assert s.datasets_text(1) == "1 dataset"
    assert s.files_text(20_000) == "20\u202f000 files"
    assert s.problems_text(0) == "no problem"
    assert [s.tries_text(count) for count in (0, 1, 7)] == ["", "once", "7 times"]


def test_the_rest_is_told_or_said_to_be_estimated() -> None:
    assert s.rest_text(None) == "estimating"
    assert s.rest_text(720) == "about 12\u00a0min left"
    assert s.rest_text(0.1) == "about 1\u00a0s left"


def test_pauses_have_an_end_or_none() -> None:
    assert s.until_text(-1) == "until you resume"
    assert s.until_text(_NOW_NS, _NOW_NS) == "until 14:02"
    assert s.is_ahead(-1)
    assert not s.is_ahead(0)
    assert s.is_ahead(_NOW_NS + 1, _NOW_NS)


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("archived", "", "archived and verified 3\u00a0min ago"),
        ("held", "still being written", "waiting: still being written"),
        ("waiting", "", "waiting for its turn"),
        ("sending", "", "is being sent"),
        ("ignored", "", "left out, as you asked"),
        ("failed", "x.csv is held.", "did not work: x.csv is held; tried again in 4\u00a0min"),
        ("gone", "", "no longer at its source; what was archived stays"),
    ],
)
def test_where_a_dataset_is(state: str, reason: str, text: str) -> None:
    told = s.transfer_sentence(
        state, reason, verified_at_ns=_NOW_NS - 180 * _S, due_ns=_NOW_NS + 240 * _S, now_ns=_NOW_NS
    )
    assert told == text


def test_every_state_has_a_word() -> None:
    from etiket_gui.domain.states import DestinationState, RunState, SourceState, TransferState, VerificationLevel

    for states, title in (
        (TransferState, s.state_title), (RunState, s.run_state_title), (SourceState, s.source_state_title),
        (DestinationState, s.destination_state_title), (VerificationLevel, s.level_title),
    ):  # fmt: skip
        for state in states:
            assert title(state.value) != state.value
    assert s.state_title("gone") == "Gone"


def test_advice_of_the_command_line_becomes_advice_of_the_window() -> None:
    for kind in ("SourceEmpty", "ManyChanged", "ProgramError"):
        assert "etiket-sync" not in s.advice_text(kind, "Use etiket-sync detect FOLDER.")
    assert s.advice_text("FileBusy", "Nothing to do.") == "Nothing to do."


def test_sentences_end_once_and_names_stay_as_they_are() -> None:
    assert s.ended("trace 1.csv is held") == "trace 1.csv is held."
    assert s.ended("Done.") == "Done."
    assert s.capitalised("waiting") == "Waiting."
    assert s.capitalised("") == ""
    assert s.capitalised("trace 1.csv is no text") == "trace 1.csv is no text."
    assert s.capitalised("2026/run 4 is busy") == "2026/run 4 is busy."
    assert s.capitalised("the host is down. try again") == "The host is down. try again."


def test_small_files_are_counted_and_large_ones_are_not() -> None:
    assert s.moving_text(28_000, 120.4) == "120\u00a0files/s · 28.0\u00a0kB/s"
    assert s.moving_text(40e6, 3.0) == "40.0\u00a0MB/s"
    assert s.moving_text(40e6, 0.0) == "40.0\u00a0MB/s"
