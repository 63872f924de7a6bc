"""The job "survey": a dry run over a source that is not added yet; what would be archived, and how long it may take."""

from __future__ import annotations

import contextlib
import datetime as dt
import heapq
import itertools
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import DiscoveryRequest
from etiket_gui.backends.registry import load_backend
from etiket_gui.domain.content import DiscoverySummary, FileEntry, Found
from etiket_gui.domain.identity import new_source_uuid
from etiket_gui.domain.states import RunState
from etiket_gui.settings.home import Home
from etiket_gui.worker.desk.configured import built_backend
from etiket_gui.worker.desk.job import DeskJob

EXAMPLES = 200
_TELL_EVERY_S = 0.3
#: What sending takes where nothing was measured yet: a common disk, hashing and reading back included.
ASSUMED_BYTES_PER_S = 40e6
ASSUMED_PER_DATASET_S = 0.02
_RECEIPTS = 2000
#: Receipts further apart than this do not belong to one stretch of work.
_SAME_STRETCH_NS = 5 * 10**9


class NothingKnown:
    """What is known of the datasets of a source that was never looked at."""

    def fingerprints(self) -> Mapping[str, int]:
        """Nothing."""
        return {}

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        """Nothing."""
        return ()


@dataclass(slots=True)
class Sums:
    """What a survey has found so far. Sizes in bytes, times in ns since 1970 UTC."""

    since_ns: int = 0
    count: int = 0
    size_bytes: int = 0
    file_count: int = 0
    running: int = 0
    older_count: int = 0
    older_bytes: int = 0
    oldest_ns: int | None = None
    newest_ns: int | None = None
    #: Local day (its beginning in ns since 1970 UTC): [datasets, bytes] with their time in it; running ones apart.
    days: dict[int, list[int]] = field(default_factory=dict)
    running_bytes: int = 0
    _newest: list[tuple[int, int, Found]] = field(default_factory=list)

    def add(self, found: Found) -> None:
        """Count one dataset."""
        time_ns = found.newest_change_ns if found.collected_ns is None else found.collected_ns
        is_running = found.run_state in {RunState.LIVE, RunState.ANNOUNCED}
        if self.since_ns and time_ns < self.since_ns and not is_running:
            self.older_count += 1
            self.older_bytes += found.size_bytes
        self.count += 1
        self.running += is_running
        self.size_bytes += found.size_bytes
        self.file_count += found.file_count
        if is_running:
            self.running_bytes += found.size_bytes
        else:
            day = self.days.setdefault(_day_of(time_ns), [0, 0])
            day[0] += 1
            day[1] += found.size_bytes
        if time_ns > 0:
            self.oldest_ns = time_ns if self.oldest_ns is None else min(self.oldest_ns, time_ns)
            self.newest_ns = time_ns if self.newest_ns is None else max(self.newest_ns, time_ns)
        item = (time_ns, self.count, found)
        if len(self._newest) < EXAMPLES:
            heapq.heappush(self._newest, item)
        else:
            heapq.heappushpop(self._newest, item)

    def spread_size(self, size_bytes: int) -> bool:
        """Where no dataset told its size, as in a database, spread that of the whole over them; whether it was so."""
        if self.size_bytes or not size_bytes or not self.count:
            return False
        each = size_bytes // self.count
        self.size_bytes, self.running_bytes = each * self.count, each * self.running
        for day in self.days.values():
            day[1] = each * day[0]
        return True

    def to_json(self, *, examples: int = EXAMPLES) -> dict[str, Any]:
        """The sums and the newest datasets as JSON values."""
        newest = heapq.nlargest(examples, self._newest)
        return {
            "count": self.count,
            "size_bytes": self.size_bytes,
            "file_count": self.file_count,
            "running": self.running,
            "running_bytes": self.running_bytes,
            "days": [[day_ns, count, size_bytes] for day_ns, (count, size_bytes) in sorted(self.days.items())],
            "older_count": self.older_count,
            "older_bytes": self.older_bytes,
            "oldest_ns": self.oldest_ns,
            "newest_ns": self.newest_ns,
            "examples": [
                {
                    "identifier": found.identifier,
                    "name": found.name,
                    "time_ns": time_ns,
                    "size_bytes": found.size_bytes,
                    "file_count": found.file_count,
                    "run_state": found.run_state.value,
                }
                for time_ns, _, found in newest
            ],
        }


