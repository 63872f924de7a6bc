"""The job "find_sources": at the first start, the places where measuring programs write down that they keep data.

Reads small configuration files and looks at a few folders, within five seconds; opens nothing for writing.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from etiket_gui.backends.recognise import recognise
from etiket_gui.backends.registry import registry
from etiket_gui.domain.errors import Stopped, UsageError
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken
from etiket_gui.settings.configuration_rules import Place, check_places_apart
from etiket_gui.worker.desk.configured import present_places
from etiket_gui.worker.desk.destinations import default_archive_folder
from etiket_gui.worker.desk.job import DeskJob
from etiket_gui.worker.desk.plugins import suggested_name

TIME_LIMIT_S = 4.5
_ONE_PLACE_S = 1.5
_LARGEST_SETTINGS_BYTES = 1_000_000
#: Below this a folder only looks as if it held measurements, and is offered without a tick.
_SURE = 0.4
_FOLDER_NAMES = (
    "data", "Data", "measurements", "Measurements", "experiments", "Experiments", "lab-data", "qcodes", "quantify-data",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that may hold measurements, and how it was come by; ``is_told`` says that a program wrote it down."""

    path: Path
    why: str
    is_told: bool


def find_sources(job: DeskJob) -> dict[str, Any]:
    """Look where measurements may be.

    Progress and result: ``found`` (each with path, why, sentence, backend, title, options, name, dataset_count,
    is_ticked), ``looked_at`` (sentences), ``archive_folder`` (a suggestion) and ``is_whole`` (False: time was up).
    """
    deadline_s = time.monotonic() + TIME_LIMIT_S
    backends = registry().usable()
    titles = {kind.identifier: kind.title for kind in backends}
    places = present_places(job.home)
    looked_at: list[str] = []
    candidates = list(_distinct(_told_places(looked_at)))
    candidates += list(_distinct(_common_places(looked_at), known=candidates))
    found: list[dict[str, Any]] = []
    is_whole = True
    for candidate in candidates:
        job.stop.check()
        if time.monotonic() > deadline_s:
            is_whole = False
            break
        item = _looked_at(candidate, backends, places, titles, job.stop, deadline_s)
        if item is not None and item["path"] not in {other["path"] for other in found}:
            found.append(item)
            job.tell({"found": item})
    connection = _core_tools(looked_at, titles)
    if connection is not None:
        found.append(connection)
    _untick_nested(found)
    return {
        "found": found,
        "looked_at": looked_at,
        "archive_folder": str(default_archive_folder()),
        "is_whole": is_whole,
    }


def _distinct(candidates: Iterator[Candidate], known: list[Candidate] | None = None) -> Iterator[Candidate]:
    seen = {_identity(item.path) for item in known or ()}
    for candidate in candidates:
        identity = _identity(candidate.path)
        if identity not in seen:
            seen.add(identity)
            yield candidate


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.normpath(path))


def _looked_at(
    candidate: Candidate, backends: Any, places: list[Place], titles: dict[str, str], stop: StopToken, deadline_s: float
) -> dict[str, Any] | None:
    """What is at a place, asked in a thread: a dead share must not hold up the others."""
    answer: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def look() -> None:
        try:
            answer.put(_recognised(candidate, backends, places, titles, stop))
        except (OSError, Stopped):
            answer.put(None)

    threading.Thread(target=look, name="find", daemon=True).start()
    try:
        return answer.get(timeout=max(0.05, min(_ONE_PLACE_S + 0.5, deadline_s - time.monotonic())))
    except queue.Empty:
        return None


def _recognised(
    candidate: Candidate, backends: Any, places: list[Place], titles: dict[str, str], stop: StopToken
) -> dict[str, Any] | None:
    path = candidate.path
    if not path.exists():
        return None
    try:
        check_places_apart([Place("source", "", os.fspath(path))], places, follows_links=True)
    except UsageError:
        return None
    answer = recognise(path, backends, stop, time_limit_s=_ONE_PLACE_S)
    best = next((item for item in answer.recognitions if item.options), None)
    if best is None or (not candidate.is_told and (not best.dataset_count or best.confidence < 0.2)):
        return None
    return {
        "path": to_portable(os.fspath(path)),
        "why": candidate.why,
        "sentence": best.sentence,
        "backend": best.backend,
        "title": titles.get(best.backend, best.backend),
        "options": {
            key: str(value) if isinstance(value, os.PathLike) else value for key, value in best.options.items()
        },
        "name": suggested_name(to_portable(os.fspath(path)), "lab"),
        "dataset_count": best.dataset_count,
        "warnings": list(best.warnings),
        "is_ticked": bool(best.dataset_count) and (candidate.is_told or best.confidence >= _SURE),
    }


def _untick_nested(found: list[dict[str, Any]]) -> None:
    """Of two places inside each other only the surer one is ticked: a dataset must not be archived twice."""
    ticked: list[str] = []
    for item in sorted(found, key=lambda item: (not item["is_ticked"], len(item["path"]))):
        path = item["path"].rstrip("/") + "/"
        if (
            item["is_ticked"]
            and item["path"]
            and any(path.startswith(other) or other.startswith(path) for other in ticked)
        ):
            item["is_ticked"] = False
        elif item["is_ticked"]:
            ticked.append(path)


# -- what programs write down ----------------------------------------------------------------------------------------


def _told_places(looked_at: list[str]) -> Iterator[Candidate]:
    for reader in (_qcodes, _quantify, _labber, _native):
        yield from reader(looked_at)


