"""Makes the trees that the measurements run over: reproducible contents, fresh names."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path


def make_datasets(
    root: Path, datasets: int, files: int, size_bytes: int, *, seed: int = 1, age_s: float = 60.0
) -> None:
    """``root``/day/dataset folders of ``files`` random files each, last changed ``age_s`` seconds ago.

    The times lie in the past so that no settle time passes within a measurement; change times cannot be set, so a
    measurement that wants them settled waits for its settle time first.
    """
    rng = random.Random(seed)
    when_ns = int((time.time() - age_s) * 1e9)
    for number in range(datasets):
        folder = root / f"2026-01-{number // 100 % 28 + 1:02d}" / f"{number:06d} run"
        folder.mkdir(parents=True)
        for index in range(files):
            path = folder / f"trace_{index:02d}.dat"
            path.write_bytes(rng.randbytes(size_bytes))
            os.utime(path, ns=(when_ns, when_ns))


def make_many_small(root: Path, folders: int, files_per_folder: int) -> None:
    """``root``/day/dataset folders with tiny files, for walks: ``folders`` of them with ``files_per_folder`` each."""
    for number in range(folders):
        folder = root / f"day{number // 100:04d}" / f"{number:06d} run"
        folder.mkdir(parents=True)
        for index in range(files_per_folder):
            with open(folder / f"f{index}.dat", "wb") as file:
                file.write(b"%d" % index)


def make_large(path: Path, size_bytes: int, *, seed: int = 1) -> None:
    """One file of random bytes."""
    rng = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        left = size_bytes
        while left > 0:
            part = rng.randbytes(min(left, 1 << 20))
            file.write(part)
            left -= len(part)


def read_everything(root: Path) -> int:
    """Read a tree once, so that every contender finds it in the page cache; returns the bytes."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                while part := file.read(1 << 20):
                    total += len(part)
    return total
