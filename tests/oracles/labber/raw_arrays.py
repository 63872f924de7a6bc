"""Prints every value of a Labber log as JSON, read with h5py and plain loops; shares no code with the program.

    python raw_arrays.py LOG.hdf5 NUMBER OUT.npz

OUT holds ``name|point`` arrays: for each channel its values in the order they were measured, complex where it has two
columns, and for each trace one array for each entry.
"""

from __future__ import annotations

import sys
from typing import Any

import h5py
import numpy as np


def raw_arrays(path: str, number: int) -> dict[str, Any]:
    """Channel name to its values in measured order; ``trace:name:entry`` to one trace."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r", locking=False) as file:
        group = file if number == 1 else file[f"Log_{number}"]
        values = group["Data"]["Data"][()]
        columns: dict[str, list[int]] = {}
        for column, row in enumerate(group["Data"]["Channel names"][()]):
            columns.setdefault(row[0].decode(), []).append(column)
        for name, places in columns.items():
            flat = []
            for entry in range(values.shape[2]):
                for point in range(values.shape[0]):
                    parts = [values[point, place, entry] for place in places]
                    flat.append(complex(*parts) if len(parts) == 2 else parts[0])
            found[name] = np.array(flat)
        for name in group.get("Traces", {}):
            stored = group["Traces"][name]
            if stored.ndim != 3:
                continue
            lengths = group["Traces"][f"{name}_N"][()].reshape(-1)
            for entry in range(stored.shape[2]):
                length = lengths[entry] if len(lengths) > 1 else lengths[0]
                part = stored[:length, :, entry]
                found[f"trace:{name}:{entry}"] = part[:, 0] + 1j * part[:, 1] if stored.shape[1] == 2 else part[:, 0]
    return found


if __name__ == "__main__":
    np.savez(sys.argv[3], **raw_arrays(sys.argv[1], int(sys.argv[2])))
