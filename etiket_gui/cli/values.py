"""The KEY=VALUE grammar: what a person types becomes the options of a backend or destination, checked by its class."""

from __future__ import annotations

import difflib
import json
import os
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.names import to_portable
from etiket_gui.settings.option_kinds import (
    DURATION_NAME,
    PLACE_NAME,
    SIZE_NAME,
    checked_options,
    is_list,
    is_map,
    is_secret,
    option_names,
    parse_duration,
    parse_size,
    union_members,
    without_none,
)


def options_from_text(
    config_class: type[BaseModel], assignments: Sequence[str], *, present: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The options that ``KEY=VALUE`` texts describe, as JSON values that the class accepts.

    ``present`` are options that stay unless an assignment names them; a map keeps the keys that are not named.
    Raises UsageError with a sentence for an unknown key, a secret, a value of the wrong kind, or a missing option.
    """
    given = _Assignments(config_class)
    for assignment in assignments:
        given.add(assignment)
    options = _merged(dict(present or {}), given.values)
    return checked_options(config_class, options)


def _merged(present: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in new.items():
        if isinstance(value, _Map):
            before = present.get(key)
            present[key] = _merged(dict(before) if isinstance(before, Mapping) else {}, value)
        else:
            present[key] = value
    return present


class _Map(dict[str, Any]):
    """Values given with dots, which are added to a map instead of replacing it."""


class _Assignments:
    """Collects assignments of one configuration: repetition makes lists, dots make maps."""

    def __init__(self, config_class: type[BaseModel]) -> None:
        self._class = config_class
        self._given: set[str] = set()
        self.values: dict[str, Any] = {}

    def add(self, assignment: str) -> None:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise UsageError(f"{assignment!r} is not KEY=VALUE. Valid keys: {_listed(self._class)}.")
        self._put(self.values, self._class, key.split("."), text, key)

    def _put(
        self, values: dict[str, Any], config_class: type[BaseModel], parts: list[str], text: str, key: str
    ) -> None:
        name, rest = parts[0], parts[1:]
        field = config_class.model_fields.get(name)
        if field is None:
            raise UsageError(f"There is no key {name!r}.{_meant(name, option_names(config_class))} "
                             f"Valid keys: {_listed(config_class)}.")  # fmt: skip
        if is_secret(field):
            raise UsageError(
                f"{key} is a secret and is not written here, where other programs can read it. "
                "Use: etiket-sync login DESTINATION"
            )
        kind = without_none(field.annotation)
        if rest:
            self._put_inside(values, name, kind, rest, text, key)
            return
        value = _from_file(key, text) if _names_a_file(text) else _value(kind, text, field_name=name, key=key)
        if is_list(kind) and not _names_a_file(text):
            if text == "" and key not in self._given:
                values[name] = []
            else:
                values[name] = [*(values.get(name) or []), value] if key in self._given else [value]
        elif key in self._given:
            raise UsageError(f"{key} is given twice, and it takes one value.")
        else:
            values[name] = value
        self._given.add(key)

    def _put_inside(self, values: dict[str, Any], name: str, kind: Any, rest: list[str], text: str, key: str) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inside = values.setdefault(name, _Map())
            self._put(inside, kind, rest, text, key)
            return
        if not is_map(kind):
            raise UsageError(f"{name} is not a map, so {key}= makes no sense. Write {name}=VALUE.")
        if key in self._given:
            raise UsageError(f"{key} is given twice, and it takes one value.")
        self._given.add(key)
        arguments = typing.get_args(kind)
        value_kind = arguments[1] if len(arguments) == 2 else Any
        inside = values.setdefault(name, _Map())
        value = _from_file(key, text) if _names_a_file(text) else _value(value_kind, text, field_name="", key=key)
        inside[".".join(rest)] = value


def _names_a_file(text: str) -> bool:
    return text.startswith("@") and not text.startswith("@@")


def _from_file(key: str, text: str) -> Any:
    path = os.path.abspath(os.path.expanduser(text[1:]))
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise UsageError(f"{key}: {path} cannot be read: {error.strerror}.", path=path) from error
    except ValueError as error:
        raise UsageError(f"{key}: {path} is not JSON: {error}.", path=path) from error


def _value(kind: Any, text: str, *, field_name: str, key: str) -> Any:
    text = text[1:] if text.startswith("@@") else text
    if is_list(kind):
        arguments = typing.get_args(kind)
        return "" if text == "" else _value(arguments[0] if arguments else str, text, field_name=field_name, key=key)
    kind = without_none(kind)
    members = union_members(kind)
    if members:
        return _of_several(members, text, field_name=field_name, key=key)
    if kind is bool:
        return _truth(text, key)
    if kind in {int, float} or (isinstance(kind, type) and issubclass(kind, int) and not issubclass(kind, Enum)):
        return _number(text, kind, field_name=field_name, key=key)
    if isinstance(kind, type) and issubclass(kind, PurePath | os.PathLike):
        return _absolute(text, key)
    if is_map(kind) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        raise UsageError(f"{key} is a map. Write {key}.NAME=VALUE, or {key}=@file.json.")
    if kind is Any:
        return _guessed(text)
    if kind is str and PLACE_NAME.search(field_name):
        return to_portable(_absolute(text, key))
    return text


def _of_several(members: tuple[Any, ...], text: str, *, field_name: str, key: str) -> Any:
    if any(isinstance(member, type) and issubclass(member, PurePath) for member in members):
        return _absolute(text, key)
    if str in members:
        guess = _guessed(text)
        return guess if type(guess) in members else text
    for member in members:
        try:
            return _value(member, text, field_name=field_name, key=key)
        except UsageError:
            continue
    raise UsageError(f"{key}: {text!r} is not a value it takes.")


def _truth(text: str, key: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
    raise UsageError(f"{key} is either true or false, not {text!r}.")


def _number(text: str, kind: Any, *, field_name: str, key: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        pass
    if SIZE_NAME.search(field_name):
        return parse_size(text)
    if DURATION_NAME.search(field_name):
        return parse_duration(text)
    try:
        number = float(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{key} is {what}, not {text!r}.") from None
    if kind is int:
        raise UsageError(f"{key} is a whole number, not {text!r}.")
    return number


def _absolute(text: str, key: str) -> str:
    if not text:
        raise UsageError(f"{key} is empty; it needs a path.")
    return os.path.abspath(os.path.expanduser(text))


def _guessed(text: str) -> Any:
    """The JSON scalar a text is, but only where writing it back gives the same text: 007 stays text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text and text not in {"nan", "inf", "-inf"}:
            return value
    return text


def _listed(config_class: type[BaseModel]) -> str:
    return ", ".join(option_names(config_class)) or "none"


def _meant(name: str, valid: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`` Did you mean X?`` with a leading space when something valid looks alike, else nothing."""
    return _meant(name, valid)


__all__ = [
    "checked_options",
    "did_you_mean",
    "option_names",
    "options_from_text",
    "parse_duration",
    "parse_size",
]
