"""Prints what a Labber source should yield, as JSON; a stand-alone script that reads with h5py and nothing of ours.

    python expected_labber.py DIRECTORY

One object for each log: identifier, name, collected (UTC), file with size and SHA-256, whether it is completed, and
for each channel and trace the sum and number of its values.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import sys
from typing import Any

import h5py
import numpy as np


def text(value: Any) -> str:
    """bytes or str as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def logs_in(path: str) -> list[dict[str, Any]]:
    """The logs of one file, none where it is no log."""
    with h5py.File(path, "r", locking=False) as file:
        groups = [(1, file)] + [
            (int(name[4:]), file[name]) for name in file if name.startswith("Log_") and name[4:].isdigit()
        ]
        found = []
        for number, group in sorted(groups, key=lambda item: item[0]):
            if "Data" not in group or "Data" not in group["Data"]:
                continue
            names = [(text(row["name"]), text(row["info"])) for row in group["Data"]["Channel names"][()]]
            values = group["Data"]["Data"][()]
            sums: dict[str, Any] = {}
            for column, (name, info) in enumerate(names):
                part = sums.setdefault(name, {"real": 0.0, "imag": 0.0, "count": 0})
                part["imag" if info == "Imaginary" else "real"] += float(np.nansum(values[:, column, :], dtype="f8"))
                part["count"] += 0 if info == "Imaginary" else values[:, column, :].size
            traces = {}
            for name in group.get("Traces", {}):
                if isinstance(group["Traces"][name], h5py.Dataset) and group["Traces"][name].ndim == 3:
                    stored = group["Traces"][name][()]
                    lengths = np.broadcast_to(group["Traces"][f"{name}_N"][()], stored.shape[2:])
                    traces[name] = float(sum(stored[: lengths[n], 0, n].sum() for n in range(stored.shape[2])))
            created = float(group.attrs["creation_time"])
            log_name = text(file.attrs["log_name"])
            found.append(
                {
                    "identifier": f"{float(file.attrs['creation_time']):.6f}/{log_name}/{number}",
                    "name": log_name if number == 1 else f"{log_name} ({number})",
                    "collected": datetime.datetime.fromtimestamp(created, datetime.UTC).isoformat(
                        timespec="milliseconds"
                    ),
                    "is_completed": bool(group["Data"].attrs["Completed"]),
                    "measured": sorted(text(row[0]) for row in group["Log list"][()]),
                    "sums": sums,
                    "traces": traces,
                }
            )
        return found


def expected_logs(root: str) -> list[dict[str, Any]]:
    """Every log below the root."""
    rows = []
    for place, _, names in os.walk(root):
        for name in names:
            if name.lower().endswith(".hdf5"):
                path = os.path.join(place, name)
                with open(path, "rb") as file:
                    data = file.read()
                for row in logs_in(path):
                    row["files"] = [[name, len(data), hashlib.sha256(data).hexdigest()]]
                    rows.append(row)
    return sorted(rows, key=lambda row: row["identifier"])


if __name__ == "__main__":
    print(json.dumps(expected_logs(os.path.abspath(sys.argv[1])), indent=1))
