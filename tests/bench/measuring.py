"""Runs contenders in turn and keeps what each took; the order changes from round to round."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Series:
    """The seconds (or another unit) of each contender, round by round."""

    name: str
    unit: str
    values: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ratio(self, label: str, numerator: str, denominator: str) -> None:
        """Remember numerator / denominator, round by round."""
        pairs = zip(self.values[numerator], self.values[denominator], strict=True)
        self.ratios[label] = [over / under for over, under in pairs]

    def to_json(self) -> dict[str, Any]:
        """Medians, extremes and all values."""
        return {
            "name": self.name,
            "unit": self.unit,
            "rounds": {key: [round(value, 4) for value in values] for key, values in self.values.items()},
            "medians": {key: round(statistics.median(values), 4) for key, values in self.values.items()},
            "ratios": {
                key: {
                    "median": round(statistics.median(values), 3),
                    "min": round(min(values), 3),
                    "max": round(max(values), 3),
                }
                for key, values in self.ratios.items()
            },
            "notes": self.notes,
        }


def run_rounds(series: Series, contenders: Mapping[str, Callable[[int], float]], rounds: int) -> None:
    """Run every contender once a round, each round in another order; a contender returns its own figure."""
    for number in range(rounds):
        # Shuffled, so that nobody always follows the same other: who comes after a program that leaves the file system
        # busy is slower for it.
        for name in random.Random(number).sample(list(contenders), len(contenders)):
            # What the one before left unwritten is not what this one waits for.
            os.sync()
            touch_memory()
            value = contenders[name](number)
            series.values.setdefault(name, []).append(value)
            print(f"  {series.name} round {number + 1}: {name} {value:.3f} {series.unit}", file=sys.stderr, flush=True)


def touch_memory(size_bytes: int = 1 << 30) -> None:
    """Have the virtual machine give this machine its pages before a measurement, not during it."""
    block = bytearray(size_bytes)
    block[::4096] = b"\x01" * len(block[::4096])


def timed(command: Sequence[str], *, env: Mapping[str, str] | None = None, ok: Sequence[int] = (0,)) -> float:
    """Seconds that a command took; raises when its exit code is not among ``ok``."""
    started_s = time.perf_counter()
    done = subprocess.run(command, env=None if env is None else dict(env), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started_s
    if done.returncode not in ok:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds


def program(home: Path, *arguments: str) -> list[str]:
    """The program's command line on a home of its own."""
    return [sys.executable, "-m", "etiket_gui", "--home", str(home), *arguments]


def resident_bytes(pid: int) -> int:
    """Resident memory of one process (Linux)."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """The process ids of all descendants (Linux)."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            found += [int(child), *children(int(child))]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor seconds of one process so far (Linux)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The results as a table for a person."""
    lines = []
    for result in results:
        lines.append(f"{result['name']} ({result['unit']})")
        for key, value in result["medians"].items():
            spread = result["rounds"][key]
            lines.append(f"  {key:<44} median {value:>10.3f}   {min(spread):.3f} to {max(spread):.3f}")
        for key, value in result["ratios"].items():
            lines.append(f"  {key:<44} median {value['median']:>10.3f}   {value['min']:.3f} to {value['max']:.3f}")
        lines += [f"  note: {note}" for note in result["notes"]]
    return "\n".join(lines)


def write_json(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Keep all values."""
    path.write_text(json.dumps(list(results), indent=1) + "\n", encoding="utf-8")
