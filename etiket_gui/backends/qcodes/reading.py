"""Reads one run: its points as measurement.h5, its snapshot and its metadata, and what is said of it in a list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etiket_gui.backends.derived_files import DerivedFiles, strict_json
from etiket_gui.backends.qcodes.columns import Budget
from etiket_gui.backends.qcodes.conversion import ORDER_GROUP, lay_out_all, order_of, variables_of
from etiket_gui.backends.qcodes.exports import take_export
from etiket_gui.backends.qcodes.interdependencies import (
    Interdependencies,
    as_description,
    from_description,
    from_tables,
)
from etiket_gui.backends.qcodes.points import Begun, PointReader, Points, begin
from etiket_gui.backends.qcodes.runs import RunRow, Value, iso_utc, last_ids, nanoseconds
from etiket_gui.backends.qcodes.tables import whole_table
from etiket_gui.backends.sqlite_access import Access, Reader
from etiket_gui.converters.netcdf import Group, safe_name, write_netcdf
from etiket_gui.domain.content import Description, Scalar, SourceFile
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

#: Goes into every description; a higher number means that measurement.h5 is made differently.
CONVERTER = "qcodes 1"
MEASUREMENT, SNAPSHOT, METADATA = "measurement.h5", "snapshot.json", "metadata.json"
TABLE_GROUP = "table"
_LONGEST_TEXT = 4000


@dataclass(frozen=True, slots=True)
class RunContent:
    """Everything of a run but its points, as one look saw it. ``last_id`` is -1 where it has no result table."""

    row: RunRow
    last_id: int
    found: Interdependencies
    description: str
    snapshot: str | None
    begun: Begun | None = None


def read_head(reader: Reader, row: RunRow, columns: frozenset[str]) -> RunContent:
    """What one look reads of a run: description, snapshot and the number of the last point."""
    wanted = ["run_description" if "run_description" in columns else "NULL"]
    wanted.append("snapshot" if "snapshot" in columns else "NULL")
    ((description, snapshot),) = reader.query(
        f"SELECT {', '.join(wanted)} FROM runs WHERE run_id = ?",  # noqa: S608
        (row.run_id,),
    )
    (last_id,) = last_ids(reader, [row.result_table])
    text = "" if description is None else str(description)
    if text.strip():
        found = from_description(text)
    else:
        found = from_tables(reader, row.run_id, row.result_table)
        text = json.dumps(as_description(found))
    begun = None
    if last_id >= 0:
        kinds = {name: parameter.kind for name, parameter in found.parameters.items()}
        begun = begin(reader, row.result_table, last_id, kinds)
    return RunContent(row, last_id, found, text, None if snapshot is None else str(snapshot), begun)


def make_files(
    access: Access, head: RunContent, files: DerivedFiles, stop: StopToken
) -> tuple[tuple[SourceFile, ...], tuple[EtiketError, ...]]:
    """Make measurement.h5, snapshot.json and metadata.json, and what a person must know of them.

    Raises what looks raise, CannotConvert and Stopped.
    """
    told: dict[str, Any] = {}
    flaws: tuple[EtiketError, ...] = ()
    if head.last_id >= 0:
        told = _write_measurement(access, head, files, stop)
    else:
        flaws = take_export(access.path, head.row, files.path(MEASUREMENT))
        told["data"] = (
            "the file that QCoDeS exported"
            if files.path(MEASUREMENT).exists()
            else "QCoDeS kept it in memory, and the file it was exported to is not on this machine"
        )
    if head.snapshot is not None and head.snapshot not in {"", "null"}:
        files.path(SNAPSHOT).write_bytes(_strict_text(head.snapshot))
    files.write_json(METADATA, {**_metadata(head), **told})
    changed_ns = nanoseconds(head.row.completed_s) or nanoseconds(head.row.started_s) or 0
    return files.files(changed_ns), flaws


def _write_measurement(access: Access, head: RunContent, files: DerivedFiles, stop: StopToken) -> dict[str, Any]:
    scratch = files.folder.with_name(f"{files.folder.name}-columns")
    if scratch.exists():
        shutil.rmtree(scratch)
    try:
        budget = Budget(scratch)
        points = PointReader(access, head.row.result_table, head.found, budget, head.begun).read(head.last_id, stop)
        root, others, is_exact = lay_out_all(points, head.found, stop)
        made = variables_of(root, head.found)
        groups: dict[str, Group] = {name: variables_of(layer, head.found) for name, layer in others.items()}
        order = order_of([root, *others.values()])
        if order is not None:
            groups[_free(ORDER_GROUP, made, groups)] = order
        if not (points.is_complete and is_exact):
            table = whole_table(access, head.row.result_table, head.last_id, budget, stop)
            groups[_free(TABLE_GROUP, made, groups)] = table
        write_netcdf(files.path(MEASUREMENT), made.dims, made.variables, _root_attributes(head), stop, groups=groups)
    finally:
        if scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
    return {"points": _pieces(points), "groups": sorted(groups)}


def _free(name: str, made: Group, groups: Mapping[str, Group]) -> str:
    taken = {*made.dims, *(variable.name for variable in made.variables), *groups}
    while name in taken:
        name += "_"
    return name


def _pieces(points: Points) -> dict[str, Any]:
    """Which rows each tree comes from, so that the table can be made again."""
    told: dict[str, Any] = {}
    for tree in points.trees:
        told[tree.tree.name] = {"count": tree.count, "rows": tree.rows.pieces}
        if tree.lengths:
            told[tree.tree.name]["lengths"] = tree.lengths
    return told


def _root_attributes(head: RunContent) -> dict[str, Any]:
    """The attributes that QCoDeS' own export has; whatever else is there counts as metadata when it is loaded."""
    row = head.row
    attributes: dict[str, Any] = {
        "ds_name": row.name,
        "sample_name": row.sample,
        "exp_name": row.experiment,
        "snapshot": head.snapshot or "null",
        "guid": row.guid,
        "run_timestamp": iso_utc(row.started_s) or "",
        "completed_timestamp": iso_utc(row.completed_s) or "",
        "captured_run_id": row.captured_run_id,
        "captured_counter": row.captured_counter,
        "run_id": row.captured_run_id,
        "run_description": _with_version(head.description),
        "parent_dataset_links": row.parents,
        "run_timestamp_raw": -1 if row.started_s is None else row.started_s,
        "completed_timestamp_raw": -1 if row.completed_s is None else row.completed_s,
    }
    for name, value in row.metadata.items():
        key = safe_name(name)
        if key not in attributes and not isinstance(value, bytes):
            attributes[key] = value
    return attributes


