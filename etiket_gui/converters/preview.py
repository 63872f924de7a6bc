"""Draws the preview of a measurement: a line or a map from its netCDF4 file, or an image that is there already.

No display, no window system and no global state of matplotlib is used; the same file gives the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from etiket_gui.converters.dangerous_files import opening
from etiket_gui.converters.plain_data import first_group, measured_first, with_axes
from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source

WIDTH_PX, HEIGHT_PX = 640, 420
_DPI = 100
#: Larger variables are drawn from every n-th value.
_MOST_POINTS = 200_000
_MOST_LINES = 6
#: A positive quantity that spans this factor in even steps of its logarithm is drawn on a logarithmic scale.
_LOG_FACTOR = 100.0
_UNITS_WITH_PREFIX = frozenset(("Hz", "V", "A", "s", "W", "F", "H", "Ω", "Ohm", "K", "T", "eV", "J", "S"))
_IMAGE = re.compile(r"\.(png|jpe?g|gif|bmp|webp|tiff?)$", re.IGNORECASE)
_LARGEST_IMAGE_BYTES = 30 << 20
_ONLY_A_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
_BROKEN = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, IndexError)


@dataclass(frozen=True, slots=True)
class _Quantity:
    """One variable: its values (thinned where it is large), what it is called, and its unit."""

    name: str
    label: str
    unit: str
    values: np.ndarray[Any, Any]

    def titled(self, prefix: str = "") -> str:
        """The label of an axis."""
        return f"{self.label} ({prefix}{self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is drawn: measured quantities over one or two axes."""

    title: str
    x: _Quantity
    y: _Quantity | None
    measured: tuple[_Quantity, ...]


def draw_preview(
    measurement: Path, target: Path, stop: StopToken, *, title: str = "", most_bytes: int | None = None
) -> bool:
    """Draw ``target`` (a PNG) from a netCDF4 or HDF5 file; returns whether there was something to draw.

    ``most_bytes`` is for files of other programs, called ``title``: what is set and what is measured is guessed, and
    of more than so many bytes only the beginning is read and drawn. Nothing is left at ``target`` when there was
    nothing to draw. Raises Stopped, DangerousFile, SourceChanged, and OSError where ``target`` cannot be written.
    """
    stop.check()
    plan = _plan_of(measurement, title, most_bytes, stop)
    if plan is None:
        return False
    stop.check()
    try:
        data = _drawn(plan)
    except (*_BROKEN, ArithmeticError, AttributeError):
        # Values that no axis can show; the dataset is archived all the same.
        return False
    stop.check()
    target.write_bytes(data)
    return True


def preview_from_images(images: Sequence[Path], target: Path, stop: StopToken) -> bool:
    """Make ``target`` from the first of these images that is one; returns whether there was any.

    ``images`` are the thumbnails that a description names, or pictures that lie beside the data.
    """
    from matplotlib.image import imread

    for path in images:
        stop.check()
        if not _IMAGE.search(path.name):
            continue
        pixels: np.ndarray[Any, Any] | None = None
        with contextlib.suppress(*_BROKEN, SyntaxError):
            if os.stat(path).st_size <= _LARGEST_IMAGE_BYTES:
                pixels = _on_white(np.asarray(imread(os.fspath(path))))
        if pixels is not None:
            target.write_bytes(_png(_thinned(pixels)))
            return True
    return False


