"""What is known of a run beside its arrays: its description, ``snapshot.json`` and ``metadata.json``."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etiket_gui.backends.core_tools.arrays import parameter_to_json
from etiket_gui.backends.core_tools.rows import Parameter, Run
from etiket_gui.domain.content import Description, Scalar
from etiket_gui.domain.states import RunState

#: Columns that say how far core-tools copied the run elsewhere, or that are files of their own.
_LEFT_OUT = frozenset(
    {"id", "snapshot", "metadata", "data_synchronized", "table_synchronized", "sync_location", "exp_data_location",
     "data_cleared"}
)  # fmt: skip
_ATTRIBUTES = ("project", "set_up", "sample", "creasted_by")


def describe(
    run: Run, row: Mapping[str, Any], parameters: Sequence[Parameter], conversions: Iterable[Mapping[str, str]]
) -> Description:
    """The description of a run; the project is what a destination files it under."""
    attributes: dict[str, Scalar] = {
        ("created_by" if name == "creasted_by" else name): row[name] for name in _ATTRIBUTES if row.get(name)
    }
    if row.get("starred"):
        attributes["starred"] = True
    keywords = row.get("keywords")
    details: dict[str, Any] = {
        "parameters": [
            {"name": parameter.name, "label": parameter.label, "unit": parameter.unit, "shape": list(parameter.shape)}
            for parameter in parameters
            if parameter.is_measured
        ],
    }
    scope = row.get("scope") or row.get("project")
    if scope:
        details["scope"] = str(scope)
    if run.stopped_s is not None:
        details["finished"] = iso(run.stopped_s)
    made = [dict(line) for line in conversions]
    if made:
        details["conversions"] = made
    return Description(
        name=run.name or run.identifier,
        identifier=run.identifier,
        run_state=RunState.COMPLETE if run.is_completed else RunState.LIVE,
        collected=None if run.started_s is None else iso(run.started_s),
        attributes=attributes,
        keywords=tuple(str(word) for word in keywords) if isinstance(keywords, list) else (),
        details=details,
    )


def iso(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the microsecond that the database keeps."""
    return datetime.datetime.fromtimestamp(round(time_s, 6), datetime.UTC).isoformat()


def metadata_of(row: Mapping[str, Any], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The content of ``metadata.json``: the run's row, its arrays and the metadata that the user gave."""
    columns = {name: _plain(value) for name, value in row.items() if name not in _LEFT_OUT}
    return {
        "run": columns,
        "parameters": [dict(parameter_to_json(parameter)) for parameter in parameters],
        "metadata": json_in(row.get("metadata")),
    }


def json_in(data: bytes | memoryview | None) -> Any:
    """The JSON value in a column; what is no JSON is kept as text."""
    if data is None:
        return None
    text = bytes(data).decode("utf-8", "backslashreplace")
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.datetime) else value
