"""Writes measurements as quantify-core does: a folder with a TUID, a dataset.hdf5 and a snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TUID = "20260102-030405-006-0a1b2c"


def measurement_folder(root: Path, tuid: str = TUID, name: str = "a sweep", *, separator: str = "-") -> Path:
    """An empty folder of a measurement."""
    folder = root / tuid[:8] / (tuid + (separator + name if name else ""))
    folder.mkdir(parents=True)
    return folder


def write_data(
    path: Path,
    x: Sequence[Any],
    y: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """A version 1 dataset: x0, x1… and y0, y1… along dim_0; ``extra`` are further variables along it."""
    count = len(x[0])
    with h5py.File(path, "w", locking=False) as file:
        for name, value in {"name": path.parent.name[27:], "grid_2d": False, **(attributes or {})}.items():
            file.attrs[name] = value if isinstance(value, str) else np.atleast_1d(value)
        scale = file.create_dataset("dim_0", (count,), ">f4")
        scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{count:10}")
        arrays = {f"x{n}": values for n, values in enumerate(x)} | {f"y{n}": values for n, values in enumerate(y)}
        for name, values in (arrays | dict(extra or {})).items():
            item = file.create_dataset(name, data=np.asarray(values))
            item.dims[0].attach_scale(scale)
            item.attrs["name"] = f"instrument.{name}"
            item.attrs["long_name"] = f"Quantity {name}"
            item.attrs["units"] = "V" if name.startswith("y") else "Hz"
            item.attrs["batched"] = np.array([False])


def write_measurement(
    root: Path, tuid: str = TUID, name: str = "a sweep", points: int = 5, done: int | None = None
) -> Path:
    """A whole measurement of which ``done`` points are there (None: all); returns its folder."""
    folder = measurement_folder(root, tuid, name)
    y = np.linspace(0.0, 1.0, points)
    if done is not None:
        y[done:] = np.nan
    write_data(folder / "dataset.hdf5", [np.arange(points) * 1e6], [y], {"tuid": tuid})
    (folder / "snapshot.json").write_text(json.dumps({"instruments": {"q0": {"parameters": {}}}}))
    return folder
