"""What pages, wizards and dialogs of the window are given: engine, store, jobs, look and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etiket_gui.gui.settings_access import SettingsAccess
from etiket_gui.gui.theme.theme import Theme
from etiket_gui.settings.home import Home

if TYPE_CHECKING:
    from etiket_gui.bridge.engine_host import EngineHost
    from etiket_gui.bridge.jobs import JobClient
    from etiket_gui.bridge.reads import StoreReads


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """The parts of one running program. Frozen: the parts stay the same from start to end."""

    host: EngineHost
    reads: StoreReads
    jobs: JobClient
    theme: Theme
    home: Home
    settings: SettingsAccess
