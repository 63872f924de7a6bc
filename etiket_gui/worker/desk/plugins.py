"""The jobs "plugins" and "validate": what every plug-in can be told, and whether what was typed makes sense."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from etiket_gui.backends.api import Backend, DatabaseBackend, FileBackend
from etiket_gui.backends.registry import registry as backend_registry
from etiket_gui.converters.api import Converter
from etiket_gui.converters.registry import ConverterRegistry
from etiket_gui.converters.registry import registry as converter_registry
from etiket_gui.destinations.api import Destination
from etiket_gui.destinations.registry import registry as destination_registry
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.domain.names import display, from_portable, to_portable
from etiket_gui.settings.configuration_rules import Place, check_places_apart, places_of
from etiket_gui.settings.option_kinds import check_options, described_fields, values_of_form
from etiket_gui.worker.desk.configured import present_places
from etiket_gui.worker.desk.job import DeskJob

_SOURCE, _DESTINATION = "source", "destination"
_GROUPS = {"backend": _SOURCE, "backends": _SOURCE, "destination": _DESTINATION, "destinations": _DESTINATION}


def describe_plugins(job: DeskJob) -> dict[str, Any]:
    """Every backend, destination and converter, newly installed ones too, and those that are disabled, with the reason.

    Backends and destinations come with the fields of their forms.
    """
    backends, destinations, converters = backend_registry(), destination_registry(), converter_registry()
    for known in (backends, destinations, converters):
        known.refresh()
    found_backends = [_described_backend(kind) for kind in backends.usable()]
    job.stop.check()
    found_converters = [
        {
            "identifier": name,
            "input": kind.input_type,
            "output": kind.output_type,
            "version": kind.version,
            "origin": origin,
        }
        for name, origin, kind in _usable_converters(converters)
    ]
    found_destinations = [_described_destination(kind) for kind in destinations.usable()]
    origins = {(_SOURCE, item.name): item.origin for item in backends.plugins()}
    origins |= {(_DESTINATION, item.name): item.origin for item in destinations.plugins()}
    for group, described in ((_SOURCE, found_backends), (_DESTINATION, found_destinations)):
        for item in described:
            item["origin"] = origins.get((group, item["identifier"]), "")
    disabled = [
        {"group": group, "identifier": item.name, "origin": item.origin, "reason": item.disabled_because}
        for group, plugins in (
            (_SOURCE, backends.plugins()),
            (_DESTINATION, destinations.plugins()),
            ("converter", converters.plugins()),
        )
        for item in plugins
        if item.disabled_because
    ]
    return {
        "backends": found_backends,
        "destinations": found_destinations,
        "converters": found_converters,
        "disabled": disabled,
    }


def _usable_converters(converters: ConverterRegistry) -> Iterator[tuple[str, str, type[Converter]]]:
    for plugin in converters.plugins():
        try:
            yield plugin.name, plugin.origin, converters.get(plugin.name)
        except EtiketError:
            # The reason is kept beside the plug-in, and told with the disabled ones.
            continue


def _described_backend(kind: type[Backend]) -> dict[str, Any]:
    return {
        "identifier": kind.identifier,
        "title": kind.title,
        "description": _first_sentence(kind),
        "fields": described_fields(kind.config_class),
        "scope_policy": kind.scope_policy.value,
        "live_sync": kind.live_sync,
        "sign_in_title": kind.sign_in_title,
        "reads": "files" if issubclass(kind, FileBackend) else "database" if issubclass(kind, DatabaseBackend) else "",
    }


def _described_destination(kind: type[Destination]) -> dict[str, Any]:
    able = kind.capabilities
    return {
        "identifier": kind.identifier,
        "title": kind.title,
        "description": _first_sentence(kind),
        "fields": described_fields(kind.config_class),
        "needs_sign_in": able.needs_sign_in,
        "sign_in_title": "Password or token" if able.needs_sign_in else "",
        "has_scopes": able.has_scopes,
        "is_local": able.is_local,
        "restores_by_link": able.restores_by_link,
    }


def _first_sentence(kind: type) -> str:
    """What a plug-in says of itself: its ``description``, else the first line of its own documentation."""
    said = getattr(kind, "description", "")
    if isinstance(said, str) and said:
        return said
    text = inspect.getdoc(kind) if kind.__doc__ else ""
    return (text or "").strip().split("\n", 1)[0].replace("``", "")


# -- validation ------------------------------------------------------------------------------------------------------


def validate(job: DeskJob) -> dict[str, Any]:
    """Whether the values of a form make sense.

    Parameters: group, identifier, values; ``name`` of what is being edited, whose own places do not count; ``beside``,
    sources (``name`` and ``config``) that are to be added with it, whose places do. Returns
    ``errors`` (a sentence per field), ``config`` (None with errors), ``root`` and ``suggested_name``.
    """
    group = _GROUPS.get(job.text("group"))
    if group is None:
        raise UsageError(f"There is no group {job.text('group')!r} of plug-ins.")
    identifier, values = job.text("identifier"), job.mapping("values")
    kind = (backend_registry() if group == _SOURCE else destination_registry()).get(identifier)
    options, errors = values_of_form(kind.config_class, values)
    checked = check_options(kind.config_class, options)
    errors = {**checked.errors, **errors}
    config = None if errors or checked.options is None else dict(checked.options)
    if config is not None:
        errors = _place_errors(job, group, kind.config_class, config)
    root = ""
    if config is not None:
        root = _root(kind, config)
    return {
        "errors": errors,
        "config": None if errors else config,
        "root": root,
        "suggested_name": suggested_name(root or identifier, identifier),
    }


def _place_errors(job: DeskJob, group: str, config_class: type[BaseModel], config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the places that a configuration names, by field."""
    own_name = str(job.parameters.get("name") or "")
    present = present_places(
        job.home,
        without_source=own_name if group == _SOURCE else "",
        without_destination=own_name if group == _DESTINATION else "",
    )
    for item in job.parameters.get("beside") or ():
        present += places_of("source", str(item["name"]), item["config"])
    errors: dict[str, str] = {}
    for field in config_class.model_fields:
        for place in places_of(group, own_name or "new", {field: config.get(field)}):
            sentence = why_not_readable(place.path) if group == _SOURCE else ""
            if not sentence:
                sentence = _clash(place, present)
            if sentence:
                errors[field] = sentence
    return errors


