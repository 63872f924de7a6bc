"""The commands that add: detect, test, add-destination, add-source."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend, Recognition
from etiket_gui.backends.recognise import PathAnswer, recognise
from etiket_gui.cli import continuing
from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.output import quoted, size_text
from etiket_gui.cli.session import CommandLine, Session, stop_on_interrupt
from etiket_gui.cli.values import options_from_text
from etiket_gui.destinations.api import Destination, Probe
from etiket_gui.domain.commands import AddDestination, AddSource
from etiket_gui.domain.errors import EtiketError, SignInNeeded, UsageError
from etiket_gui.domain.names import from_portable, to_portable
from etiket_gui.engine.steering import named, present_places
from etiket_gui.settings.configuration_rules import check_name, check_places_apart, check_scopes, places_of
from etiket_gui.store.rows import DestinationRow, SourceRow

# -- detect ----------------------------------------------------------------------------------------------------------


def _configure_detect(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a folder or a file")


def _detect(session: Session, arguments: Namespace) -> int:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", arguments.path):
        raise UsageError(f"{arguments.path} is an address and not a path; give a file or a folder of this computer.")
    path = Path(os.path.abspath(os.path.expanduser(arguments.path)))
    answer = recognised(path)
    found = answer.recognitions
    code = ExitCode.OK if answer.best is not None and answer.best.options else ExitCode.WRONG_USE
    if session.output.is_json:
        session.output.json(
            {
                "path": answer.path,
                "sentence": answer.sentence,
                "is_archive": answer.is_archive,
                "recognised": [recognition_json(item) for item in found],
                "notes": list(answer.notes),
            }
        )
        return code
    for note in answer.notes:
        session.output.message(note)
    if not found:
        session.output.message(answer.sentence)
    for item in found:
        session.output.line(item.sentence)
        for warning in item.warnings:
            session.output.line(f"  Note: {warning}")
        if item.options:
            session.output.line(f"  Add it: {add_command(item, path)}")
    return code


def recognised(path: Path) -> PathAnswer:
    """What every backend makes of a path, the surest first. Raises UsageError when there is nothing at the path."""
    from etiket_gui.backends.registry import registry

    if not os.path.lexists(path):
        raise UsageError(f"There is nothing at {path}.", path=str(path))
    with stop_on_interrupt() as stop:
        return recognise(path, registry().usable(), stop)


def recognition_json(item: Recognition) -> dict[str, Any]:
    """A recognition as JSON values."""
    return {
        "backend": item.backend,
        "sentence": item.sentence,
        "options": _json_options(item.options),
        "confidence": item.confidence,
        "dataset_count": item.dataset_count,
        "warnings": list(item.warnings),
    }


def _json_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, os.PathLike) else value for key, value in options.items()}


def add_command(item: Recognition, path: Path) -> str:
    """The command that adds what was recognised, to be pasted."""
    words = ["etiket-sync", "add-source", item.backend, path.stem or "lab", *assignments(item.options)]
    return " ".join(quoted(word) for word in words)


def assignments(options: Mapping[str, Any]) -> list[str]:
    """Recognised options as KEY=VALUE texts, with paths as the operating system has them."""
    texts: list[str] = []
    for key, value in options.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            texts.append(f"{key}={from_portable(text) if os.path.isabs(text) else text}")
    return texts


# -- destinations ----------------------------------------------------------------------------------------------------


def _configure_test(parser: ArgumentParser) -> None:
    parser.add_argument("destination", metavar="DESTINATION", help="the name of a destination")


def _test(session: Session, arguments: Namespace) -> int:
    row = session.destination_named(arguments.destination)
    destination = session.destination_of(row)
    probe = destination.probe()
    if session.output.is_json:
        session.output.json({"name": row.name, "address": destination.address(destination.config), **probe_json(probe)})
    else:
        where = destination.address(destination.config)
        session.output.line(f"{row.name}: {where} {'can be used' if probe.is_usable else 'cannot be used now'}.")
        _tell_probe(session, probe)
    return ExitCode.OK if probe.is_usable else exit_code_of(probe.problems[0])


def probe_json(probe: Probe) -> dict[str, Any]:
    """What a probe found, as JSON values."""
    return {
        "is_usable": probe.is_usable,
        "problems": [problem.to_json() for problem in probe.problems],
        "identity": probe.identity or None,
        "free_bytes": probe.free_bytes,
        "total_bytes": probe.total_bytes,
        "notes": list(probe.notes),
    }


def _tell_probe(session: Session, probe: Probe) -> None:
    for problem in probe.problems:
        session.output.error(problem)
    for note in probe.notes:
        session.output.message(note)
    if probe.free_bytes is not None:
        session.output.line(f"{size_text(probe.free_bytes)} are free there.")


def _configure_add_destination(parser: ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help="for example archive; etiket-sync plugins lists them")
    parser.add_argument("name", metavar="NAME", help="how it is called from now on")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="its options; etiket-sync plugins lists them")


def _add_destination(session: Session, arguments: Namespace) -> int:
    add_destination(session, arguments.kind, arguments.name, arguments.options)
    return ExitCode.OK


def add_destination(session: Session, kind: str, name: str, assignments: Sequence[str]) -> None:
    """Make a destination ready, add it and say so. Raises the failure that keeps it from being used."""
    from etiket_gui.destinations.registry import load_destination

    check_name("destination", name)
    its_class = load_destination(kind)
    config = options_from_text(its_class.config_class, assignments)
    sources, destinations = _present(session)
    if any(row.name.casefold() == name.casefold() for row in destinations):
        raise UsageError(f"There is already a destination with the name {name}. Choose another name.")
    new = places_of("destination", name, config)
    check_places_apart(new, present_places(sources, destinations), follows_links=True)
    destination = session.destination(its_class.identifier, "", config)
    probe = _founded(destination)
    same = next((row for row in destinations if probe.identity and row.uuid == probe.identity), None)
    if same is not None:
        raise UsageError(f"That is the destination {same.name}, reached by another path. It is not added twice.")
    reply = session.steer(AddDestination(name, its_class.identifier, config, probe.identity))
    address = destination.address(destination.config)
    if session.output.is_json:
        value = {"name": name, "kind": its_class.identifier, "uuid": reply.value.get("uuid"), "config": config}
        session.output.json({**value, "address": address, **probe_json(probe)})
        return
    session.output.line(f"The destination {name} is added: {address}")
    for problem in probe.problems:
        session.output.error(problem)
    for note in probe.notes:
        session.output.message(note)
    if any(isinstance(problem, SignInNeeded) for problem in probe.problems):
        session.output.line(f"Sign in before anything is sent: etiket-sync login {quoted(name)}")


def _founded(destination: Destination) -> Probe:
    """What a look at the destination finds after it was made ready; only a person who adds it makes an archive.

    Raises UsageError where it cannot be made ready, except for a missing sign-in, which comes later.
    """
    try:
        destination.create()
        return destination.probe()
    except SignInNeeded as error:
        return Probe(problems=(error,))
    except EtiketError as error:
        raise UsageError(error.reason, advice=error.advice, path=error.path) from error


def _present(session: Session) -> tuple[tuple[SourceRow, ...], tuple[DestinationRow, ...]]:
    if not session.has_store:
        return (), ()
    return tuple(session.reader().sources()), tuple(session.reader().destinations())


# -- sources ---------------------------------------------------------------------------------------------------------


def _configure_add_source(parser: ArgumentParser) -> None:
    parser.add_argument("backend", metavar="BACKEND", help="for example folder; etiket-sync plugins lists them")
    parser.add_argument("name", metavar="NAME", help="how it is called from now on")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="its options; etiket-sync plugins lists them")
    configure_routes(parser)
    configure_since(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--continue", dest="continued", metavar="SOURCE", help="go on with this source (uuid or name) of a destination"
    )
    which.add_argument("--new", action="store_true", help="a source of its own, whatever other machines send")


def configure_routes(parser: ArgumentParser) -> None:
    """Describe ``--to NAME[:SCOPE]``."""
    parser.add_argument(
        "--to",
        dest="routes",
        action="append",
        metavar="NAME[:SCOPE]",
        help="where it goes, and into which scope there; may be repeated (default: the only destination)",
    )


def configure_since(parser: ArgumentParser) -> None:
    """Describe ``--since``."""
    parser.add_argument(
        "--since",
        metavar="DATE",
        help="ignore datasets that are older: a date like 2026-03-01, 'now', or 'all' for every dataset (the default)",
    )


def since_from_text(text: str) -> int:
    """ns since 1970 UTC of a date or time (this computer's own zone unless it names one), ``now`` or ``all`` (0)."""
    import datetime as dt
    import time

    match text.strip().lower():
        case "all":
            return 0
        case "now":
            return time.time_ns()
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{text!r} is not a date. Write it as 2026-03-01, or write now or all.") from None
    return int(moment.astimezone().timestamp()) * 10**9


def _add_source(session: Session, arguments: Namespace) -> int:
    add_source(
        session,
        arguments.backend,
        arguments.name,
        arguments.options,
        wanted_routes=arguments.routes or (),
        continued=arguments.continued,
        is_new=arguments.new,
        since_ns=0 if arguments.since is None else since_from_text(arguments.since),
    )
    return ExitCode.OK


def add_source(
    session: Session,
    backend_name: str,
    name: str,
    assignments: Sequence[str],
    *,
    wanted_routes: Sequence[str] = (),
    continued: str | None = None,
    is_new: bool = False,
    since_ns: int = 0,
) -> None:
    """Add a source and say so. Raises UsageError with the reason when it makes no sense."""
    from etiket_gui.backends.registry import load_backend

    check_name("source", name)
    backend = load_backend(backend_name)
    config = options_from_text(backend.config_class, assignments)
    sources, destinations = _present(session)
    routes = routes_from_text(wanted_routes, destinations)
    check_scopes(backend.identifier, backend.scope_policy, routes)
    check_source_places(name, config, sources, destinations)
    route_rows = [named("destination", destination, destinations) for destination, _ in routes]
    uuid = continuing.source_uuid(
        session, continuing.candidate(backend, config), route_rows, continued=continued, is_new=is_new
    )
    reply = session.steer(AddSource(name, backend.identifier, config, routes, uuid, since_ns))
    if session.output.is_json:
        session.output.json(
            {
                "name": name,
                "uuid": reply.value.get("uuid"),
                "backend": backend.identifier,
                "config": config,
                "routes": [{"destination": destination, "scope": scope} for destination, scope in routes],
                "is_continued": bool(uuid),
            }
        )
    else:
        to = ", ".join(f"{destination}:{scope}" if scope else destination for destination, scope in routes)
        session.output.line(f"The source {name} is added: {root_of(backend, config)} → {to}")


def root_of(backend: type[Backend], config: Mapping[str, Any]) -> str:
    """Where a configured source lives, for people."""
    return backend.root(backend.config_class.model_validate(dict(config)))


def check_source_places(
    name: str, config: Mapping[str, Any], sources: Sequence[SourceRow], destinations: Sequence[DestinationRow]
) -> None:
    """Raise UsageError when a place of a source does not exist, cannot be read, or overlaps with what is there."""
    new = places_of("source", name, config)
    for place in new:
        try:
            if os.path.isdir(place.path):
                with os.scandir(place.path) as entries:
                    next(entries, None)
            else:
                os.stat(place.path)
                _refuse_file(place.path, config)
        except FileNotFoundError as error:
            raise UsageError(
                f"There is nothing at {place.path}.",
                advice="Check the spelling. A share or a disk that is away must be connected to be added.",
            ) from error
        except OSError as error:
            raise UsageError(f"{place.path} cannot be read: {error.strerror or error}.", path=place.path) from error
    check_places_apart(new, present_places(sources, destinations), follows_links=True)


def _refuse_file(path: str, config: Mapping[str, Any]) -> None:
    """Raise UsageError where a file stands under a key that asks for a folder."""
    key = next((key for key, value in config.items() if key.endswith("directory") and value == to_portable(path)), None)
    if key is not None:
        raise UsageError(f"{path} is a file, and {key} names a folder.", advice="Name the folder that holds it.")


def routes_from_text(wanted: Sequence[str], destinations: Sequence[DestinationRow]) -> tuple[tuple[str, str], ...]:
    """(destination, scope) pairs of ``--to`` texts; without any, the only destination there is."""
    if wanted:
        routes = []
        for text in wanted:
            destination, _, scope = text.partition(":")
            routes.append((named("destination", destination, destinations).name, scope))
        return tuple(routes)
    if len(destinations) == 1:
        return ((destinations[0].name, ""),)
    if not destinations:
        raise UsageError(
            "There is no destination yet, so the source would go nowhere.",
            advice="Add one first, for example: etiket-sync add-destination archive lab-archive path=/data/archive",
        )
    names = ", ".join(row.name for row in destinations)
    raise UsageError(f"There are several destinations: {names}.", advice="Say where the source goes: --to NAME[:SCOPE]")


COMMANDS = {
    "detect": CommandLine(_configure_detect, _detect),
    "test": CommandLine(_configure_test, _test),
    "add-destination": CommandLine(
        _configure_add_destination,
        _add_destination,
        epilog="example: etiket-sync add-destination archive lab-archive path=/data/archive",
    ),
    "add-source": CommandLine(
        _configure_add_source,
        _add_source,
        epilog="example: etiket-sync add-source folder fridge1 root_directory=/data/fridge1 level=2 --to lab-archive",
    ),
}
