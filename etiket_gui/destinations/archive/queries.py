"""What a person means who asks an archive for a dataset: a uuid or its beginning, a title, an identifier, a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etiket_gui.destinations.api import StoredDataset

_HEX = re.compile(r"[0-9a-f]+")
_TAIL = re.compile(r".*-([0-9a-f]{12})(?:-\d+)?")
_DASHES_AT = (8, 12, 16, 20)
_UUID_LENGTH = 36
_SHORTEST_PREFIX = 6


def _as_uuid_start(text: str) -> str:
    """The beginning of a uuid with its dashes in place, or "" where the text cannot be one."""
    digits = text.lower().replace("-", "")
    if not _SHORTEST_PREFIX <= len(digits) <= 32 or not _HEX.fullmatch(digits):
        return ""
    pieces = [digits[start:end] for start, end in zip((0, *_DASHES_AT), (*_DASHES_AT, 32), strict=True)]
    whole = "-".join(piece for piece in pieces if piece)
    given = text.lower().rstrip("-")
    return whole if given in {whole, digits} else ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, taken apart once. ``uuid_start`` is "" where the text cannot begin a uuid."""

    text: str
    uuid_start: str
    workspace: str
    title: str

    @classmethod
    def of(cls, text: str) -> Query | None:
        """The question in a text; None where nothing was asked."""
        if not text.strip():
            return None
        workspace, separator, title = text.partition("/")
        if not separator:
            workspace, title = "", text
        start = _as_uuid_start(text)
        if not start and (tail := _TAIL.fullmatch(title)):
            start = _as_uuid_start(tail.group(1))
        return cls(start if len(start) == _UUID_LENGTH else text, start, workspace, title)

    @property
    def is_uuid(self) -> bool:
        """Whether one whole uuid was asked for."""
        return len(self.uuid_start) == _UUID_LENGTH

    def is_pointer(self, name: str) -> bool:
        """Whether a title pointer of that file name belongs to what is asked for."""
        return name.startswith(self.uuid_start) and name[_UUID_LENGTH : _UUID_LENGTH + 1] == "@"

    def may_be_title(self, title: str) -> bool:
        """Whether a title folder of that name can belong to the uuid asked for."""
        tail = _TAIL.fullmatch(title)
        return tail is not None and tail.group(1) == self.uuid_start.replace("-", "")[:12]

    def names(self, dataset: StoredDataset) -> bool:
        """Whether the question means this dataset."""
        reference, description = dataset.reference, dataset.description
        remote = dataset.newest.remote
        if self.uuid_start and _as_uuid_start(self.text) and reference.uuid.startswith(self.uuid_start):
            return True
        return self.text in {
            reference.identifier,
            description.identifier,
            description.name,
            remote,
            remote.partition("/")[2],
            *description.previous_identifiers,
        }


def is_wanted_by(words: Sequence[str], dataset: StoredDataset) -> bool:
    """Whether every one of the case-folded words occurs in what is known about the dataset."""
    description = dataset.description
    parts = [
        description.name,
        description.identifier,
        dataset.reference.identifier,
        description.text,
        dataset.newest.remote,
        *description.keywords,
        *description.previous_identifiers,
    ]
    for key, value in description.attributes.items():
        parts.append(key)
        parts.append("" if value is None else str(value))
    text = "\n".join(parts).casefold()
    return all(word in text for word in words)
