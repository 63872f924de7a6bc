"""The description file of a dataset folder, ``_QH_dataset_info.yaml``: reads it, believes it, or says what is wrong."""

from __future__ import annotations

import datetime
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from etiket_gui.domain.content import Scalar
from etiket_gui.domain.errors import DescriptionBroken, SourceChanged, source_error

FILE_NAME = "_QH_dataset_info.yaml"
MAX_THUMBNAILS = 10
_MAX_SIZE_BYTES = 1 << 20
_MAX_ALIASES = 100
_CONVERTER_NAME = re.compile(r".+_to_.+_converter")
_UNIX_SECONDS_FROM = 100_000_000


@dataclass(frozen=True, slots=True)
class FolderDescription:
    """What a description file says; None and empty where it says nothing.

    ``collected`` is ISO 8601 text, with a zone only when one was written. ``converters`` maps a converter's name to
    its module and class as written; nothing is ever imported because a data file says so.
    """

    version: str | None = None
    name: str | None = None
    collected: str | None = None
    text: str = ""
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    thumbnails: tuple[str, ...] = ()
    converters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_description(path: str, expected: os.stat_result) -> FolderDescription:
    """Read and understand a description file whose directory entry said ``expected``.

    Raises DescriptionBroken naming the line, SourceChanged when it is not the file that was seen, SourceGone,
    PermissionRefused and SourceOffline.
    """
    try:
        data = _read_quietly(path, expected)
    except OSError as error:
        raise source_error(error, path) from error
    return parse_description(data, path)


