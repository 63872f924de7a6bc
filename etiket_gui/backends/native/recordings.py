"""The folders of the program's own recorder: where they are, what they say of themselves, what is read of them."""

from __future__ import annotations

import datetime
import errno
import json
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.directories import conversion, leads_elsewhere, parts_below
from etiket_gui.backends.folder.dataset import failure_of
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.folder.survey import FileSystemTraits, Survey, Surveyed, Surveyor
from etiket_gui.backends.native import recordfile
from etiket_gui.backends.native.growing import opened
from etiket_gui.converters.netcdf import CannotConvert
from etiket_gui.domain.content import Content, Description, Found, Scalar, SourceFile, Unreadable
from etiket_gui.domain.errors import ConversionFailed, DescriptionBroken, EtiketError, SourceChanged, SourceGone
from etiket_gui.domain.live import LiveSlice
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source
from etiket_gui.osys.remote import volume_of

DATA, ABOUT, MEASUREMENT = "record.h5", "record.json", "measurement.h5"
_DAY = re.compile(r"\d{8}")
_RUN = re.compile(r"(\d{6})_(.+)_([0-9a-f]{32})")
_LARGEST_ABOUT_BYTES = 16 << 20
_NS = 1_000_000_000


def identifier_in(folder_name: str) -> str | None:
    """The uuid in the name of a recording's folder, or None where it is none."""
    match = _RUN.fullmatch(folder_name)
    return None if match is None else str(uuid.UUID(match[3]))


