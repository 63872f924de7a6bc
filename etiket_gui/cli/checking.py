"""The checks of ``doctor``, each with a sentence: what was looked at, what was found, what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from etiket_gui import __version__
from etiket_gui.cli.output import local_time, size_text
from etiket_gui.cli.session import Session
from etiket_gui.domain.commands import AskStatus
from etiket_gui.domain.errors import EtiketError

_LITTLE_SPACE_BYTES = 500_000_000
_CLOCK_SLACK_NS = 120 * 1_000_000_000
#: Nothing of this program was written before: an earlier clock is wrong.
_EARLIEST_NS = 1_735_689_600 * 1_000_000_000

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``error`` is the known failure behind a problem where there is one."""

    what: str
    state: str
    sentence: str
    advice: str = ""
    error: EtiketError | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values of the finding."""
        return {"what": self.what, "state": self.state, "sentence": self.sentence, "advice": self.advice}


def findings(session: Session) -> Iterator[Finding]:
    """All checks in turn; a check that meets a known failure becomes a problem and the others go on."""
    checks: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
        ("program", _program),
        ("home", _home),
        ("store", _store),
        ("engine", _engine),
        ("clock", _clock),
        ("plug-ins", _plugins),
        ("password store", _keyring),
        ("sources", _sources),
        ("watching", _watching),
        ("destinations", _destinations),
    )
    for what, check in checks:
        try:
            yield from check(session)
        except EtiketError as error:
            yield Finding(what, PROBLEM, error.reason, error.advice, error)


def _program(session: Session) -> Iterator[Finding]:
    from etiket_gui.osys.early_checks import check_machine

    check_machine()
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(
        "program", OK, f"etiket-gui {__version__}, Python {python}, SQLite {sqlite3.sqlite_version}, {sys.platform}."
    )


def _home(session: Session) -> Iterator[Finding]:
    root = session.home.root
    if not root.exists():
        yield Finding("home", NOTE, f"{root} does not exist yet; it is made when something is configured.")
        return
    if not os.access(root, os.W_OK):
        yield Finding("home", PROBLEM, f"{root} may not be written by this account.", "Name another with --home.")
        return
    free_bytes = shutil.disk_usage(root).free
    if free_bytes < _LITTLE_SPACE_BYTES:
        advice = "Make space there, or move the home (--home, ETIKET_GUI_HOME)."
        yield Finding("home", PROBLEM, f"Only {size_text(free_bytes)} are free at {root}.", advice)
        return
    yield Finding("home", OK, f"{root}, {size_text(free_bytes)} free.")


def _store(session: Session) -> Iterator[Finding]:
    from etiket_gui.store.health import check

    if not session.has_store:
        yield Finding("store", NOTE, "There is no store yet; nothing was configured in this home.")
        return
    wrong = check(session.home.store)
    if wrong:
        advice = "Start the program again: it repairs its store from the last backup. What is archived is safe."
        yield Finding("store", PROBLEM, f"{session.home.store} is damaged: {'; '.join(wrong)}", advice)
        return
    session.reader()
    backups = sorted(session.home.backups.glob("store-*.sqlite")) if session.home.backups.is_dir() else []
    size = size_text(session.home.store.stat().st_size)
    yield Finding("store", OK, f"Sound, {size}; {len(backups)} backups in {session.home.backups}.")


def _engine(session: Session) -> Iterator[Finding]:
    from etiket_gui.osys.locking import read_owner

    reply = session.ask_engine(AskStatus())
    if reply is not None:
        yield Finding("engine", OK, "An engine runs for this home and answers.")
        return
    owner = read_owner(session.home.run)
    if owner is not None and owner.is_running:
        yield Finding("engine", NOTE, f"The home is held by {owner}, which does not answer on the control channel.")
        return
    yield Finding(
        "engine", NOTE, "No engine runs for this home; new measurements wait until it does (etiket-sync run)."
    )


def _clock(session: Session) -> Iterator[Finding]:
    now_ns = time.time_ns()
    newest_ns = 0
    if session.has_store:
        scans = [row.last_scan_ns or 0 for row in session.reader().sources()]
        activity = [row.at_ns for row in session.reader().activity(limit=1)]
        newest_ns = max([0, *scans, *activity])
    advice = "Set the clock, best by the network (NTP): times decide what is still being written."
    if now_ns < _EARLIEST_NS:
        yield Finding("clock", PROBLEM, f"The clock says {local_time(now_ns)}, which is in the past.", advice)
    elif newest_ns > now_ns + _CLOCK_SLACK_NS:
        sentence = f"The clock says {local_time(now_ns)}, but something was written down at {local_time(newest_ns)}."
        yield Finding("clock", PROBLEM, sentence, advice)
    else:
        yield Finding("clock", OK, f"{local_time(now_ns)} ({time.strftime('%Z, UTC%z')}).")


def _plugins(session: Session) -> Iterator[Finding]:
    from etiket_gui.cli.plugin_list import all_plugins

    plugins = all_plugins(session.home.plugins)
    for plugin in plugins:
        if plugin.disabled_because:
            advice = "Update or remove it; everything else runs."
            yield Finding("plug-ins", PROBLEM, plugin.disabled_because, advice)
    usable = ", ".join(plugin.name for plugin in plugins if not plugin.disabled_because)
    yield Finding("plug-ins", OK, f"Usable: {usable}.")


def _keyring(session: Session) -> Iterator[Finding]:
    from etiket_gui.credentials.keyring_store import KeyringState, KeyringStore

    store = KeyringStore()
    try:
        report = store.report()
    finally:
        store.close()
    yield Finding("password store", OK if report.state is KeyringState.READY else NOTE, report.sentence)


def _sources(session: Session) -> Iterator[Finding]:
    from etiket_gui.settings.configuration_rules import places_of

    if not session.has_store:
        return
    for row in session.reader().sources():
        missing = [place.path for place in places_of("source", row.name, row.config) if not os.path.exists(place.path)]
        if missing:
            advice = "Connect the disk or share, or correct the source: etiket-sync edit-source"
            yield Finding(f"source {row.name}", PROBLEM, f"There is nothing at {', '.join(missing)}.", advice)
        else:
            reason = f": {row.state_reason}" if row.state_reason else "."
            yield Finding(f"source {row.name}", OK, f"Reachable, state {row.state.value}{reason}")


def _watching(session: Session) -> Iterator[Finding]:
    from etiket_gui.osys.watch_limits import is_watch_limit_reached

    if not session.home.root.is_dir():
        return
    if is_watch_limit_reached(str(session.home.root)):
        yield Finding(
            "watching",
            NOTE,
            "The system allows no more watched folders for this account. Nothing is lost: changes are found by "
            "looking through the sources every few minutes.",
            "Raise it: sudo sysctl fs.inotify.max_user_watches=524288",
        )
    else:
        yield Finding("watching", OK, "Folders can be watched for changes.")


def _destinations(session: Session) -> Iterator[Finding]:
    if not session.has_store:
        return
    for row in session.reader().destinations():
        what = f"destination {row.name}"
        try:
            destination = session.destination_of(row)
            probe = destination.probe()
        except EtiketError as error:
            yield Finding(what, PROBLEM, error.reason, error.advice, error)
            continue
        for problem in probe.problems:
            yield Finding(what, PROBLEM, problem.reason, problem.advice, problem)
        if probe.is_usable:
            free = f", {size_text(probe.free_bytes)} free" if probe.free_bytes is not None else ""
            yield Finding(what, OK, f"{destination.address(destination.config)}{free}.")
