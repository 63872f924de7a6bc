"""The commands status and problems: asked often, so they read the store by plain sqlite3 and import nothing heavy."""

from __future__ import annotations

import sqlite3
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import (
    Output,
    ago_text,
    count_text,
    duration_text,
    iso_time,
    local_time,
    problem_lines,
    quoted,
    size_text,
    until_text,
)
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain.errors import EtiketError, StoreProblem

_Answer = TypeVar("_Answer")
_ENGINE_ANSWERS_WITHIN_S = 0.5
_STATES = ("archived", "sending", "waiting", "held", "failed", "ignored", "gone")
_TIMES = {
    "paused_until_ns": "paused_until",
    "held_until_ns": "held_until",
    "last_scan_ns": "last_scan",
    "last_success_ns": "last_success",
    "since_ns": "since",
    "due_ns": "next_try",
}


def _nothing(parser: ArgumentParser) -> None:
    """Nothing beside the common options."""


# -- status ----------------------------------------------------------------------------------------------------------


def _status(session: Session, arguments: Namespace) -> int:
    if session.output.is_json:
        session.output.json(status_json(session))
    else:
        tell_status(session)
    return ExitCode.OK


def _look(session: Session) -> dict[str, Any] | None:
    if not session.has_store:
        return None
    from etiket_gui.store.quick import status

    return from_store(session.home.store, status)


def from_store(store: Path, look: Callable[[Path], _Answer]) -> _Answer:
    """What a quick look gives. Raises StoreTooNew or StoreProblem for a store of another version of this program."""
    try:
        return look(store)
    except sqlite3.OperationalError as error:
        from etiket_gui.store.schema import HEAD, refuse_newer, revision_of

        revision = revision_of(store) or ""
        refuse_newer(store, revision)
        if revision == HEAD:
            raise
        raise StoreProblem(
            f"{store} was written by an older version of this program.",
            advice="Bring it up to date: etiket-sync sources",
        ) from error


def is_engine_running(session: Session) -> bool:
    """Whether an engine of this home listens; takes half a second at most."""
    if not (session.home.run / "control.json").exists():
        return False
    from etiket_gui.osys.control import ControlClient

    return ControlClient(session.home.run).is_answered(_ENGINE_ANSWERS_WITHIN_S)


def engine_rates(session: Session) -> Sequence[Mapping[str, Any]] | None:
    """How fast each destination receives now, over all transfers; None when no engine runs."""
    if not is_engine_running(session):
        return None
    from etiket_gui.domain.commands import AskStatus

    try:
        reply = session.ask_engine(AskStatus(), _ENGINE_ANSWERS_WITHIN_S)
    except EtiketError:
        # It is busy; what the store says is true all the same.
        return ()
    return () if reply is None else reply.value.get("rates", ())


def status_json(session: Session) -> dict[str, Any]:
    """What the store says about everything, as JSON values with ISO 8601 times."""
    found = _look(session)
    if found is None:
        nothing = dict.fromkeys(_STATES, 0)
        found = {"counts": nothing, "total": 0, "not_archived": 0, "problems": 0, "paused_until_ns": 0,
                 "held_until_ns": 0, "oldest_unsafe": None, "sources": [], "destinations": []}  # fmt: skip
    now_ns = time.time_ns()
    value: dict[str, Any] = with_iso_times(found)
    value["home"] = str(session.home.root)
    value["is_paused"] = is_ahead(found["paused_until_ns"], now_ns)
    value["is_held"] = is_ahead(found["held_until_ns"], now_ns)
    rates = engine_rates(session)
    value["is_running"] = rates is not None
    value["rates"] = list(rates or ())
    value["is_all_archived"] = is_all_archived(found)
    return value


def with_iso_times(value: Any) -> Any:
    """The same JSON values with times as ISO 8601 text instead of nanoseconds, and without row numbers."""
    if isinstance(value, list):
        return [with_iso_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _TIMES.get(key, key): (iso_time(item) if item and item > 0 else None) if key in _TIMES else with_iso_times(item)
        for key, item in value.items()
        if key != "id"
    }


def is_ahead(until_ns: int, now_ns: int) -> bool:
    """Whether a pause or hold with this end still holds; -1 has no end."""
    return until_ns == -1 or until_ns > now_ns


def is_all_archived(found: Mapping[str, Any]) -> bool:
    """Whether everything that every source holds was seen, in a finished look, and is archived."""
    sources = [source for source in found["sources"] if source["is_enabled"]]
    is_seen = all(source["state"] == "ok" and not source["unreadable"] for source in sources)
    return bool(sources) and not found["not_archived"] and is_seen


