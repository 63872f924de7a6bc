"""Pause, hold and sync now as actions: the same ones in the header of the window and in the tray."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from etiket_gui.bridge.engine_host import EngineHost
from etiket_gui.domain.commands import Command, HoldSync, PauseSync, Reply, ResumeSync, RetryTransfers, ScanNow
from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.program_state import Facts
from etiket_gui.gui.sentences import is_ahead

_NS_PER_S = 1_000_000_000
#: A hold ends by itself: data is not left unsafe because somebody forgot it.
HOLD_S = 2 * 3600
#: "Tomorrow" begins when people come.
_MORNING_HOUR = 8


def tomorrow_ns(now_ns: int) -> int:
    """Tomorrow morning on this machine's clock, ns since 1970 UTC."""
    now = datetime.fromtimestamp(now_ns / _NS_PER_S, UTC).astimezone()
    morning = (now + timedelta(days=1)).replace(hour=_MORNING_HOUR, minute=0, second=0, microsecond=0)
    # The offset of the clock may be another one tomorrow.
    return int(morning.replace(tzinfo=None).astimezone().timestamp()) * _NS_PER_S


class Steering(QObject):
    """Gives the orders of a person to the engine. ``answered`` has a sentence, ``refused`` the failure."""

    answered = Signal(str)
    refused = Signal(object)

    def __init__(
        self, host: EngineHost, parent: QObject | None = None, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__(parent)
        self._host = host
        self._now_ns = now_ns

    def order(self, command: Command) -> None:
        """Have it done."""
        self._host.ask(command, self, self._tell, self._refuse)

    def sync_now(self) -> None:
        """Look through everything, and try again what failed. A question about many changes is not answered by it."""
        self.order(RetryTransfers(is_answer=False))
        self.order(ScanNow())

    def pause_for(self, duration_s: float) -> None:
        """Send nothing for so long."""
        self.order(PauseSync(self._now_ns() + round(duration_s * _NS_PER_S)))

    def pause_until_tomorrow(self) -> None:
        """Send nothing until tomorrow morning."""
        self.order(PauseSync(tomorrow_ns(self._now_ns())))

    def pause(self) -> None:
        """Send nothing until resumed."""
        self.order(PauseSync(-1))

    def hold(self, duration_s: float = HOLD_S) -> None:
        """Touch nothing for so long."""
        self.order(HoldSync(self._now_ns() + round(duration_s * _NS_PER_S)))

    def resume(self) -> None:
        """End a pause and a hold."""
        self.order(ResumeSync())

    def _tell(self, reply: Reply) -> None:
        if reply.sentence:
            self.answered.emit(reply.sentence)

    def _refuse(self, error: EtiketError) -> None:
        self.refused.emit(error)


class SteeringActions(QObject):
    """The actions, made once for one place that shows them; :meth:`show` brings texts and checks up to date."""

    def __init__(self, steering: Steering, parent: QWidget) -> None:
        super().__init__(parent)
        self.sync_now = QAction(self.tr("Sync now"), self)
        self.sync_now.setObjectName("sync-now")
        self.sync_now.triggered.connect(steering.sync_now)
        self.pause_menu = QMenu(self.tr("Pause"), parent)
        self.pause_menu.setObjectName("pause-menu")
        group = QActionGroup(self)
        for name, text, order in (
            ("pause-15", self.tr("For 15 minutes"), lambda: steering.pause_for(15 * 60)),
            ("pause-60", self.tr("For 1 hour"), lambda: steering.pause_for(3600)),
            ("pause-tomorrow", self.tr("Until tomorrow"), steering.pause_until_tomorrow),
            ("pause-open", self.tr("Until I resume"), steering.pause),
        ):
            action = self.pause_menu.addAction(text)
            action.setObjectName(name)
            group.addAction(action)
            action.triggered.connect(order)
        self.pause_menu.addSeparator()
        self.resume = self.pause_menu.addAction(self.tr("Resume"))
        self.resume.setObjectName("resume")
        self.resume.triggered.connect(steering.resume)
        self.hold = QAction(self.tr("Hold while measuring"), self)
        self.hold.setObjectName("hold")
        self.hold.setCheckable(True)
        self.hold.triggered.connect(lambda is_on: steering.hold() if is_on else steering.resume())

    def show(self, facts: Facts, now_ns: int) -> None:
        """Bring what is checked and what can be done up to date."""
        is_held = is_ahead(facts.held_until_ns, now_ns)
        is_paused = is_ahead(facts.paused_until_ns, now_ns)
        self.hold.setChecked(is_held)
        self.resume.setEnabled(is_held or is_paused)
        for action in (self.sync_now, self.hold, self.pause_menu.menuAction()):
            action.setEnabled(facts.is_running)
