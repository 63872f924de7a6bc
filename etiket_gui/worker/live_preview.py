"""The preview of a measurement that is too large to be sent while it grows, drawn from its newest points."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etiket_gui.domain.content import FileEntry, SourceFile
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.store.live_points import LivePoints, read_points

if TYPE_CHECKING:
    from etiket_gui.converters.netcdf import Variable
    from etiket_gui.domain.live import LiveColumn

log = logging.getLogger(__name__)

PREVIEW = "preview.png"


def live_preview(folder: Path, uuid: str, title: str, work_folder: Path, stop: StopToken) -> tuple[SourceFile, ...]:
    """The picture as a derived file; none where there are no points or nothing can be drawn of them. Raises Stopped."""
    points = read_points(folder, uuid)
    layout = None if points is None else _layout(points)
    if points is None or layout is None:
        return ()
    from etiket_gui.converters.netcdf import write_netcdf
    from etiket_gui.converters.preview import draw_preview

    data, target = work_folder / "points.h5", work_folder / PREVIEW
    try:
        work_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        dims, variables = layout
        write_netcdf(data, dims, variables, {"name": title}, stop)
        if not draw_preview(data, target, stop):
            return ()
        entry = FileEntry(PREVIEW, EntryKind.FILE, target.stat().st_size, mtime_ns=points.at_ns)
        return (SourceFile(entry, str(target), is_derived=True),)
    except (EtiketError, OSError, ValueError) as error:
        stop.check()
        log.info("No preview of %s could be drawn: %s", title, error)
        return ()
    finally:
        data.unlink(missing_ok=True)


def _layout(points: LivePoints) -> tuple[dict[str, int], list[Variable]] | None:
    """Dimensions and variables of the first measured quantity: a map where whole rows are there, else a line."""
    columns = {column.name: column for column in points.columns}
    measured = next((column for column in points.columns if column.axes), None)
    if measured is None or not points.row_count:
        return None
    axes = [columns[name] for name in measured.axes if name in columns]
    inner = points.shape[-1] if len(points.shape) >= 2 and points.stride == 1 else 0
    rows = points.row_count // inner if inner else 0
    if len(axes) >= 2 and inner > 1 and rows > 1:
        return {"y": rows, "x": inner}, [
            _variable("x", ("x",), axes[-1], axes[-1].values[:inner]),
            _variable("y", ("y",), axes[-2], axes[-2].values[: rows * inner : inner]),
            _variable("measured", ("y", "x"), measured, measured.values[: rows * inner], (rows, inner)),
        ]
    made = [_variable("measured", ("x",), measured, measured.values)]
    if axes:
        made.append(_variable("x", ("x",), axes[-1], axes[-1].values))
    return {"x": points.row_count}, made


def _variable(
    name: str, dims: tuple[str, ...], column: LiveColumn, values: Any, shape: tuple[int, ...] | None = None
) -> Variable:
    import numpy as np

    from etiket_gui.converters.netcdf import Variable

    array = np.frombuffer(values, dtype=np.float64)
    attributes = {"long_name": column.label or column.name, "units": column.unit}
    return Variable.of(name, dims, array if shape is None else array.reshape(shape), attributes)
