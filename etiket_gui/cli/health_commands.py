"""The commands about the installation itself: plugins, doctor, export-diagnostics."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.output import count_text, size_text
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain.errors import UsageError


def _configure_plugins(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one")


def _plugins(session: Session, arguments: Namespace) -> int:
    from etiket_gui.cli.plugin_list import all_plugins

    plugins = all_plugins(session.home.plugins)
    if arguments.name is not None:
        plugins = tuple(plugin for plugin in plugins if plugin.name == arguments.name)
        if not plugins:
            raise UsageError(f"There is no plug-in {arguments.name!r}.", advice="See all: etiket-sync plugins")
    output = session.output
    if output.is_json:
        output.json([plugin.to_json() for plugin in plugins])
        return ExitCode.OK
    for plugin in plugins:
        output.line(f"{plugin.group} {plugin.name}: {plugin.title or 'disabled'} ({plugin.origin})")
        if plugin.disabled_because:
            output.line(f"  {plugin.disabled_because}")
        for origin in plugin.shadows:
            output.line(f"  It is used in place of {plugin.name} ({origin}), which has the same name.")
        for option in plugin.options:
            output.line(f"  {option.name}=  {option.title or option.name} ({option.kind}{_default(option.default)})")
            if option.description:
                output.line(f"      {option.description}")
        output.line()
    return ExitCode.OK


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f", default {str(value).lower()}"
    if isinstance(value, list):
        return f", default {' '.join(str(item) for item in value)}" if value else ""
    return f", default {value}"


def _no_arguments(parser: ArgumentParser) -> None:
    """Nothing beside the common options."""


def _doctor(session: Session, arguments: Namespace) -> int:
    from etiket_gui.cli.checking import PROBLEM, findings

    output = session.output
    found = []
    marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    for finding in findings(session):
        found.append(finding)
        output.line(f"{marks[finding.state]}  {finding.what}: {finding.sentence}")
        if finding.advice and finding.state != "ok":
            output.line(f"         {finding.advice}")
    problems = [finding for finding in found if finding.state == PROBLEM]
    if output.is_json:
        output.json({"is_healthy": not problems, "findings": [finding.to_json() for finding in found]})
    if not problems:
        output.line("Everything needed works.")
        return ExitCode.OK
    output.line(f"{count_text(len(problems), 'problem')} to look after.")
    return exit_code_of(problems[0].error) if problems[0].error else ExitCode.WRONG_USE


def _configure_export(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the zip file to write")


def _export(session: Session, arguments: Namespace) -> int:
    from etiket_gui.cli.diagnostics import write_diagnostics

    path = os.path.abspath(os.path.expanduser(arguments.file))
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already, and nothing is overwritten.", advice="Name another file.")
    contents = write_diagnostics(session, path)
    if session.output.is_json:
        session.output.json({"file": path, "contents": [{"name": name, "size_bytes": size} for name, size in contents]})
        return ExitCode.OK
    session.output.line(f"{path} holds:")
    for name, size in contents:
        session.output.line(f"  {name} ({size_text(size)})")
    session.output.line("Secrets and the name of this account are left out. Look through it before you send it on.")
    return ExitCode.OK


COMMANDS = {
    "plugins": CommandLine(_configure_plugins, _plugins),
    "doctor": CommandLine(_no_arguments, _doctor),
    "export-diagnostics": CommandLine(_configure_export, _export),
}
