"""What the options of a backend or destination are, read from its configuration class: for forms and for KEY=VALUE.

A field may say more than its type in ``json_schema_extra``: ``secret``, ``advanced`` (true or false), and ``path``
("file" or "folder").
"""

from __future__ import annotations

import collections.abc
import enum
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from etiket_gui.domain.errors import UsageError

_DURATION_UNITS_S = {
    "ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800,
}  # fmt: skip
_SIZE_UNITS_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
DURATION_NAME = re.compile(r"(?:^|_)(?:time|after|interval|within|duration|timeout|s)$")
PLACE_NAME = re.compile(r"(?:^|_)(?:directory|path|folder|root)$")
SIZE_NAME = re.compile(r"(?:^|_)(?:bytes|size|bytes_per_s)$")
_FILE_NAME = re.compile(r"(?:_path|(?:^|_)file)$")


def parse_duration(text: str) -> float:
    """Seconds of ``10s``, ``2min``, ``2h``, ``1d`` or of a plain number of seconds. Raises UsageError."""
    seconds = _sum_of_parts(text, _DURATION_UNITS_S, "s")
    if seconds is None:
        raise UsageError(f"{text!r} is not a duration. Write it as 10s, 2min, 2h or 1d.")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of ``1GiB``, ``500MB`` or of a plain number of bytes. Raises UsageError."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    factor = _SIZE_UNITS_BYTES.get(match.group(2).lower() or "b") if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is not a size. Write it as 500MB, 1GiB or as a number of bytes.")
    return round(float(match.group(1)) * factor)


def _sum_of_parts(text: str, units: Mapping[str, float], default_unit: str) -> float | None:
    rest, total = text.strip(), 0.0
    if not rest:
        return None
    while rest:
        match = _NUMBER_AND_UNIT.match(rest)
        factor = units.get(match.group(2).lower() or default_unit) if match else None
        if match is None or factor is None:
            return None
        total += float(match.group(1)) * factor
        rest = rest[match.end() :].strip()
    return total


# -- what a field's type is ------------------------------------------------------------------------------------------


def union_members(kind: Any) -> tuple[Any, ...]:
    """The members of a union without None, nothing for any other type."""
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return tuple(plain(member) for member in typing.get_args(kind) if member is not type(None))
    return ()


def plain(kind: Any) -> Any:
    """A type without its annotations."""
    return plain(typing.get_args(kind)[0]) if typing.get_origin(kind) is typing.Annotated else kind


def without_none(kind: Any) -> Any:
    """A type without annotations and without ``| None``."""
    kind = plain(kind)
    members = union_members(kind)
    return members[0] if len(members) == 1 else kind


def is_list(kind: Any) -> bool:
    """Whether a type is a list of things."""
    origin = typing.get_origin(kind) or kind
    return origin in {list, tuple, set, frozenset, collections.abc.Sequence}


def is_map(kind: Any) -> bool:
    """Whether a type is a map."""
    origin = typing.get_origin(kind) or kind
    return origin in {dict, collections.abc.Mapping, collections.abc.MutableMapping}


def is_secret(field_info: FieldInfo) -> bool:
    """Whether a field is a secret, which goes to the password store and nowhere else."""
    if _extra(field_info).get("secret"):
        return True
    kinds = (without_none(field_info.annotation), *union_members(plain(field_info.annotation)))
    return any(kind in {SecretStr, SecretBytes} for kind in kinds)


def option_names(config_class: type[BaseModel]) -> tuple[str, ...]:
    """The keys a person may set: every field that is not a secret."""
    return tuple(name for name, item in config_class.model_fields.items() if not is_secret(item))


def _extra(field_info: FieldInfo) -> Mapping[str, Any]:
    extra = field_info.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


# -- checking --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckedOptions:
    """What a configuration class says of options: all of them with defaults, or a sentence per wrong field.

    A failure that concerns no single field stands under the empty name.
    """

    options: Mapping[str, Any] | None
    errors: Mapping[str, str] = field(default_factory=dict)


def check_options(config_class: type[BaseModel], options: Mapping[str, Any]) -> CheckedOptions:
    """These options as JSON values with all defaults filled in, or what is wrong with each."""
    try:
        checked = config_class.model_validate(dict(options))
    except ValidationError as error:
        errors: dict[str, str] = {}
        for item in error.errors():
            name = str(item["loc"][0]) if item.get("loc") else ""
            sentence = _message(dict(item)) if item.get("type") != "missing" else "This is needed."
            errors[name] = f"{errors[name]} {sentence}" if name in errors else sentence
        return CheckedOptions(None, errors)
    return CheckedOptions(checked.model_dump(mode="json"))


