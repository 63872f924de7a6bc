"""The command ``run``: the engine in the foreground, with progress, a clean end on Ctrl-C, and an honest last line."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import count_text, duration_text
from etiket_gui.cli.progress import display_for
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.credentials.logs import ProgramLog
from etiket_gui.domain.commands import AskStatus
from etiket_gui.domain.errors import HomeInUse, StoreDamaged, UsageError
from etiket_gui.osys.early_checks import check_machine, check_writable

if TYPE_CHECKING:
    from etiket_gui.engine.service import Engine, RunReport


_COMMANDS_END_WITHIN_S = 5.0


def _cycles(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of cycles (1 or more)")
    return number


def _configure(parser: ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="look at every source, archive what is settled, and end")
    how.add_argument("--cycles", type=_cycles, metavar="N", help="end after so many looks at all sources")


def _run(session: Session, arguments: Namespace) -> int:
    if not is_configured(session):
        raise UsageError(
            "No source is configured yet, so there is nothing to archive.",
            advice="Begin with: etiket-sync (without anything; it asks), or etiket-sync add-destination --help",
        )
    session.close()
    return run_engine(session, is_once=arguments.once, cycles=arguments.cycles)


def is_configured(session: Session) -> bool:
    """Whether there is a source; a store that is lost or damaged had one, and the engine brings it back."""
    try:
        return session.has_store and bool(session.reader().sources())
    except StoreDamaged:
        return True


def new_engine(session: Session, listener: Callable[[Any], None]) -> Engine:
    """The engine of this home, not started yet."""
    from etiket_gui.engine.service import Engine
    from etiket_gui.settings.settings import load_settings

    return Engine(session.home, load_settings(session.home), listeners=(listener,))


def run_engine(session: Session, *, is_once: bool, cycles: int | None = None) -> int:
    """Run the engine here until it is done or stopped, tell what came of it, and return the exit code."""
    check_machine()
    home = session.home
    check_writable(home.root)
    check_writable(home.run)
    home.prepare()
    with ProgramLog(home.logs).open() as log, display_for(session.output, home.store) as display:
        if log.complaint:
            session.output.message(log.complaint)
        engine = new_engine(session, display)
        start_engine(session, engine)
        try:
            with stopping_on_signals(lambda: engine.request_stop(is_interrupt=True)):
                if not is_once and cycles is None:
                    session.output.message("Running. Press Ctrl-C to end.")
                report = engine.run_once() if is_once else engine.run(cycles)
        finally:
            engine.stop()
    tell_report(session, report)
    return int(report.exit_code)


def start_engine(session: Session, engine: Engine) -> None:
    """Start the engine; waits a moment for a command that works on the home just now. Raises HomeInUse."""
    end_s = time.monotonic() + _COMMANDS_END_WITHIN_S
    while True:
        try:
            engine.start()
        except HomeInUse:
            if session.ask_engine(AskStatus()) is not None or time.monotonic() >= end_s:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def stopping_on_signals(request_stop: Callable[[], None]) -> Iterator[None]:
    """Inside, Ctrl-C and the ends that systems send ask for a clean stop; a second one interrupts at once."""
    was_asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if was_asked.is_set():
            raise KeyboardInterrupt
        was_asked.set()
        request_stop()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    before: dict[signal.Signals, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for name in names:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, ask)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell_report(session: Session, report: RunReport) -> None:
    """Print what a run found and archived: a sentence for people, an object for scripts."""
    output = session.output
    if output.is_json:
        output.json(
            {
                "found": report.found,
                "archived": report.archived,
                "not_archived": report.not_archived,
                "ignored": report.ignored,
                "gone": report.gone,
                "empty_sources": list(report.empty_sources),
                "unfinished_sources": list(report.unfinished_sources),
                "unseen_sources": list(report.unseen_sources),
                "verification_differences": report.verification_differences,
                "needs_sign_in": list(report.needs_sign_in),
                "was_interrupted": report.was_interrupted,
                "duration_s": round(report.duration_s, 3),
                "exit_code": int(report.exit_code),
            }
        )
        return
    for line in report_lines(report):
        output.line(line)


def report_lines(report: RunReport) -> Iterator[str]:
    """What a run found and archived, in sentences; the first one says the whole truth."""
    counted = report.archived + report.not_archived
    took = duration_text(report.duration_s)
    if report.was_interrupted:
        yield f"Interrupted after {took}. What was under way is taken up again at the next start."
    if report.exit_code == ExitCode.OK:
        yield (
            f"All {count_text(counted, 'dataset')} are archived and verified ({took})."
            if counted != 1
            else (f"The 1 dataset is archived and verified ({took}).")
        )
    elif report.not_archived:
        verb = "is" if report.not_archived == 1 else "are"
        yield f"{report.not_archived} of {count_text(counted, 'dataset')} {verb} not archived yet ({took})."
    elif counted:
        yield f"{count_text(report.archived, 'dataset')} archived and verified ({took})."
    beside = [
        text
        for number, text in ((report.ignored, f"{report.ignored} left out"), (report.gone, f"{report.gone} gone"))
        if number
    ]
    if beside:
        yield f"Beside these: {', '.join(beside)}."
    for name in report.empty_sources:
        yield f"The source {name} found nothing. Is its folder the right one, and the level?"
    for name in report.unfinished_sources:
        yield f"The source {name} could not be looked through completely."
    if report.unseen_sources:
        yield f"On hold: {', '.join(report.unseen_sources)} was not looked at. To end the hold: etiket-sync resume"
    for name in report.needs_sign_in:
        yield f"{name} needs a sign-in: etiket-sync login {name}"
    if report.verification_differences:
        different = count_text(report.verification_differences, "stored copy differs", "stored copies differ")
        yield f"{different} from what was sent. See: etiket-sync problems"
    if report.exit_code not in {ExitCode.OK, ExitCode.INTERRUPTED} and not report.unseen_sources:
        yield "What is in the way, and what to do: etiket-sync problems"
        if report.not_archived:
            # A measurement that goes on is no problem.
            yield "What waits or is still being measured: etiket-sync datasets"


COMMANDS = {"run": CommandLine(_configure, _run)}
