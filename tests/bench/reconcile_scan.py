"""Looks through 100 000 unchanged files in 10 000 folders, beside a bare os.scandir + stat walk of the same tree.

    python -m tests.bench.reconcile_scan [--folders 10000] [--files 10] [--level 1|2] [--pairs 7] [--tree FOLDER]

Prints JSON. The two run in turns in one process, the order changing from pair to pair; times are medians of the pairs,
the ratio is the median of the pairs' ratios. Memory is the peak resident size of a fresh process for each of the two.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.domain.content import DiscoverySummary, FileEntry, Found
from etiket_gui.domain.stopping import StopToken


class KnownInSqlite:
    """What the store knows, read from SQLite as the real one does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, found: list[Found]) -> None:
        """Write down what a first look found."""
        with sqlite3.connect(self._path) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS datasets (identifier TEXT PRIMARY KEY, fingerprint INTEGER)")
            connection.executemany(
                "INSERT OR REPLACE INTO datasets VALUES (?, ?)", [(item.identifier, item.fingerprint) for item in found]
            )
        connection.close()

    def fingerprints(self) -> Mapping[str, int]:
        """Identifier to fingerprint of every dataset."""
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)
        try:
            return dict(connection.execute("SELECT identifier, fingerprint FROM datasets"))
        finally:
            connection.close()

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        """Nothing: an unchanged dataset is never asked for it."""
        return ()


def make_tree(root: Path, *, folders: int, files: int, level: int) -> None:
    """Make the dataset folders, ``files`` small files each; level 2 puts a hundred into each day folder."""
    for number in range(folders):
        day = "" if level == 1 else f"day-{number // 100:04d}"
        folder = root / day / f"dataset-{number:06d}"
        folder.mkdir(parents=True)
        for index in range(files):
            with open(folder / f"file-{index:02d}.dat", "wb", buffering=0) as file:
                file.write(b"x" * (index + 1))


def bare_walk(root: str) -> int:
    """The least that any program must do to see a change: list every folder, stat every entry. Returns the files."""
    count = 0
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def _backend(root: Path, level: int) -> FolderBackend:
    return FolderBackend(
        FolderConfig(root_directory=str(root), level=level, is_network_folder=False),
        BackendContext("00000000-0000-4000-8000-000000000000", root),
    )


def _reconcile(root: Path, level: int, known: KnownInSqlite) -> tuple[DiscoverySummary, list[Found]]:
    found: list[Found] = []
    summary = _backend(root, level).discover(DiscoveryRequest(), known, found.append, StopToken())
    return summary, found


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(root: Path, store: Path, *, level: int, pairs: int = 7) -> dict[str, Any]:
    """Medians of alternating pairs over an existing tree; times in seconds, memory in bytes."""
    known = KnownInSqlite(store)
    if not store.exists():
        _first_look(root, level, known)
    bare: list[float] = []
    reconcile: list[float] = []

    seen: set[int] = set()

    def run_reconcile() -> None:
        summary, found = _reconcile(root, level, known)
        if found or summary.missing:
            raise RuntimeError("the tree changed while it was measured")
        seen.add(summary.seen_count)

    bare_walk(str(root))
    run_reconcile()
    for pair in range(pairs):
        turns = [(bare, lambda: bare_walk(str(root))), (reconcile, run_reconcile)]
        for times, work in turns if pair % 2 == 0 else reversed(turns):
            times.append(_timed(work))
    memory = {kind: _peak_of(kind, root, store, level) for kind in ("bare", "reconcile")}
    ratios = [after / before for before, after in zip(bare, reconcile, strict=True)]
    return {
        "level": level,
        "datasets": max(seen),
        "pairs": pairs,
        "bare_walk_s": round(statistics.median(bare), 4),
        "reconcile_s": round(statistics.median(reconcile), 4),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "bare_walk_peak_bytes": memory["bare"],
        "reconcile_peak_bytes": memory["reconcile"],
        "more_memory_bytes": memory["reconcile"] - memory["bare"],
    }


def _first_look(root: Path, level: int, known: KnownInSqlite) -> None:
    class Nothing:
        def fingerprints(self) -> Mapping[str, int]:
            return {}

        def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
            return ()

    found: list[Found] = []
    _backend(root, level).discover(DiscoveryRequest(), Nothing(), found.append, StopToken())
    known.remember(found)


def _peak_of(kind: str, root: Path, store: Path, level: int) -> int:
    arguments = [sys.executable, "-m", "tests.bench.reconcile_scan"]
    arguments += ["--peak", kind, "--tree", str(root), "--store", str(store), "--level", str(level)]
    output = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]).stdout
    return int(output)


def _peak_here(kind: str, root: Path, store: Path, level: int) -> int:
    """Bytes of this process's largest resident size. (getrusage would report the parent's too.)"""
    if kind == "bare":
        bare_walk(str(root))
    else:
        _reconcile(root, level, KnownInSqlite(store))
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def run(
    *, folders: int = 10_000, files: int = 10, level: int = 1, pairs: int = 7, parent: Path | None = None
) -> dict[str, Any]:
    """Make a tree below ``parent`` (default: the temporary folder), measure on it, remove it."""
    with tempfile.TemporaryDirectory(dir=parent, prefix="reconcile-") as place:
        root = Path(place) / "source"
        root.mkdir()
        make_tree(root, folders=folders, files=files, level=level)
        return {"files": folders * files, **measure(root, Path(place) / "store.sqlite", level=level, pairs=pairs)}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--level", type=int, choices=(1, 2), default=1)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--tree", type=Path, help="measure on this tree (with --store) instead of a new one")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--peak", choices=("bare", "reconcile"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(_peak_here(asked.peak, asked.tree, asked.store, asked.level))
    elif asked.tree:
        print(json.dumps(measure(asked.tree, asked.store, level=asked.level, pairs=asked.pairs)))
    else:
        print(json.dumps(run(folders=asked.folders, files=asked.files, level=asked.level, pairs=asked.pairs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
