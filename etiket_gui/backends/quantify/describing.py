"""What is known of a Quantify measurement beside its data: names, metadata that a person saved, results of analyses."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from etiket_gui.backends.folder.survey import Surveyed
from etiket_gui.backends.quantify.tuids import collected_at, name_in, tuid_of
from etiket_gui.domain.content import Description, Scalar
from etiket_gui.domain.errors import SourceChanged, source_error
from etiket_gui.osys.files import open_source

_LARGEST_BYTES = 4 << 20
_MOST_ATTRIBUTES = 200
_ANALYSIS = re.compile(r"analysis_([^/]+)/.+")
_QUANTITIES = re.compile(r"analysis_([^/]+)/quantities_of_interest\.json")
_KEYWORDS = ("tags", "keywords")


def describe(
    folder_name: str, entries: Iterable[Surveyed], set_up: str, conversions: Iterable[Mapping[str, str]]
) -> Description:
    """The description of the measurement in a folder with that (portable) name and these files.

    Scalars of ``metadata.json`` and quantities of interest are attributes; a quantity with an uncertainty is a pair
    ``v`` and ``v_u``. Raises SourceChanged and the known source failures.
    """
    tuid = tuid_of(folder_name) or folder_name
    files = {item.name: item for item in entries}
    attributes: dict[str, Scalar] = {}
    keywords: list[str] = []
    if set_up:
        attributes["set_up"] = set_up
    if "metadata.json" in files:
        _take_metadata(_json(files["metadata.json"]), attributes, keywords)
    for name in sorted(files):
        if _QUANTITIES.fullmatch(name):
            _take_quantities(_json(files[name]), attributes)
    analyses = sorted({found[1] for name in files if (found := _ANALYSIS.fullmatch(name))})
    details: dict[str, Any] = {}
    if analyses:
        details["analyses"] = analyses
    made = [dict(item) for item in conversions]
    if made:
        details["conversions"] = made
    return Description(
        name=name_in(folder_name),
        identifier=tuid,
        collected=collected_at(tuid),
        attributes={name: attributes[name] for name in sorted(attributes)[:_MOST_ATTRIBUTES]},
        keywords=tuple(dict.fromkeys(keywords)),
        details=details,
    )


def _take_metadata(value: Any, attributes: dict[str, Scalar], keywords: list[str]) -> None:
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if name.lower() in _KEYWORDS and isinstance(item, list):
            keywords += [text for text in item if isinstance(text, str) and text.strip()]
        elif item is None or isinstance(item, str | bool | int | float):
            attributes[_clean(name)] = _clean(item) if isinstance(item, str) else item


def _take_quantities(value: Any, attributes: dict[str, Scalar]) -> None:
    """Numbers, and numbers with an uncertainty; anything deeper stays in the file."""
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if isinstance(item, dict) and "nominal_value" in item and "std_dev" in item:
            if _is_number(item["nominal_value"]) and _is_number(item["std_dev"]):
                attributes.setdefault(_clean(name), item["nominal_value"])
                attributes.setdefault(_clean(f"{name}_u"), item["std_dev"])
        elif isinstance(item, bool) or _is_number(item):
            attributes.setdefault(_clean(name), item)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _clean(text: str) -> str:
    return text.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode()


def _json(item: Surveyed) -> Any:
    """The content of a small JSON file; None where it is none, for it is sent as it is in any case."""
    try:
        with os.fdopen(open_source(item.path), "rb") as file:
            before = os.fstat(file.fileno())
            if before.st_size > _LARGEST_BYTES:
                return None
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise source_error(error, item.path) from error
    expected = (item.status.st_size, item.status.st_mtime_ns)
    if {(before.st_size, before.st_mtime_ns), (after.st_size, after.st_mtime_ns)} != {expected}:
        raise SourceChanged(f"{item.path} changed while it was being read.", path=item.path)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
