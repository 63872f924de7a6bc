"""Which runs are found, when they are reported again, and what is said of them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from etiket_gui.backends import sqlite_access as access
from etiket_gui.backends.qcodes import discovery
from etiket_gui.domain import guards
from etiket_gui.domain.content import snapshot_digest
from etiket_gui.domain.states import Realm, RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import KnownInMemory
from etiket_gui.testing.manifest import sha256_of
from tests.support.qcodes_database import QCoDeSFile, QCoDeSSource, guid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experiments.db"


def _source(path: Path, **options: object) -> QCoDeSSource:
    return QCoDeSSource(path, path.parent / "work", dict(options))


@pytest.mark.parametrize("version", range(10))
def test_every_schema_version_is_found_and_read(path: Path, version: int) -> None:
    file = QCoDeSFile(path, version=version)
    file.run("sweep", snapshot={"station": {}})
    file.close()
    source = _source(path)
    ((identifier, found),) = source.look().items()
    assert (found.name, found.run_state, found.has_completion_mark) == ("sweep", RunState.COMPLETE, True)
    assert identifier == guid_of(1) or version == 0
    content = source.read(identifier)
    assert content.description.collected == "2023-11-14T22:13:21.250+00:00"
    assert content.description.attributes["experiment"] == "cooldown 3"
    names = [file.entry.name for file in content.files]
    assert names == ["measurement.h5", "metadata.json"] + (["snapshot.json"] if version >= 5 else [])
    assert content.fingerprint == found.fingerprint == source.backend.fingerprint(identifier)
    assert source.look() == {}
    assert source.look(identifiers=(identifier,)).keys() == {identifier}
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    connection.close()


def test_run_without_guid_is_another_dataset_in_another_file(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        file = QCoDeSFile(tmp_path / folder / "old.db", version=0)
        file.run("one")
        file.run("two")
        file.close()
        names += list(_source(tmp_path / folder / "old.db").look())
    assert len(set(names)) == 4


@pytest.mark.fault("I2", guard="edited-runs-are-seen")
@pytest.mark.parametrize("is_glancing", [True, False])
@pytest.mark.parametrize("wal", [True, False])
def test_only_what_happened_is_reported(
    path: Path, wal: bool, is_glancing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_glancing:
        monkeypatch.setattr(guards, "is_on", lambda name, plain=guards.is_on: name != "glance" and plain(name))
    file = QCoDeSFile(path, wal=wal)
    file.many(30)
    source = _source(path)
    assert len(source.look()) == 30
    assert source.hint() == {}
    run_id = file.start("live")
    assert list(source.hint()) == [guid_of(run_id)]
    fingerprints = set()
    for place in range(4):
        file.add(run_id, [{"x": place, "y": 1}])
        (found,) = source.hint().values()
        assert (found.identifier, found.run_state) == (guid_of(run_id), RunState.LIVE)
        fingerprints.add(found.fingerprint)
    assert len(fingerprints) == 4
    other = file.start("beside it")
    file.add(other, [{"x": 0, "y": 0}])
    assert list(source.hint()) == [guid_of(other)]
    file.add(run_id, [{"x": 9, "y": 9}])
    file.add(other, [{"x": 9, "y": 9}])
    assert set(source.hint()) == {guid_of(run_id), guid_of(other)}
    file.finish(run_id)
    (found,) = source.hint().values()
    assert (found.identifier, found.run_state) == (guid_of(run_id), RunState.COMPLETE)
    file.connection.execute("UPDATE runs SET name = 'better name' WHERE run_id = ?", (run_id,))
    (found,) = source.hint().values()
    assert (found.identifier, found.name) == (guid_of(run_id), "better name")
    file.annotate(3, "operator", "A. Person")
    # Old runs are gone through in milliseconds: all of these at once, or on a busy machine in a few turns.
    hints = (list(source.hint()) for _ in range(40))
    assert next(filter(None, hints), []) == [guid_of(3)]
    file.close()
    assert source.look() == {}


def test_what_a_warm_look_saw_is_what_a_cold_one_sees(path: Path) -> None:
    file = QCoDeSFile(path, wal=True)
    file.many(200)
    run_id = file.start("live")
    source = _source(path)
    source.look()
    for place in range(300):
        file.add(run_id, [{"x": place, "y": place / 3}])
        if place % 10 == 0:
            source.hint()
    source.hint()
    cold = _source(path)
    cold.backend._discovery._growth = source.backend._discovery._growth
    assert source.known.known == {name: found.fingerprint for name, found in cold.look().items()}
    file.close()


def test_edit_of_an_old_run_is_found_by_glances_in_turns(path: Path) -> None:
    file = QCoDeSFile(path)
    file.many(100)
    run_id = file.start("live")
    source = _source(path)
    source.look()
    for place in range(10):
        file.add(run_id, [{"x": place, "y": 0}])
        source.hint()
    file.connection.execute("UPDATE runs SET name = 'edited' WHERE run_id = 17")
    seen: set[str] = set()
    for place in range(10):
        file.add(run_id, [{"x": place, "y": 0}])
        seen |= set(source.hint())
    assert seen == {guid_of(run_id), guid_of(17)}
    file.close()


def test_no_run_is_looked_at_while_the_files_are_as_they_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = QCoDeSFile(path)
    file.many(5)
    file.close()
    os.utime(path, ns=(10**18, 10**18))
    source = _source(path)
    source.look()
    source.read(guid_of(2))
    monkeypatch.setattr(access, "opened", None)
    monkeypatch.setattr(discovery, "glance", None)
    assert source.hint() == {}
    assert source.look(paths=(str(path.parent / "other.txt"),)) == {}
    assert source.backend.fingerprint(guid_of(2))


def test_deleted_run_is_missing_and_the_database_as_a_whole_is_not(path: Path) -> None:
    file = QCoDeSFile(path)
    file.many(3)
    source = _source(path, keep_database=True)
    assert len(source.look()) == 4
    file.connection.execute("DELETE FROM runs WHERE run_id = 2")
    file.close()
    source.look()
    assert source.summary.missing == (guid_of(2),)


def test_guid_that_is_there_twice_is_the_run_with_more_points(path: Path) -> None:
    file = QCoDeSFile(path)
    file.run("short", 2)
    file.run("long", 7)
    file.connection.execute("UPDATE runs SET guid = ?", (guid_of(1),))
    file.close()
    source = _source(path)
    assert [found.name for found in source.look().values()] == ["long"]
    assert source.read(guid_of(1)).description.name == "long"


def test_run_copied_into_another_file_is_the_same_dataset_with_the_same_digest(tmp_path: Path) -> None:
    assert QCoDeSSource(tmp_path / "a.db", tmp_path / "w").backend.realm is Realm.WORLD
    digests = []
    for name, before in (("a.db", 0), ("b.db", 3)):
        file = QCoDeSFile(tmp_path / name)
        file.many(before) if before else None
        run_id = file.run("copied", 6, snapshot={"a": 1})
        file.connection.execute(
            "UPDATE runs SET guid = ?, captured_run_id = 1, captured_counter = 1, run_timestamp = 1.7e9, "
            "completed_timestamp = 1.7e9 + 1 WHERE run_id = ?", (guid_of(77), run_id),
        )  # fmt: skip
        file.close()
        content = QCoDeSSource(tmp_path / name, tmp_path / f"work {name}").read(guid_of(77))
        entries = [
            type(item.entry)(
                item.entry.name,
                item.entry.kind,
                item.entry.size_bytes,
                item.entry.mtime_ns,
                sha256=sha256_of(item.path),
            )
            for item in content.files
        ]
        digests.append(snapshot_digest(content.description, entries))
    assert digests[0] == digests[1]


def test_growth_is_remembered_across_a_restart(path: Path) -> None:
    file = QCoDeSFile(path)
    file.start("killed")
    file.close()
    source = _source(path, interrupted_after=100)
    now_ns = path.stat().st_mtime_ns + 50 * 10**9
    source.backend._discovery.now_ns = lambda: now_ns
    source.look()
    later = _source(path, interrupted_after=100)
    later.backend._discovery.now_ns = lambda: now_ns + 51 * 10**9
    # Another run was added meanwhile: the file is fresh, the open run is not.
    file = QCoDeSFile.again(path)
    file.run("next")
    file.close()
    found = later.look(cursor=source.summary.cursor)
    assert found[guid_of(1)].run_state is RunState.INTERRUPTED


def test_announced_run_is_said_to_be_that(path: Path) -> None:
    file = QCoDeSFile(path)
    run_id = file.start("soon")
    file.connection.execute("UPDATE runs SET run_timestamp = NULL WHERE run_id = ?", (run_id,))
    file.close()
    found = _source(path).look()[guid_of(1)]
    assert (found.run_state, found.collected_ns) == (RunState.ANNOUNCED, None)


def test_database_is_kept_at_most_once_a_day_as_a_checked_copy(path: Path) -> None:
    file = QCoDeSFile(path, wal=True)
    file.run("one")
    source = _source(path, keep_database=True)
    (name,) = [name for name in source.look() if name.startswith("database-")]
    content = source.read(name)
    (copy,) = content.files
    assert (copy.entry.name, content.description.name) == ("experiments.db", "experiments.db")
    with sqlite3.connect(copy.path) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    connection.close()
    file.run("two")
    file.close()
    assert name not in source.look()
    assert name in source.look(identifiers=(name,))


def test_stop_ends_a_look_and_a_reading(path: Path) -> None:
    from etiket_gui.backends.api import DiscoveryRequest
    from etiket_gui.domain.errors import Stopped

    file = QCoDeSFile(path)
    file.many(3)
    file.close()
    source = _source(path)
    stop = StopToken()
    stop.stop()
    with pytest.raises(Stopped):
        source.backend.discover(DiscoveryRequest(), KnownInMemory(), lambda found: None, stop)
    with pytest.raises(Stopped):
        source.backend.read(guid_of(1), stop)
