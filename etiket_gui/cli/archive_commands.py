"""The commands that get data back: versions, restore, search; they work with an empty home, too."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from etiket_gui.cli import rebuilding
from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import count_text, iso_time, local_time, quoted, size_text
from etiket_gui.cli.progress import ByteProgress
from etiket_gui.cli.session import CommandLine, Session, stop_on_interrupt
from etiket_gui.cli.values import options_from_text
from etiket_gui.destinations import choosing
from etiket_gui.destinations.api import Destination, RestoreMethod, StoredDataset, StoredVersion
from etiket_gui.domain.errors import EtiketError, Stopped, UsageError
from etiket_gui.domain.stopping import StopToken

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Place:
    """A destination that is asked, and what a person calls it."""

    name: str
    destination: Destination


@dataclass(frozen=True, slots=True)
class Located:
    """Where one dataset is stored."""

    place: Place
    remote: str
    scope: str
    uuid: str
    name: str


def places(session: Session, wanted: str | None) -> list[Place]:
    """The destinations to ask: the wanted one (a name, or KIND:ADDRESS of one that is not configured), else all."""
    if wanted is None:
        rows = session.reader().destinations() if session.has_store else ()
        if not rows:
            raise UsageError(
                "This home knows no destination to look into.",
                advice="Name one: --from archive:PATH",
            )
        found = [Place(row.name, session.destination_of(row)) for row in rows]
        return sorted(found, key=lambda place: not place.destination.capabilities.is_local)
    kind, colon, address = wanted.partition(":")
    if not colon:
        row = session.destination_named(wanted) if session.has_store else None
        if row is None:
            raise UsageError(
                f"This home knows no destination {wanted!r}.", advice="Name it by its address: --from archive:PATH"
            )
        return [Place(row.name, session.destination_of(row))]
    return [Place(wanted, _by_address(session, kind, address))]


def _by_address(session: Session, kind: str, address: str) -> Destination:
    from etiket_gui.destinations.registry import load_destination

    its_class = load_destination(kind)
    required = [name for name, field in its_class.config_class.model_fields.items() if field.is_required()]
    if len(required) != 1:
        raise UsageError(
            f"A destination of the kind {kind} is not described by an address alone.",
            advice=f"Add it first: etiket-sync add-destination {kind} NAME …",
        )
    return session.destination(kind, "", options_from_text(its_class.config_class, [f"{required[0]}={address}"]))


def located(session: Session, query: str, wanted: str | None, stop: StopToken) -> list[Located]:
    """Where a dataset is stored, best place first. Raises UsageError when nobody knows it, or when it is not unique."""
    asked = places(session, wanted)
    tracked = _tracked(session, query)
    found: list[Located] = []
    failure: EtiketError | None = None
    for place in asked:
        known = tracked.get(place.name)
        if known is not None:
            found.append(Located(place, *known))
            continue
        try:
            stored = place.destination.resolve(tracked[""][2] if "" in tracked else query, stop)
        except EtiketError as error:
            if isinstance(error, Stopped):
                raise
            failure = error
            continue
        found.extend(_only(query, place, stored))
    if found:
        return found
    if failure is not None:
        raise failure
    where = ", ".join(place.name for place in asked)
    raise UsageError(
        f"No dataset at {where} has the uuid, identifier or exact name {query!r}.",
        advice="Look for it: etiket-sync search TEXT",
    )


def _only(query: str, place: Place, stored: Sequence[StoredDataset]) -> Iterator[Located]:
    if len(stored) > 1:
        listed = "; ".join(
            f"{item.description.name} ({item.description.collected or 'no date'}): {item.reference.uuid}"
            for item in stored[:10]
        )
        raise UsageError(f"{query!r} means {len(stored)} datasets at {place.name}: {listed}.", advice="Name the uuid.")
    for item in stored:
        yield Located(place, item.newest.remote, item.scope, item.reference.uuid, item.description.name)


def _tracked(session: Session, query: str) -> dict[str, tuple[str, str, str, str]]:
    """(remote, scope, uuid, name) by destination as the store knows them; under "" what does not need a destination."""
    if not session.has_store:
        return {}
    reader = session.reader()
    row = reader.find_dataset(query)
    if row is None:
        return {}
    names = {destination.id: destination.name for destination in reader.destinations()}
    found = {"": ("", "", row.uuid, row.name)}
    for transfer in reader.transfers(row.id):
        if transfer.remote:
            found[names[transfer.destination_id]] = (transfer.remote, transfer.scope, row.uuid, row.name)
    return found


def from_each(
    session: Session, asked: Sequence[_Asked], ask: Callable[[_Asked], Sequence[_Answer]]
) -> list[tuple[_Asked, Sequence[_Answer]]]:
    """What each gives; one that fails is told and left out, unless all of them fail."""
    given: list[tuple[_Asked, Sequence[_Answer]]] = []
    failures: list[EtiketError] = []
    for item in asked:
        try:
            given.append((item, ask(item)))
        except EtiketError as error:
            if isinstance(error, Stopped) or len(failures) + 1 == len(asked):
                raise
            failures.append(error)
    for failure in failures:
        session.output.message(f"Left out: {failure.reason}")
    return given


# -- versions --------------------------------------------------------------------------------------------------------


def _configure_from(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="place", metavar="DESTINATION", help="a destination's name, or archive:PATH without any home"
    )


def _configure_versions(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="uuid, unique prefix, identifier, PID or exact name")
    _configure_from(parser)


def _versions(session: Session, arguments: Namespace) -> int:
    with stop_on_interrupt() as stop:
        found = [
            (item, version)
            for item, versions in from_each(
                session,
                located(session, arguments.dataset, arguments.place, stop),
                lambda item: item.place.destination.versions(item.remote, item.scope),
            )
            for version in versions
        ]
    if session.output.is_json:
        session.output.json([_version_json(item, version) for item, version in found])
        return ExitCode.OK
    session.output.table(
        ("DESTINATION", "VERSION", "STORED", "FILES", "SIZE", "REMARK"),
        (
            (
                item.place.name,
                version.version,
                local_time(version.published_at_ns),
                version.file_count,
                size_text(version.size_bytes),
                "still measuring" if version.is_provisional else "",
            )
            for item, version in found
        ),
        right=(3, 4),
    )
    return ExitCode.OK


def _version_json(item: Located, version: StoredVersion) -> dict[str, Any]:
    return {
        "destination": item.place.name,
        "uuid": item.uuid,
        "name": item.name,
        "remote": version.remote,
        "scope": item.scope,
        "version": version.version,
        "digest": version.digest,
        "published_at": iso_time(version.published_at_ns),
        "is_provisional": version.is_provisional,
        "file_count": version.file_count,
        "size_bytes": version.size_bytes,
    }


# -- restore ---------------------------------------------------------------------------------------------------------


def _configure_restore(parser: ArgumentParser) -> None:
    names = "uuid, unique prefix, identifier or exact name"
    parser.add_argument("dataset", nargs="+", metavar="DATASET[==VERSION]", help=names)
    parser.add_argument("--to", metavar="DIR", help="a folder of the dataset's name is made in it")
    _configure_from(parser)
    parser.add_argument("--link", action="store_true", help="links to what is stored instead of copies")
    parser.add_argument(
        "--intact", action="store_true", help="where no copy is whole: the intact files, into DIR/NAME (incomplete)"
    )
    parser.add_argument(
        "--as", dest="form", nargs=2, metavar=("FORM", "FILE"), help="qcodes-db FILE: a QCoDeS database of the runs"
    )


def _restore(session: Session, arguments: Namespace) -> int:
    rebuilding.check_form(arguments)
    method = RestoreMethod.LINK if arguments.link else RestoreMethod.COPY
    with stop_on_interrupt() as stop:
        if arguments.form is not None:
            return rebuilding.restore_as(session, arguments, partial(_bring, session, arguments.place), stop)
        found, wanted = _with_version(session, arguments.dataset[0], arguments.place, stop)
        if arguments.link:
            able = [item for item in found if item.place.destination.capabilities.restores_by_link]
            if not able:
                raise UsageError(f"{found[0].place.name} cannot give links to what it holds. Restore without --link.")
            found = able
        folder = os.path.abspath(os.path.expanduser(arguments.to))
        target = Path(folder, choosing.folder_name(found[0].name))
        _refuse_what_is_there(target)
        try:
            return _fetch_from_first(session, found, wanted, target, method, stop)
        except EtiketError as error:
            if not arguments.intact or isinstance(error, UsageError | Stopped):
                raise
            session.output.message(error.reason)
        target = target.with_name(choosing.incomplete_name(target.name))
        _refuse_what_is_there(target)
        return _fetch_from_first(session, found, wanted, target, method, stop, leaves_out_damaged=True)


def _refuse_what_is_there(target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(
            f"{target} is there already, and nothing is overwritten.", advice="Name another folder with --to DIR."
        )


def _bring(session: Session, place: str | None, text: str, target: Path, stop: StopToken) -> None:
    """Restore one dataset into a new folder, from the best place that has it, and say nothing of it."""
    found, wanted = _with_version(session, text, place, stop)
    version = chosen_version(found[0], wanted)
    with ByteProgress(session.output, f"Restoring {found[0].name}", stop, total=version.size_bytes) as progress:
        found[0].place.destination.fetch(
            version.remote, version.version, found[0].scope, target, RestoreMethod.COPY, progress, stop
        )


def _with_version(
    session: Session, text: str, wanted_place: str | None, stop: StopToken
) -> tuple[list[Located], str | None]:
    query, equals, version = text.rpartition("==")
    if equals and query and version:
        try:
            return located(session, query, wanted_place, stop), version
        except UsageError as error:
            try:
                return located(session, text, wanted_place, stop), None
            except UsageError:
                raise error from None
    return located(session, text, wanted_place, stop), None


def _fetch_from_first(
    session: Session,
    found: Sequence[Located],
    wanted: str | None,
    target: Path,
    method: RestoreMethod,
    stop: StopToken,
    *,
    leaves_out_damaged: bool = False,
) -> int:
    """Restore from the first place that gives the dataset back; the next one is tried when a copy is damaged."""
    for number, item in enumerate(found, start=1):
        try:
            return _fetch(session, item, wanted, target, method, stop, leaves_out_damaged=leaves_out_damaged)
        except EtiketError as error:
            if isinstance(error, Stopped) or number == len(found):
                raise
            session.output.message(f"Not from {item.place.name}: {error.reason} Trying the next destination.")
    raise AssertionError


def _fetch(
    session: Session,
    item: Located,
    wanted: str | None,
    target: Path,
    method: RestoreMethod,
    stop: StopToken,
    *,
    leaves_out_damaged: bool,
) -> int:
    version = chosen_version(item, wanted)
    try:
        os.makedirs(target.parent, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{target.parent} cannot be made: {error.strerror}.", path=str(target.parent)) from error
    begun_s = time.monotonic()
    with ByteProgress(session.output, f"Restoring {item.name}", stop, total=version.size_bytes) as progress:
        report = item.place.destination.fetch(
            version.remote, version.version, item.scope, target, method, progress, stop,
            leaves_out_damaged=leaves_out_damaged,
        )  # fmt: skip
    ended = ExitCode.DIFFERENCE if report.left_out else ExitCode.OK
    what = f"{count_text(report.file_count, 'file')}, {size_text(report.size_bytes)}"
    session.note(f"Restored {item.name} {report.version} from {item.place.name} to {report.folder} ({what})")
    if session.output.is_json:
        session.output.json(
            {
                "folder": report.folder,
                "uuid": item.uuid,
                "name": item.name,
                "version": report.version,
                "destination": item.place.name,
                "file_count": report.file_count,
                "size_bytes": report.size_bytes,
                "method": method.value,
                "duration_s": round(time.monotonic() - begun_s, 3),
                "notes": list(report.notes),
                "left_out": list(report.left_out),
            }
        )
        return ended
    session.output.line(f"Restored {item.name} {report.version} from {item.place.name} ({what}):")
    session.output.line(report.folder)
    for note in report.notes:
        session.output.message(note)
    return ended


def chosen_version(item: Located, wanted: str | None) -> StoredVersion:
    """The wanted version, else the newest complete one, else the newest. Raises UsageError that lists what there is."""
    versions = item.place.destination.versions(item.remote, item.scope)
    return choosing.chosen_version(versions, wanted, dataset=item.name, place=item.place.name)


# -- search ----------------------------------------------------------------------------------------------------------


def _configure_search(parser: ArgumentParser) -> None:
    parser.add_argument("text", nargs="+", metavar="TEXT", help="words that all occur")
    _configure_from(parser)


def _search(session: Session, arguments: Namespace) -> int:
    text = " ".join(arguments.text)
    with stop_on_interrupt() as stop:
        rows = [
            (place, item)
            for place, found in from_each(
                session,
                places(session, arguments.place),
                lambda place: list(place.destination.search(text, stop)),
            )
            for item in found
        ]
        stop.check()
    if session.output.is_json:
        session.output.json([_found_json(place, item) for place, item in rows])
        return ExitCode.OK
    if not rows:
        session.output.message(f"Nothing stored has all of these words: {text}")
        return ExitCode.OK
    session.output.table(
        ("NAME", "COLLECTED", "SOURCE", "DESTINATION", "VERSION", "SIZE", "UUID"),
        (
            (
                item.description.name,
                item.description.collected or "",
                item.reference.source_name,
                place.name,
                item.newest.version,
                size_text(item.newest.size_bytes),
                item.reference.uuid[:8],
            )
            for place, item in rows
        ),
        right=(5,),
    )
    first = quoted(rows[0][1].reference.uuid[:8])
    come_from = f" --from {quoted(arguments.place)}" if arguments.place else ""
    session.output.message(f"Get one back: etiket-sync restore {first}{come_from} --to DIR")
    return ExitCode.OK


def _found_json(place: Place, item: StoredDataset) -> dict[str, Any]:
    return {
        "destination": place.name,
        "uuid": item.reference.uuid,
        "name": item.description.name,
        "identifier": item.reference.identifier,
        "source": item.reference.source_name,
        "collected": item.description.collected,
        "scope": item.scope,
        "remote": item.newest.remote,
        "version": item.newest.version,
        "published_at": iso_time(item.newest.published_at_ns),
        "size_bytes": item.newest.size_bytes,
        "file_count": item.newest.file_count,
        "attributes": dict(item.description.attributes),
        "keywords": list(item.description.keywords),
    }


COMMANDS = {
    "versions": CommandLine(_configure_versions, _versions),
    "restore": CommandLine(
        _configure_restore,
        _restore,
        epilog="example: etiket-sync restore 'resonator scan==1.0.0' --from archive:/data/archive --to ~/restored",
    ),
    "search": CommandLine(_configure_search, _search),
}
