"""Answers "what is this file?" for QCoDeS databases: in bounded time, and never opened so that it could change."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.qcodes.keeping import LARGEST_BYTES
from etiket_gui.backends.qcodes.runs import NEWEST_TESTED_VERSION
from etiket_gui.backends.sqlite_access import Access, Reader, Way
from etiket_gui.backends.sqlite_signature import Signature, exclusively, signature_of
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, Stopped
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.remote import volume_of

_HEADER = b"SQLite format 3\x00"
#: A database that would have to be copied to be looked into is only described from outside above this size.
_MOST_COPIED_BYTES = 200 << 20
_LOOKED_AT_FILES = 50
_TIME_LIMIT_S = 1.5
_LIVE_S = 120.0


def recognise_database(path: Path, stop: StopToken) -> Recognition | None:
    """What a file, or the one database in a folder, is to this backend; None when it is not QCoDeS at all."""
    place = os.path.abspath(os.fspath(path))
    if os.path.isdir(place):
        return _in_folder(place, stop)
    for suffix in ("-wal", "-shm", "-journal"):
        if place.endswith(suffix) and os.path.isfile(place.removesuffix(suffix)):
            place = place.removesuffix(suffix)
    return _of_file(place, stop)


def _in_folder(folder: str, stop: StopToken) -> Recognition | None:
    deadline_s = time.monotonic() + _TIME_LIMIT_S
    found: list[Recognition] = []
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.path for entry in entries if entry.name.lower().endswith(".db"))
    except OSError:
        return None
    for name in names[:_LOOKED_AT_FILES]:
        if time.monotonic() > deadline_s:
            break
        answer = _of_file(name, stop)
        if answer is not None:
            found.append(answer)
    if not found:
        return None
    best = max(found, key=lambda item: item.dataset_count or 0)
    others = ""
    if len(found) == 2:
        others = " 1 more database lies beside it; add it as a source of its own."
    elif len(found) > 2:
        others = f" {len(found) - 1} more databases lie beside it; add each as a source of its own."
    name = os.path.basename(str(best.options["database_path"]))
    return Recognition(
        best.backend,
        f"A folder with the {best.sentence.removesuffix('.')} ({name}).{others}",
        best.options,
        0.6,
        best.dataset_count,
        best.warnings,
    )


def _of_file(path: str, stop: StopToken) -> Recognition | None:
    try:
        with exclusively(path), open(path, "rb") as file:
            header = file.read(100)
        if not header.startswith(_HEADER):
            return None
        signature = signature_of(path)
        is_remote = volume_of(path).is_remote
        return _answer(path, header, signature, is_remote, stop)
    except (OSError, EtiketError) as error:
        if isinstance(error, Stopped):
            raise
        return None


def _answer(path: str, header: bytes, signature: Signature, is_remote: bool, stop: StopToken) -> Recognition | None:
    mode = "WAL" if header[18:20] == b"\x02\x02" else "rollback journal"
    with tempfile.TemporaryDirectory(prefix="etiket-gui-look-") as folder:
        access = Access(path, Path(folder), copies_only=is_remote)
        if access.way(signature) is Way.COPY and signature.database[1] > _MOST_COPIED_BYTES:
            return None
        told = access.look(_counted, stop)
    if told is None:
        return None
    version, count, newest_s, open_count, has_guid = told
    now_s = time.time()
    age_s = now_s - max(newest_s or 0.0, signature.newest_ns / 1e9 if open_count else 0.0)
    runs = "no run" if count == 0 else f"{_number(count)} run{'' if count == 1 else 's'}"
    last = "" if newest_s is None else f", last run {_ago(age_s)}"
    warnings = []
    if version > NEWEST_TESTED_VERSION:
        warnings.append(f"Its version {version} is newer than what was tested ({NEWEST_TESTED_VERSION}).")
    if not has_guid:
        warnings.append("It is from before run identifiers: keep its file name and place.")
    if is_remote and guards.is_on("network-database-is-told"):
        live = " It is being written just now." if now_s - signature.newest_ns / 1e9 < _LIVE_S else ""
        warnings.append(
            "It lies on a network drive: it is only read from copies, and new runs come late."
            f"{live} Better run this program on the measurement computer."
        )
    if not is_remote and signature.database[1] <= LARGEST_BYTES:
        size = f"{signature.database[1] / 1e6:,.1f} MB".replace(",", " ")
        warnings.append(f'The whole file ({size}) can be kept as well: see "Also keep the database file".')
    return Recognition(
        "qcodes",
        f"QCoDeS database, version {version}, {runs}, {mode}{last}.",
        {"database_path": to_portable(path)},
        0.95,
        count,
        tuple(warnings),
    )


def _counted(reader: Reader) -> tuple[int, int, float | None, int, bool] | None:
    """Version, runs, when the newest started, how many are open; None when it is not QCoDeS."""
    tables = {
        str(name) for (name,) in reader.query("SELECT name FROM sqlite_master WHERE name IN ('runs','experiments')")
    }
    if tables != {"runs", "experiments"}:
        return None
    columns = {str(row[1]) for row in reader.query("PRAGMA table_info(runs)")}
    if "result_table_name" not in columns:
        return None
    ((version,),) = reader.query("PRAGMA user_version")
    # The newest rows tell enough: counting all of a large table could take longer than a look may.
    newest = reader.query("SELECT run_id, run_timestamp, is_completed FROM runs ORDER BY run_id DESC LIMIT 20")
    ((count,),) = reader.query("SELECT count(*) FROM runs")
    times = [float(row[1]) for row in newest if isinstance(row[1], int | float)]
    is_open = sum(not row[2] for row in newest)
    return int(str(version)), int(str(count)), max(times, default=None), is_open, "guid" in columns


def _ago(age_s: float) -> str:
    if age_s < 60:
        return "just now"
    for size_s, word in ((86400.0, "day"), (3600.0, "h"), (60.0, "min")):
        if age_s >= size_s:
            number = int(age_s // size_s)
            return f"{number} {word}{'s' if word == 'day' and number > 1 else ''} ago"
    return "just now"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")
