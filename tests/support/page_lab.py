"""Homes for the pages of the window: a real engine archived what is in them, the store was given rarer states."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import DestinationOffline, FileBusy, ManyChanged, PermissionRefused
from etiket_gui.domain.states import DestinationState, Realm, RunState, SourceState, TransferState
from etiket_gui.settings.home import Home
from etiket_gui.store.health import open_store
from etiket_gui.store.rows import Claim, NotSent
from etiket_gui.store.writer import StoreWriter
from tests.support.engine_driver import EngineDriver
from tests.support.engine_runs import write_datasets

#: Names as they come from laboratories: long, with signs that mean something elsewhere, from right to left.
NAMES = (
    "Rabi chevron Q3 – drive 5.124 GHz, −12 dBm, µ-wave line 100 % attenuated, second cooldown after May",
    "<b>T1</b> & T2* %s {name} 100%",
    "מדידה של קיוביט 7",
    "long_name_without_any_blank_" + "x" * 120,
    "spectroscopy 12",
)


def archived_lab(folder: Path, count: int = 12) -> EngineDriver:
    """A home whose one source of so many datasets is archived by the real engine, which has ended."""
    driver = EngineDriver(folder)
    driver.add_archive()
    root = folder / "measurements µ"
    write_datasets(root, range(count))
    (root / "2026-03-01" / "000 räumlich µ" / "_QH_dataset_info.yaml").write_text(
        "version: 1\ndataset_name: Rabi chevron Q3\ncreated: 2026-03-01T12:00:00\n"
        "description: Drive frequency against duration.\n"
        "attributes: {sample: SQ22, fridge: Triton 7, set_up: XLD-1}\nkeywords: [rabi, qubit 3, cooldown 12]\n",
        encoding="utf-8",
    )
    driver.add_folder(root, level=2)
    with driver:
        driver.until_archived(timeout_s=60)
    return driver


def store_of(driver: EngineDriver) -> StoreWriter:
    """The writer of a home whose engine has ended; the caller closes it."""
    return open_store(driver.home).writer


def add_datasets(
    writer: StoreWriter, source_id: int, names: tuple[str, ...], *, prefix: str = "new",
    run_state: RunState = RunState.COMPLETE, is_settled: bool = True, size_bytes: int = 4_000_000,
) -> list[int]:  # fmt: skip
    """Datasets that were found and wait; returns their ids."""
    now_ns = time.time_ns()
    found = [
        Found(
            f"{prefix}/{number:05d}", name, number + 1, run_state=run_state, newest_change_ns=now_ns - 3600 * 10**9,
            looked_at_ns=now_ns, size_bytes=size_bytes, file_count=3, place=f"9:{hash(prefix) % 1000}{number:07d}",
            collected_ns=now_ns - (number + 1) * 86_400_000_000_000,
        )
        for number, name in enumerate(names)
    ]  # fmt: skip
    with writer.batch():
        outcomes = writer.record_found(writer.source(source_id), Realm.SOURCE, found)
        if is_settled:
            writer.mark_settled([(outcome.dataset_id, outcome.found.fingerprint) for outcome in outcomes])
        else:
            writer.mark_unsettled([(outcome.dataset_id, "still being written") for outcome in outcomes])
    return [outcome.dataset_id for outcome in outcomes]


def fail_datasets(writer: StoreWriter, dataset_ids: list[int], *, due_in_s: float | None = 240.0) -> None:
    """Have these datasets failed at every destination: the first half is busy, the others may not be read."""
    wanted = set(dataset_ids)
    claims: list[Claim] = []
    for route in writer.routes():
        while batch := writer.claim(route.id, limit=1000, max_bytes=1 << 50, large=False, newest_first=True):
            claims.extend(batch)
    failures = []
    for claim in claims:
        if claim.dataset_id not in wanted:
            failures.append(
                NotSent(
                    claim.transfer_id, claim.dataset_id, DestinationOffline("later"), TransferState.WAITING, None, False
                )
            )
            continue
        is_busy = dataset_ids.index(claim.dataset_id) < (len(dataset_ids) + 1) // 2
        due_ns = None if not is_busy or due_in_s is None else time.time_ns() + int(due_in_s * 1e9)
        error = (
            FileBusy(f"{claim.identifier}/trace 1.csv is held by another program.")
            if is_busy
            else PermissionRefused(f"{claim.identifier} may not be read by this account.")
        )
        failures.append(NotSent(claim.transfer_id, claim.dataset_id, error, TransferState.FAILED, due_ns))
    writer.record_not_sent(failures)


def ask_about_changes(writer: StoreWriter, source_id: int, count: int = 60) -> None:
    """Have the source ask whether so many changes are meant."""
    name = writer.source(source_id).name
    reason = f"{count} datasets of {name} changed or vanished within an hour."
    writer.set_source_state(source_id, SourceState.ASKING, reason)
    writer.open_problem("source", f"source:{source_id}", ManyChanged(reason), source_id=source_id)


def take_destination_away(writer: StoreWriter, destination_id: int) -> None:
    """Have a destination be unreachable."""
    row = writer.destination(destination_id)
    error = DestinationOffline(f"{row.config['path']} cannot be reached: Host is down.")
    writer.set_destination_state(destination_id, DestinationState.OFFLINE, error.reason)
    writer.open_problem(
        "destination", f"destination:{destination_id}", error, destination_id=destination_id, attempts=3
    )


def add_files(home: Home, dataset_id: int, count: int) -> None:
    """Have a dataset hold so many files, as if they had been read."""
    with closing(sqlite3.connect(home.store)) as connection, connection:
        connection.executemany(
            "INSERT OR REPLACE INTO files (dataset_id, name, kind, size_bytes, mtime_ns) VALUES (?, ?, 'file', ?, ?)",
            ((dataset_id, f"raw/trace {number:06d}.dat", number, time.time_ns()) for number in range(count)),
        )
        connection.execute("UPDATE datasets SET file_count = ? WHERE id = ?", (count, dataset_id))


def describe(home: Home, dataset_id: int, **fields: object) -> None:
    """Change fields of a dataset's description in the store."""
    with closing(sqlite3.connect(home.store)) as connection, connection:
        row = connection.execute("SELECT content FROM descriptions WHERE dataset_id = ?", (dataset_id,)).fetchone()
        content = {**json.loads(row[0] if row else "{}"), **fields}
        connection.execute(
            "INSERT INTO descriptions (dataset_id, content) VALUES (?, ?)"
            " ON CONFLICT (dataset_id) DO UPDATE SET content = excluded.content",
            (dataset_id, json.dumps(content)),
        )


