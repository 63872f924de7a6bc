"""Until when a pause lasts that ends tomorrow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from etiket_gui.gui.steering_menu import tomorrow_ns


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield os.environ["TZ"]
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-10T22:30:00+00:00", "2026-06-12T08:00:00+02:00"),
        ("2026-06-10T06:00:00+00:00", "2026-06-11T08:00:00+02:00"),
        ("2026-03-28T12:00:00+00:00", "2026-03-29T08:00:00+02:00"),
        ("2026-10-24T12:00:00+00:00", "2026-10-25T08:00:00+01:00"),
        ("2026-12-31T12:00:00+00:00", "2027-01-01T08:00:00+01:00"),
    ],
)
def test_tomorrow_is_the_next_morning_also_when_clocks_change(zone: str, now: str, expected: str) -> None:
    now_ns = int(datetime.fromisoformat(now).timestamp()) * 1_000_000_000
    found = datetime.fromtimestamp(tomorrow_ns(now_ns) / 1e9, UTC)
    assert found == datetime.fromisoformat(expected)