def checked_options(config_class: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """These options as JSON values with all defaults filled in. Raises UsageError where the class refuses them."""
    try:
        checked = config_class.model_validate(dict(options))
    except ValidationError as error:
        raise UsageError(" ".join(_sentence(config_class, dict(item)) for item in error.errors())) from error
    return checked.model_dump(mode="json")


def _sentence(config_class: type[BaseModel], item: Mapping[str, Any]) -> str:
    key = _key(item)
    place = item.get("loc", ())
    field_info = config_class.model_fields.get(str(place[0])) if place else None
    if item.get("type") == "missing":
        title = (field_info.title or field_info.description) if field_info else ""
        return f"{key}=… is missing{f' ({title})' if title else ''}."
    message = str(item.get("msg", "")).removeprefix("Value error, ").removesuffix(".")
    return f"{key}: {message}." if key else f"{message}."


def _key(item: Mapping[str, Any]) -> str:
    place = [str(part) for part in item.get("loc", ())]
    return ".".join(part for part in place if not part.startswith(("function-", "constrained-")))


def _message(item: Mapping[str, Any]) -> str:
    message = str(item.get("msg", "")).removeprefix("Value error, ").removesuffix(".")
    return f"{message[:1].upper()}{message[1:]}."


# -- describing ------------------------------------------------------------------------------------------------------


def described_fields(config_class: type[BaseModel]) -> list[dict[str, Any]]:
    """The fields of a configuration class as JSON objects, in their order; what a form needs to show them.

    ``type`` is text, integer, number, boolean, choice, path, duration, size, list, map, secret or json; ``is_path`` is
    "file", "folder" or "any" for paths and empty otherwise. ``choices`` are the values of a choice.
    """
    return [_described(name, item) for name, item in config_class.model_fields.items()]


def _described(name: str, item: FieldInfo) -> dict[str, Any]:
    annotation = plain(item.annotation)
    kind = without_none(annotation)
    is_nullable = type(None) in typing.get_args(annotation)
    choices = _choices(kind)
    type_name = _type_name(name, kind, choices, item)
    default = None if item.is_required() else item.get_default(call_default_factory=True)
    return {
        "name": name,
        "title": item.title or name.replace("_", " ").capitalize(),
        "description": item.description or "",
        "type": type_name,
        "default": _json_value(default, secret=is_secret(item)),
        "required": item.is_required(),
        "is_nullable": is_nullable,
        "is_secret": type_name == "secret",
        "is_path": _path_kind(name, item) if type_name == "path" else "",
        "choices": choices,
        "is_list": type_name == "list",
        "is_map": type_name == "map",
        "is_advanced": _is_advanced(item, type_name, is_nullable=is_nullable),
    }


def _is_advanced(item: FieldInfo, type_name: str, *, is_nullable: bool) -> bool:
    said = _extra(item).get("advanced")
    if isinstance(said, bool):
        return said
    return not item.is_required() and (is_nullable or type_name in {"duration", "size", "number", "json"})


def _type_name(name: str, kind: Any, choices: list[Any], item: FieldInfo) -> str:
    if is_secret(item):
        return "secret"
    if choices:
        return "choice"
    if is_list(kind):
        return "list"
    if is_map(kind):
        return "map"
    is_class = isinstance(kind, type)
    if kind is bool:
        return "boolean"
    if is_class and issubclass(kind, int | float):
        if SIZE_NAME.search(name):
            return "size"
        if DURATION_NAME.search(name):
            return "duration"
        return "integer" if issubclass(kind, int) else "number"
    members = union_members(kind)
    if (is_class and issubclass(kind, PurePath)) or any(
        isinstance(member, type) and issubclass(member, PurePath) for member in members
    ):
        return "path"
    if kind is str or str in members:
        return "path" if PLACE_NAME.search(name) or "path" in _extra(item) else "text"
    if is_class and issubclass(kind, str):
        return "text"
    return "json"


def _path_kind(name: str, item: FieldInfo) -> str:
    said = _extra(item).get("path")
    if said in {"file", "folder"}:
        return str(said)
    return "file" if _FILE_NAME.search(name) else "folder"


def _choices(kind: Any) -> list[Any]:
    if typing.get_origin(kind) is typing.Literal:
        return [value for value in typing.get_args(kind) if value is not None]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [member.value for member in kind]
    return []


def _json_value(value: Any, *, secret: bool = False) -> Any:
    if secret or value is PydanticUndefined:
        return None
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_json_value(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else None


# -- reading what a form holds ---------------------------------------------------------------------------------------


def values_of_form(config_class: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Options from the texts and values of a form, and a sentence for each that cannot be understood.

    Numbers, durations and sizes may be text; an empty text of a field that need not be given is left out.
    """
    options: dict[str, Any] = {}
    errors: dict[str, str] = {}
    described = {item["name"]: item for item in described_fields(config_class)}
    for name, value in values.items():
        item = described.get(name)
        if item is None or item["is_secret"]:
            continue
        if value is None or (isinstance(value, str) and value.strip() == "" and item["type"] != "text"):
            if not item["required"] and not item["is_nullable"]:
                continue
            if item["is_nullable"]:
                options[name] = None
            continue
        if value == "" and item["is_nullable"]:
            options[name] = None
            continue
        try:
            options[name] = _from_form(item["type"], value)
        except UsageError as error:
            errors[name] = error.reason
    return options, errors


def _from_form(type_name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    match type_name:
        case "duration":
            return parse_duration(text)
        case "size":
            return parse_size(text)
        case "integer":
            try:
                return int(text)
            except ValueError:
                raise UsageError(f"{text!r} is not a whole number.") from None
        case "number":
            try:
                return float(text)
            except ValueError:
                raise UsageError(f"{text!r} is not a number.") from None
        case "path":
            return text
    return value