def _day_of(time_ns: int) -> int:
    """The beginning of the local day of a moment, both in ns since 1970 UTC."""
    moment = dt.datetime.fromtimestamp(time_ns / 1e9, dt.UTC).astimezone()
    return int(moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 10**9


def survey(job: DeskJob) -> dict[str, Any]:
    """Look through a source as the engine would, and sum up; nothing is written down or sent.

    Parameters: backend, config; ``secret`` or the ``account`` under which it is kept; ``since_ns`` counts apart what is
    older; ``destination`` (a name) gives the speed that the time is estimated with. Progress: the sums so far.
    Raises the backend's failures.
    """
    kind = load_backend(job.text("backend"))
    config = job.mapping("config")
    sums = Sums(int(job.parameters.get("since_ns") or 0))
    told_s = time.monotonic()

    def report(found: Found) -> None:
        nonlocal told_s
        sums.add(found)
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_EVERY_S:
            told_s = now_s
            job.tell(sums.to_json(examples=20))

    work_folder = Path(tempfile.mkdtemp(prefix="etiket-survey-"))
    try:
        backend = built_backend(kind, config, work_folder, new_source_uuid(), _secret(job))
        summary = backend.discover(DiscoveryRequest(), NothingKnown(), report, job.stop)
        is_estimated = sums.spread_size(_database_bytes(kind.root(backend.config)))
    finally:
        shutil.rmtree(work_folder, ignore_errors=True)
    result = sums.to_json()
    result["is_size_estimated"] = is_estimated
    result |= _left_out(summary)
    result |= estimate(job.home, str(job.parameters.get("destination") or ""), sums)
    return result


def _database_bytes(root: str) -> int:
    """How large the file is that a source lies in, with what is beside it and not taken in yet; 0 for other sources."""
    sizes = []
    for path in (root, f"{root}-wal"):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            sizes.append(status.st_size)
    return sum(sizes)


def _secret(job: DeskJob) -> str | None:
    """What the person typed, else what is kept for a source that is there already."""
    typed, account = job.parameters.get("secret"), job.parameters.get("account")
    if typed or not account:
        return str(typed) if typed else None
    from etiket_gui.credentials.keyring_store import KeyringStore

    keyring = KeyringStore()
    try:
        return keyring.get(str(account))
    finally:
        keyring.close()


def _left_out(summary: DiscoverySummary) -> dict[str, Any]:
    return {
        "stray_files": summary.stray_files,
        "skipped": dict(summary.skipped),
        "unreadable": [{"path": item.path, "reason": item.reason} for item in summary.unreadable[:50]],
        "unreadable_count": len(summary.unreadable),
    }


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a destination takes datasets: a time for each, and bytes per second."""

    per_dataset_s: float
    bytes_per_s: float
    is_measured: bool


def estimate(home: Home, destination: str, sums: Sums) -> dict[str, Any]:
    """How long sending may take in seconds, and a sentence that says what this rests on."""
    speed = measured_speed(home, destination)
    count, size_bytes = sums.count - sums.older_count, sums.size_bytes - sums.older_bytes
    duration_s = count * speed.per_dataset_s + size_bytes / speed.bytes_per_s
    megabytes = speed.bytes_per_s / 1e6
    basis = (
        f"measured: {destination} took {megabytes:.0f} MB/s lately"
        if speed.is_measured
        else f"assumed: {megabytes:.0f} MB/s, because it is not known yet how fast {destination or 'the archive'} is"
    )
    return {
        "per_dataset_s": speed.per_dataset_s,
        "bytes_per_s": speed.bytes_per_s,
        "estimated_s": duration_s,
        "estimate_basis": basis,
        "is_estimate_measured": speed.is_measured,
    }


def measured_speed(home: Home, destination: str) -> Speed:
    """What the newest receipts of a destination say; an assumption where there are too few."""
    assumed = Speed(ASSUMED_PER_DATASET_S, ASSUMED_BYTES_PER_S, is_measured=False)
    if not destination or not home.store.exists():
        return assumed
    try:
        with contextlib.closing(sqlite3.connect(f"{home.store.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT r.received_ns, r.new_bytes FROM receipts r JOIN destinations d ON d.id = r.destination_id"
                " WHERE d.name = ? ORDER BY r.id DESC LIMIT ?",
                (destination, _RECEIPTS),
            ).fetchall()
    except sqlite3.Error:
        return assumed
    rows.sort()
    spent_ns = size_bytes = datasets = 0
    for (before_ns, _), (now_ns, new_bytes) in itertools.pairwise(rows):
        if now_ns - before_ns <= _SAME_STRETCH_NS:
            spent_ns += now_ns - before_ns
            size_bytes += new_bytes
            datasets += 1
    if datasets < 20 or spent_ns < 10**9 or size_bytes < 10**6:
        return assumed
    spent_s = spent_ns / 1e9
    moving_s = spent_s - datasets * ASSUMED_PER_DATASET_S
    if moving_s <= spent_s / 10:
        # Mostly small datasets: the time goes by their number.
        return Speed(spent_s / datasets, ASSUMED_BYTES_PER_S, is_measured=True)
    return Speed(ASSUMED_PER_DATASET_S, size_bytes / moving_s, is_measured=True)
