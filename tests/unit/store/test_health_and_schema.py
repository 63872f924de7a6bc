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


def test_store_that_was_lost_is_to_be_rebuilt(home: Home) -> None:
    opened = open_store(home)
    opened.writer.add_destination("d", "archive", "archive", {})
    opened.writer.close()
    home.store.unlink()
    again = open_store(home)
    assert (again.is_fresh, again.needs_rebuild) == (True, True)
    again.writer.close()


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
    (folder / "versions" / "rev_0002_more.py").write_text(
        'from alembic import op\nrevision = "0002"\ndown_revision = "0001"\n\n\n'
        'def upgrade() -> None:\n    op.execute("CREATE TABLE extra (id INTEGER PRIMARY KEY)")\n',
        "utf-8",
    )
    kept = schema.migrate(home.store, home.backups, migrations=folder)
    assert schema.revision_of(home.store) == "0002"
    assert schema.revision_of(kept) == "0001"
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