def _with_version(description: str) -> str:
    """Descriptions from before they had a version say so, as an upgraded database would."""
    value = _loaded(description)
    return json.dumps({"version": 0, **value}) if isinstance(value, dict) and "version" not in value else description


def _metadata(head: RunContent) -> dict[str, Any]:
    row = head.row
    return {
        "guid": row.guid,
        "name": row.name,
        "experiment": row.experiment,
        "sample": row.sample,
        "captured_run_id": row.captured_run_id,
        "captured_counter": row.captured_counter,
        "run_timestamp": row.started_s,
        "completed_timestamp": row.completed_s,
        "is_completed": row.is_completed,
        "parameters": row.parameters,
        "parent_datasets": _loaded(row.parents),
        "metadata": {name: _shown(value) for name, value in row.metadata.items()},
        "run_description": _loaded(head.description),
    }


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _shown(value: Value) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _strict_text(text: str) -> bytes:
    """The snapshot as it is stored, or, where it holds NaN or Infinity, as JSON that every reader takes."""
    strange: list[str] = []

    def constant(name: str) -> float:
        strange.append(name)
        return float(name)

    try:
        value = json.loads(text, parse_constant=constant)
    except ValueError:
        return text.encode("utf-8", "backslashreplace")
    if strange:
        text = json.dumps(strict_json(value), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def describe(head: RunContent, run_state: RunState, identifier: str, more: Mapping[str, str]) -> Description:
    """What a list shows of the run. ``more`` are attributes that every dataset of the source gets."""
    row = head.row
    attributes: dict[str, Scalar] = dict(more)
    for name, text in (("experiment", row.experiment), ("sample", row.sample)):
        if text:
            attributes.setdefault(name, text)
    attributes["run"] = row.captured_run_id
    for name, value in row.metadata.items():
        if name in {"export_info", "measurement_exception"} or isinstance(value, bytes) or value is None:
            continue
        attributes.setdefault(name, value)
    exception = row.metadata.get("measurement_exception")
    if isinstance(exception, str) and exception.strip():
        attributes["exception"] = exception.strip().splitlines()[-1]
    comment = next((row.metadata[name] for name in ("comment", "description", "note") if name in row.metadata), "")
    measured = [tree.name for tree in head.found.trees()]
    return Description(
        name=row.name or f"run {row.captured_run_id}",
        identifier=identifier,
        run_state=run_state,
        collected=iso_utc(row.started_s),
        text=str(comment)[:_LONGEST_TEXT],
        attributes={name: attributes[name] for name in sorted(attributes)},
        keywords=tuple(dict.fromkeys([*_tags(row.metadata), *measured])),
        details={"converter": CONVERTER},
    )


def _tags(metadata: Mapping[str, Value]) -> Iterator[str]:
    for name in sorted(metadata):
        value = metadata[name]
        if not isinstance(value, str) or name.lower() not in {"tag", "tags", "tag_list", "keywords"}:
            continue
        loaded = _loaded(value)
        yield from (
            (str(item) for item in loaded)
            if isinstance(loaded, list)
            else (part.strip() for part in value.split(",") if part.strip())
        )
