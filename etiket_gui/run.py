"""The engine for scripts: ``sync_loop(n)``. Installs no log handlers."""

from __future__ import annotations

import os
from collections.abc import Callable

from etiket_gui.domain.events import Event
from etiket_gui.engine.report import RunReport
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import load_settings


def sync_loop(
    cycles: int = 0, *, home: str | os.PathLike[str] | None = None, listener: Callable[[Event], None] | None = None
) -> RunReport:
    """Look through all sources and bring what is new to their destinations, ``cycles`` times; 0 is for ever.

    ``home`` is the folder with store and settings; without it ``ETIKET_GUI_HOME`` or the user's own is taken.
    Raises HomeInUse when another engine owns that home, ValueError for a negative number of cycles.
    """
    if cycles < 0:
        raise ValueError("cycles counts from 1; 0 is for ever")
    place = Home.locate(None if home is None else os.fspath(home))
    listeners = () if listener is None else (listener,)
    with Engine(place, load_settings(place), listeners=listeners) as engine:
        return engine.run(cycles or None)
