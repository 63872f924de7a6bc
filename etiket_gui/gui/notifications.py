"""What pops up beside the tray: problems only, one summary per source in a quarter of an hour, none while measuring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from etiket_gui.bridge.queries_shell import PlaceProblems
from etiket_gui.domain import guards
from etiket_gui.gui.program_state import Facts
from etiket_gui.gui.program_watch import ProgramWatch
from etiket_gui.gui.sentences import capitalised, problems_text
from etiket_gui.gui.settings_access import SettingsAccess

translate = QCoreApplication.translate

#: After a summary of a source, the next one of it comes so much later at the earliest.
QUIET_S = 15 * 60.0
_LONGEST_BODY = 300


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that pops up. ``action`` is what a click on it does; ``is_good``: it is no warning."""

    title: str
    body: str
    action: str = "problems"
    is_good: bool = False


@dataclass(slots=True)
class NoticePolicy:
    """Decides what pops up and when. Times are monotonic seconds and ns since 1970 UTC.

    What is open when the program starts was told before; what comes while it must be silent is told afterwards, in the
    same summary.
    """

    _told_ns: dict[str, int] = field(default_factory=dict)
    _quiet_until_s: dict[str, float] = field(default_factory=dict)
    _has_begun: bool = False

    def begin(self, problems: Iterable[PlaceProblems]) -> None:
        """Take what is open now as told."""
        self._has_begun = True
        self._told_ns = {problem.place: problem.newest_ns for problem in problems}

    @property
    def has_begun(self) -> bool:
        """Whether :meth:`begin` was called."""
        return self._has_begun

    def due(self, problems: Iterable[PlaceProblems], now_s: float, *, is_silent: bool) -> list[Notice]:
        """What is to pop up now."""
        if is_silent and guards.is_on("silent-while-measuring"):
            return []
        found = []
        for problem in problems:
            is_new = problem.newest_ns > self._told_ns.get(problem.place, 0)
            is_quiet = now_s < self._quiet_until_s.get(problem.place, 0.0) and guards.is_on("notices-are-summed-up")
            if not is_new or is_quiet:
                continue
            self._told_ns[problem.place] = problem.newest_ns
            self._quiet_until_s[problem.place] = now_s + QUIET_S
            found.append(_notice(problem))
        return found


def is_measuring(facts: Facts) -> bool:
    """Whether a measurement runs, which nothing is to disturb."""
    return facts.is_measuring or any(source.live for source in facts.overview.enabled)


def _notice(problem: PlaceProblems) -> Notice:
    words = problem.title if problem.count == 1 else problems_text(problem.count)
    title = f"{problem.place}: {words}" if problem.place else capitalised(words)
    body = capitalised(problem.reason or problem.title)
    if problem.count > 1:
        body = translate("notices", "The newest: {reason}").format(reason=body)
    return Notice(title, body if len(body) <= _LONGEST_BODY else f"{body[:_LONGEST_BODY]}…")


class Notifications(QObject):
    """Watches the program; ``noticed`` has a Notice whenever one is due."""

    noticed = Signal(object)

    def __init__(
        self,
        watch: ProgramWatch,
        settings: SettingsAccess,
        parent: QObject | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._watch = watch
        self._settings = settings
        self._now_s = now_s
        self._policy = NoticePolicy()
        watch.changed.connect(self.look)
        # A quiet time may end while nothing else happens.
        self._timer = QTimer(self)
        self._timer.setInterval(60_000)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """See whether something is due."""
        facts = self._watch.facts
        if facts.shell is None:
            return
        problems = facts.shell.by_place
        if not self._policy.has_begun:
            self._policy.begin(problems)
            return
        if self._settings.current.notifications == "off":
            self._policy.begin(problems)
            return
        for notice in self._policy.due(problems, self._now_s(), is_silent=is_measuring(facts)):
            self.noticed.emit(notice)
