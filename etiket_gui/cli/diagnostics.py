"""The diagnostics file: what somebody who helps needs to see, without secrets and without the account's name."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from etiket_gui import __version__
from etiket_gui.cli.checking import findings
from etiket_gui.cli.session import Session
from etiket_gui.credentials.redaction import redact
from etiket_gui.domain.errors import UsageError

_MOST_LOG_BYTES = 5_000_000
_MOST_PROBLEMS = 50
_PACKAGES = (
    "SQLAlchemy", "alembic", "keyring", "pathspec", "platformdirs", "psutil", "pydantic", "PyYAML", "requests", "rich",
    "semver", "watchdog", "numpy", "h5py", "PySide6",
)  # fmt: skip


def write_diagnostics(session: Session, path: str) -> list[tuple[str, int]]:
    """Write the zip file; returns the names and sizes in bytes of what it holds. Raises UsageError."""
    hide = _hider()
    contents: list[tuple[str, int]] = []
    try:
        with zipfile.ZipFile(path, "x", compression=zipfile.ZIP_DEFLATED) as archive:
            for name, text in _parts(session):
                data = hide(text).encode("utf-8", "backslashreplace")
                archive.writestr(name, data)
                contents.append((name, len(data)))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.", path=path) from error
    return contents


def _parts(session: Session) -> Iterator[tuple[str, str]]:
    yield "versions.json", _json(_versions())
    yield "doctor.json", _json([finding.to_json() for finding in findings(session)])
    home = session.home
    for path in (home.settings, home.configuration):
        if path.is_file():
            yield path.name, path.read_text(encoding="utf-8", errors="backslashreplace")
    if session.has_store:
        yield "store.json", _json(_store(session))
        yield "problems.json", _json(_problems(session))
    if home.logs.is_dir():
        for log in sorted(home.logs.iterdir()):
            if log.is_file():
                yield f"logs/{log.name}", _tail(str(log))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"


def _versions() -> dict[str, Any]:
    packages = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    return {
        "etiket_gui": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "file_system_encoding": sys.getfilesystemencoding(),
        "packages": packages,
    }


def _store(session: Session) -> dict[str, Any]:
    """Tables with their definitions and row counts, read without SQLAlchemy so that an odd store can be shown, too."""
    address = f"{session.home.store.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=5.0)) as connection:
        try:
            tables = list(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"))
            counts = {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - our own tables
                for name, _ in tables
                if not name.startswith("sqlite_")
            }
            check = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        except sqlite3.Error as error:
            return {"error": str(error)}
    return {"schema": dict(tables), "row_counts": counts, "integrity_check": check}


def _problems(session: Session) -> list[dict[str, Any]]:
    from etiket_gui.store.quick import problems

    return list(problems(session.home.store))[:_MOST_PROBLEMS]


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(os.path.getsize(path) - _MOST_LOG_BYTES, 0))
            return file.read().decode("utf-8", "backslashreplace")
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}\n"


def _hider() -> Callable[[str], str]:
    """Hides secrets, the account's folder and its name."""
    folder = os.path.expanduser("~")
    try:
        account = getpass.getuser()
    except (KeyError, OSError, ImportError):
        account = ""
    name = re.compile(rf"(?<![\w.-]){re.escape(account)}(?![\w.-])") if len(account) > 2 else None

    def hide(text: str) -> str:
        text = redact(text)
        if len(folder) > 2:
            text = text.replace(folder, "~").replace(json.dumps(folder)[1:-1], "~")
        return name.sub("<account>", text) if name else text

    return hide