class Recordings:
    """The recordings below one root."""

    def __init__(self, root: str, interrupted_after_s: float, set_up: str = "") -> None:
        self._root = root
        self._interrupted_after_s = interrupted_after_s
        self._set_up = set_up
        self._rules = IgnoreRules([*DEFAULT_IGNORE, f".{ABOUT}.part"])
        self._paths: dict[str, str] = {}
        self.unreadable: list[Unreadable] = []

    def surveyor(self) -> Surveyor:
        """Made for each piece of work: what the root is mounted from can change while the program runs."""
        volume = volume_of(self._root)
        traits = FileSystemTraits(volume.has_stable_inodes, volume.renames_move_ctime, volume.share or "")
        return Surveyor(traits, self._rules)

    def find(self, stop: StopToken) -> dict[str, str]:
        """Identifier to path of every recording; what could not be listed is in ``unreadable``. Raises OSError."""
        self.unreadable = []
        found: dict[str, str] = {}
        with os.scandir(self._root) as listing:
            days = sorted(entry.path for entry in listing if _DAY.fullmatch(entry.name) and _is_folder(entry))
        for day in days:
            stop.check()
            found.update(self._in_day(day))
        self._paths = found
        return found

    def _in_day(self, day: str) -> dict[str, str]:
        try:
            with os.scandir(day) as listing:
                named = ((identifier_in(to_portable(entry.name)), entry) for entry in listing)
                return {name: entry.path for name, entry in named if name is not None and _is_folder(entry)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.unreadable.append(Unreadable(to_portable(os.path.basename(day)), error.strerror or str(error)))
            return {}

    def is_hidden(self, identifier: str) -> bool:
        """Whether a recording that was not found may lie in a day that could not be listed."""
        return bool(self.unreadable)

    def of_paths(self, paths: Iterable[str], stop: StopToken) -> dict[str, str]:
        """The recordings that changed paths belong to; all of them where a path is the root or above it."""
        found: dict[str, str] = {}
        for path in paths:
            parts = parts_below(self._root, path)
            if parts is None:
                continue
            if not parts:
                return self.find(stop)
            if len(parts) == 1:
                found.update(self._in_day(os.path.join(self._root, parts[0])) if _DAY.fullmatch(parts[0]) else {})
                continue
            name = identifier_in(to_portable(parts[1])) if _DAY.fullmatch(parts[0]) else None
            if name is not None:
                found[name] = os.path.join(self._root, parts[0], parts[1])
        self._paths.update(found)
        return found

    def path_of(self, identifier: str, stop: StopToken) -> str | None:
        """Where a recording is, or None where there is none. Raises OSError when the root is away."""
        known = self._paths.get(identifier)
        if known is not None and os.path.isdir(known):
            return known
        return self.find(stop).get(identifier)

    def quick_fingerprint(self, path: str, surveyor: Surveyor, stop: StopToken) -> int | None:
        """The fingerprint, or None where only a survey can tell."""
        return surveyor.fingerprint(path, stop)

    def look(self, identifier: str, path: str, surveyor: Surveyor, report: Callable[[Found], None], known: int | None,
             stop: StopToken) -> bool:  # fmt: skip
        """Report a recording unless it is the known one; returns whether it is there."""
        looked_at_ns = time.time_ns()
        try:
            status = os.stat(path)
            if known is not None and surveyor.fingerprint(path, stop) == known:
                return True
            survey = surveyor.survey(path, self._rules, stop)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self.unreadable.append(Unreadable(to_portable(os.path.basename(path)), error.strerror or str(error)))
            return True
        if survey.is_empty:
            return False
        if survey.fingerprint == known:
            return True
        try:
            about = self._about(path)
        except DescriptionBroken:
            # Told when it is read; nothing more is known of it until then.
            about = {}
        state = self._state(about, survey.newest_ns, looked_at_ns)
        report(
            Found(
                identifier=identifier,
                name=str(about.get("name") or os.path.basename(path)),
                fingerprint=survey.fingerprint,
                run_state=state,
                newest_change_ns=survey.newest_ns,
                looked_at_ns=looked_at_ns,
                size_bytes=survey.size_bytes,
                file_count=survey.file_count,
                place=surveyor.place(status),
                collected_ns=_ns_of(about.get("started")),
                has_completion_mark=about.get("state") in {"complete", "interrupted"},
            )
        )
        return True

    def _state(self, about: Mapping[str, Any], newest_ns: int, now_ns: int) -> RunState:
        if about.get("state") == "complete":
            return RunState.COMPLETE
        if about.get("state") not in {"running", "announced"}:
            return RunState.INTERRUPTED if about else RunState.COMPLETE
        is_quiet = now_ns - newest_ns >= self._interrupted_after_s * _NS
        return RunState.INTERRUPTED if is_quiet else RunState.LIVE

    def _about(self, path: str) -> dict[str, Any]:
        """What ``record.json`` says. Raises DescriptionBroken; empty where the file is not there yet."""
        place = os.path.join(path, ABOUT)
        try:
            with os.fdopen(open_source(place), "rb") as file:
                found = json.loads(file.read(_LARGEST_ABOUT_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DescriptionBroken(f"{place} cannot be understood: {error}.", path=place) from error
        if not isinstance(found, dict):
            raise DescriptionBroken(f"{place} cannot be understood: it holds no JSON object.", path=place)
        return found

    def survey(self, path: str, surveyor: Surveyor, stop: StopToken) -> Survey:
        """Everything in a recording's folder. Raises the known source failures."""
        try:
            survey = surveyor.survey(path, self._rules, stop)
        except OSError as error:
            raise failure_of(error, path, self._root) from error
        if survey.unreadable:
            part, why = survey.unreadable[0]
            raise failure_of(why, part, self._root) from why
        if survey.is_empty:
            raise SourceGone(f"{path} holds no file any more.", path=path)
        return survey

    def read(self, identifier: str, path: str, work_folder: Path, stop: StopToken, *, is_growing: bool) -> Content:
        """The recording's files and its data as ``measurement.h5``; of a growing one the latter alone is whole."""
        surveyor = self.surveyor()
        survey = self.survey(path, surveyor, stop)
        about = self._about(path)
        state = self._state(about, survey.newest_ns, time.time_ns())
        files = [
            SourceFile(surveyor.file_entry(item), item.path)
            for item in survey.entries
            if not (is_growing and item.name == DATA)
        ]
        data = next((item for item in survey.entries if item.name == DATA), None)
        made: tuple[SourceFile, ...] = ()
        problems: tuple[EtiketError, ...] = ()
        if data is not None:
            derived = DerivedFiles(work_folder, identifier)
            try:
                with opened(data.path) as file:
                    record = recordfile.RecordFile(file)
                    if record.quantities:
                        target = derived.path(MEASUREMENT)
                        recordfile.write_measurement(record, target, _shape(about), _file_attributes(about), stop)
                made = derived.files(data.status.st_mtime_ns)
            except (CannotConvert, ConversionFailed) as error:
                problems = (error,)
            except SourceChanged as error:
                if is_growing or not _is_same(data):
                    raise
                # Quiet, and yet it makes no sense: the file goes as it is.
                problems = (ConversionFailed(error.reason, path=data.path),)
        return Content(
            description=self._description(identifier, about, state, has_measurement=bool(made)),
            files=tuple(sorted((*files, *made), key=lambda file: file.entry.name)),
            fingerprint=survey.fingerprint,
            problems=problems,
        )

    def describe(self, identifier: str, path: str, stop: StopToken) -> Description:
        """What is known of a recording beside its files."""
        about = self._about(path)
        newest_ns = self.survey(path, self.surveyor(), stop).newest_ns
        state = self._state(about, newest_ns, time.time_ns())
        return self._description(identifier, about, state, has_measurement=True)

    def _description(
        self, identifier: str, about: Mapping[str, Any], state: RunState, *, has_measurement: bool
    ) -> Description:
        attributes = about.get("attributes")
        plain: dict[str, Scalar] = _scalars(attributes) if isinstance(attributes, dict) else {}
        if self._set_up:
            plain.setdefault("set_up", self._set_up)
        details: dict[str, Any] = {}
        if has_measurement:
            made = conversion(MEASUREMENT, DATA, recordfile.CONVERTER, recordfile.CONVERTER_VERSION)
            details["conversions"] = [made]
        if about.get("finished"):
            details["finished"] = str(about["finished"])
        if about.get("error"):
            details["error"] = str(about["error"])
        return Description(
            name=str(about.get("name") or identifier),
            identifier=identifier,
            run_state=state,
            collected=str(about["started"]) if about.get("started") else None,
            text=str(about.get("description") or ""),
            attributes={name: plain[name] for name in sorted(plain)},
            keywords=_words(about.get("keywords")),
            details=details,
        )

    def live(self, path: str, since: Mapping[str, Any]) -> LiveSlice | None:
        """The newest points; None before the first one."""
        place = os.path.join(path, DATA)
        if not os.path.exists(place):
            return None
        with opened(place) as file:
            return recordfile.newest_points(recordfile.RecordFile(file), _shape(self._about(path)), since)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode) and not leads_elsewhere(entry)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise


def _scalars(attributes: Mapping[Any, Any]) -> dict[str, Scalar]:
    """The attributes that a description can hold; a file that somebody edited may hold others, which stay in it."""
    return {
        str(name): value for name, value in attributes.items() if value is None or isinstance(value, str | int | float)
    }


def _words(keywords: object) -> tuple[str, ...]:
    return tuple(str(word) for word in keywords) if isinstance(keywords, list) else ()


def _is_same(item: Surveyed) -> bool:
    """Whether a file is still what its directory entry said."""
    try:
        status = os.stat(item.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (item.status.st_size, item.status.st_mtime_ns)


def _shape(about: Mapping[str, Any]) -> list[int] | None:
    shape = about.get("shape")
    is_shape = isinstance(shape, list) and shape and all(isinstance(size, int) and size > 0 for size in shape)
    return list(shape) if is_shape and isinstance(shape, list) else None


def _file_attributes(about: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"title": "name", "uuid": "uuid", "start_time": "started", "stop_time": "finished"}
    return {name: str(about[key]) for name, key in wanted.items() if about.get(key)}


def _ns_of(iso: object) -> int | None:
    try:
        return int(datetime.datetime.fromisoformat(str(iso)).timestamp() * _NS)
    except (ValueError, OverflowError, OSError):
        return None
