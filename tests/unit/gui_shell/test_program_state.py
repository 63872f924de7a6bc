"""Which of the seven states the program is in, that the worst wins, and that the sentence says why."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from etiket_gui.bridge.queries_pages import DestinationFacts, OldestUnsafe, Overview, SourceFacts
from etiket_gui.bridge.queries_shell import ShellFacts, WorstProblem
from etiket_gui.domain.errors import HomeInUse, StoreTooNew
from etiket_gui.gui.program_state import Facts, TrayKind, TrayState, tray_state

NOW_NS = 1_800_000_000_000_000_000
HOUR_NS = 3_600_000_000_000

_SOURCE = SourceFacts(
    id=1, name="Fridge", backend="folder", root="/data", is_enabled=True, state="ok", state_reason="",
    last_scan_ns=NOW_NS - HOUR_NS, last_scan_duration_s=1.0, stray_files=0, missed_by_watcher=0,
    counts={"archived": 12}, live=0, problems=0, oldest_unsafe=None, destinations=("NAS",),
)  # fmt: skip
_PLACE = DestinationFacts(
    id=1, name="NAS", kind="archive", place="/nas", is_local=True, state="ok", state_reason="", last_success_ns=None,
    free_bytes=None, counts={"archived": 12}, oldest_proof_ns=None, unproven_since_ns=None, sources=("Fridge",),
)  # fmt: skip
_PROBLEM = WorstProblem(
    "item", "NameTooLong", "Name too long", "run 7 has a name too long", "", "Fridge", "", "run 7", 1
)


def state(
    source: dict[str, Any] | None = None,
    place: dict[str, Any] | None = None,
    shell: dict[str, Any] | None = None,
    **facts: Any,
) -> TrayState:
    """The state with one source and one destination that are in order, but for what is named."""
    overview = Overview(
        sources=(dataclasses.replace(_SOURCE, **(source or {})),),
        destinations=(dataclasses.replace(_PLACE, **(place or {})),),
    )
    shown = ShellFacts(overview, **(shell or {}))
    return tray_state(Facts(**{"shell": shown, "is_running": True, **facts}), NOW_NS)


_IDLE: dict[str, Any] = {}
_WORKING: dict[str, Any] = {"source": {"counts": {"archived": 10, "sending": 1, "waiting": 1}}}
_MEASURING: dict[str, Any] = {"is_measuring": True}
_PAUSED: dict[str, Any] = {"paused_until_ns": -1}
_OFFLINE: dict[str, Any] = {"place": {"state": "offline"}}
_ATTENTION: dict[str, Any] = {"shell": {"problem_count": 3, "pressing_count": 1, "worst": (_PROBLEM,)}}
_ERROR: dict[str, Any] = {"failure": StoreTooNew("It was written by version 9.")}


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        (_IDLE, TrayKind.IDLE, "All 12 datasets are archived and verified."),
        ({"source": {"counts": {"archived": 1}}}, TrayKind.IDLE, "1 dataset, archived and verified."),
        ({"source": {"is_enabled": False}}, TrayKind.IDLE, "Every source is switched off."),
        ({"source": {"counts": {}}}, TrayKind.IDLE, "No dataset was found."),
        ({"source": {"counts": {"ignored": 2}}}, TrayKind.IDLE, "Everything that was found is left out, as you asked."),
        ({"source": {"counts": {"archived": 1, "ignored": 2, "gone": 3}}}, TrayKind.IDLE, "1 dataset, archived"),
        ({"source": {"state": "new"}}, TrayKind.IDLE, "not everything was looked at"),
        ({"is_running": False}, TrayKind.IDLE, "Starting"),
        (_WORKING, TrayKind.WORKING, "1 dataset on the way, 2 datasets not archived yet."),
        ({"source": {"counts": {"waiting": 3}}}, TrayKind.WORKING, "3 datasets not archived yet."),
        ({"source": {"last_scan_ns": None, "counts": {}}}, TrayKind.WORKING, "Looking through the sources."),
        (_MEASURING, TrayKind.MEASURING, "A measurement is running."),
        (
            {"source": {"live": 1, "counts": {"held": 1, "waiting": 4}}},
            TrayKind.MEASURING, "Fridge is measuring, so the rest is sent slowly.",
        ),
        ({"source": {"unreadable": 1}}, TrayKind.IDLE, "not everything was looked at"),
        (_PAUSED, TrayKind.PAUSED, "Paused until you resume: nothing is sent."),
        ({"held_until_ns": NOW_NS + HOUR_NS}, TrayKind.PAUSED, "On hold until"),
        (_OFFLINE, TrayKind.OFFLINE, "NAS cannot be reached."),
        ({"source": {"state": "offline"}}, TrayKind.OFFLINE, "Fridge cannot be reached."),
        (_ATTENTION, TrayKind.ATTENTION, "1 problem. Run 7 has a name too long."),
        ({"is_keyring_locked": True}, TrayKind.ATTENTION, "password store is locked"),
        ({"place": {"state": "sign_in"}}, TrayKind.ATTENTION, "NAS needs you to sign in."),
        ({"source": {"state": "empty"}}, TrayKind.ATTENTION, "Fridge: found nothing."),
        ({"source": {"state": "asking", "state_reason": "60 of Fridge"}}, TrayKind.ATTENTION, "60 of Fridge."),
        (_ERROR, TrayKind.ERROR, "It was written by version 9."),
        ({"failure": HomeInUse("Another one runs")}, TrayKind.ERROR, "Another one runs."),
        ({"place": {"state": "full"}}, TrayKind.ERROR, "NAS: is full."),
        ({"place": {"state": "problem", "state_reason": "no right"}}, TrayKind.ERROR, "NAS: no right."),
        ({"source": {"state": "problem"}}, TrayKind.ERROR, "Fridge: cannot be read."),
    ],
)  # fmt: skip
def test_state_and_why(given: dict[str, Any], kind: TrayKind, says: str) -> None:
    found = state(**given)
    assert found.kind is kind
    assert says in found.sentence


def test_worst_of_all_wins() -> None:
    best_first = [_IDLE, _WORKING, _MEASURING, _PAUSED, _OFFLINE, _ATTENTION, _ERROR]
    kinds = list(reversed(TrayKind))
    together: dict[str, Any] = {}
    for given, kind in zip(best_first, kinds, strict=True):
        together |= given
        assert state(**together).kind is kind


def test_pause_that_is_over_is_none() -> None:
    assert state(paused_until_ns=NOW_NS - 1, held_until_ns=NOW_NS - 1).kind is TrayKind.IDLE


def test_source_that_is_switched_off_disturbs_nobody() -> None:
    assert state(source={"is_enabled": False, "state": "problem"}).kind is TrayKind.IDLE


def test_tooltip_says_how_old_the_oldest_unsafe_dataset_is() -> None:
    oldest = OldestUnsafe(NOW_NS - 3 * HOUR_NS, 5, "run 5", "waiting", "")
    found = state(source={"counts": {"waiting": 1}, "oldest_unsafe": oldest})
    assert found.tooltip.splitlines() == [found.sentence, "Oldest not archived: run 5, 3\u00a0h ago."]


def test_before_the_store_was_read_nothing_is_claimed() -> None:
    found = tray_state(Facts(is_running=True), NOW_NS)
    assert found.kind is TrayKind.IDLE
    assert "archived" not in found.sentence


def test_nothing_set_up_says_what_to_do() -> None:
    found = tray_state(Facts(shell=ShellFacts(Overview()), is_running=True), NOW_NS)
    assert found.sentence == "Nothing is set up yet. Add a source to begin."


def test_a_look_that_lasts_is_said_where_nothing_else_goes_on() -> None:
    told = state(looking=(1,))
    assert (told.kind, told.sentence) == (TrayKind.WORKING, "Looking through Fridge.")
    assert told.oldest == "All 12 datasets known so far are archived and verified."
    assert "not archived yet" in state(**{**_WORKING, "looking": (1,)}).sentence
    assert state(looking=(99,)).kind is TrayKind.IDLE


def test_nothing_is_said_to_be_safe_before_a_source_was_looked_through() -> None:
    assert state(source={"last_scan_ns": None}, looking=(1,)).oldest == ""


def test_a_measurement_that_has_written_nothing_for_long_only_seems_to_run() -> None:
    live = {"counts": {"archived": 11, "held": 1}, "live": 1}
    assert state(source={**live, "newest_live_ns": NOW_NS - 30 * 10**9}).sentence == "Fridge is measuring."
    told = state(source={**live, "newest_live_ns": NOW_NS - 720 * 10**9})
    assert told.kind is TrayKind.MEASURING
    assert told.sentence == "Fridge seems to be measuring (last point 12\u00a0min ago)."
    waiting = {**live, "counts": {"archived": 10, "held": 1, "waiting": 1}, "newest_live_ns": NOW_NS - 720 * 10**9}
    assert state(source=waiting).sentence == "Fridge seems to be measuring (last point 12\u00a0min ago)."
    assert "so the rest is sent slowly" in state(source=waiting, is_measuring=True).sentence


def test_the_time_of_a_statement_is_said_only_when_it_is_not_of_now() -> None:
    assert "As of" not in state().tooltip
    told = state(as_of_ns=NOW_NS - 60 * 10**9)
    assert told.oldest.startswith("As of ")
    assert told.oldest.endswith(": the engine has not answered since then.")
    assert "cannot be read since then" in state(as_of_ns=NOW_NS - 60 * 10**9, is_store_away=True).oldest
