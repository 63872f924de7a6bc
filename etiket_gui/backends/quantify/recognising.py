"""Answers "is this Quantify data?" in bounded time, by names alone."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.quantify.tuids import collected_at, is_day, name_in, tuid_of
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken

TIME_LIMIT_S = 1.5
_SURE = 0.9


def recognise_data_directory(path: Path, stop: StopToken, *, time_limit_s: float = TIME_LIMIT_S) -> Recognition | None:
    """A data directory, one day of it, one measurement, or a file in one; None for anything else. Opens no file."""
    place = os.path.abspath(path)
    found = _measurement_around(place)
    if found is not None:
        root = os.path.dirname(os.path.dirname(found))
        name = to_portable(os.path.basename(found))
        sentence = (
            f"A Quantify measurement, {display(name_in(name))!r} of {_shown(name)}; "
            f"its data directory is {display(to_portable(root))}."
        )
        return _recognition(root, sentence, _SURE, None)
    if not os.path.isdir(place):
        return None
    deadline_s = time.monotonic() + time_limit_s
    if is_day(os.path.basename(place)):
        tuids, _ = _tuids_in(place, deadline_s, stop)
        if tuids:
            root = os.path.dirname(place)
            sentence = (
                f"One day of a Quantify data directory with {_count(len(tuids))}; "
                f"the data directory is {display(to_portable(root))}."
            )
            return _recognition(root, sentence, _SURE - 0.05, None)
    return _data_directory(place, deadline_s, stop)


def _data_directory(root: str, deadline_s: float, stop: StopToken) -> Recognition | None:
    rules = IgnoreRules(DEFAULT_IGNORE)
    tuids: set[str] = set()
    is_cut = False
    warnings = []
    try:
        with os.scandir(root) as listing:
            days = sorted(
                entry.path
                for entry in listing
                if entry.is_dir(follow_symlinks=False) and not rules.matches_level_folder(to_portable(entry.name))
            )
    except OSError:
        return None
    for day in days:
        if time.monotonic() > deadline_s:
            is_cut = True
            break
        found, was_listed = _tuids_in(day, deadline_s, stop)
        tuids |= found
        if not was_listed:
            warnings.append(f"{display(to_portable(day))} could not be looked into.")
    if not tuids:
        return None
    if is_cut:
        warnings.append("Counting stopped when the time was up; there is more.")
    first, last = _shown(min(tuids))[:10], _shown(max(tuids))[:10]
    when = f"of {last}" if first == last else f"from {first} to {last}"
    least = "at least " if is_cut else ""
    sentence = f"Quantify data directory, {least}{_count(len(tuids))} {when}{_age(max(tuids))}."
    return _recognition(root, sentence, _SURE, None if is_cut else len(tuids), tuple(warnings))


def _recognition(
    root: str, sentence: str, confidence: float, count: int | None, warnings: tuple[str, ...] = ()
) -> Recognition:
    return Recognition("quantify", sentence, {"data_directory": to_portable(root)}, confidence, count, warnings)


def _measurement_around(place: str) -> str | None:
    """The measurement's folder that a path is or lies in."""
    if not os.path.isdir(place):
        place = os.path.dirname(place)
    for _ in range(4):
        name = os.path.basename(place)
        if tuid_of(to_portable(name)) is not None and os.path.isdir(place):
            return place
        place = os.path.dirname(place)
    return None


def _tuids_in(day: str, deadline_s: float, stop: StopToken) -> tuple[set[str], bool]:
    found: set[str] = set()
    stop.check()
    try:
        with os.scandir(day) as listing:
            for number, entry in enumerate(listing):
                tuid = tuid_of(to_portable(entry.name))
                if tuid is not None and entry.is_dir(follow_symlinks=False):
                    found.add(tuid)
                if number % 256 == 255 and time.monotonic() > deadline_s:
                    break
    except OSError:
        return found, False
    return found, True


def _shown(tuid: str) -> str:
    return (collected_at(tuid[:26]) or tuid)[:19].replace("T", " ")


def _age(tuid: str) -> str:
    begun = collected_at(tuid)
    if begun is None:
        return ""
    age_s = (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(begun).astimezone()).total_seconds()
    if not 0 <= age_s < 24 * 3600:
        return ""
    if age_s < 90:
        return ", the last begun just now"
    return (
        f", the last begun {age_s / 60:.0f} min ago" if age_s < 5400 else f", the last begun {age_s / 3600:.0f} h ago"
    )


def _count(number: int) -> str:
    return "1 measurement" if number == 1 else f"{number:,} measurements".replace(",", " ")
