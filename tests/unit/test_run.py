"""The engine for scripts: one call that archives what is there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from etiket_gui.domain.errors import HomeInUse
from etiket_gui.domain.events import DatasetArchived, Event
from etiket_gui.osys.locking import HomeLock
from etiket_gui.run import sync_loop
from etiket_gui.settings.home import Home
from tests.support.engine_runs import configured_lab, write_datasets

SOURCE = "5d5c1f52-6a39-4d0f-8f0e-6f0f4d8a1c11"


def test_one_cycle_archives_what_is_there_and_the_next_finds_nothing_new(tmp_path: Path) -> None:
    source = tmp_path / "measurements"
    write_datasets(source, range(3))
    lab, _ = configured_lab(tmp_path / "lab", source, source_uuid=SOURCE)
    events: list[Event] = []
    report = sync_loop(1, home=lab.home, listener=events.append)
    assert (report.found, report.archived, report.exit_code) == (3, 3, 0)
    assert len([event for event in events if isinstance(event, DatasetArchived) and event.is_new]) == 3
    events.clear()
    assert sync_loop(2, home=str(lab.home), listener=events.append).archived == 3
    assert [event for event in events if isinstance(event, DatasetArchived)] == []


def test_a_script_gets_no_log_handlers(tmp_path: Path) -> None:
    source = tmp_path / "measurements"
    write_datasets(source, range(1))
    lab, _ = configured_lab(tmp_path / "lab", source, source_uuid=SOURCE)
    before = list(logging.getLogger().handlers), list(logging.getLogger("etiket_gui").handlers)
    sync_loop(1, home=lab.home)
    assert (list(logging.getLogger().handlers), list(logging.getLogger("etiket_gui").handlers)) == before


def test_a_home_that_another_engine_owns_is_refused(tmp_path: Path) -> None:
    home = Home.locate(tmp_path / "home")
    home.prepare()
    with HomeLock(home.run), pytest.raises(HomeInUse):
        sync_loop(1, home=home.root)


def test_a_negative_number_of_cycles_is_an_error() -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        sync_loop(-1)
