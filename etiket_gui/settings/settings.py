"""What a person has set, as one frozen typed value: read, checked, migrated and written whole."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from etiket_gui.domain import guards
from etiket_gui.domain.errors import StoreProblem, UsageError
from etiket_gui.osys.atomic import write_atomically
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

VERSION = 2

Migration = Callable[[dict[str, Any]], dict[str, Any]]

#: From each older version to the one after it: a function of the file's fields. Run in order, all or none.
MIGRATIONS: dict[int, Migration] = {
    # Version 2 adds what the window lets a person set; what was set before stays as it is.
    1: dict,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the engine and the window go by. Times in s, sizes in bytes, rates in bytes per s; None means without limit.

    ``log_limit_bytes`` is what the log files may take together, ``dataset_columns`` the columns of the table from left
    to right (none: the usual ones). A plain dataclass, so that starting with nothing set costs nothing; a file is
    checked by pydantic against it.
    """

    worker_count: int = dataclasses.field(default_factory=lambda: 3 if (os.cpu_count() or 1) >= 4 else 2)
    rate_limit_bytes_per_s: float | None = None
    measuring_rate_bytes_per_s: float = 5e6
    safe_within_s: float = 3600.0
    backlog_order: Literal["newest", "oldest"] = "newest"
    prove_every_s: float = 30 * 86_400.0
    scan_interval_min_s: float = 300.0
    log_limit_bytes: int = 10_000_000
    log_level: Literal["info", "debug"] = "info"
    appearance: Literal["system", "light", "dark"] = "system"
    notifications: Literal["problems", "off"] = "problems"
    on_close: Literal["ask", "tray", "quit"] = "ask"
    dataset_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.worker_count <= 16:
            raise ValueError("worker_count is from 1 to 16")
        if self.rate_limit_bytes_per_s is not None and self.rate_limit_bytes_per_s < 1_000:
            raise ValueError("rate_limit_bytes_per_s is at least 1000, or null for no limit")
        if self.measuring_rate_bytes_per_s < 1_000:
            raise ValueError("measuring_rate_bytes_per_s is at least 1000")
        if self.safe_within_s < 60:
            raise ValueError("safe_within_s is at least 60")
        if self.prove_every_s < 3600:
            raise ValueError("prove_every_s is at least 3600")
        if self.scan_interval_min_s < 1:
            raise ValueError("scan_interval_min_s is at least 1")
        if self.log_limit_bytes < 100_000:
            raise ValueError("log_limit_bytes is at least 100000")


FIELD_NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Settings))


def _warn(sentence: str) -> None:
    log.warning("%s", sentence)


def load_settings(home: Home, tell: Callable[[str], None] = _warn) -> Settings:
    """The settings of a home; the defaults when nothing was ever set.

    A file that cannot be understood is kept under another name, and the defaults hold; unknown fields are left out
    and the file is kept likewise. Either is told once, in a sentence: the next start finds a sound file. Never raises.
    """
    path = home.settings
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        tell(f"The settings in {path} cannot be read ({error.strerror or error}); the defaults hold.")
        return Settings()
    try:
        settings, is_whole, unknown = _parsed(text)
    except (ValueError, TypeError, RecursionError) as error:
        if not guards.is_on("broken-settings-are-kept"):
            raise
        kept = _keep_broken(path)
        tell(f"The settings in {path} cannot be understood: {_first_line(error)}. The defaults hold{_kept_text(kept)}.")
        return Settings()
    if not is_whole:
        kept = _keep_broken(path) if unknown else None
        if unknown and guards.is_on("unknown-settings-are-told"):
            tell(f"The settings in {path} had fields this version does not know: {', '.join(unknown)}"
                 f". They are left out{_kept_text(kept)}.")  # fmt: skip
        try:
            save_settings(home, settings)
        except StoreProblem as error:
            tell(error.reason)
    return settings


def _parsed(text: bytes) -> tuple[Settings, bool, list[str]]:
    """Settings, whether the file is as we would write it, and its unknown fields. Raises ValueError, TypeError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("it is not a JSON object")
    version = value.pop("version", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError("it does not say its version")
    fields = migrated(value, version)
    unknown = sorted(set(fields) - set(FIELD_NAMES))
    known = {name: item for name, item in fields.items() if name in FIELD_NAMES}
    return checked(known), version >= VERSION and not unknown, unknown


def migrated(fields: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The fields of an older version as those of this one. All steps or none: the argument is left as it is.

    Raises ValueError naming the step that failed.
    """
    result = json.loads(json.dumps(fields))
    for step in range(version, VERSION):
        try:
            result = MIGRATIONS[step](result)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its version {step} cannot be brought to {step + 1}: {error}") from error
    return dict(result)


def checked(fields: Mapping[str, Any]) -> Settings:
    """Settings of these fields, the defaults for the others. Raises ValueError naming the field and what is wrong."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Settings).validate_python(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {what}" if where else what) from error


def save_settings(home: Home, settings: Settings) -> None:
    """Write all settings, there whole or not at all. Raises StoreProblem when the file cannot be written."""
    path = home.settings
    content = {"version": VERSION, **dataclasses.asdict(settings)}
    try:
        write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        raise StoreProblem(
            f"The settings cannot be written to {path}: {error.strerror or error}.",
            advice="They hold until the program ends. Give this account the right to write there.",
            path=str(path),
        ) from error


def changed(settings: Settings, **fields: Any) -> Settings:
    """Settings with other values in some fields. Raises UsageError with a sentence for a value that makes no sense."""
    unknown = sorted(set(fields) - set(FIELD_NAMES))
    if unknown:
        raise UsageError(f"There is no setting {', '.join(unknown)}. There are: {', '.join(FIELD_NAMES)}.")
    try:
        return checked({**dataclasses.asdict(settings), **fields})
    except ValueError as error:
        raise UsageError(f"That setting makes no sense: {error}.") from error


def _keep_broken(path: Path) -> Path | None:
    """Give the file another name, so that it can be looked at and the next start is a quiet one."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S-%f")
    target = path.with_name(f"settings-broken-{stamp}.json")
    try:
        os.replace(path, target)
    except OSError:
        return None
    return target


def _kept_text(kept: Path | None) -> str:
    return "" if kept is None else f", and the file is kept as {kept.name}"


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
