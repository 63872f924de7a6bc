"""The mirror of the configuration beside the store: written at every change, read when the store was lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etiket_gui.domain.content import canonical_json
from etiket_gui.osys.atomic import write_atomically

if TYPE_CHECKING:
    from etiket_gui.store.writer_configuration import ConfigurationWriter

log = logging.getLogger(__name__)


def write_mirror(path: Path, configuration: Mapping[str, Any]) -> None:
    """Bring the mirror up to date, there whole or not at all.

    Never raises: the change it mirrors is in the store already. A mirror that could not be written is told in the log
    and made good at the next start.
    """
    content = canonical_json(dict(configuration)) + b"\n"
    try:
        if path.exists() and path.read_bytes() == content:
            return
        write_atomically(path, content)
    except OSError as error:
        log.warning("%s could not be written (%s); the store itself holds the change.", path, error)


def restore_from_mirror(writer: ConfigurationWriter, path: Path) -> str:
    """Bring back the sources, destinations and routes that a lost store had; what is there already stays as it is.

    Returns a sentence for a person, empty when nothing was lost or everything is back. A mirror that makes no sense is
    kept under another name, so that it is not written over.
    """
    try:
        mirror = json.loads(path.read_bytes())
        with writer.batch():
            _restore(writer, mirror)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be understood (%s)", path, error)
        kept = path.with_name("configuration-broken.json")
        try:
            path.replace(kept)
        except OSError as refused:
            log.warning("%s cannot be kept as %s (%s)", path, kept, refused)
        return "The list of sources and destinations was lost too. Add them again: they continue what they were."
    return ""


def _restore(writer: ConfigurationWriter, mirror: Mapping[str, Any]) -> None:
    ids = {row.uuid: row.id for row in writer.destinations()}
    names = {row.name for row in writer.destinations()}
    for item in mirror["destinations"]:
        if item["uuid"] not in ids:
            name = _free(item["name"], names)
            ids[item["uuid"]] = writer.add_destination(item["uuid"], name, item["kind"], item["config"]).id
    known = {row.uuid for row in writer.sources()}
    names = {row.name for row in writer.sources()}
    for item in mirror["sources"]:
        if item["uuid"] in known:
            continue
        routes = [(ids[uuid], scope) for uuid, scope in item["routes"] if uuid in ids]
        name = _free(item["name"], names)
        row = writer.add_source(
            item["uuid"], name, item["backend"], item["config"], routes, since_ns=item.get("since_ns", 0)
        )
        if not item["is_enabled"]:
            writer.edit_source(row.id, is_enabled=False)


def _free(name: str, used: set[str]) -> str:
    """The name, with a number where a restored copy of the store already has another thing of that name."""
    free, number = name, 1
    while free in used:
        number += 1
        free = f"{name} {number}"
    used.add(free)
    return free
