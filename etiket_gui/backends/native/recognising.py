"""Answers "is this a folder of recordings, or an eTiKeT client's?" in bounded time, by names alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.backends.native.client import DATABASE, ClientDatabase
from etiket_gui.backends.native.recordings import Recordings, identifier_in
from etiket_gui.domain.errors import EtiketError, Stopped
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken

_SURE = 0.92


def recognise_native(path: Path, stop: StopToken) -> Recognition | None:
    """A root, a day, a recording, a file of one, or a part of a client's shared folder; None for anything else."""
    place = os.path.abspath(path)
    inside = place if os.path.isdir(place) else os.path.dirname(place)
    for folder in (inside, os.path.dirname(inside), os.path.dirname(os.path.dirname(inside))):
        stop.check()
        if os.path.isfile(os.path.join(folder, DATABASE)):
            return _client(folder, stop)
        if identifier_in(to_portable(os.path.basename(folder))) is not None:
            root = os.path.dirname(os.path.dirname(folder))
            name = display(to_portable(os.path.basename(folder)))
            sentence = f"A recording, {name}; its data directory is {display(to_portable(root))}."
            return _recognition(root, sentence, None)
    if not os.path.isdir(place):
        return None
    root = place
    try:
        found = Recordings(root, 0.0).find(stop)
        if not found:
            root = os.path.dirname(place)
            found = Recordings(root, 0.0).find(stop) if os.path.basename(place).isdecimal() else {}
    except OSError:
        return None
    if not found:
        return None
    number = "1 recording" if len(found) == 1 else f"{len(found)} recordings"
    first, last = (f"{day[:4]}-{day[4:6]}-{day[6:8]}" for day in _first_and_last(found.values()))
    when = f"of {first}" if first == last else f"from {first} to {last}"
    return _recognition(root, f"Recordings of measurement scripts: {number} {when}.", len(found))


def _client(folder: str, stop: StopToken) -> Recognition:
    shown = display(to_portable(folder))
    what = f"The folder of an eTiKeT client with its local database ({shown})"
    with tempfile.TemporaryDirectory(prefix="etiket-gui-") as scratch:
        database = ClientDatabase(folder, Path(scratch) / "copy", 0.0, copies_only=False)
        try:
            count = len(database.look(None, {}, lambda _: None, stop))
        except Stopped:
            raise
        except EtiketError as error:
            return _recognition(folder, f"{what}, which could not be read just now.", None, (error.reason,))
    number = "1 dataset" if count == 1 else f"{count} datasets"
    return _recognition(folder, f"{what}: {number} with files on this computer. It is only read.", count)


def _first_and_last(paths: Iterable[str]) -> tuple[str, str]:
    days = sorted(os.path.basename(os.path.dirname(path)) for path in paths)
    return days[0], days[-1]


def _recognition(root: str, sentence: str, count: int | None, warnings: tuple[str, ...] = ()) -> Recognition:
    return Recognition("native", sentence, {"data_directory": to_portable(root)}, _SURE, count, warnings)
