"""Reads a copy of the store with sqlite3 alone; shares no code with the program it judges."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATES = ("waiting", "held", "sending", "archived", "failed", "ignored")
Row = dict[str, Any]


@dataclass(slots=True)
class StoreContent:
    """All rows of a store at one moment, as dictionaries."""

    sources: list[Row] = field(default_factory=list)
    destinations: list[Row] = field(default_factory=list)
    routes: list[Row] = field(default_factory=list)
    datasets: list[Row] = field(default_factory=list)
    files: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    receipts: list[Row] = field(default_factory=list)
    problems: list[Row] = field(default_factory=list)
    counts: list[Row] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def archive_of(self, destination_id: int) -> Path | None:
        """The folder of an archive destination."""
        for row in self.destinations:
            if row["id"] == destination_id and row["kind"] == "archive":
                path = json.loads(row["config"]).get("path")
                return Path(path) if path else None
        return None

    def datasets_by_id(self) -> dict[int, Row]:
        """Every dataset's row by its number."""
        return {row["id"]: row for row in self.datasets}


def read_store(home: Path) -> StoreContent:
    """Read the store of a home from a private copy, its -wal included, so that the original is never touched."""
    content = StoreContent()
    store = home / "store.sqlite"
    if not store.is_file():
        return content
    with tempfile.TemporaryDirectory() as scratch:
        for suffix in ("", "-wal"):
            if store.with_name(store.name + suffix).exists():
                shutil.copyfile(store.with_name(store.name + suffix), Path(scratch) / f"store.sqlite{suffix}")
        with closing(sqlite3.connect(Path(scratch) / "store.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            check = connection.execute("PRAGMA quick_check").fetchone()[0]
            if check != "ok":
                content.wrong.append(f"the store is damaged: {check}")
            for table in ("sources", "destinations", "routes", "datasets", "files", "transfers", "receipts", "problems",
                          "counts"):  # fmt: skip
                rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
                setattr(content, table, rows)
    return content


def miscounts(content: StoreContent) -> list[str]:
    """I4: sentences about datasets that are in no state or in two, and about counts that do not add up."""
    sentences = []
    datasets = content.datasets_by_id()
    routes_of: dict[int, set[int]] = {}
    for route in content.routes:
        routes_of.setdefault(route["source_id"], set()).add(route["id"])
    found: dict[int, list[Row]] = {}
    for transfer in content.transfers:
        found.setdefault(transfer["dataset_id"], []).append(transfer)
    for dataset in content.datasets:
        here = [transfer["route_id"] for transfer in found.get(dataset["id"], [])]
        wanted = routes_of.get(dataset["source_id"], set())
        if sorted(here) != sorted(wanted):
            sentences.append(
                f"dataset {dataset['identifier']!r} has transfers for {sorted(here)}, its routes are {wanted}"
            )
        if not dataset["shown"]:
            sentences.append(f"dataset {dataset['identifier']!r} is counted in no state")
    for transfer in content.transfers:
        name = datasets[transfer["dataset_id"]]["identifier"]
        if transfer["state"] not in STATES:
            sentences.append(f"the transfer of {name!r} is in the unknown state {transfer['state']!r}")
        if transfer["state"] in {"failed", "held"} and not transfer["reason"]:
            sentences.append(f"the transfer of {name!r} is {transfer['state']} without a reason")
        if transfer["state"] == "failed" and not transfer["retry_class"]:
            sentences.append(f"the transfer of {name!r} failed and nothing says when it is tried again")
    told = {(row["source_id"], row["route_id"], row["shown"]): row["number"] for row in content.counts if row["number"]}
    real = Counter((dataset["source_id"], 0, dataset["shown"]) for dataset in content.datasets)
    real += Counter(
        (datasets[row["dataset_id"]]["source_id"], row["route_id"], row["shown"]) for row in content.transfers
    )
    if told != dict(real):
        sentences.append(f"the counts say {told}, counting gives {dict(real)}")
    return sentences