def tell_status(session: Session) -> None:
    """Print the state of everything for a person: the answer first, then the figures behind it."""
    found = _look(session)
    output = session.output
    if found is None or not (found["sources"] or found["destinations"]):
        output.line("Nothing is configured yet. Begin with: etiket-sync")
        return
    now_ns = time.time_ns()
    for line in _headline(found, now_ns):
        output.line(line)
    rates = engine_rates(session)
    if rates is None:
        output.line("No engine runs, so nothing new is seen. Start it with: etiket-sync run")
    output.line()
    _tell_sources(output, found["sources"], now_ns)
    output.line()
    _tell_destinations(output, found["destinations"], now_ns)
    for rate in rates or ():
        files = f"{rate['files_per_s']:.0f} files/s, " if rate["files_per_s"] >= 1 else ""
        output.line(f"{rate['destination']} receives {files}{size_text(rate['bytes_per_s'])}/s.")
    if found["problems"]:
        output.line()
        output.line(f"{count_text(found['problems'], 'problem')}: etiket-sync problems")


def _headline(found: Mapping[str, Any], now_ns: int) -> Iterator[str]:
    total, missing = found["total"] - found["counts"]["ignored"], found["not_archived"]
    unseen = [source["name"] for source in found["sources"] if source["is_enabled"] and not source["last_scan_ns"]]
    if missing:
        yield f"{missing} of {count_text(total, 'dataset')} {'is' if missing == 1 else 'are'} not archived yet."
    elif is_all_archived(found):
        yield f"All {count_text(total, 'dataset')} are archived and verified."
    elif total:
        yield f"The {count_text(total, 'known dataset')} are archived, but not everything could be looked at."
    elif not unseen:
        yield "No dataset was found."
    if unseen:
        yield f"Not looked through yet: {', '.join(unseen)}."
    oldest = found["oldest_unsafe"]
    if oldest is not None:
        why = f" ({oldest['reason']})" if oldest["reason"] else ""
        yield f"The oldest of them: {oldest['name']}, {ago_text(oldest['since_ns'], now_ns)}, {oldest['state']}{why}."
    for key, words in (("paused_until_ns", "Sending is paused"), ("held_until_ns", "On hold, nothing is touched,")):
        if is_ahead(found[key], now_ns):
            yield f"{words} {until_text(found[key], now_ns)}. To end that: etiket-sync resume"


def _tell_sources(output: Output, sources: Sequence[Mapping[str, Any]], now_ns: int) -> None:
    output.table(
        ("SOURCE", "FOUND", *(state.upper() for state in _STATES), "LAST LOOK", ""),
        (
            (
                source["name"],
                source["total"],
                *(source["counts"][state] or "-" for state in _STATES),
                ago_text(source["last_scan_ns"], now_ns),
                _state_words(source, is_off=not source["is_enabled"]),
            )
            for source in sources
        ),
        right=range(1, 2 + len(_STATES)),
    )


def _tell_destinations(output: Output, destinations: Sequence[Mapping[str, Any]], now_ns: int) -> None:
    output.table(
        ("DESTINATION", "ARCHIVED", "NOT YET", "FREE", "LAST SUCCESS", ""),
        (
            (
                destination["name"],
                destination["counts"]["archived"],
                destination["not_archived"] or "-",
                "" if destination["free_bytes"] is None else size_text(destination["free_bytes"]),
                ago_text(destination["last_success_ns"], now_ns),
                _state_words(destination),
            )
            for destination in destinations
        ),
        right=(1, 2, 3),
    )


def _state_words(row: Mapping[str, Any], *, is_off: bool = False) -> str:
    if is_off:
        return "off"
    return "" if row["state"] in {"ok", "new"} else row["state_reason"] or row["state"].replace("_", " ")


# -- problems --------------------------------------------------------------------------------------------------------


def _problems(session: Session, arguments: Namespace) -> int:
    found: list[dict[str, Any]] = []
    if session.has_store:
        from etiket_gui.store.quick import problems

        found = from_store(session.home.store, problems)
    output = session.output
    if output.is_json:
        output.json(with_iso_times(found))
        return ExitCode.OK
    if not found:
        output.line("There is no problem.")
        return ExitCode.OK
    now_ns = time.time_ns()
    for problem in found:
        for line in problem_lines([problem]):
            output.line(line)
        output.line(f"    {_when(problem, now_ns)}")
    return ExitCode.OK


def _when(problem: Mapping[str, Any], now_ns: int) -> str:
    attempts = problem.get("attempts") or 0
    parts = [f"since {local_time(problem['since_ns'])}"]
    if attempts > 1:
        parts.append(f"tried {attempts} times")
    due_ns = problem.get("due_ns")
    if due_ns and due_ns > now_ns:
        parts.append(f"tried again in {duration_text((due_ns - now_ns) / 1e9)}")
    elif problem.get("dataset") and problem.get("retry_class") in {"on_user", "never"}:
        parts.append(f"to try again: etiket-sync retry {quoted(str(problem['dataset']))}")
    return "; ".join(parts)


COMMANDS = {
    "status": CommandLine(_nothing, _status),
    "problems": CommandLine(_nothing, _problems),
}
