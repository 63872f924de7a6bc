"""Answers "is this a Labber log?" for a file or a folder, in bounded time and without a lock."""

from __future__ import annotations

import os
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.directory_scan import Walk
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules
from etiket_gui.backends.labber.describing import collected_at
from etiket_gui.backends.labber.index import LogFile, log_files
from etiket_gui.backends.labber.logfile import BROKEN, ENDING, LogHead, NotALog, log_heads, open_log_file
from etiket_gui.domain.errors import EtiketError, SourceChanged, Stopped
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import Deadline, StopToken

TIME_LIMIT_S = 1.5
_SURE = 0.85


def recognise_logs(path: Path, stop: StopToken, *, time_limit_s: float = TIME_LIMIT_S) -> Recognition | None:
    """A log, a folder of logs, or why an HDF5 file is none; None for anything that is not Labber's."""
    place = os.path.abspath(path)
    if os.path.isfile(place):
        return _file(place, stop) if place.lower().endswith(ENDING) else None
    return _folder(place, time_limit_s, stop) if os.path.isdir(place) else None


def _file(place: str, stop: StopToken) -> Recognition | None:
    shown = display(to_portable(os.path.basename(place)))
    try:
        heads = _heads(place, stop)
    except NotALog as error:
        if error.rule != "Labber server configuration":
            return None
        sentence = f"{shown} is a configuration of Labber's instrument server, not a log: nothing measured is in it."
        return Recognition("labber", sentence, {}, 0.0, 0)
    except SourceChanged:
        folder = os.path.dirname(place)
        sentence = f"{shown} is an HDF5 file that is being written just now; ask again in a moment."
        return Recognition("labber", sentence, {"log_directory": to_portable(folder)}, 0.2, None)
    folder = os.path.dirname(place)
    sentence = f"Labber log {shown}, {_facts(heads)}; the folder around it would be the source."
    return _recognition(folder, sentence, _SURE, None)


def _facts(heads: list[LogHead]) -> str:
    first = heads[0]
    facts = [f"version {first.version}" if first.version else "of an unnamed program"]
    if len(heads) > 1:
        facts.append(f"{len(heads)} logs in one file")
    when = collected_at(first)
    if when:
        facts.append(f"made {when[:10]}")
    if any(head.is_completed is False for head in heads):
        facts.append("not completed")
    return ", ".join(facts)


def _folder(place: str, time_limit_s: float, stop: StopToken) -> Recognition | None:
    walk, logs, files, others, is_cut = Walk(), 0, 0, 0, False
    configurations = 0
    until = Deadline(stop, time_limit_s)
    try:
        for file in log_files(place, IgnoreRules(DEFAULT_IGNORE), walk, until):
            found = _count_in(file, until)
            if isinstance(found, int):
                logs += found
                files += bool(found)
            elif found == "Labber server configuration":
                configurations += 1
            else:
                others += 1
    except Stopped:
        stop.check()
        is_cut = True
    except OSError:
        return None
    if not logs:
        if configurations and not others:
            sentence = (
                f"A folder with {_count(configurations, 'configuration')} of Labber's instrument server and no log: "
                "there is nothing measured in it."
            )
            return Recognition("labber", sentence, {}, 0.0, 0)
        return None
    warnings = []
    if is_cut:
        warnings.append("Counting stopped when the time was up; there is more.")
    if configurations:
        warnings.append(f"{_count(configurations, 'server configuration')} in it would be left out: no log is in them.")
    if others:
        warnings.append(f"{_count(others, 'other HDF5 file')} in it would be left out.")
    least = "at least " if is_cut else ""
    sentence = f"A folder of Labber logs, {least}{_count(logs, 'log')} in {_count(files, 'file')}."
    confidence = _SURE if files >= others else 0.35
    return _recognition(place, sentence, confidence, None if is_cut else logs, tuple(warnings))


def _count_in(file: LogFile, stop: StopToken) -> int | str:
    """How many logs are in a file, or by which rule it is none."""
    try:
        return len(_heads(file.path, stop))
    except NotALog as error:
        return error.rule
    except Stopped:
        raise
    except EtiketError:
        return 0


def _heads(path: str, stop: StopToken) -> list[LogHead]:
    try:
        with open_log_file(path, stop) as (file, _):
            return log_heads(file, path)
    except EtiketError:
        raise
    except BROKEN as error:
        raise SourceChanged(f"{path} is being written: {error}.", path=path) from error


def _recognition(
    folder: str, sentence: str, confidence: float, count: int | None, warnings: tuple[str, ...] = ()
) -> Recognition:
    return Recognition("labber", sentence, {"log_directory": to_portable(folder)}, confidence, count, warnings)


def _count(number: int, word: str) -> str:
    return f"1 {word}" if number == 1 else f"{number:,} {word}s".replace(",", " ")
