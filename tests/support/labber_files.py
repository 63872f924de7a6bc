"""Writes Labber logs with the layout that real ones of versions 1.4 to 1.8.6 have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TEXT = h5py.string_dtype("utf-8")
CHANNEL = np.dtype([("name", TEXT), ("instrument", TEXT), ("quantity", TEXT), ("unitPhys", TEXT), ("unitInstr", TEXT)])
CREATED_S = 1_700_000_000.25


def write_log(
    group: h5py.Group,
    steps: Sequence[tuple[str, Any]],
    logged: Sequence[tuple[str, Any]],
    *,
    entries: int | None = None,
    is_completed: bool | None = True,
    name: str = "a log",
    created_s: float | None = CREATED_S,
    dtype: str = "f8",
    fixed: Sequence[tuple[str, float]] = (),
    comment: str = "",
    version: str = "1.8.6",
) -> None:
    """One log. ``steps`` are (channel, values), the innermost first; ``logged`` are (channel, values of the full grid
    with the outermost step first); ``entries`` of the outer steps are there, None: all. ``fixed`` steps have one value.
    """
    lengths = [len(values) for _, values in steps]
    inner, outer = lengths[0], int(np.prod(lengths[1:], dtype=int))
    there = outer if entries is None else entries
    columns: list[np.ndarray] = []
    names: list[tuple[str, str]] = []
    grid = np.meshgrid(*[np.asarray(values, float) for _, values in reversed(steps)], indexing="ij")
    for number, (channel, _) in enumerate(steps):
        columns.append(grid[len(steps) - 1 - number].reshape(outer, inner))
        names.append((channel, ""))
    for channel, value in fixed:
        columns.append(np.full((outer, inner), value))
        names.append((channel, ""))
    for channel, values in logged:
        array = np.asarray(values).reshape(outer, inner)
        if np.iscomplexobj(array):
            columns += [array.real, array.imag]
            names += [(channel, "Real"), (channel, "Imaginary")]
        else:
            columns.append(array)
            names.append((channel, ""))
    stacked = np.stack(columns, axis=1)[:there]
    all_lengths = [*lengths, *(1 for _ in fixed)]
    if created_s is not None:
        group.attrs.update(
            {"creation_time": created_s, "log_name": name, "comment": comment, "version": version,
             "Step dimensions": np.array(all_lengths, "i4")}
        )  # fmt: skip
    channels = [(channel, "VNA at localhost", channel, "Hz", "Hz") for channel, _ in [*steps, *fixed]]
    channels += [(channel, "VNA at localhost", channel, "V", "V") for channel, _ in logged]
    group.create_dataset("Channels", data=np.array(channels, CHANNEL))
    one = np.dtype([("channel_name", TEXT)])
    group.create_dataset("Log list", data=np.array([(channel,) for channel, _ in logged], one))
    group.create_dataset("Step list", data=np.array([(channel,) for channel, _ in [*steps, *fixed]], one))
    for channel, _ in steps:
        group.create_group(f"Step config/{channel}")
    data = group.create_group("Data")
    if is_completed is not None:
        data.attrs["Completed"] = is_completed
    data.attrs["Step dimensions"] = np.array(all_lengths, "i4")
    data.create_dataset("Channel names", data=np.array(names, np.dtype([("name", TEXT), ("info", TEXT)])))
    values = stacked.transpose(2, 1, 0).astype(dtype)
    data.create_dataset(
        "Data", data=values, maxshape=(inner, len(columns), max(outer, 1)), chunks=(inner, len(columns), 1)
    )
    data.create_dataset("Time stamp", data=np.arange(there) * 0.5)


def add_trace(
    group: h5py.Group, name: str, traces: Sequence[Any], *, t0: float = 0.0, dt: float = 0.5, axis: str = "Time"
) -> None:
    """Traces of a channel, one for each point; shorter ones are padded."""
    longest = max(len(trace) for trace in traces)
    is_complex = any(np.iscomplexobj(trace) for trace in traces)
    values = np.zeros((longest, 2 if is_complex else 1, len(traces)))
    for number, trace in enumerate(traces):
        values[: len(trace), 0, number] = np.real(trace)
        if is_complex:
            values[: len(trace), 1, number] = np.imag(trace)
    item = group.create_dataset(f"Traces/{name}", data=values)
    item.attrs.update({"complex": is_complex, "x, name": axis, "x, unit": "s"})
    lengths = np.array([len(trace) for trace in traces], "i4")
    group.create_dataset(f"Traces/{name}_N", data=lengths if len(set(lengths)) > 1 else lengths[:1])
    group.create_dataset(f"Traces/{name}_t0dt", data=np.array([[t0, dt]]))


def write_simple(path: Path, *, name: str = "a log", created_s: float | None = CREATED_S, offset: float = 0.0) -> None:
    """A finished one-dimensional log."""
    with h5py.File(path, "w", locking=False) as file:
        write_log(
            file,
            [("Frequency", [1.0, 2.0, 3.0])],
            [("Signal", np.arange(3.0) + offset)],
            name=name,
            created_s=created_s,
        )
