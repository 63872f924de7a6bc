"""``with etiket_gui.hold():`` holds, gives back, and never disturbs the measurement it is in."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import etiket_gui
from etiket_gui.holding import Hold
from etiket_gui.osys.control import ControlServer
from tests.support.patience import patient_s

_S = 1_000_000_000


@pytest.fixture
def store(home_folder: Path) -> Path:
    """The one table of a store that a hold looks at."""
    home_folder.mkdir()
    path = home_folder / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    return path


def _held_until_ns(store: Path) -> int:
    with closing(sqlite3.connect(store)) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'held_until_ns'").fetchone()
    return 0 if row is None else int(json.loads(row[0]))


def _set_held(store: Path, until_ns: int) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('held_until_ns', ?)", (json.dumps(until_ns),))


def _is_held(store: Path) -> bool:
    until_ns = _held_until_ns(store)
    return until_ns == -1 or until_ns > time.time_ns() + 2 * _S


def _engine(store: Path, asked: list[dict[str, Any]]) -> ControlServer:
    def handler(request: dict[str, Any]) -> Mapping[str, Any]:
        asked.append(request)
        _set_held(store, request["until_ns"])
        return {"is_ok": True, "sentence": "", "value": {}, "error": None}

    return ControlServer(store.parent / "run", handler)


def test_running_engine_is_asked_and_goes_on_afterwards(store: Path) -> None:
    asked: list[dict[str, Any]] = []
    with _engine(store, asked):
        with etiket_gui.hold():
            assert _is_held(store)
            assert asked[0]["command"] == "HoldSync"
        assert not _is_held(store)
    assert [request["command"] for request in asked] == ["HoldSync", "HoldSync"]


def test_hold_is_in_the_store_when_no_engine_runs(store: Path) -> None:
    with etiket_gui.hold():
        assert _is_held(store)
        assert _held_until_ns(store) <= time.time_ns() + 601 * _S
    assert not _is_held(store)


def test_hold_is_renewed_while_inside_and_no_longer_than_asked_for(store: Path) -> None:
    now = [time.time_ns()]
    with Hold(at_most_s=900, renew_s=0.02, now_ns=lambda: now[0]):
        first_ns = _held_until_ns(store)
        now[0] += 200 * _S
        _wait(lambda: _held_until_ns(store) == first_ns + 200 * _S)
        now[0] += 200 * _S
        _wait(lambda: _held_until_ns(store) == first_ns + 300 * _S)
        now[0] += 10_000 * _S
        time.sleep(0.1)
        assert _held_until_ns(store) == first_ns + 300 * _S


def _wait(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.mark.parametrize("until_ns", [-1, time.time_ns() + 7200 * _S], ids=["for ever", "two hours"])
def test_longer_hold_of_a_person_is_left_as_it_is(store: Path, until_ns: int) -> None:
    _set_held(store, until_ns)
    with etiket_gui.hold():
        assert _held_until_ns(store) == until_ns
    assert _held_until_ns(store) == until_ns


def test_script_that_ends_does_not_end_the_hold_of_another(store: Path) -> None:
    other = etiket_gui.hold()
    with etiket_gui.hold():
        other.__enter__()
    assert _is_held(store)
    other.__exit__(None, None, None)
    assert not _is_held(store)


def test_hold_of_a_script_that_was_killed_does_not_keep_the_others_waiting(store: Path) -> None:
    script = "import etiket_gui, os, signal; etiket_gui.hold().__enter__(); os.kill(os.getpid(), signal.SIGTERM)"
    subprocess.run([sys.executable, "-c", script], timeout=30)
    assert _is_held(store)
    with etiket_gui.hold():
        pass
    assert _held_until_ns(store) <= time.time_ns() + 601 * _S


def test_error_of_the_measurement_passes_and_the_hold_ends(store: Path) -> None:
    with pytest.raises(ZeroDivisionError), etiket_gui.hold():
        raise ZeroDivisionError
    assert not _is_held(store)


@pytest.mark.allows_log("Nothing is held")
def test_without_a_home_it_warns_and_makes_nothing(home_folder: Path) -> None:
    with etiket_gui.hold():
        pass
    assert not home_folder.exists()


@pytest.mark.allows_log("The measurement goes on")
@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked into" * 20, b""])
def test_broken_store_never_raises_into_the_measurement(home_folder: Path, content: bytes) -> None:
    home_folder.mkdir()
    (home_folder / "store.sqlite").write_bytes(content)
    with etiket_gui.hold():
        pass


@pytest.mark.allows_log("The measurement goes on")
def test_store_that_another_program_holds_costs_the_measurement_seconds_at_most(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        began_s = time.monotonic()
        with etiket_gui.hold():
            pass
        assert time.monotonic() - began_s < patient_s(5)
        connection.rollback()


@pytest.mark.allows_log("did not hold: too busy")
def test_engine_that_refuses_is_logged_once(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    reply = {"is_ok": False, "sentence": "too busy", "value": {}, "error": None}
    with ControlServer(store.parent / "run", lambda _: reply), etiket_gui.hold():
        pass
    assert [record.levelname for record in caplog.records if "too busy" in record.getMessage()] == ["WARNING"]


def test_importing_the_package_imports_almost_nothing() -> None:
    script = (
        "import __future__, sys; before = set(sys.modules); import etiket_gui; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['etiket_gui']"