def _read_quietly(path: str, expected: os.stat_result) -> bytes:
    """The bytes of a regular file, without touching its access time where the system allows that."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        # Only the owner may leave the access time alone.
        descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        _check_same(os.fstat(descriptor), path, expected)
        if expected.st_size > _MAX_SIZE_BYTES:
            raise DescriptionBroken(f"{path} is larger than 1 MiB, which no description is.", path=path)
        data = file.read(_MAX_SIZE_BYTES + 1)
        _check_same(os.fstat(descriptor), path, expected)
    if len(data) != expected.st_size:
        raise SourceChanged(f"{path} changed while it was being read.", path=path)
    return data


def _check_same(status: os.stat_result, path: str, expected: os.stat_result) -> None:
    seen = (expected.st_size, expected.st_mtime_ns)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != seen:
        raise SourceChanged(f"{path} changed while it was being read.", path=path)


def parse_description(data: bytes, path: str) -> FolderDescription:
    """Understand the bytes of a description file; ``path`` is for the sentences. Raises DescriptionBroken."""
    return _Parser(data, path).run()


class _BoundedLoader(yaml.SafeLoader):
    """A safe loader that also refuses a file which unfolds to a gigabyte by repeating itself."""

    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MAX_ALIASES:
                raise yaml.YAMLError("it repeats itself too often")
        return super().compose_node(parent, index)


class _Parser:
    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self._path = path
        self._lines: dict[str, int] = {}

    def run(self) -> FolderDescription:
        values = self._load()
        take = self._take
        collected = take(values, "collected", self._time)
        if collected is None:
            collected = take(values, "created", self._time)
        keywords = take(values, "tags", self._texts)
        if keywords is None:
            keywords = take(values, "keywords", self._texts)
        return FolderDescription(
            version=take(values, "version", self._text),
            name=take(values, "dataset_name", self._text) or None,
            collected=collected,
            text=take(values, "description", self._text) or "",
            attributes=take(values, "attributes", self._attributes) or {},
            keywords=tuple(dict.fromkeys(keywords or ())),
            skip=take(values, "skip", self._patterns) or (),
            thumbnails=(take(values, "thumbnails", self._texts) or ())[:MAX_THUMBNAILS],
            converters=take(values, "converters", self._converters) or {},
        )

    def _broken(self, line: int | None, what: str) -> DescriptionBroken:
        where = f"{self._path}, line {line}" if line else self._path
        return DescriptionBroken(f"{where}: {what}.", path=self._path)

    def _load(self) -> dict[str, Any]:
        try:
            loader = _BoundedLoader(self._data)
            try:
                return self._values(loader)
            finally:
                loader.dispose()
        except yaml.reader.ReaderError as error:
            position = error.position if isinstance(error.position, int) else 0
            line = self._data.count(b"\n", 0, position) + 1
            raise self._broken(line, "it is not UTF-8 text; save it with the encoding UTF-8") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._broken(None if mark is None else mark.line + 1, str(error.problem or error.context)) from error
        except yaml.YAMLError as error:
            raise self._broken(None, str(error)) from error
        except RecursionError as error:
            raise self._broken(None, "it is nested too deeply") from error
        except (ValueError, OverflowError, UnicodeError) as error:
            raise self._broken(None, f"it cannot be understood ({error})") from error

    def _values(self, loader: _BoundedLoader) -> dict[str, Any]:
        root = loader.get_single_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == "tag:yaml.org,2002:null"):
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise self._broken(root.start_mark.line + 1, "it must be a list of 'key: value' lines")
        loader.flatten_mapping(root)
        values: dict[str, Any] = {}
        for key_node, value_node in root.value:
            line = key_node.start_mark.line + 1
            key = str(self._constructed(loader, key_node, line))
            if key in values:
                raise self._broken(line, f"{key!r} is given a second time (first in line {self._lines[key]})")
            self._lines[key] = value_node.start_mark.line + 1
            values[key] = self._constructed(loader, value_node, self._lines[key])
        return values

    def _constructed(self, loader: _BoundedLoader, node: yaml.Node, line: int) -> Any:
        try:
            return loader.construct_document(node)
        except (ValueError, OverflowError, TypeError) as error:
            raise self._broken(line, f"the value cannot be understood ({error})") from error

    def _take(self, values: Mapping[str, Any], key: str, understand: Callable[[str, Any], Any]) -> Any:
        value = values.get(key)
        return None if value is None else understand(key, value)

    def _wrong(self, key: str, what: str) -> DescriptionBroken:
        return self._broken(self._lines.get(key), f"{key!r} {what}")

    def _text(self, key: str, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int, float, datetime.date)):
            raise self._wrong(key, "must be text")
        return self._clean(key, value.isoformat() if isinstance(value, datetime.date) else str(value)).strip()

    def _clean(self, key: str, text: str) -> str:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise self._wrong(key, "holds half a character, which no text file can") from error
        if "\x00" in text:
            raise self._wrong(key, "holds a NUL character")
        return text

    def _texts(self, key: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        return tuple(text for item in items if item is not None and (text := self._text(key, item)))

    def _patterns(self, key: str, value: Any) -> tuple[str, ...]:
        from etiket_gui.backends.folder.ignoring import check_pattern

        patterns = self._texts(key, value)
        for pattern in patterns:
            try:
                check_pattern(pattern)
            except ValueError as error:
                raise self._wrong(key, f"cannot be used: {error}") from error
        return patterns

    def _time(self, key: str, value: Any) -> str:
        if isinstance(value, datetime.date):
            return value.isoformat()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= _UNIX_SECONDS_FROM:
            raise self._wrong(key, "is a bare number; write a date and time such as 2026-01-02T03:04:05")
        text = self._text(key, value)
        if not text:
            raise self._wrong(key, "is empty")
        # "2026-01-02 03:04:05 +01:00" is how YAML itself writes a zone.
        candidate = re.sub(r"\s+(?=(?:[+-]\d{1,2}(?::?\d\d)?|Z)$)", "", text)
        for form in (candidate, re.sub(r"([+-])(\d)(?=$|:)", r"\g<1>0\2", candidate)):
            try:
                datetime.datetime.fromisoformat(form)
            except ValueError:
                continue
            return form
        raise self._wrong(key, f"is {text!r}; write a date and time such as 2026-01-02T03:04:05")

    def _attributes(self, key: str, value: Any) -> dict[str, Scalar]:
        if not isinstance(value, dict):
            raise self._wrong(key, "must be a list of 'name: value' lines")
        return {self._text(key, name): self._scalar(key, name, item) for name, item in value.items()}

    def _scalar(self, key: str, name: Any, value: Any) -> Scalar:
        if isinstance(value, datetime.date):
            return value.isoformat()
        if isinstance(value, str):
            return self._clean(key, value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        raise self._wrong(key, f"must be flat: the value of {str(name)!r} is a list or a map")

    def _converters(self, key: str, value: Any) -> dict[str, dict[str, str]]:
        if not isinstance(value, dict):
            raise self._wrong(key, "must map a converter's name to its module and class")
        found: dict[str, dict[str, str]] = {}
        for name, place in value.items():
            if not _CONVERTER_NAME.fullmatch(str(name)) or not isinstance(place, dict):
                raise self._wrong(key, "needs entries such as 'csv_to_hdf5_converter: {module: …, class: …}'")
            found[self._text(key, name)] = {
                part: self._text(key, place[part]) for part in ("module", "class") if place.get(part) is not None
            }
        return found
