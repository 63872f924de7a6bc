"""What stands above the pages: each thing in the way with its reason and the next step."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from etiket_gui.bridge.queries_pages import Overview
from etiket_gui.bridge.queries_shell import ShellFacts
from etiket_gui.domain.errors import HomeInUse, PermissionRefused, StoreDamaged, StoreTooNew
from etiket_gui.gui.banners import Banner, banners
from etiket_gui.gui.program_state import Facts
from tests.unit.gui_shell.test_program_state import _PLACE, _SOURCE, HOUR_NS, NOW_NS


def shown(place: dict[str, Any] | None = None, source: dict[str, Any] | None = None, **facts: Any) -> list[Banner]:
    overview = Overview(
        sources=(dataclasses.replace(_SOURCE, **(source or {})),),
        destinations=(dataclasses.replace(_PLACE, **(place or {})),),
    )
    return list(banners(Facts(**{"shell": ShellFacts(overview), "is_running": True, **facts}), NOW_NS))


def test_nothing_in_the_way_shows_nothing() -> None:
    assert shown() == []


@pytest.mark.parametrize(
    ("given", "key", "action", "says"),
    [
        ({"paused_until_ns": -1}, "paused", "resume", "Paused until you resume"),
        ({"held_until_ns": NOW_NS + HOUR_NS}, "held", "resume", "On hold until"),
        ({"is_measuring": True}, "measuring", "", "A measurement is running"),
        ({"place": {"state": "offline", "state_reason": "no route"}}, "offline", "retry-now", "NAS cannot be reached"),
        ({"place": {"state": "sign_in"}}, "sign-in:1", "sign-in:1", "NAS needs you to sign in"),
        ({"is_keyring_locked": True}, "keyring", "unlock-keyring", "password store is locked"),
        ({"failure": HomeInUse("in use by process 3")}, "failed", "take-over", "In use by process 3."),
        ({"failure": StoreTooNew("from version 9")}, "failed", "", "From version 9."),
        ({"failure": StoreDamaged("a page is broken")}, "failed", "restart-engine", "A page is broken."),
        ({"failure": PermissionRefused("/x cannot be written")}, "failed", "restart-engine", "/x cannot be written."),
        ({"complaint": "No log is written."}, "complaint", "", "No log is written."),
    ],
)
def test_each_thing_in_the_way_has_a_reason_and_a_next_step(
    given: dict[str, Any], key: str, action: str, says: str
) -> None:
    (banner,) = shown(**given)
    assert (banner.key, banner.action) == (key, action)
    assert says in f"{banner.title} {banner.sentence}"
    assert bool(banner.action_text) == bool(action)
    assert banner.sentence or action


def test_what_is_away_is_one_banner_however_many_places() -> None:
    (banner,) = shown(place={"state": "offline"}, source={"state": "offline"})
    assert banner.title == "NAS, Fridge cannot be reached"


def test_worst_comes_first() -> None:
    keys = [banner.key for banner in shown(
        place={"state": "offline"}, failure=HomeInUse("x"), is_keyring_locked=True, paused_until_ns=-1, complaint="y"
    )]  # fmt: skip
    assert keys == ["failed", "keyring", "offline", "paused", "complaint"]


def test_measuring_is_not_said_beside_a_pause() -> None:
    assert [banner.key for banner in shown(is_measuring=True, paused_until_ns=-1)] == ["paused"]
