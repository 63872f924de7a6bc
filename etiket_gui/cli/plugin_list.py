"""What backends and destinations there are, with their options as a person sets them."""

from __future__ import annotations

import contextlib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from etiket_gui.cli.values import option_names
from etiket_gui.domain.errors import EtiketError


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a plug-in. ``default`` is a JSON value; ``is_required`` options have none."""

    name: str
    title: str
    description: str
    kind: str
    is_required: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Plugin:
    """One backend or destination, or why it cannot be used."""

    group: str
    name: str
    title: str
    origin: str
    disabled_because: str
    options: tuple[Option, ...] = ()
    scope_policy: str = ""
    shadows: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON values of the plug-in."""
        return {
            "group": self.group,
            "name": self.name,
            "title": self.title,
            "origin": self.origin,
            "is_usable": not self.disabled_because,
            "disabled_because": self.disabled_because or None,
            "scope_policy": self.scope_policy or None,
            "shadows": list(self.shadows),
            "options": [{part: getattr(option, part) for part in Option.__slots__} for option in self.options],
        }


def all_plugins(folder: Path | None = None) -> tuple[Plugin, ...]:
    """Every backend, destination and converter that is installed; each is loaded to find out whether it works.

    ``folder`` is the plug-in folder; where it may not be used, it is listed as disabled with the reason.
    """
    from etiket_gui.backends.registry import registry as backends
    from etiket_gui.converters.registry import registry as converters
    from etiket_gui.destinations.registry import registry as destinations
    from etiket_gui.osys.plugin_folder import use, why_refused

    if folder is not None:
        use(folder)
    found = []
    for group, known in (("backend", backends()), ("destination", destinations()), ("converter", converters())):
        known.refresh()
        for name in known.names():
            title, policy = "", ""
            options: tuple[Option, ...] = ()
            # The registry keeps the reason why one is disabled, which is told below.
            with contextlib.suppress(EtiketError):
                its_class: Any = known.get(name)
                if group == "converter":
                    title = f"{its_class.input_type} to {its_class.output_type}, version {its_class.version}"
                else:
                    title, options = its_class.title, options_of(its_class.config_class)
                policy = str(getattr(its_class, "scope_policy", ""))
            info = next(item for item in known.plugins() if item.name == name)
            found.append(Plugin(group, name, title, info.origin, info.disabled_because, options, policy, info.shadows))
    refusal = "" if folder is None else why_refused(folder)
    if refusal:
        found.append(Plugin("folder", "plugins", "", str(folder), refusal))
    return tuple(found)


def options_of(config_class: type[BaseModel]) -> tuple[Option, ...]:
    """The options of a configuration class that a person may set."""
    options = []
    for name in option_names(config_class):
        field = config_class.model_fields[name]
        default = None
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            default = None if value is PydanticUndefined else _plain(value)
        title, text = field.title or "", field.description or ""
        options.append(Option(name, title, text, _kind(name, field.annotation), field.is_required(), default))
    return tuple(options)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else str(getattr(value, "value", value))


def _kind(name: str, annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        kinds = [_kind(name, item) for item in typing.get_args(annotation) if item is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is typing.Annotated:
        return _kind(name, typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return "|".join(str(item) for item in typing.get_args(annotation))
    if origin in {list, tuple, set, frozenset}:
        return "list"
    if origin is dict or getattr(origin, "__name__", "") == "Mapping":
        return "map"
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return "|".join(str(item.value) for item in annotation)  # type: ignore[attr-defined]
    names = {bool: "true|false", int: "whole number", float: "number", str: "text", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", "text"))
