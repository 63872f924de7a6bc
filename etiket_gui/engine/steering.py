"""Carries out the commands that change what is configured and what is to be done; the same for every client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from etiket_gui.domain import guards
from etiket_gui.domain.commands import (
    AddDestination,
    AddSource,
    Command,
    EditDestination,
    EditSource,
    HoldSync,
    IgnoreDatasets,
    NoteActivity,
    PauseSync,
    RecordVerification,
    RemoveDestination,
    RemoveSource,
    Reply,
    ResumeSync,
    RetryTransfers,
)
from etiket_gui.domain.errors import EtiketError, StoreProblem, UsageError
from etiket_gui.domain.identity import new_source_uuid
from etiket_gui.domain.names import display
from etiket_gui.domain.states import SourceState
from etiket_gui.engine.mass_change import ANSWER, is_edit_of_rules
from etiket_gui.settings.configuration_rules import Place, check_name, check_places_apart, places_of

if TYPE_CHECKING:
    from etiket_gui.settings.home import Home
    from etiket_gui.store.reader import StoreReader
    from etiket_gui.store.rows import DestinationRow, SourceRow
    from etiket_gui.store.writer import StoreWriter

logger = logging.getLogger(__name__)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Row = TypeVar("_Row", bound=_Named)


class Steering:
    """Applies commands to the store; used by whoever holds the home's lock, on the thread that owns the writer."""

    def __init__(
        self, writer: StoreWriter, reader: StoreReader, home: Home, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._home = home
        self._now_ns = now_ns

    def apply(self, command: Command, by: str = "") -> Reply:
        """Carry out one command. A known failure becomes a reply that says no and changes nothing.

        ``by``: where it was asked for, as in "in the window".

        Raises StoreProblem: then the transaction around it is undone as a whole.
        """
        try:
            reply = self._apply(command, by)
        except StoreProblem:
            raise
        except EtiketError as error:
            return Reply(is_ok=False, sentence=error.reason, error=error.to_json())
        logger.info("%s: %s", type(command).__name__, reply.sentence)
        return reply

    def _apply(self, command: Command, by: str) -> Reply:
        match command:
            case PauseSync() | HoldSync() | ResumeSync():
                return self._steer(command, by)
            case RetryTransfers():
                return self._retry(command)
            case IgnoreDatasets():
                return self._ignore(command)
            case NoteActivity():
                self._writer.add_activity(_with(command.sentence, by), dataset_id=command.dataset_id)
                return Reply(True)
            case RecordVerification():
                return self._record_verification(command)
            case AddSource():
                return self._add_source(command)
            case EditSource():
                return self._edit_source(command)
            case RemoveSource():
                return self._remove_source(command)
            case AddDestination():
                return self._add_destination(command)
            case EditDestination():
                return self._edit_destination(command)
            case RemoveDestination():
                return self._remove_destination(command)
        raise UsageError(f"{type(command).__name__} needs a running engine. Start it with: etiket-sync run")

    # -- what is to be done ------------------------------------------------------------------------------------------

    def _steer(self, command: PauseSync | HoldSync | ResumeSync, by: str) -> Reply:
        now_ns = self._now_ns()
        present = self._reader.steering()
        paused_ns, held_ns = present.paused_until_ns, present.held_until_ns
        match command:
            case PauseSync(until_ns):
                if until_ns != -1 and until_ns <= now_ns:
                    raise UsageError("The pause would end before it begins.")
                paused_ns = until_ns
                sentence = "Sending is paused until it is resumed. Looking goes on."
                if until_ns != -1:
                    sentence = f"Sending is paused until {_clock(until_ns, now_ns)}. Looking goes on."
            case HoldSync(until_ns):
                if until_ns != -1 and until_ns <= now_ns:
                    raise UsageError("The hold would end before it begins.")
                held_ns = until_ns
                until = "it is resumed" if until_ns == -1 else _clock(until_ns, now_ns)
                sentence = f"Nothing is touched until {until}."
            case _:
                sentence = "Nothing was paused or held."
                if _is_ahead(paused_ns, now_ns) or _is_ahead(held_ns, now_ns):
                    sentence = "The pause and the hold are over; the work goes on."
                paused_ns = held_ns = 0
        is_news = (paused_ns, held_ns) != (present.paused_until_ns, present.held_until_ns)
        with self._writer.batch():
            if guards.is_on("steering-is-kept"):
                self._writer.set_steering(paused_ns, held_ns)
            if is_news and not sentence.startswith("Nothing was"):
                what, _, rest = sentence.partition(". ")
                self._writer.add_activity(f"{_with(what, by)} {rest}".strip() if by else sentence)
        return Reply(True, sentence, {"paused_until_ns": paused_ns, "held_until_ns": held_ns})

    def _retry(self, command: RetryTransfers) -> Reply:
        ids = tuple(int(dataset_id) for dataset_id in command.dataset_ids)
        asking = 0
        with self._writer.batch():
            if ids:
                count = self._writer.retry(ids)
            else:
                count = self._writer.retry(source_id=command.source_id)
                for source in self._reader.sources() if command.is_answer else ():
                    if command.source_id in {None, source.id}:
                        self._writer.release_source(source.id)
                        if source.state is SourceState.ASKING:
                            # Kept for the next start where no engine hears it now.
                            self._writer.save_checkpoint(source.uuid, ANSWER, {})
                            asking += 1
        what = "transfer is" if count == 1 else "transfers are"
        sentence = f"{count} failed {what} tried again." if count else "Nothing had failed; nothing to try again."
        if asking:
            sentence = "The many changes are taken as meant. " + (sentence if count else "They are archived now.")
        return Reply(True, sentence, {"count": count})

    def _ignore(self, command: IgnoreDatasets) -> Reply:
        ids = tuple(int(dataset_id) for dataset_id in command.dataset_ids)
        for dataset_id in ids:
            if self._reader.dataset(dataset_id) is None:
                raise UsageError(f"There is no dataset with the number {dataset_id}.")
        self._writer.ignore(ids)
        kept = sum(any(row.version for row in self._reader.transfers(dataset_id)) for dataset_id in ids)
        sentence = f"{_datasets(len(ids))} left out from now on."
        if kept:
            sentence += f" What was archived of {_these(kept, len(ids))} stays archived."
        return Reply(True, sentence, {"count": len(ids), "kept_count": kept})

    def _record_verification(self, command: RecordVerification) -> Reply:
        different = 0
        with self._writer.batch():
            for transfer_id, verified_at_ns, is_proven, differences in command.results:
                self._writer.record_verification(transfer_id, verified_at_ns, is_proven, tuple(differences))
                different += bool(differences)
        sentence = f"{len(command.results)} verified copies are written down, {different} of them with differences."
        return Reply(True, sentence, {"count": len(command.results), "different_count": different})

    # -- sources -----------------------------------------------------------------------------------------------------

    def _add_source(self, command: AddSource) -> Reply:
        name = check_name("source", command.name)
        sources = self._reader.sources()
        _check_unused("source", name, sources)
        routes = self._routes(name, command.routes)
        if not routes:
            raise UsageError(f"The source {name} has no destination, so nothing of it would be archived.")
        self._check_places(places_of("source", name, command.config))
        uuid = command.uuid or new_source_uuid()
        continued = next((source for source in sources if source.uuid == uuid), None)
        if continued is not None:
            raise UsageError(f"That source is here already, with the name {continued.name}.")
        with self._writer.batch():
            row = self._writer.add_source(
                uuid, name, command.backend, dict(command.config), routes, since_ns=command.since_ns
            )
            self._writer.add_activity(f"The source {name} was added.", source_id=row.id)
        return Reply(True, f"The source {name} is added.", {"id": row.id, "uuid": row.uuid, "name": row.name})

    def _edit_source(self, command: EditSource) -> Reply:
        sources = self._reader.sources()
        source = named("source", command.name, sources)
        others = [row for row in sources if row.id != source.id]
        name = source.name
        if command.new_name is not None:
            name = check_name("source", command.new_name)
            _check_unused("source", name, others)
        if command.config is not None:
            self._check_places(places_of("source", name, command.config), without_source=source.id)
        routes = None if command.routes is None else self._routes(name, command.routes)
        if routes is not None and not routes:
            raise UsageError(f"The source {name} would have no destination left, so nothing of it would be archived.")
        with self._writer.batch():
            self._writer.edit_source(
                source.id,
                name=name if name != source.name else None,
                config=None if command.config is None else dict(command.config),
                is_enabled=command.is_enabled,
                routes=routes,
                since_ns=command.since_ns,
            )
            is_meant = command.config is not None and is_edit_of_rules(source.config, command.config)
            if is_meant and source.state is not SourceState.ASKING:
                # What the next scan finds changed by the new rules needs no question; one that is open stays open.
                self._writer.save_checkpoint(source.uuid, ANSWER, {})
            self._writer.add_activity(f"The source {name} was changed.", source_id=source.id)
        return Reply(True, f"The source {name} is changed.", {"id": source.id, "uuid": source.uuid, "name": name})

    def _remove_source(self, command: RemoveSource) -> Reply:
        source = named("source", command.name, self._reader.sources())
        with self._writer.batch():
            self._writer.remove_source(source.id)
            self._writer.add_activity(f"The source {source.name} was removed; what is archived stays.")
        return Reply(True, f"The source {source.name} is removed. What is archived stays.", {"uuid": source.uuid})

    def _routes(self, source: str, wanted: Iterable[Sequence[str]]) -> list[tuple[int, str]]:
        destinations = self._reader.destinations()
        routes: list[tuple[int, str]] = []
        for destination, scope in wanted:
            row = named("destination", destination, destinations)
            if any(row.id == known for known, _ in routes):
                raise UsageError(f"The source {source} would go to {row.name} twice.")
            routes.append((row.id, scope))
        return routes

    # -- destinations ------------------------------------------------------------------------------------------------

    def _add_destination(self, command: AddDestination) -> Reply:
        name = check_name("destination", command.name)
        destinations = self._reader.destinations()
        _check_unused("destination", name, destinations)
        self._check_places(places_of("destination", name, command.config))
        same = next((row for row in destinations if row.kind == command.kind and row.config == command.config), None)
        if same is not None:
            raise UsageError(f"That destination is here already, with the name {same.name}.")
        uuid = command.uuid or new_source_uuid()
        with self._writer.batch():
            row = self._writer.add_destination(uuid, name, command.kind, dict(command.config))
            self._writer.add_activity(f"The destination {name} was added.")
        return Reply(True, f"The destination {name} is added.", {"id": row.id, "uuid": row.uuid, "name": row.name})

    def _edit_destination(self, command: EditDestination) -> Reply:
        destinations = self._reader.destinations()
        destination = named("destination", command.name, destinations)
        name = destination.name
        if command.new_name is not None:
            name = check_name("destination", command.new_name)
            _check_unused("destination", name, [row for row in destinations if row.id != destination.id])
        if command.config is not None:
            self._check_places(places_of("destination", name, command.config), without_destination=destination.id)
        with self._writer.batch():
            self._writer.edit_destination(
                destination.id,
                name=name if name != destination.name else None,
                config=None if command.config is None else dict(command.config),
            )
            self._writer.add_activity(f"The destination {name} was changed.")
        value = {"id": destination.id, "uuid": destination.uuid, "name": name}
        return Reply(True, f"The destination {name} is changed.", value)

    def _remove_destination(self, command: RemoveDestination) -> Reply:
        destination = named("destination", command.name, self._reader.destinations())
        routes = self._reader.routes()
        to_it = {route.source_id for route in routes if route.destination_id == destination.id}
        elsewhere = {route.source_id for route in routes if route.destination_id != destination.id}
        stranded = [row.name for row in self._reader.sources() if row.id in to_it - elsewhere]
        if stranded:
            raise UsageError(
                f"{destination.name} is the only destination of {', '.join(stranded)}. "
                "Give these sources another one first (edit-source NAME --to OTHER), or remove them."
            )
        with self._writer.batch():
            self._writer.remove_destination(destination.id)
            self._writer.add_activity(f"The destination {destination.name} was removed; what is archived there stays.")
        sentence = f"The destination {destination.name} is removed. What is archived there stays."
        return Reply(True, sentence, {"uuid": destination.uuid})

    # -- what several of them need -----------------------------------------------------------------------------------

    def _check_places(
        self, new: Sequence[Place], *, without_source: int | None = None, without_destination: int | None = None
    ) -> None:
        # Paths are compared as they are written: resolving links could hang on an unreachable share. Clients, which
        # may wait, compare what the paths lead to as well.
        check_places_apart(
            new,
            present_places(
                [row for row in self._reader.sources() if row.id != without_source],
                [row for row in self._reader.destinations() if row.id != without_destination],
            ),
            follows_links=False,
        )


def present_places(sources: Iterable[SourceRow], destinations: Iterable[DestinationRow]) -> list[Place]:
    """The places of everything that is configured."""
    places = [place for row in sources for place in places_of("source", row.name, row.config)]
    places.extend(place for row in destinations for place in places_of("destination", row.name, row.config))
    return places


def named(kind: str, name: str, rows: Sequence[_Row]) -> _Row:
    """The row of that name. Raises UsageError that tells which names there are."""
    for row in rows:
        if row.name == name:
            return row
    known = ", ".join(row.name for row in rows)
    raise UsageError(
        f"There is no {kind} with the name {display(name)}. "
        + (f"There are: {known}." if known else f"No {kind} is configured yet.")
    )


def _check_unused(kind: str, name: str, rows: Iterable[_Named]) -> None:
    for row in rows:
        if row.name.casefold() == name.casefold():
            raise UsageError(f"There is already a {kind} with the name {row.name}. Choose another name.")


def _with(sentence: str, by: str) -> str:
    """The sentence with where it was asked for: ``… until 14:30 (in the window).``"""
    return f"{sentence.rstrip('.')} ({by})." if by else sentence


def _is_ahead(until_ns: int, now_ns: int) -> bool:
    return until_ns == -1 or until_ns > now_ns


def _clock(time_ns: int, now_ns: int) -> str:
    from datetime import UTC, datetime

    then, now = (datetime.fromtimestamp(moment / 1e9, UTC).astimezone() for moment in (time_ns, now_ns))
    return then.strftime("%H:%M" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def _datasets(count: int) -> str:
    return "1 dataset is" if count == 1 else f"{count} datasets are"


def _these(kept: int, count: int) -> str:
    return "it" if kept == count == 1 else f"{kept} of them" if kept < count else "them"
