"""What is known of a Labber log beside its data: names, comment, star, tags, project, user."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import h5py

from etiket_gui.backends.labber.logfile import LogHead, log_group, text_of, texts_of
from etiket_gui.domain.content import Description, Scalar


def describe(
    file: h5py.File,
    head: LogHead,
    identifier: str,
    file_name: str,
    set_up: str,
    conversions: Iterable[Mapping[str, str]] = (),
) -> Description:
    """The description of one log of an open file; tags, project, user and star are the file's, for all its logs."""
    group = log_group(file, head.number)
    attributes: dict[str, Scalar] = {}
    if set_up:
        attributes["set_up"] = set_up
    tags = file.get("Tags")
    stored = tags.attrs if isinstance(tags, h5py.Group) else {}
    for name in ("Project", "User"):
        words = texts_of(stored[name]) if name in stored else []
        if words:
            attributes[name.lower()] = ", ".join(map(_clean, words))
    star = group.attrs.get("star", file.attrs.get("star"))
    if star is not None:
        attributes["star"] = bool(star)
    if head.version:
        attributes["labber_version"] = _clean(head.version)
    details: dict[str, Any] = {"log": head.number}
    made = [dict(item) for item in conversions]
    if made:
        details["conversions"] = made
    return Description(
        name=name_of(head, file_name),
        identifier=identifier,
        collected=collected_at(head),
        text=_clean(text_of(group.attrs.get("comment", file.attrs.get("comment", "")))),
        attributes={name: attributes[name] for name in sorted(attributes)},
        keywords=tuple(dict.fromkeys(map(_clean, texts_of(stored["Tags"])))) if "Tags" in stored else (),
        details=details,
    )


def name_of(head: LogHead, file_name: str) -> str:
    """What the log is called, with its number where a file holds several; the file's name where it has none."""
    name = _clean(head.log_name).strip() or file_name.rpartition("/")[2].rpartition(".")[0]
    return name if head.number == 1 else f"{name} ({head.number})"


def collected_at(head: LogHead) -> str | None:
    """When the log was created, ISO 8601 in UTC, or None where it does not say."""
    if head.created_s is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(head.created_s, datetime.UTC).isoformat(timespec="milliseconds")
    except (OverflowError, OSError, ValueError):
        return None


def _clean(text: str) -> str:
    return text.replace("\x00", "␀").encode("utf-8", "backslashreplace").decode()
