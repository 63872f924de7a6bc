"""Turns one Labber log into ``measurement.h5``: channels on the grid of its steps, complex channels, traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from etiket_gui.backends.labber.layout import Axis, Channel, trace_names, understand
from etiket_gui.backends.labber.logfile import LogHead, log_group, rows_of, text_of
from etiket_gui.converters.netcdf import Variable, safe_name, write_netcdf
from etiket_gui.domain.stopping import StopToken

CONVERTER = "labber"
VERSION = "1"
_BLOCK_BYTES = 4 << 20


def write_measurement(
    file: h5py.File, head: LogHead, target: Path, attributes: Mapping[str, Any], stop: StopToken
) -> None:
    """Write one log of an open file. Raises CannotConvert, Stopped, OSError, and what h5py raises for a torn file."""
    group = log_group(file, head.number)
    maker = _Maker(group, file, stop)
    maker.add_channels()
    maker.add_time()
    maker.add_traces()
    write_netcdf(target, maker.dims, maker.variables, attributes, stop)


class _Maker:
    """Collects the dimensions and variables of one log; values are read when they are written."""

    def __init__(self, group: h5py.Group, file: h5py.File, stop: StopToken) -> None:
        self.dims: dict[str, int] = {}
        self.variables: list[Variable] = []
        self._group = group
        self._file = file
        self._stop = stop
        self._values = group["Data"]["Data"]
        self._layout = understand(group, file)
        self._taken: set[str] = set()
        self._axis_names = self._name_axes()
        self._coordinates: list[str] = []

    def _name_axes(self) -> tuple[str, ...]:
        names = []
        for number, axis in enumerate(self._layout.axes):
            name = self._free(axis.name or f"step_{number}")
            self.dims[name] = axis.length
            names.append(name)
        return tuple(names)

    def _free(self, wanted: str) -> str:
        name = plain = safe_name(wanted)
        number = 1
        while name in self._taken:
            number += 1
            name = safe_name(f"{plain}_{number}")
        self._taken.add(name)
        return name

    # ------------------------------------------------------------------ channels

    def add_channels(self) -> None:
        """Steps first, as coordinates, then what was measured."""
        layout = self._layout
        measured = [channel for channel in layout.channels if channel.is_measured]
        for channel in layout.channels:
            if not channel.is_measured:
                self._add_step(channel)
        along = [name for name in self._coordinates if name not in self._axis_names]
        for channel in measured:
            attributes = _attributes(channel)
            if along:
                attributes["coordinates"] = " ".join(along)
            dtype = self._dtype(channel)
            self.variables.append(
                Variable(self._free(channel.name), self._axis_names, dtype, attributes, self._blocks(channel, dtype))
            )

    def _dtype(self, channel: Channel) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self._values.dtype).newbyteorder("=")
        if channel.is_complex:
            return np.dtype(np.complex64 if dtype == np.float32 else np.complex128)
        return dtype

    def _add_step(self, channel: Channel) -> None:
        """A step that varies along one axis only is that axis; one that never varies is a single value."""
        axis = next((n for n, axis in enumerate(self._layout.axes) if axis.name == channel.name), None)
        values = self._along_axis(channel, axis) if self._layout.is_grid else None
        if values is not None and axis is not None and self._axis_names[axis] not in self._coordinates:
            name = self._axis_names[axis]
            self.variables.append(Variable.of(name, (name,), values, _attributes(channel)))
            self._coordinates.append(name)
            return
        # The list of coordinates is separated by blanks.
        name = self._free("_".join(channel.name.split()))
        if values is not None and axis is None:
            self.variables.append(Variable.of(name, (), values[0], _attributes(channel)))
        else:
            dtype = self._dtype(channel)
            self.variables.append(
                Variable(name, self._axis_names, dtype, _attributes(channel), self._blocks(channel, dtype))
            )
        self._coordinates.append(name)

    def _along_axis(self, channel: Channel, axis: int | None) -> np.ndarray[Any, Any] | None:
        """The values along one axis (None: the one value of all), or None where the other axes matter as well."""
        if channel.is_complex or not self._layout.entries or not self._layout.inner:
            return None
        shape = self._layout.shape
        length = 1 if axis is None else shape[axis]
        stride = 1 if axis is None else int(np.prod(shape[axis + 1 :], dtype=np.int64))
        values = np.full(length, np.nan, self._dtype(channel))
        is_known = np.zeros(length, bool)
        start = 0
        for block in self._columns(channel):
            flat = block.reshape(-1)
            places = (np.arange(start, start + flat.size) // stride) % length
            new = ~is_known[places]
            # The first value met counts, so that later ones can be compared with it.
            first_places, first = np.unique(places[new], return_index=True)
            values[first_places] = flat[new][first]
            is_known[first_places] = True
            if not np.array_equal(flat, values[places], equal_nan=True):
                return None
            start += flat.size
        return values

    def _columns(self, channel: Channel) -> Iterator[np.ndarray[Any, Any]]:
        """What is there of a channel, entry after entry: pieces of shape (entries, inner)."""
        values = self._values
        if len(values.shape) < 3:
            whole = values[()].reshape(self._layout.inner, -1)
            parts = [whole[:, column] for column in channel.columns]
            yield _joined(parts, self._dtype(channel)).reshape(1, -1)
            return
        row_bytes = max(1, values.shape[0] * values.shape[1] * values.dtype.itemsize)
        step = max(1, _BLOCK_BYTES // row_bytes)
        for start in range(0, self._layout.entries, step):
            self._stop.check()
            stop = min(start + step, self._layout.entries)
            parts = [values[:, column, start:stop].T for column in channel.columns]
            yield _joined(parts, self._dtype(channel))

    def _blocks(self, channel: Channel, dtype: np.dtype[Any]) -> Any:
        wanted = int(np.prod(self._layout.shape, dtype=np.int64))

        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            done = 0
            for block in self._columns(channel):
                yield block.reshape(-1)
                done += block.size
            yield from _nothing(wanted - done, dtype)

        return blocks

    # ------------------------------------------------------------------ times

    def add_time(self) -> None:
        """When each entry was done, in seconds after the log was created."""
        times = self._group["Data"].get("Time stamp")
        if not isinstance(times, h5py.Dataset) or len(times.shape) != 1:
            return
        count = int(np.prod(self._outer_shape(), dtype=np.int64))
        if times.shape[0] > count:
            return
        values = np.full(count, np.nan)
        values[: times.shape[0]] = times[()]
        attributes = {"units": "s", "long_name": "time after the log was created"}
        dims = self._axis_names[: len(self._outer_shape())]
        name = self._free("time_stamp")
        self.variables.append(Variable(name, dims, values.dtype, attributes, lambda: iter((values,))))

    def _outer_shape(self) -> tuple[int, ...]:
        """The axes that count entries."""
        axes: tuple[Axis, ...] = self._layout.axes
        is_inner_swept = bool(axes) and self._layout.inner != 1 and axes[-1].length == self._layout.inner
        return tuple(axis.length for axis in (axes[:-1] if is_inner_swept else axes))

    # ------------------------------------------------------------------ traces

    def add_traces(self) -> None:
        """Each trace channel along the steps and an axis of its own; shorter traces end in NaN."""
        units = _units(self._group, self._file)
        for name in trace_names(self._group, self._file):
            trace = self._group["Traces"][name]
            samples, parts, count = trace.shape
            total = int(np.prod(self._layout.shape, dtype=np.int64))
            if count <= total and self._layout.is_grid:
                dims = self._axis_names
            else:
                total = count
                entry = safe_name(f"{name}_entry")
                self.dims.setdefault(entry, count)
                dims = (entry,)
            axis = self._trace_axis(name, trace, samples, count)
            is_complex = parts == 2 and bool(trace.attrs.get("complex", True))
            dtype = _trace_dtype(trace.dtype, is_complex=is_complex)
            lengths = self._lengths(name, count)
            attributes = {"long_name": name, "units": units.get(name, "")}
            variable = self._free(name)
            blocks = self._trace_blocks(trace, lengths, dtype, total, is_complex=is_complex)
            self.variables.append(Variable(variable, (*dims, axis), dtype, attributes, blocks))
            if lengths is not None:
                padded = np.zeros(total, np.int32)
                padded[: len(lengths)] = lengths
                about = {"long_name": f"number of samples of {name}"}
                self.variables.append(Variable(self._free(f"{name}_N"), dims, padded.dtype, about, _once(padded)))

    def _lengths(self, name: str, count: int) -> np.ndarray[Any, Any] | None:
        stored = self._group["Traces"].get(f"{name}_N")
        if not isinstance(stored, h5py.Dataset):
            return None
        values = stored[()].reshape(-1)
        if len(values) == 1:
            return np.full(count, values[0])
        return values[:count] if len(values) >= count else None

    def _trace_axis(self, name: str, trace: h5py.Dataset, samples: int, count: int) -> str:
        """The dimension of the samples, with its values where all traces have the same."""
        label = text_of(trace.attrs.get("x, name", "")) or "sample"
        unit = text_of(trace.attrs.get("x, unit", ""))
        stored = self._group["Traces"].get(f"{name}_t0dt")
        axis = self._free(f"{name}_{label}")
        self.dims[axis] = samples
        if not isinstance(stored, h5py.Dataset):
            return axis
        starts = stored[()].reshape(-1, 2)
        if len(starts) and (starts == starts[0]).all():
            values = starts[0, 0] + np.arange(samples) * starts[0, 1]
            self.variables.append(Variable.of(axis, (axis,), values, {"long_name": label, "units": unit}))
        elif len(starts) >= count:
            entry = safe_name(f"{name}_entry")
            self.dims.setdefault(entry, count)
            for part, text in enumerate(("t0", "dt")):
                attributes = {"long_name": f"{label}: {('first value', 'step')[part]}", "units": unit}
                self.variables.append(
                    Variable.of(self._free(f"{name}_{text}"), (entry,), starts[:count, part], attributes)
                )
        return axis

    def _trace_blocks(
        self,
        trace: h5py.Dataset,
        lengths: np.ndarray[Any, Any] | None,
        dtype: np.dtype[Any],
        total: int,
        *,
        is_complex: bool,
    ) -> Any:
        samples, parts, count = trace.shape

        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            step = max(1, _BLOCK_BYTES // max(1, samples * parts * trace.dtype.itemsize))
            for start in range(0, count, step):
                self._stop.check()
                stop = min(start + step, count)
                piece = trace[:, :, start:stop]
                columns = [piece[:, part, :].T for part in range(2 if is_complex else 1)]
                values = _joined(columns, dtype)
                if lengths is not None and dtype.kind in "fc":
                    beyond = np.arange(samples)[None, :] >= lengths[start:stop, None]
                    values[beyond] = np.nan
                yield values.reshape(-1)
            yield from _nothing((total - count) * samples, dtype)

        return blocks


def _trace_dtype(stored: np.dtype[Any], *, is_complex: bool) -> np.dtype[Any]:
    if is_complex:
        return np.dtype(np.complex64 if stored == np.float32 else np.complex128)
    return np.dtype(stored).newbyteorder("=")


def _joined(parts: list[np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0], dtype)
    values = np.empty(parts[0].shape, dtype)
    values.real, values.imag = parts
    return values


def _nothing(count: int, dtype: np.dtype[Any]) -> Iterator[np.ndarray[Any, Any]]:
    """What was not measured yet, in pieces."""
    step = _BLOCK_BYTES // 16
    while count > 0:
        yield np.full(min(count, step), np.nan if dtype.kind in "fc" else 0, dtype)
        count -= step


def _once(values: np.ndarray[Any, Any]) -> Any:
    return lambda: iter((values,))


def _attributes(channel: Channel) -> dict[str, Any]:
    attributes = {"long_name": channel.name, "units": channel.unit}
    if channel.instrument:
        attributes["instrument"] = channel.instrument
    if channel.quantity:
        attributes["quantity"] = channel.quantity
    return attributes


def _units(group: h5py.Group, file: h5py.File) -> dict[str, str]:
    table = group.get("Channels", file.get("Channels"))
    if not isinstance(table, h5py.Dataset):
        return {}
    return {text_of(row.get("name", "")): text_of(row.get("unitPhys", "")) for row in rows_of(table)}
