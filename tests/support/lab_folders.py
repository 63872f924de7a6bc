"""Measurements as a laboratory writes them into folders: a folder a day, names, tables that converters read, notes."""

from __future__ import annotations

import math
import os
import random
from datetime import date, datetime, time, timedelta
from pathlib import Path

_KINDS = (
    ("resonator spectroscopy", "frequency (GHz)", "transmission (dB)"),
    ("qubit spectroscopy", "frequency (GHz)", "phase (rad)"),
    ("rabi", "pulse length (ns)", "population"),
    ("T1", "delay (us)", "population"),
    ("ramsey", "delay (us)", "population"),
    ("hahn echo", "delay (us)", "population"),
    ("readout optimisation", "power (dBm)", "fidelity"),
    ("pinch-off", "gate voltage (V)", "current (nA)"),
)
_SAMPLES = ("SQ22", "SQ23", "6D3S-α")
LAST_DAY = date(2026, 3, 6)


def _value(kind: str, x: float, chance: random.Random) -> float:
    noise = chance.gauss(0, 0.015)
    if "spectroscopy" in kind:
        return -1 / (1 + ((x - 0.46) / 0.03) ** 2) + noise
    if kind in {"rabi", "ramsey"}:
        return 0.5 - 0.5 * math.cos(24 * x) * math.exp(-2.2 * x) + noise
    if kind == "pinch-off":
        return 1 / (1 + math.exp(-30 * (x - 0.5))) + noise
    return math.exp(-3.2 * x) + noise


def write_lab_dataset(folder: Path, number: int, *, points: int = 201) -> Path:
    """One dataset, appearing at once under its final name; the same number gives the same bytes."""
    chance = random.Random(number)
    kind, first, second = _KINDS[number % len(_KINDS)]
    draft = folder.parent / f".{folder.name}.part"
    draft.mkdir(parents=True)
    rows = [f"{x / (points - 1):.5f},{_value(kind, x / (points - 1), chance):.6f}" for x in range(points)]
    (draft / "trace.csv").write_text("\n".join([f"{first},{second}", *rows]) + "\n", encoding="utf-8")
    (draft / "notes.md").write_text(f"# {kind}\n\nSecond cooldown, attenuation 60 dB.\n", encoding="utf-8")
    created = datetime.combine(LAST_DAY, time(9)) + timedelta(minutes=7 * (number % 40), days=-(number // 40))
    (draft / "_QH_dataset_info.yaml").write_text(
        f"version: 1\ndataset_name: {kind} Q{number % 5 + 1}\ncreated: {created:%Y-%m-%dT%H:%M:%S}\n"
        f"description: {kind.capitalize()} of qubit {number % 5 + 1}.\n"
        f"attributes: {{sample: {_SAMPLES[number % 3]}, fridge: Triton 7, set_up: XLD-1}}\n"
        f"keywords: [{kind}, qubit {number % 5 + 1}]\n",
        encoding="utf-8",
    )
    # A dataset is as old as it says.
    for path in draft.iterdir():
        os.utime(path, (created.timestamp(), created.timestamp()))
    os.rename(draft, folder)
    return folder


def write_lab(root: Path, numbers: range, *, a_day: int = 40, points: int = 201) -> None:
    """Datasets at depth 2, so many to a day."""
    for number in numbers:
        day = root / f"{LAST_DAY - timedelta(days=number // a_day):%Y-%m-%d}"
        day.mkdir(parents=True, exist_ok=True)
        kind = _KINDS[number % len(_KINDS)][0]
        minute = 9 * 60 + 7 * (number % a_day)
        name = f"{minute // 60:02d}{minute % 60:02d}{number % 60:02d} {kind} q{number % 5 + 1}"
        write_lab_dataset(day / name, number, points=points)
