"""The entry of ``etiket-sync``: finds the command, builds its parser alone, runs it and turns failures into exit codes.

Nothing heavy is imported here or by ``status`` and ``problems``: they are asked often, by scripts and by hand.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from etiket_gui import __version__
from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.output import PROGRAM, Output, as_typed_here, prepare_streams
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, UsageError

#: Group, command, module that defines it, what it does.
COMMANDS: tuple[tuple[str, str, str, str], ...] = (
    ("Configure", "detect", "configuring", "say what a path is, how many datasets it holds, and how to add it"),
    ("Configure", "add-destination", "configuring", "add an archive to send to"),
    ("Configure", "add-source", "configuring", "add a place with measurements"),
    ("Configure", "edit-source", "editing", "change a source"),
    ("Configure", "remove-source", "editing", "forget a source; what is archived stays"),
    ("Configure", "edit-destination", "editing", "change a destination"),
    ("Configure", "remove-destination", "editing", "forget a destination; what is archived there stays"),
    ("Configure", "test", "configuring", "look whether a destination can be used"),
    ("Look", "status", "looking", "how much is archived, and what is not"),
    ("Look", "problems", "looking", "what needs time or a person, and what to do"),
    ("Look", "sources", "listing", "the configured sources"),
    ("Look", "destinations", "listing", "the configured destinations"),
    ("Look", "datasets", "listing", "the datasets and where they are archived"),
    ("Work", "run", "running", "the engine in the foreground; --once: bring everything to the archive and end"),
    ("Work", "pause", "steering_commands", "send nothing for a while"),
    ("Work", "resume", "steering_commands", "end a pause or a hold"),
    ("Work", "hold", "steering_commands", "touch nothing for a while: a measurement must not be disturbed"),
    ("Work", "retry", "steering_commands", "try again what failed"),
    ("Work", "ignore", "steering_commands", "leave datasets out from now on"),
    ("Work", "stop", "steering_commands", "end the running engine cleanly"),
    ("Get back", "verify", "verifying", "re-read what is stored and compare"),
    ("Get back", "versions", "archive_commands", "the stored versions of a dataset"),
    ("Get back", "restore", "archive_commands", "bring a dataset back, with the same bytes"),
    ("Get back", "search", "archive_commands", "find datasets in the archives"),
    ("Health", "login", "credentials_commands", "sign in at a destination"),
    ("Health", "logout", "credentials_commands", "forget the credentials of a destination"),
    ("Health", "plugins", "health_commands", "the backends and destinations, and their options"),
    ("Health", "doctor", "health_commands", "check this installation"),
    ("Health", "export-diagnostics", "health_commands", "a file to send along with a question, without secrets"),
)

_LIGHT_MODULES = {"looking"}


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are sentences, raised as UsageError."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the complaint in plain words."""
        raise UsageError(_plain_words(message, self), advice=f"See: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing but a bug of ours leaves a traceback, and that in the log."""
    prepare_streams()
    output = Output(is_json=False)
    session: Session | None = None
    try:
        home, is_json, name, rest = _split(list(sys.argv[1:] if argv is None else argv))
        output = Output(is_json=is_json)
        if name is None:
            return _without_command(Session(home, output), rest)
        command = _command(name)
        parser = _parser_of(name, command)
        arguments = parser.parse_intermixed_args(rest)
        output.is_json = is_json or arguments.json
        session = Session(arguments.home or home, output)
        code = int(command.run(session, arguments))
        output.out.flush()
        return code
    except SystemExit as stop:
        return int(stop.code) if isinstance(stop.code, int) else ExitCode.OK
    except EtiketError as error:
        output.error(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        output.message("Interrupted.")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_went_away()
    except Exception as error:
        if not guards.is_on("bugs-are-told"):
            raise
        return _tell_bug(error, output, session)
    finally:
        if session is not None:
            session.close()


def _split(argv: list[str]) -> tuple[str | None, bool, str | None, list[str]]:
    """Home, whether JSON, the command's name, and its arguments; options before the command are the common ones."""
    home: str | None = None
    is_json = False
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            is_json = True
        elif word == "--home":
            if not rest:
                raise UsageError("--home needs a folder.")
            home = rest.pop(0)
        elif word.startswith("--home="):
            home = word.removeprefix("--home=")
        elif word in {"-h", "--help", "--version"}:
            return home, is_json, None, [word]
        elif word.startswith("-"):
            raise UsageError(f"There is no option {word} before the command.", advice=f"See: {PROGRAM} --help")
        else:
            return home, is_json, word, rest
    return home, is_json, None, []


def _keep_log_lines_off_the_screen() -> None:
    """Where no log is open, Python prints warnings raw; a person gets sentences instead, and ``run`` opens a log."""
    import logging

    logger = logging.getLogger("etiket_gui")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _command(name: str) -> CommandLine:
    for _, known, module, _ in COMMANDS:
        if known == name:
            if module not in _LIGHT_MODULES:
                _keep_log_lines_off_the_screen()
            commands: dict[str, CommandLine] = importlib.import_module(f"etiket_gui.cli.{module}").COMMANDS
            return commands[name]
    raise UsageError(
        f"There is no command {name!r}.{_alike(name, [command[1] for command in COMMANDS])}",
        advice=f"See: {PROGRAM} --help",
    )


def _parser_of(name: str, command: CommandLine) -> Parser:
    summary = next(text for _, known, _, text in COMMANDS if known == name)
    parser = Parser(
        prog=f"{PROGRAM} {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--home", metavar="DIR", help="where store, settings and logs live (or ETIKET_GUI_HOME)")
    parser.add_argument("--json", action="store_true", help="print JSON to stdout, messages to stderr")
    command.configure(parser)
    return parser


def _without_command(session: Session, rest: list[str]) -> int:
    if "--version" in rest:
        session.output.out.write(f"{PROGRAM} {__version__}\n")
        return ExitCode.OK
    if rest:
        print(as_typed_here(overview()))
        return ExitCode.OK
    if sys.stdin.isatty() and sys.stdout.isatty() and not session.output.is_json:
        from etiket_gui.cli.guided import first_use

        try:
            return int(first_use(session))
        finally:
            session.close()
    print(as_typed_here(overview()), file=sys.stderr)
    return ExitCode.WRONG_USE


def overview() -> str:
    """The help text with all commands in their groups."""
    lines = [
        f"usage: {PROGRAM} [--home DIR] [--json] COMMAND …",
        "",
        "Brings every measurement of this computer, verified, to one or more archives.",
        f"Without a command on a terminal: asks two questions and starts. Each command: {PROGRAM} COMMAND --help",
    ]
    group = ""
    for its_group, name, _, text in COMMANDS:
        if its_group != group:
            group = its_group
            lines += ["", f"{group}:"]
        lines.append(f"  {name:<20} {text}")
    lines += ["", "  --home DIR           where store, settings and logs live (or ETIKET_GUI_HOME)",
              "  --json               print JSON to stdout, messages to stderr", "  --version"]  # fmt: skip
    return "\n".join(lines)


def _plain_words(message: str, parser: argparse.ArgumentParser) -> str:
    command = parser.prog
    if message.startswith("unrecognized arguments:"):
        unknown = message.partition(":")[2].split()
        first = next((word for word in unknown if word.startswith("-")), unknown[0] if unknown else "")
        options = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
        name = first.partition("=")[0]
        if first.startswith("-"):
            return f"{command} has no option {name}.{_alike(name, options)}"
        return f"{command} takes no argument {first!r} here."
    if message.startswith("the following arguments are required:"):
        return f"{command} needs {message.partition(':')[2].strip().replace(', ', ' and ')}."
    return f"{command}: {message}."


def _alike(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _reader_went_away() -> int:
    """Whoever read our output (``| head``) has closed it: no failure, and nothing left to say."""
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    return ExitCode.OK


def _tell_bug(error: Exception, output: Output, session: Session | None) -> int:
    from etiket_gui.credentials.redaction import redact

    log = None if session is None else session.log_bug(error)
    output.message(redact(f"A bug in this program: {type(error).__name__}: {error}"))
    if log is None:
        import traceback

        output.messages.write(redact("".join(traceback.format_exception(error))))
    else:
        output.message(f"The details are in {log}. Nothing that is archived is touched.")
    output.message("Please report it with the file that this command writes: etiket-sync export-diagnostics FILE")
    return ExitCode.BUG


if __name__ == "__main__":
    sys.exit(main())
