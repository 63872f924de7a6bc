"""The commands that steer the engine: pause, resume, hold, retry, ignore, stop."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import iso_time
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain.commands import (
    Command,
    HoldSync,
    IgnoreDatasets,
    PauseSync,
    Reply,
    ResumeSync,
    RetryTransfers,
    StopEngine,
)
from etiket_gui.domain.errors import UsageError

_NS_PER_S = 1_000_000_000
_LONGEST_S = 366 * 86400


def _until_ns(text: str) -> int:
    from etiket_gui.cli.values import parse_duration

    seconds = parse_duration(text)
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f"{text!r} is not a time to wait: between one second and a year.")
    return time.time_ns() + round(seconds * _NS_PER_S)


def _tell(session: Session, reply: Reply) -> int:
    if session.output.is_json:
        value = dict(reply.value)
        for key in [key for key in value if key.endswith("_until_ns")]:
            value[key.removesuffix("_ns")] = iso_time(value[key]) if value[key] > 0 else None
        session.output.json({"sentence": reply.sentence, **value})
    else:
        session.output.line(reply.sentence)
    return ExitCode.OK


def _no_arguments(parser: ArgumentParser) -> None:
    """Nothing beside the common options."""


def _configure_pause(parser: ArgumentParser) -> None:
    parser.add_argument("--for", dest="duration", metavar="TIME", help="10min, 2h, 1d; without it: until resumed")


def _pause(session: Session, arguments: Namespace) -> int:
    until_ns = -1 if arguments.duration is None else _until_ns(arguments.duration)
    return _tell(session, session.steer(PauseSync(until_ns)))


def _configure_hold(parser: ArgumentParser) -> None:
    parser.add_argument("--for", dest="duration", metavar="TIME", required=True, help="10min, 2h, 1d")


def _hold(session: Session, arguments: Namespace) -> int:
    return _tell(session, session.steer(HoldSync(_until_ns(arguments.duration))))


def _resume(session: Session, arguments: Namespace) -> int:
    return _tell(session, session.steer(ResumeSync()))


def _configure_retry(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="*", metavar="DATASET", help="these datasets; none: everything that failed")
    parser.add_argument("--source", metavar="NAME", help="everything of this source, also where it waits for an answer")


def _retry(session: Session, arguments: Namespace) -> int:
    if arguments.source is not None and arguments.dataset:
        raise UsageError("Name datasets or --source, not both.")
    command: Command = RetryTransfers(tuple(session.dataset(query).id for query in arguments.dataset))
    if arguments.source is not None:
        from etiket_gui.engine.steering import named

        command = RetryTransfers(source_id=named("source", arguments.source, session.reader().sources()).id)
    return _tell(session, session.steer(command))


def _configure_ignore(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="+", metavar="DATASET", help="uuid, unique prefix, identifier or exact name")


def _ignore(session: Session, arguments: Namespace) -> int:
    ids = tuple(dict.fromkeys(session.dataset(query).id for query in arguments.dataset))
    return _tell(session, session.steer(IgnoreDatasets(ids)))


def _stop(session: Session, arguments: Namespace) -> int:
    reply = session.ask_engine(StopEngine())
    return _tell(session, reply or Reply(True, "No engine runs for this home."))


COMMANDS = {
    "pause": CommandLine(_configure_pause, _pause),
    "resume": CommandLine(_no_arguments, _resume),
    "hold": CommandLine(_configure_hold, _hold),
    "retry": CommandLine(_configure_retry, _retry),
    "ignore": CommandLine(_configure_ignore, _ignore),
    "stop": CommandLine(_no_arguments, _stop),
}