def _clash(place: Place, present: list[Place]) -> str:
    try:
        check_places_apart([place], present, follows_links=True)
    except UsageError as error:
        return error.reason
    return ""


def why_not_readable(path: str) -> str:
    """Why a place cannot be read, as a sentence; empty when it can."""
    shown = display(to_portable(path))
    try:
        if os.path.isdir(path):
            with os.scandir(path) as entries:
                next(entries, None)
        else:
            with open(path, "rb"):
                pass
    except FileNotFoundError:
        return f"There is nothing at {shown}. A share or a disk that is away must be connected first."
    except PermissionError:
        return f"{shown} may not be read by this account."
    except OSError as error:
        return f"{shown} cannot be read: {error.strerror or error}."
    return ""


def _root(kind: Any, config: Mapping[str, Any]) -> str:
    checked = kind.config_class.model_validate(dict(config))
    try:
        found = kind.address(checked) if issubclass(kind, Destination) else kind.root(checked)
    except EtiketError:
        return ""
    return to_portable(str(found))


def suggested_name(root: str, fallback: str) -> str:
    """A name for a source or destination at that place, which the rules of names allow."""
    last = from_portable(root).replace("\\", "/").rstrip("/").rpartition("/")[2] or fallback
    stem = last.rpartition(".")[0] or last
    plain = "".join("-" if character in ":=/\\" or not character.isprintable() else character for character in stem)
    return plain.strip().lstrip("-").strip()[:80] or fallback
