"""The commands that change or forget what is configured: edit-source, remove-source, edit- and remove-destination."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from etiket_gui.cli.configuring import (
    check_source_places,
    configure_routes,
    configure_since,
    routes_from_text,
    since_from_text,
)
from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.cli.values import options_from_text
from etiket_gui.domain.commands import EditDestination, EditSource, RemoveDestination, RemoveSource, Reply
from etiket_gui.domain.errors import UsageError
from etiket_gui.engine.steering import named, present_places
from etiket_gui.settings.configuration_rules import check_name, check_places_apart, check_scopes, places_of


def _tell(session: Session, reply: Reply) -> int:
    if session.output.is_json:
        session.output.json({"sentence": reply.sentence, **reply.value})
    else:
        session.output.line(reply.sentence)
    return ExitCode.OK


def _configure_edit_source(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the source")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="options to change; the others stay")
    configure_routes(parser)
    parser.add_argument("--name", dest="new_name", metavar="NEW", help="call it so from now on")
    configure_since(parser)
    able = parser.add_mutually_exclusive_group()
    able.add_argument("--enable", dest="is_enabled", action="store_const", const=True, help="look into it again")
    able.add_argument("--disable", dest="is_enabled", action="store_const", const=False, help="do not look into it")


def _edit_source(session: Session, arguments: Namespace) -> int:
    from etiket_gui.backends.registry import load_backend

    reader = session.reader()
    sources, destinations = reader.sources(), reader.destinations()
    source = named("source", arguments.name, sources)
    given = arguments.options or arguments.routes or arguments.new_name or arguments.since is not None
    if not given and arguments.is_enabled is None:
        raise UsageError("Nothing to change is given.", advice="See: etiket-sync edit-source --help")
    if arguments.new_name:
        check_name("source", arguments.new_name)
    backend = load_backend(source.backend)
    config = None
    if arguments.options:
        config = options_from_text(backend.config_class, arguments.options, present=source.config)
        if places_of("source", source.name, config) != places_of("source", source.name, source.config):
            others = [row for row in sources if row.id != source.id]
            check_source_places(source.name, config, others, destinations)
    routes = None
    if arguments.routes:
        routes = routes_from_text(arguments.routes, destinations)
        check_scopes(source.backend, backend.scope_policy, routes)
    since_ns = None if arguments.since is None else since_from_text(arguments.since)
    command = EditSource(source.name, arguments.new_name, config, routes, arguments.is_enabled, since_ns)
    return _tell(session, session.steer(command))


def _configure_remove_source(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the source")


def _remove_source(session: Session, arguments: Namespace) -> int:
    named("source", arguments.name, session.reader().sources() if session.has_store else ())
    return _tell(session, session.steer(RemoveSource(arguments.name)))


def _configure_edit_destination(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the destination")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="options to change; the others stay")
    parser.add_argument("--name", dest="new_name", metavar="NEW", help="call it so from now on")


def _edit_destination(session: Session, arguments: Namespace) -> int:
    from etiket_gui.destinations.registry import load_destination

    reader = session.reader()
    destinations = reader.destinations()
    row = named("destination", arguments.name, destinations)
    if not (arguments.options or arguments.new_name):
        raise UsageError("Nothing to change is given.", advice="See: etiket-sync edit-destination --help")
    if arguments.new_name:
        check_name("destination", arguments.new_name)
    config = None
    if arguments.options:
        config = options_from_text(load_destination(row.kind).config_class, arguments.options, present=row.config)
        others = [other for other in destinations if other.id != row.id]
        new = places_of("destination", row.name, config)
        check_places_apart(new, present_places(reader.sources(), others), follows_links=True)
    return _tell(session, session.steer(EditDestination(row.name, arguments.new_name, config)))


def _configure_remove_destination(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the destination")


def _remove_destination(session: Session, arguments: Namespace) -> int:
    named("destination", arguments.name, session.reader().destinations() if session.has_store else ())
    return _tell(session, session.steer(RemoveDestination(arguments.name)))


COMMANDS = {
    "edit-source": CommandLine(_configure_edit_source, _edit_source),
    "remove-source": CommandLine(_configure_remove_source, _remove_source),
    "edit-destination": CommandLine(_configure_edit_destination, _edit_destination),
    "remove-destination": CommandLine(_configure_remove_destination, _remove_destination),
}