def rich_lab(folder: Path) -> EngineDriver:
    """Everything at once: archived, waiting, live, failed, ignored, a question, a destination that is away."""
    driver = archived_lab(folder, 24)
    with closing(store_of(driver)) as writer:
        fridge = writer.sources()[0].id
        share = folder / "group share"
        share.mkdir(exist_ok=True)
        destination = writer.add_destination(
            "00000000-0000-4000-8000-000000000001", "group share", "archive", {"path": str(share)}
        )
        cooldown = writer.add_source(
            "00000000-0000-4000-8000-000000000002", "cooldown · Triton 7 (µ-wave, 100 %)", "folder",
            {"root_directory": str(folder / "cooldown")}, [(destination.id, "")],
        )  # fmt: skip
        add_datasets(writer, cooldown.id, tuple(f"cooldown {number}" for number in range(30)), prefix="cooldown")
        failed = add_datasets(writer, fridge, NAMES, prefix="failed")
        fail_datasets(writer, failed)
        add_datasets(writer, fridge, ("still written",), prefix="written", is_settled=False)
        add_datasets(writer, fridge, ("live sweep",), prefix="live", run_state=RunState.LIVE, is_settled=False)
        add_datasets(writer, fridge, tuple(f"queued {number}" for number in range(6)), prefix="queued")
        ignored = add_datasets(writer, fridge, ("test run", "another test"), prefix="ignored")
        writer.ignore(ignored)
        writer.add_activity("The source fridge was added.", source_id=fridge)
        writer.add_activity("fridge was looked through: 24 datasets, all of them new.", source_id=fridge)
        writer.add_activity("spectroscopy 12 was archived at lab-archive.", source_id=fridge, dataset_id=1)
        writer.add_activity("group share: the share cannot be reached.")
        ask_about_changes(writer, cooldown.id)
        take_destination_away(writer, destination.id)
    return driver
