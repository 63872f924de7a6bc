"""What the overview says is true: never that all is archived when something was not looked at or is not safe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etiket_gui.bridge.queries_pages import DestinationFacts, OldestUnsafe, Overview, SourceFacts
from etiket_gui.domain.states import SourceState
from etiket_gui.gui.pages.overview_sentences import (
    destination_told,
    headline,
    oldest_sentence,
    proof_sentence,
    source_footnote,
    source_told,
)

_NOW_NS = 1_780_000_000 * 10**9
_HOUR_NS = 3600 * 10**9
SOURCE = SourceFacts(
    id=1, name="F", backend="folder", root="/data", is_enabled=True, state="ok", state_reason="",
    last_scan_ns=_NOW_NS - 60 * 10**9, last_scan_duration_s=1.0, stray_files=0, missed_by_watcher=0,
    counts={"archived": 10}, live=0, problems=0, oldest_unsafe=None, destinations=("A",),
)  # fmt: skip
PLACE = DestinationFacts(
    id=1, name="A", kind="archive", place="/archive", is_local=True, state="ok", state_reason="",
    last_success_ns=_NOW_NS - 180 * 10**9, free_bytes=10**12, counts={"archived": 10}, oldest_proof_ns=None,
    unproven_since_ns=_NOW_NS - _HOUR_NS, sources=("F",),
)  # fmt: skip


def _said(*sources: SourceFacts, places: tuple[DestinationFacts, ...] = (PLACE,), measuring: bool = False) -> str:
    told = headline(Overview(sources, places), is_measuring=measuring, engine_away="", now_ns=_NOW_NS)
    return f"{told.sign}: {told.sentence} {told.detail}".strip()


def test_all_archived() -> None:
    assert _said(SOURCE).startswith("ok: All 10 datasets are archived and verified as of ")


@pytest.mark.parametrize("state", [state for state in SourceState if state is not SourceState.OK])
def test_all_archived_is_never_said_of_a_source_in_another_state(state: SourceState) -> None:
    assert "All 10" not in _said(replace(SOURCE, state=state.value, state_reason="it is away"))


def test_all_archived_is_never_said_without_a_finished_look() -> None:
    assert "All 10" not in _said(replace(SOURCE, last_scan_ns=None))
    assert "All 10" not in _said(SOURCE, replace(SOURCE, id=2, name="G", last_scan_ns=None, state="new"))


def test_all_archived_is_never_said_where_something_could_not_be_read() -> None:
    partly = replace(SOURCE, unreadable=1)
    assert _said(partly) == (
        "attention: All known datasets are archived, but there may be more F: not everything in it could be read."
    )
    assert source_told(partly, now_ns=_NOW_NS).sentence == "Not everything here could be read, so there may be more"


def test_a_running_first_measurement_claims_nothing_before_it() -> None:
    first = replace(SOURCE, counts={"held": 1}, live=1)
    assert source_told(first, now_ns=_NOW_NS).sentence == "A measurement runs; it follows when it is complete"


def test_what_is_left_out_altogether_is_not_called_archived() -> None:
    left_out = replace(SOURCE, counts={"ignored": 2, "gone": 1})
    assert "archived" not in _said(left_out) + source_told(left_out, now_ns=_NOW_NS).sentence


@pytest.mark.parametrize("shown", ["waiting", "held", "sending", "failed"])
def test_one_dataset_that_is_not_safe_is_the_headline(shown: str) -> None:
    said = _said(replace(SOURCE, counts={"archived": 9, shown: 1}))
    assert "1 of 10 datasets is not archived yet" in said


def test_ignored_and_switched_off_are_told_but_not_counted() -> None:
    said = _said(
        replace(SOURCE, counts={"archived": 9, "ignored": 3}), replace(SOURCE, id=2, name="old", is_enabled=False)
    )
    assert "All 9 datasets" in said
    assert "Switched off and not counted: old." in said
    assert "Left out as you asked: 3 datasets." in said


def test_gone_datasets_do_not_count() -> None:
    assert "All 9 datasets" in _said(replace(SOURCE, counts={"archived": 9, "gone": 5}))


def test_a_running_measurement_is_no_backlog() -> None:
    said = _said(replace(SOURCE, counts={"archived": 9, "held": 1}, live=1), measuring=True)
    assert said.startswith("measuring: Everything that is complete is archived and verified")


def test_measuring_and_absent_places_are_named_as_reasons() -> None:
    oldest = OldestUnsafe(_NOW_NS - 2 * _HOUR_NS, 7, "run 17", "waiting", "")
    waiting = replace(SOURCE, counts={"archived": 9, "waiting": 1}, oldest_unsafe=oldest)
    said = _said(waiting, places=(replace(PLACE, state="offline"),), measuring=True)
    assert "The oldest is run 17, unchanged for 2\u00a0h." in said
    assert "A measurement runs, so sending is slow on purpose." in said
    assert "A cannot take anything now." in said
    assert said.startswith("attention")


def test_without_an_engine_nothing_good_is_said() -> None:
    told = headline(Overview((SOURCE,), (PLACE,)), is_measuring=False, engine_away="Why.", now_ns=_NOW_NS)
    assert (told.sign, told.sentence, told.detail) == ("problem", "Nothing is archived just now", "Why.")


def test_without_sources_the_next_step_is_said() -> None:
    assert "Add a source and the place" in _said(places=())
    assert "Add a source: a folder" in _said()


def test_a_source_that_asks_leads_to_the_answer() -> None:
    told = source_told(
        replace(SOURCE, state="asking", state_reason="60 changed", problem_kind="ManyChanged"), now_ns=_NOW_NS
    )
    assert told.sign == "asking"
    assert "Problems" in told.detail


def test_the_footnote_tells_what_was_noticed_beside_the_datasets() -> None:
    said = source_footnote(replace(SOURCE, stray_files=1, missed_by_watcher=3, counts={"ignored": 2}), _NOW_NS)
    assert said == (
        "Looked through 1\u00a0min ago · 3 found only by looking, missed by the watcher · "
        "1 file lies outside of any dataset · 2 left out"
    )
    assert source_footnote(replace(SOURCE, last_scan_ns=None), _NOW_NS) == "Not looked through yet"


def test_the_oldest_is_only_told_of_sources_that_are_on() -> None:
    oldest = OldestUnsafe(_NOW_NS - _HOUR_NS, 7, "run 17", "waiting", "")
    assert oldest_sentence(replace(SOURCE, oldest_unsafe=oldest), _NOW_NS).endswith("run 17, unchanged for 1\u00a0h")
    assert oldest_sentence(replace(SOURCE, oldest_unsafe=oldest, is_enabled=False), _NOW_NS) == ""


def test_destinations_tell_when_they_took_something_and_when_it_was_proven() -> None:
    assert destination_told(PLACE, _NOW_NS).sentence == "Reachable; took something 3\u00a0min ago"
    assert "still to come" in proof_sentence(PLACE, _NOW_NS)
    proven = replace(PLACE, oldest_proof_ns=_NOW_NS - 24 * _HOUR_NS)
    assert proof_sentence(proven, _NOW_NS).startswith("Read again and compared: the oldest proof is from 24\u00a0h ago")
    assert proof_sentence(replace(PLACE, counts={}), _NOW_NS) == ""
    assert (
        destination_told(replace(PLACE, state="full", state_reason="No space left"), _NOW_NS).sentence
        == "No space left."
    )


def test_a_source_that_is_looked_through_says_so_and_what_is_known() -> None:
    told = source_told(SOURCE, looking_s=12.0, now_ns=_NOW_NS)
    assert told.sentence == "Being looked through for 12\u00a0s"
    assert told.detail.startswith("Everything is archived and verified as of ")
    waiting = source_told(replace(SOURCE, counts={"archived": 3, "waiting": 4}), looking_s=90.0, now_ns=_NOW_NS)
    assert (waiting.sentence, waiting.detail) == ("Being looked through for 1\u00a0min", "4 datasets to go.")


def test_the_first_look_says_what_it_found_so_far() -> None:
    new = replace(SOURCE, last_scan_ns=None, state="new", counts={"waiting": 212})
    assert source_told(new, is_looking=True, looking_s=5.0, now_ns=_NOW_NS).detail == (
        "For 5\u00a0s now, 212 datasets found so far."
    )
    assert source_told(new, is_looking=True, now_ns=_NOW_NS).detail == ""


def test_what_is_wrong_with_a_source_is_said_also_while_it_is_looked_through() -> None:
    failed = replace(SOURCE, counts={"archived": 9, "failed": 1})
    assert source_told(failed, looking_s=12.0, now_ns=_NOW_NS).sentence == "1 dataset could not be archived"


def test_a_card_says_when_a_measurement_only_seems_to_run() -> None:
    live = replace(SOURCE, counts={"archived": 9, "held": 1}, live=1, newest_live_ns=_NOW_NS - 720 * 10**9)
    assert source_told(live, now_ns=_NOW_NS).sentence == (
        "A measurement seems to run (last point 12\u00a0min ago); everything before it is archived and verified"
    )
    fresh = replace(live, newest_live_ns=_NOW_NS - 10**9)
    assert source_told(fresh, now_ns=_NOW_NS).sentence == (
        "A measurement runs; everything before it is archived and verified"
    )
