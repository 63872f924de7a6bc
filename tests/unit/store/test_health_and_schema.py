"""A store is made, opened, migrated, checked and copied; the migrations and the tables are one."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import sqlite3
from pathlib import Path

import pytest

from etiket_gui.domain.errors import StoreDamaged, StoreProblem
from etiket_gui.settings.home import Home
from etiket_gui.store import schema
from etiket_gui.store.copying import copy_store
from etiket_gui.store.health import back_up, check, open_store, stored_copies
from tests.support.store_bench import StoreBench


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def _objects(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {
            name: re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql)).strip()
            for name, sql in rows
            if name != "alembic_version"
        }


def test_migrations_lead_to_the_very_tables_that_a_new_store_gets(tmp_path: Path) -> None:
    schema.make_store(tmp_path / "new.sqlite")
    sqlite3.connect(tmp_path / "old.sqlite").close()
    schema._upgrade(tmp_path / "old.sqlite", schema.MIGRATIONS, "head")
    assert _objects(tmp_path / "new.sqlite") == _objects(tmp_path / "old.sqlite")
    assert schema.revision_of(tmp_path / "old.sqlite") == schema.revision_of(tmp_path / "new.sqlite") == schema.HEAD


def test_revisions_are_numbers_one_after_the_other() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions == [f"{number:04}" for number in range(len(revisions), 0, -1)]
    assert revisions[0] == schema.HEAD


def test_first_start_makes_a_store_and_the_second_finds_it(home: Home) -> None:
    first = open_store(home)
    first.writer.add_destination("d", "archive", "archive", {})
    first.writer.close()
    assert (first.is_fresh, first.needs_rebuild, first.sentence) == (True, False, "")
    second = open_store(home)
    assert (second.is_fresh, second.needs_rebuild, second.sentence) == (False, False, "")
    assert [row.name for row in second.writer.destinations()] == ["archive"]
    second.writer.close()
    assert home.configuration.exists()


def _configured_home(home: Home) -> None:
    writer = open_store(home).writer
    archive = writer.add_destination("d-1", "archive", "archive", {"path": "/µ"})
    source = writer.add_source("s-1", "fridge", "folder", {"root_directory": "/data"}, [(archive.id, "lab")])
    writer.edit_source(source.id, is_enabled=False)
    writer.close()


def test_configuration_of_a_lost_store_is_back_whoever_opens_it_first(home: Home) -> None:
    _configured_home(home)
    mirror = home.configuration.read_bytes()
    home.store.unlink()
    opened = open_store(home)
    assert (opened.is_fresh, opened.needs_rebuild) == (True, True)
    (source,), (destination,), (route,) = opened.writer.sources(), opened.writer.destinations(), opened.writer.routes()
    assert (source.uuid, source.name, source.is_enabled) == ("s-1", "fridge", False)
    assert (destination.uuid, destination.config, route.scope) == ("d-1", {"path": "/µ"}, "lab")
    opened.writer.close()
    assert home.configuration.read_bytes() == mirror


@pytest.mark.allows_log("the store was damaged")
def test_what_was_configured_after_the_last_copy_is_back_too(home: Home) -> None:
    _configured_home(home)
    back_up(home, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    writer = open_store(home).writer
    writer.add_destination("d-2", "second", "archive", {})
    writer.edit_destination(1, name="first")
    writer.add_destination("d-3", "archive", "archive", {})
    writer.close()
    home.store.write_bytes(b"")
    opened = open_store(home)
    assert [(row.uuid, row.name) for row in opened.writer.destinations()] == [
        ("d-1", "archive"), ("d-2", "second"), ("d-3", "archive 2"),
    ]  # fmt: skip
    opened.writer.close()


@pytest.mark.allows_log("cannot be understood")
@pytest.mark.parametrize("content", [b"", b"[]", b'{"sources": 5}', b'{"destinations": [{}], "sources": []}'])
def test_mirror_that_makes_no_sense_is_kept_and_told(home: Home, content: bytes) -> None:
    _configured_home(home)
    home.store.unlink()
    home.configuration.write_bytes(content)
    opened = open_store(home)
    assert "Add them again" in opened.sentence
    assert opened.writer.sources() == []
    opened.writer.close()
    assert (home.root / "configuration-broken.json").read_bytes() == content


@pytest.mark.allows_log("could not be written")
def test_mirror_that_could_not_be_written_is_made_good_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configured_home(home)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("etiket_gui.store.mirroring.write_atomically", full)
        writer = open_store(home).writer
        writer.edit_source(1, name="renamed")
        writer.close()
    assert b"renamed" not in home.configuration.read_bytes()
    open_store(home).writer.close()
    assert b"renamed" in home.configuration.read_bytes()


def test_what_an_interrupted_start_left_is_removed(home: Home) -> None:
    home.prepare()
    for name in (".store.sqlite.new", ".store.sqlite.migrating", ".store.sqlite.tmp"):
        (home.root / name).write_bytes(b"half")
    open_store(home).writer.close()
    assert [path.name for path in home.root.iterdir() if path.name.startswith(".")] == []


def test_older_store_is_copied_and_brought_up(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    open_store(home).writer.close()
    folder = tmp_path / "migrations"
    import shutil

    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "rev_9999_more.py").write_text(
        f'from alembic import op\nrevision = "9999"\ndown_revision = "{schema.HEAD}"\n\n\n'
        'def upgrade() -> None:\n    op.execute("CREATE TABLE extra (id INTEGER PRIMARY KEY)")\n',
        "utf-8",
    )
    kept = schema.migrate(home.store, home.backups, migrations=folder)
    assert schema.revision_of(home.store) == "9999"
    assert schema.revision_of(kept) == schema.HEAD
    assert sorted(path.name for path in home.root.glob("*store*")) == ["store.sqlite"]


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    assert check(path) == ("it is not there",)
    path.write_bytes(b"")
    assert check(path) == ("it is empty",)
    path.write_bytes(b"not a database, but longer than a header would be" * 50)
    (wrong,) = check(path)
    assert "damaged" in wrong
    path.unlink()
    schema.make_store(path)
    assert check(path) == ()


def test_five_daily_copies_are_kept(home: Home) -> None:
    open_store(home).writer.close()
    day = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    made = [back_up(home, day + dt.timedelta(days=number)) for number in range(7)]
    assert None not in made
    assert back_up(home, day + dt.timedelta(days=6)) is None
    names = sorted(copy.name for copy in stored_copies(home.backups))
    assert names == [f"store-2026-03-{number:02}.sqlite" for number in range(3, 8)]
    assert check(home.backups / names[0]) == ()


def test_damaged_store_does_not_push_out_good_copies(home: Home) -> None:
    open_store(home).writer.close()
    bench = StoreBench(home.store)
    bench.archive(*(bench.item(f"d{number}") for number in range(50)))
    bench.close()
    back_up(home, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    content = bytearray(home.store.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    home.store.write_bytes(content)
    with pytest.raises(StoreDamaged):
        back_up(home, dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    assert [copy.name for copy in stored_copies(home.backups)] == ["store-2026-03-01.sqlite"]


def test_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database at all, but something else" * 100)
    with pytest.raises(StoreProblem):
        copy_store(tmp_path / "store.sqlite", tmp_path / "copy.sqlite")
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite"]
