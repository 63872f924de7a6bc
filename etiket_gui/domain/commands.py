"""What a person or a program may ask of the engine, as frozen values; names are imperative."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.domain.errors import UsageError

#: Where a command came from, in words for the list of what happened.
BY_COMMAND_LINE = "on the command line"
BY_WINDOW = "in the window"


@dataclass(frozen=True, slots=True)
class Command:
    """Base of all commands."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the command's name; :func:`command_from_json` turns it back."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {"command": type(self).__name__, **fields}


@dataclass(frozen=True, slots=True)
class PauseSync(Command):
    """Send nothing until that time (ns since 1970 UTC; -1: until resumed). Looking goes on."""

    until_ns: int = -1


@dataclass(frozen=True, slots=True)
class ResumeSync(Command):
    """End a pause and a hold."""


@dataclass(frozen=True, slots=True)
class HoldSync(Command):
    """Touch nothing at all until that time (ns since 1970 UTC): a measurement must not be disturbed."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class RetryTransfers(Command):
    """Try again now what failed: these datasets, this source, or everything.

    Where no datasets are named and ``is_answer`` holds, this also says yes where the engine asked whether many changes
    are meant.
    """

    dataset_ids: tuple[int, ...] = ()
    source_id: int | None = None
    is_answer: bool = True


@dataclass(frozen=True, slots=True)
class IgnoreDatasets(Command):
    """Leave these datasets out from now on; what was archived stays."""

    dataset_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScanNow(Command):
    """Look through one source, or all of them, now."""

    source_id: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeNow(Command):
    """Look now whether one destination, or all of them, can be reached; nothing else is agreed to."""

    destination_id: int | None = None


@dataclass(frozen=True, slots=True)
class SignInChanged(Command):
    """The password of a source or a destination (its uuid) was given or removed: forget the old one and try now."""

    account: str


@dataclass(frozen=True, slots=True)
class AddSource(Command):
    """Register a source. ``routes`` are (destination name, scope or "") pairs; ``uuid`` continues an old source.

    ``since_ns`` (ns since 1970 UTC, 0: none): datasets that are older are ignored.
    """

    name: str
    backend: str
    config: Mapping[str, Any]
    routes: tuple[tuple[str, str], ...] = ()
    uuid: str = ""
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class EditSource(Command):
    """Change a source; None leaves a part as it is, and ``since_ns`` 0 takes all datasets, old ones too."""

    name: str
    new_name: str | None = None
    config: Mapping[str, Any] | None = None
    routes: tuple[tuple[str, str], ...] | None = None
    is_enabled: bool | None = None
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveSource(Command):
    """Forget a source; what is archived stays."""

    name: str


@dataclass(frozen=True, slots=True)
class AddDestination(Command):
    """Register a destination."""

    name: str
    kind: str
    config: Mapping[str, Any]
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class EditDestination(Command):
    """Change a destination; None leaves a part as it is."""

    name: str
    new_name: str | None = None
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RemoveDestination(Command):
    """Forget a destination; what is archived there stays."""

    name: str


@dataclass(frozen=True, slots=True)
class RecordVerification(Command):
    """Write down what a verification outside the engine found: (transfer id, verified ns, proven?, differences)."""

    results: tuple[tuple[int, int, bool, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class NoteActivity(Command):
    """Put into the list of what happened what was done beside the engine: restored, verified."""

    sentence: str
    dataset_id: int | None = None


@dataclass(frozen=True, slots=True)
class AskStatus(Command):
    """Tell what the engine is doing now."""


@dataclass(frozen=True, slots=True)
class ShowWindow(Command):
    """Raise the window of the running program."""


@dataclass(frozen=True, slots=True)
class ReloadSettings(Command):
    """Read the settings again and go by them from now on."""


@dataclass(frozen=True, slots=True)
class StopEngine(Command):
    """End the running engine cleanly."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a command: whether it was done, a sentence, and what it returns as JSON values."""

    is_ok: bool
    sentence: str = ""
    value: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``Reply(**object)`` turns it back."""
        return {"is_ok": self.is_ok, "sentence": self.sentence, "value": dict(self.value), "error": self.error}


COMMANDS: dict[str, type[Command]] = {
    kind.__name__: kind
    for kind in (
        PauseSync, ResumeSync, HoldSync, RetryTransfers, IgnoreDatasets, ScanNow, ProbeNow, SignInChanged, AddSource,
        EditSource, RemoveSource, AddDestination, EditDestination, RemoveDestination, RecordVerification, NoteActivity,
        AskStatus, ShowWindow, StopEngine,
    )
}  # fmt: skip


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def command_from_json(value: Mapping[str, Any]) -> Command:
    """The command of a JSON object. Raises UsageError for an unknown command or unknown fields."""
    name = str(value.get("command", ""))
    kind = COMMANDS.get(name)
    if kind is None:
        raise UsageError(f"{name!r} is not a command of this version.")
    try:
        return kind(**{key: _as_tuples(item) for key, item in value.items() if key != "command"})
    except TypeError as error:
        raise UsageError(f"{name}: {error}.") from error
