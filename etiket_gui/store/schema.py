"""How a store gets its tables: made new, recognised by its revision, migrated on a copy, refused when it is newer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from etiket_gui import __version__
from etiket_gui.domain import guards
from etiket_gui.domain.errors import StoreDamaged, StoreTooNew
from etiket_gui.store.copying import copy_store
from etiket_gui.store.failures import busy_timeout_ms, known_failures
from etiket_gui.store.opening import open_to_read

#: The revision this program reads and writes; revisions are numbers, so that a newer one is known as newer.
HEAD = "0004"
MIGRATIONS = Path(__file__).with_name("migrations")


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and that leaves no side files where no other program has the store open."""
    if os.path.exists(f"{path}-wal"):
        return open_to_read(path)
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms()}")
    return connection


def revision_of(path: Path) -> str | None:
    """The revision of the store at ``path``, None when it has no tables yet. Writes nothing.

    Raises StoreDamaged when it is no store, StoreProblem when it cannot be read now.
    """
    with known_failures(path), contextlib.closing(read_only(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise StoreDamaged(f"{path} is a database, but not a tracking store.", path=str(path))
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if row is None:
            raise StoreDamaged(f"{path} does not say which revision it is.", path=str(path))
        return str(row[0])


def refuse_newer(path: Path, revision: str) -> None:
    """Raise StoreTooNew, naming the version that wrote it, when the revision is beyond this program's."""
    if not guards.is_on("newer-store-is-refused"):
        return
    if revision <= HEAD:
        return
    writer = "a newer version"
    with (
        known_failures(path),
        contextlib.closing(read_only(path)) as connection,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        row = connection.execute("SELECT value FROM meta WHERE key = 'written_by'").fetchone()
        if row is not None:
            writer = f"version {row[0].strip(chr(34))}"
    raise StoreTooNew(
        f"{path} was written by {writer} of this program; this is version {__version__}. Nothing in it was touched.",
        advice="Install that version or a newer one.",
        path=str(path),
    )


def make_store(path: Path) -> None:
    """Make a new store of the present revision, there whole or not at all. Raises StoreProblem."""
    from sqlalchemy.schema import CreateIndex, CreateTable

    from etiket_gui.store.connection import dialect
    from etiket_gui.store.models import VIEWS, metadata
    from etiket_gui.store.triggers import TRIGGERS

    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    statements += (*VIEWS, *TRIGGERS)
    statements.append("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    work = path.with_name(f".{path.name}.new")
    with known_failures(path):
        work.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(work, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
            _sign(connection)
            connection.execute("COMMIT")
        work.replace(path)


def migrate(path: Path, backups: Path, *, migrations: Path = MIGRATIONS, head: str = "head") -> Path:
    """Bring an older store to the present revision; returns the copy of the old one that is kept in ``backups``.

    The migration runs on a second copy, which replaces the store only when it is finished: whenever it dies, the old
    store is there as it was, and the next start begins anew. Raises StoreProblem.
    """
    revision = revision_of(path)
    kept = backups / f"store-before-migration-from-{revision}.sqlite"
    backups.mkdir(parents=True, exist_ok=True)
    if not guards.is_on("migration-runs-on-a-copy"):
        _upgrade(path, migrations, head)
        return kept
    copy_store(path, kept)
    work = path.with_name(f".{path.name}.migrating")
    work.unlink(missing_ok=True)
    copy_store(path, work)
    _upgrade(work, migrations, head)
    with known_failures(path):
        with contextlib.closing(sqlite3.connect(work, isolation_level=None)) as connection:
            _sign(connection)
        with work.open("rb+") as file:
            os.fsync(file.fileno())
        leave_wal(path)
        work.replace(path)
    return kept


def leave_wal(path: Path) -> None:
    """Bring a store into one file without side files, so that another may take its name. Raises StoreProblem."""
    with known_failures(path), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms()}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")


def _upgrade(path: Path, migrations: Path, head: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["path"] = path
    with known_failures(path):
        command.upgrade(config, head)


def _sign(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('written_by', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (f'"{__version__}"',),
    )