def _qcodes(looked_at: list[str]) -> Iterator[Candidate]:
    """``core.db_location`` of the QCoDeS settings; later files win, as in QCoDeS itself.

    A file in the folder of a measurement script counts for QCoDeS, too; which folder that is, nobody wrote down.
    """
    home = Path.home()
    files = [home / "qcodesrc.json"]
    variable = os.environ.get("QCODES_CONFIG")
    if variable:
        named = Path(variable).expanduser()
        files.append(named if named.suffix == ".json" else named / "qcodesrc.json")
    for file in reversed(files):
        looked_at.append(f"QCoDeS settings in {_shown(file)}")
        location = _inside(_json_of(file), "core", "db_location")
        if isinstance(location, str) and location:
            yield Candidate(Path(location).expanduser(), f"QCoDeS settings name it ({_shown(file)})", is_told=True)
    looked_at.append(f"QCoDeS's own choice, {_shown(home / 'experiments.db')}")
    yield Candidate(home / "experiments.db", "QCoDeS writes there where nothing else is set", is_told=True)


def _quantify(looked_at: list[str]) -> Iterator[Candidate]:
    # A guess, after the examples of Quantify: a script sets its data directory, and nothing writes it down.
    place = Path.home() / "quantify-data"
    looked_at.append(f"Quantify's usual folder, {_shown(place)}")
    yield Candidate(place, "the examples of Quantify write there", is_told=True)


def _labber(looked_at: list[str]) -> Iterator[Candidate]:
    """Labber's own choice. A guess, from what its users show; where it keeps its preferences is not known for sure."""
    for place in (Path.home() / "Labber" / "Data", Path.home() / "Documents" / "Labber" / "Data"):
        looked_at.append(f"Labber's database folder, {_shown(place)}")
        yield Candidate(place, "Labber usually keeps its logs there", is_told=True)


def _native(looked_at: list[str]) -> Iterator[Candidate]:
    """Where the recorder of this program and eTiKeT clients keep their data."""
    home = Path.home()
    if sys.platform == "win32":
        share = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        share = home / "Library" / "Application Support"
    else:
        share = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    from etiket_gui.record.recorder import default_folder

    for place, why in (
        (default_folder(), "the recorder of this program writes there"),
        (share / "quantum_machines" / "etiket", "an eTiKeT client keeps its data there"),
        (home / ".dataQruiser" / "data" / "qdrive", "an older eTiKeT client keeps its data there"),
    ):
        looked_at.append(_shown(place))
        yield Candidate(place, why, is_told=True)


def _core_tools(looked_at: list[str], titles: dict[str, str]) -> dict[str, Any] | None:
    """The connection in core-tools' settings, without the password, which is never read out of its file.

    Which file that is, the measurement script says; these names are a guess, after its examples.
    """
    home = Path.home()
    files = [home / ".core_tools" / "ct_config.yaml", home / "ct_config.yaml", home / "core_tools" / "ct_config.yaml"]
    looked_at.extend(f"core-tools settings in {_shown(file)}" for file in files)
    if "core_tools" not in titles:
        return None
    for file in files:
        told = _yaml_of(file)
        local = _inside(told, "local_database")
        if not isinstance(local, dict) or not local.get("database"):
            continue
        address = str(local.get("address") or "localhost:5432")
        host, _, port = address.partition(":")
        options: dict[str, Any] = {"host": host, "dbname": str(local["database"]), "user": str(local.get("user") or "")}
        if port.isdecimal():
            options["port"] = int(port)
        return {
            "path": "",
            "why": f"core-tools settings name it ({_shown(file)})",
            "sentence": f"The core-tools database {local['database']} on {host}.",
            "backend": "core_tools",
            "title": titles["core_tools"],
            "options": options,
            "name": str(local["database"]),
            "dataset_count": None,
            "warnings": ["It needs a password, which you give when you add it."],
            "is_ticked": False,
        }
    return None


def _common_places(looked_at: list[str]) -> Iterator[Candidate]:
    home = Path.home()
    above = [home, home / "Documents", home / "Desktop"]
    if sys.platform == "win32":
        above += [Path(f"{letter}:\\") for letter in "DE"]
    else:
        above.append(Path("/data"))
    looked_at.append(
        f"Folders called data, measurements or experiments in {', '.join(_shown(place) for place in above)}"
    )
    seen: set[tuple[int, int]] = set()
    for folder in above:
        for name in ("", *_FOLDER_NAMES) if folder == Path("/data") else _FOLDER_NAMES:
            place = folder / name if name else folder
            try:
                status = place.stat()
            except OSError:
                continue
            # Where upper and lower case are the same, two names are one folder.
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield Candidate(place, "a folder with a name that is often used for measurements", is_told=False)


def _json_of(file: Path) -> Any:
    return _read(file, json.loads)


def _yaml_of(file: Path) -> Any:
    return _read(file, yaml.safe_load)


def _read(file: Path, parse: Callable[[str], Any]) -> Any:
    """What a small settings file says; None for one that is not there or makes no sense."""
    try:
        if file.stat().st_size > _LARGEST_SETTINGS_BYTES:
            return None
        return parse(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _inside(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _shown(path: Path) -> str:
    text = display(to_portable(os.fspath(path)))
    home = os.fspath(Path.home())
    return f"~{text[len(home) :]}" if text.startswith(home + os.sep) else text