def _on_white(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Red, green and blue as bytes; what shows through is white. Raises ValueError for what is no picture."""
    if pixels.ndim not in {2, 3} or not pixels.size:
        raise ValueError("no picture")
    scaled = pixels.astype(np.float64) / (
        255.0 if pixels.dtype == np.uint8 else 65535.0 if pixels.dtype.kind == "u" else 1.0
    )
    if scaled.ndim == 2:
        scaled = scaled[:, :, None]
    if scaled.shape[2] in {1, 2}:
        scaled = np.concatenate([np.repeat(scaled[:, :, :1], 3, axis=2), scaled[:, :, 1:]], axis=2)
    if scaled.shape[2] == 4:
        alpha = scaled[:, :, 3:]
        scaled = scaled[:, :, :3] * alpha + (1.0 - alpha)
    clipped: np.ndarray[Any, Any] = np.round(np.clip(scaled[:, :, :3], 0, 1) * 255).astype(np.uint8)
    return clipped


def _thinned(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The picture at twice the preview's size at most: means of whole blocks of pixels."""
    step = max(1, -(-pixels.shape[0] // (2 * HEIGHT_PX)), -(-pixels.shape[1] // (2 * WIDTH_PX)))
    if step == 1:
        return pixels
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    blocks = pixels[: height * step, : width * step].reshape(height, step, width, step, 3)
    thinned: np.ndarray[Any, Any] = np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return thinned


# ---------------------------------------------------------------------------------------------------- reading


def _plan_of(measurement: Path, title: str, most_bytes: int | None, stop: StopToken) -> _Plan | None:
    path = os.fspath(measurement)
    try:
        with opening(path), os.fdopen(open_source(path), "rb") as raw, h5py.File(raw, "r", locking=False) as file:
            return _understood(file, title, most_bytes, stop)
    except _BROKEN:
        # A file that cannot be drawn has no preview; it is archived all the same.
        return None


def _understood(file: h5py.File, title: str, most_bytes: int | None, stop: StopToken) -> _Plan | None:
    if most_bytes is None:
        datasets = {
            name: item for name, item in file.items() if isinstance(item, h5py.Dataset) and item.dtype.kind in "biufc"
        }
    else:
        datasets = first_group(file, stop)
    dims = {name: _dims(file, name, item) for name, item in datasets.items()}
    real = {name: item for name, item in datasets.items() if not _is_only_a_dimension(item)}
    if most_bytes is not None:
        dims = with_axes(real, {name: dims[name] for name in real}, stop)
    coordinates = _coordinates(real, dims)
    measured = [
        name
        for name, item in real.items()
        if name not in coordinates and item.shape and item.size > 1 and _is_worth_drawing(name, real)
    ]
    if not measured:
        return None
    # The file is called "measurement" or by its digest: that names nothing.
    title = _text(file.attrs.get("name", "")) or title
    maps = [name for name in measured if len(real[name].shape) >= 2 and min(real[name].shape[-2:]) > 1]
    for name in maps:
        stop.check()
        plan = _map_plan(name, real, dims, title, most_bytes)
        if plan is not None:
            return plan
    if most_bytes is not None:
        measured = measured_first(measured, real, stop)
    lines = [name for name in measured if name not in maps]
    return _line_plan(lines or measured, real, dims, title, most_bytes, stop)


def _is_only_a_dimension(item: h5py.Dataset) -> bool:
    name = item.attrs.get("NAME", b"")
    return isinstance(name, bytes) and name.startswith(_ONLY_A_DIMENSION)


def _coordinates(real: Mapping[str, h5py.Dataset], dims: Mapping[str, tuple[str, ...]]) -> set[str]:
    found = {name for name in real if dims[name] == (name,)}
    for item in real.values():
        named = item.attrs.get("coordinates", "")
        found.update(part for part in _text(named).split() if part in real)
    return found


def _is_worth_drawing(name: str, real: Mapping[str, h5py.Dataset]) -> bool:
    """Lengths of traces, time stamps and uncertainties stand beside what was measured."""
    if name == "time_stamp":
        return False
    return not any(name.endswith(ending) and name.removesuffix(ending) in real for ending in ("_N", "_u"))


def _dims(file: h5py.File, name: str, item: h5py.Dataset) -> tuple[str, ...]:
    references = item.attrs.get("DIMENSION_LIST")
    if references is None:
        is_scale = item.attrs.get("CLASS", b"") == b"DIMENSION_SCALE"
        return (name,) if is_scale and len(item.shape) == 1 else tuple(f"dim_{axis}" for axis in range(len(item.shape)))
    found = []
    for axis in range(len(item.shape)):
        target = file[references[axis][0]] if len(references[axis]) else None
        found.append(target.name.rpartition("/")[2] if target is not None else f"dim_{axis}")
    return tuple(found)


def _map_plan(
    name: str, real: Mapping[str, h5py.Dataset], dims: Mapping[str, tuple[str, ...]], title: str,
    most_bytes: int | None,
) -> _Plan | None:  # fmt: skip
    item = real[name]
    height, width = item.shape[-2:]
    if most_bytes is not None:
        width = min(width, max(1, most_bytes // item.dtype.itemsize))
        height = min(height, max(1, most_bytes // (item.dtype.itemsize * width)))
    # Of more than two axes the first map that holds a value is shown.
    for place in _first_places(item.shape[:-2]):
        steps = [max(1, -(-size // 512)) for size in (height, width)]
        values = _plain(item[(*place, slice(None, height, steps[0]), slice(None, width, steps[1]))])
        if not np.isfinite(values).any():
            continue
        y_dim, x_dim = dims[name][-2:]
        x = _axis(x_dim, width, steps[1], real, dims)
        y = _axis(y_dim, height, steps[0], real, dims)
        return _Plan(title, x, y, (_Quantity(name, *_label(name, item), values),))
    return None


def _first_places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    count = int(np.prod(shape, dtype=np.int64))
    return [tuple(map(int, np.unravel_index(number, shape))) if shape else () for number in range(min(count, 8))]


def _line_plan(
    names: Sequence[str],
    real: Mapping[str, h5py.Dataset],
    dims: Mapping[str, tuple[str, ...]],
    title: str,
    most_bytes: int | None,
    stop: StopToken,
) -> _Plan | None:
    chosen: list[_Quantity] = []
    along: tuple[str, ...] = ()
    step = 1
    for name in names:
        item = real[name]
        stop.check()
        longest = int(np.argmax(item.shape))
        if chosen and ((dims[name][longest],) != along or _label(name, item)[1] != chosen[0].unit):
            # Volts and degrees on one axis would say nothing of either.
            continue
        if chosen and most_bytes is not None and not chosen[0].unit:
            # Nobody says that these are of one kind.
            break
        length = item.shape[longest]
        if most_bytes is not None:
            length = min(length, max(2, most_bytes // item.dtype.itemsize))
        thinning = max(1, -(-length // _MOST_POINTS))
        place = tuple(slice(None, length, thinning) if axis == longest else 0 for axis in range(len(item.shape)))
        values = _plain(item[place])
        if not np.isfinite(values).any() or (chosen and len(values) != len(chosen[0].values)):
            continue
        along, step = (dims[name][longest],), thinning
        chosen.append(_Quantity(name, *_label(name, item), values))
        if len(chosen) == _MOST_LINES:
            break
    if not chosen:
        return None
    x = _axis(along[0], len(chosen[0].values) * step, step, real, dims)
    if len(x.values) != len(chosen[0].values):
        x = _Quantity(along[0], along[0], "", np.arange(len(chosen[0].values), dtype=float) * step)
    return _Plan(title, x, None, tuple(chosen))


def _axis(
    dim: str, length: int, step: int, real: Mapping[str, h5py.Dataset], dims: Mapping[str, tuple[str, ...]]
) -> _Quantity:
    """The values along a dimension: its own variable, else the first coordinate along it, else numbers."""
    names = [dim] if dim in real and dims[dim] == (dim,) else []
    if not names:
        coordinates = _coordinates(real, dims)
        names = [name for name in sorted(coordinates) if dims[name] == (dim,)]
    for name in names:
        if real[name].shape[0] >= length or step > 1:
            values = _plain(real[name][:length:step])
            if np.isfinite(values).all():
                return _Quantity(name, *_label(name, real[name]), values)
    return _Quantity(dim, dim, "", np.arange(0, length, step, dtype=float))


def _plain(values: Any) -> np.ndarray[Any, Any]:
    """Real numbers: of complex ones their magnitude."""
    array = np.asarray(values)
    return np.abs(array) if array.dtype.kind == "c" else array.astype(np.float64)


def _label(name: str, item: h5py.Dataset) -> tuple[str, str]:
    """What a variable is called, and its unit."""
    label = next((text for key in ("long_name", "label", "name") if (text := _text(item.attrs.get(key, "")))), name)
    if item.dtype.kind == "c":
        label = f"|{label}|"
    return label, _text(item.attrs.get("units", item.attrs.get("unit", "")))


def _text(value: Any) -> str:
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# ---------------------------------------------------------------------------------------------------- drawing


def _drawn(plan: _Plan) -> bytes:
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings = {
        "font.size": 9.0, "font.family": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": "#8a94a6", "axes.labelcolor": "#273142", "xtick.color": "#5b6677", "ytick.color": "#5b6677",
        "axes.titlesize": 10.0, "axes.titlelocation": "left", "axes.formatter.useoffset": False, "text.usetex": False,
        "text.parse_math": False, "path.simplify": True, "agg.path.chunksize": 20_000,
    }  # fmt: skip
    with rc_context():
        # A person's own settings of matplotlib are for their plots.
        rcdefaults()
        rcParams.update(settings)
        figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.14, 0.14, 0.82, 0.76))
        if plan.y is None:
            _draw_lines(axes, plan)
        else:
            _draw_map(figure, axes, plan, plan.y)
        axes.set_title(_short(plan.title, 70), color="#273142")
        canvas.draw()
        return _png(np.asarray(canvas.buffer_rgba())[:, :, :3])


def _draw_lines(axes: Any, plan: _Plan) -> None:
    colours = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#475569")
    x_values, x_prefix = _scaled(plan.x)
    y_factor, y_prefix = _prefix([quantity.values for quantity in plan.measured], plan.measured[0].unit)
    count = len(x_values)
    marks: dict[str, Any] = {"marker": "o", "markersize": 3} if count <= 60 else {}
    if (np.diff(x_values) < 0).any() and (np.diff(x_values) > 0).any():
        # Points to and fro: a line between them would hide them.
        marks = {"marker": ".", "markersize": 2, "linestyle": "none"}
    for quantity, colour in zip(plan.measured, colours, strict=False):
        axes.plot(
            x_values, quantity.values * y_factor, color=colour, linewidth=1.2, label=_short(quantity.label, 40), **marks
        )
    axes.set_xlabel(_short(plan.x.titled(x_prefix), 60))
    if len(plan.measured) == 1:
        axes.set_ylabel(_short(plan.measured[0].titled(y_prefix), 45))
    else:
        axes.set_ylabel(f"{y_prefix}{plan.measured[0].unit}")
        axes.legend(frameon=False, fontsize=8, loc="best" if count <= 2000 else "upper right")
    axes.grid(visible=True, color="#e7eaf0", linewidth=0.8)
    axes.set_axisbelow(True)
    if _is_logarithmic_axis(plan.x.values):
        axes.set_xscale("log")
    if all(_is_logarithmic_quantity(quantity.values) for quantity in plan.measured):
        axes.set_yscale("log")


def _scaled(quantity: _Quantity) -> tuple[np.ndarray[Any, Any], str]:
    """The values in thousands or thousandths of their unit, whichever reads best, and the prefix for that."""
    factor, prefix = _prefix([quantity.values], quantity.unit)
    return quantity.values * factor, prefix


def _prefix(values: Sequence[np.ndarray[Any, Any]], unit: str) -> tuple[float, str]:
    if unit not in _UNITS_WITH_PREFIX:
        return 1.0, ""
    largest = max(
        (float(np.nanmax(np.abs(item), initial=0.0, where=np.isfinite(item))) for item in values), default=0.0
    )
    if not np.isfinite(largest) or largest <= 0:
        return 1.0, ""
    power = max(-5, min(4, int(np.floor(np.log10(largest) / 3 + 1e-9))))
    return 10.0 ** (-3 * power), "fpnµm kMGT"[power + 5].strip()


def _draw_map(figure: Any, axes: Any, plan: _Plan, y: _Quantity) -> None:
    from matplotlib.colors import LogNorm, Normalize

    quantity = plan.measured[0]
    scaled, prefix = _scaled(quantity)
    values = np.ma.masked_invalid(scaled)
    lowest, highest = float(values.min()), float(values.max())
    norm = LogNorm(lowest, highest) if _is_logarithmic_quantity(quantity.values) else Normalize(lowest, highest)
    x_scaled, x_prefix = _scaled(plan.x)
    y_scaled, y_prefix = _scaled(y)
    x_values, x_order = _ordered(x_scaled)
    y_values, y_order = _ordered(y_scaled)
    shown = values[y_order][:, x_order]
    if x_values is None or y_values is None:
        # Setpoints that come twice: what lies beside each other was measured one after the other.
        image = axes.imshow(values, origin="lower", aspect="auto", norm=norm, cmap="viridis", interpolation="nearest")
    elif _is_even(x_values) and _is_even(y_values):
        image = axes.imshow(
            shown, origin="lower", aspect="auto", norm=norm, cmap="viridis", interpolation="nearest",
            extent=(*_ends(x_values), *_ends(y_values)),
        )  # fmt: skip
    else:
        image = axes.pcolormesh(_edges(x_values), _edges(y_values), shown, norm=norm, cmap="viridis")
        if _is_logarithmic_axis(x_values):
            axes.set_xscale("log")
        if _is_logarithmic_axis(y_values):
            axes.set_yscale("log")
    axes.set_position((0.14, 0.14, 0.68, 0.76))
    bar = figure.colorbar(image, cax=figure.add_axes((0.845, 0.14, 0.025, 0.76)))
    bar.outline.set_visible(False)
    bar.set_label(_short(quantity.titled(prefix), 45))
    axes.set_xlabel(_short(plan.x.titled(x_prefix), 50))
    axes.set_ylabel(_short(y.titled(y_prefix), 45))


def _ordered(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any] | None, np.ndarray[Any, Any]]:
    """The values in rising order and that order; None for values that come twice."""
    order = np.argsort(values, kind="stable")
    rising = values[order]
    return (None if (np.diff(rising) == 0).any() else rising), order


def _is_even(values: np.ndarray[Any, Any]) -> bool:
    steps = np.diff(values)
    return len(steps) == 0 or bool(np.ptp(steps) <= 1e-3 * abs(float(np.mean(steps))))


def _ends(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    half = (values[-1] - values[0]) / max(len(values) - 1, 1) / 2 or 0.5
    return float(values[0] - half), float(values[-1] + half)


def _edges(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if _is_logarithmic_axis(values):
        return np.asarray(np.exp(_edges_of(np.log(values))))
    return _edges_of(values)


def _edges_of(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    middles = (values[1:] + values[:-1]) / 2
    if not len(middles):
        return np.array([values[0] - 0.5, values[0] + 0.5])
    return np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]])


def _is_logarithmic_axis(values: np.ndarray[Any, Any]) -> bool:
    """Setpoints in even steps of their logarithm over two decades or more."""
    if len(values) < 4 or not (values > 0).all() or float(values.max() / values.min()) < _LOG_FACTOR:
        return False
    return _is_even(np.log(np.sort(values)))


def _is_logarithmic_quantity(values: np.ndarray[Any, Any]) -> bool:
    """Positive values over two decades or more of which half lie in the lowest hundredth of the linear range."""
    finite = values[np.isfinite(values)]
    if finite.size < 8 or not (finite > 0).all():
        return False
    lowest, highest = float(finite.min()), float(finite.max())
    return highest / lowest >= _LOG_FACTOR and float(np.median(finite)) <= lowest + (highest - lowest) / 20


def _short(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A PNG with nothing in it but the pixels: no time, no program's name."""
    height, width, _ = pixels.shape
    # Each line as the difference from the one above: flat areas and grid lines become zeros.
    above = np.zeros_like(pixels)
    above[1:] = pixels[:-1]
    lines = np.empty((height, 1 + width * 3), np.uint8)
    lines[:, 0] = 2
    lines[:, 1:] = (pixels - above).reshape(height, -1)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    body = zlib.compress(lines.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
