"""Recognises a settings file of core-tools, and a folder that holds one; the passwords in it are not used."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.core_tools.config import DEFAULT_PORT, CoreToolsConfig
from etiket_gui.backends.core_tools.connection import connected
from etiket_gui.backends.core_tools.rows import Tables
from etiket_gui.domain.errors import EtiketError, SignInNeeded, SourceUnreadable
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source

_ENDINGS = (".yaml", ".yml")
_MOST_FILES = 20
_LARGEST_FILE_BYTES = 64 * 1024
_CONNECT_TIMEOUT_S = 2
_FILE_CONFIDENCE, _FOLDER_CONFIDENCE = 0.95, 0.6


@dataclass(frozen=True, slots=True)
class _Look:
    """What a database said of itself within a moment: how many runs, since when the newest, or why nothing."""

    count: int | None = None
    newest_s: float | None = None
    why: str = ""


def recognise_settings(path: Path, stop: StopToken) -> Recognition | None:
    """What a path says of a core-tools database; None when it says nothing. Asks the database for at most 2 s."""
    is_folder = path.is_dir()
    for candidate in _candidates(path) if is_folder else iter((path,)):
        stop.check()
        settings = _settings_in(candidate)
        config = None if settings is None else _config_of(settings)
        if settings is not None and config is not None:
            look = _ask(config)
            return Recognition(
                backend="core_tools",
                sentence=_sentence(candidate, settings, config, look),
                options=config.model_dump(exclude_defaults=True) | {"host": config.host},
                confidence=_FOLDER_CONFIDENCE if is_folder else _FILE_CONFIDENCE,
                dataset_count=look.count,
                warnings=(look.why,) if look.why else (),
            )
    return None


def _candidates(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.lower().endswith(_ENDINGS))
    except OSError:
        return
    for name in names[:_MOST_FILES]:
        yield folder / name


def _settings_in(path: Path) -> Mapping[str, Any] | None:
    if not path.name.lower().endswith(_ENDINGS):
        return None
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES or not path.is_file():
            return None
        with os.fdopen(open_source(os.fspath(path)), "rb") as file:
            text = file.read(_LARGEST_FILE_BYTES).decode("utf-8")
        if "_database" not in text:
            return None
        found = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def _config_of(settings: Mapping[str, Any]) -> CoreToolsConfig | None:
    for key in ("local_database", "remote_database"):
        database = settings.get(key)
        if not isinstance(database, dict) or not database.get("database") or not database.get("user"):
            continue
        host, _, port = str(database.get("address") or "localhost").rpartition(":")
        if not host:
            host, port = port, ""
        try:
            return CoreToolsConfig(
                host=host,
                port=int(port) if port else int(database.get("port") or DEFAULT_PORT),
                dbname=str(database["database"]),
                user=str(database["user"]),
            )
        except ValueError:
            continue
    return None


def _ask(config: CoreToolsConfig) -> _Look:
    try:
        with connected(config, None, connect_timeout_s=_CONNECT_TIMEOUT_S) as connection:
            Tables(connection, config)
            row = connection.execute(
                "SELECT count(*) AS number,"
                " extract(epoch FROM max(start_time) AT TIME ZONE current_setting('TimeZone'))::float8 AS newest"
                " FROM global_measurement_overview"
            ).fetchone()
    except SignInNeeded:
        return _Look(why="It asks for a password, which is not taken from the file; enter it when you add the source.")
    except SourceUnreadable as error:
        return _Look(why=error.reason)
    except EtiketError:
        return _Look(why="It does not answer just now.")
    return _Look() if row is None else _Look(row["number"], row["newest"])


def _sentence(path: Path, settings: Mapping[str, Any], config: CoreToolsConfig, look: _Look) -> str:
    shown = display(to_portable(path.name))
    set_up = f" of set-up {settings['setup']}" if settings.get("setup") else ""
    said = f"core-tools settings{set_up} ({shown}): database {config.dbname} on {config.host}"
    if look.count is not None:
        said += f", {look.count} {'measurement' if look.count == 1 else 'measurements'}"
        if look.newest_s is not None:
            said += f", the last one {_ago(time.time() - look.newest_s)}"
    return f"{said}."


def _ago(age_s: float) -> str:
    for unit_s, unit in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        number = int(age_s // unit_s)
        if number >= 1:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
