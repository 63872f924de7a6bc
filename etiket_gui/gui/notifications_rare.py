"""The two notices that are no problems: a new source is archived for the first time, and a pause was forgotten."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from etiket_gui.bridge.background import Background
from etiket_gui.bridge.queries_notices import ArchivedWhole, archived_whole
from etiket_gui.bridge.queries_pages import SourceFacts
from etiket_gui.domain import guards
from etiket_gui.domain.states import SourceState
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.notifications import Notice, is_measuring
from etiket_gui.gui.program_state import Facts
from etiket_gui.gui.program_watch import ProgramWatch
from etiket_gui.gui.sentences import clock_text, datasets_text, size_text
from etiket_gui.osys.atomic import write_atomically

log = logging.getLogger(__name__)

translate = QCoreApplication.translate

#: A pause without end is recalled after so long, and again each time so much has passed.
FORGOTTEN_NS = 24 * 3600 * 1_000_000_000
_FILE = "notices.json"
_LOOK_MS = 60_000


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, kept from one start to the next. ``whole`` are uuids of sources; times are ns since 1970 UTC.

    ``paused_ns`` is since when a pause without end is known, ``recalled_ns`` when it was last recalled; 0: it is not.
    """

    whole: frozenset[str] = frozenset()
    paused_ns: int = 0
    recalled_ns: int = 0


def load_told(path: Path) -> Told | None:
    """What was kept; None where nothing was, or nothing that makes sense."""
    try:
        value = json.loads(path.read_text("utf-8"))
        return Told(frozenset(str(uuid) for uuid in value["whole"]), int(value["paused_ns"]), int(value["recalled_ns"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_told(path: Path, told: Told) -> None:
    """Keep it; where that cannot be done, it is told once more after the next start."""
    content = {"whole": sorted(told.whole), "paused_ns": told.paused_ns, "recalled_ns": told.recalled_ns}
    try:
        write_atomically(path, json.dumps(content).encode() + b"\n")
    except OSError as error:
        log.info("What was told is not kept: %s", error)


def is_whole(source: SourceFacts) -> bool:
    """Whether everything of a source was looked at and is archived and verified."""
    return (
        source.is_enabled
        and source.state == SourceState.OK.value
        and source.last_scan_ns is not None
        and source.archived > 0
        and not (source.not_archived or source.live or source.problems or source.unreadable)
    )


def pause_due(told: Told, facts: Facts, now_ns: int) -> tuple[Told, bool]:
    """What is known of a pause without end from now on, and whether it is to be recalled now."""
    if -1 not in {facts.paused_until_ns, facts.held_until_ns}:
        return dataclasses.replace(told, paused_ns=0, recalled_ns=0), False
    # A clock that was put back makes no pause of years.
    if not told.paused_ns or max(told.paused_ns, told.recalled_ns) > now_ns:
        return dataclasses.replace(told, paused_ns=now_ns, recalled_ns=0), False
    if now_ns - max(told.paused_ns, told.recalled_ns) < FORGOTTEN_NS:
        return told, False
    return dataclasses.replace(told, recalled_ns=now_ns), True


def whole_notice(source: ArchivedWhole) -> Notice:
    """Of a source of which everything is archived."""
    return Notice(
        translate("notices", "Everything of {name} is archived and verified").format(name=source.name),
        translate("notices", "{datasets}, {size}. What is measured from now on follows by itself.").format(
            datasets=datasets_text(source.dataset_count), size=size_text(source.size_bytes)
        ),
        action="open",
        is_good=True,
    )


def pause_notice(facts: Facts, since_ns: int, now_ns: int) -> Notice:
    """Of a pause that lasts long."""
    title = translate("notices", "Still paused, since {time}")
    if facts.held_until_ns == -1:
        title = translate("notices", "Still on hold, since {time}")
    waiting = sum(source.not_archived for source in facts.overview.enabled)
    body = translate("notices", "Nothing is sent until you resume.")
    if waiting == 1:
        body = translate("notices", "1 dataset is not archived yet. It waits until you resume.")
    elif waiting:
        body = translate("notices", "{datasets} are not archived yet. They wait until you resume.").format(
            datasets=datasets_text(waiting)
        )
    return Notice(title.format(time=clock_text(since_ns, now_ns)), body, action="open")


class RareNotices(QObject):
    """Watches the program; ``noticed`` has a Notice whenever one is due. Each comes once, also over many starts."""

    noticed = Signal(object)

    def __init__(
        self,
        watch: ProgramWatch,
        desk: Desk,
        background: Background,
        parent: QObject | None = None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(parent)
        self._watch = watch
        self._desk = desk
        self._background = background
        self._now_ns = now_ns
        self._path = desk.home.root / _FILE
        self._told: Told | None = None
        self._is_loading = False
        self._is_first_look = False
        self._is_asking = False
        self._saving = threading.Lock()
        #: Sources of which nothing new is to be said in this run.
        self._said: set[int] = set()
        watch.changed.connect(self.look)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """See whether something is due."""
        facts = self._watch.facts
        if facts.shell is None or not facts.is_running:
            return
        if self._told is None:
            self._load()
            return
        if is_measuring(facts) and guards.is_on("silent-while-measuring"):
            return
        self._look_for_pause(self._told, facts)
        found = {source.id for source in facts.overview.enabled if is_whole(source)} - self._said
        if found and not self._is_asking:
            self._is_asking = True
            ids = sorted(found)
            self._desk.reads.ask(lambda reads: archived_whole(reads.connection, ids), self, self._take, self._fail)
        elif self._is_first_look and not found:
            self._is_first_look = False
            self._keep(self._told)

    def _load(self) -> None:
        if not self._is_loading:
            self._is_loading = True
            self._background.run(lambda: load_told(self._path), self, self._begin)

    def _begin(self, told: Told | None) -> None:
        # Where nothing was kept, what is archived already is nothing new.
        self._is_first_look = told is None
        self._told = told or Told()
        self.look()

    def _look_for_pause(self, told: Told, facts: Facts) -> None:
        now_ns = self._now_ns()
        since_ns = told.paused_ns
        known, is_due = pause_due(told, facts, now_ns)
        if known != told:
            self._keep(known)
        if is_due and self._is_on:
            self.noticed.emit(pause_notice(facts, since_ns, now_ns))

    def _fail(self, _: object) -> None:
        # The store cannot be read just now; the next change asks again.
        self._is_asking = False

    def _take(self, found: tuple[ArchivedWhole, ...]) -> None:
        self._is_asking = False
        told = self._told
        if told is None:
            return
        self._said.update(source.id for source in found)
        new = [source for source in found if source.uuid not in told.whole]
        if new or self._is_first_look:
            self._keep(dataclasses.replace(told, whole=told.whole | {source.uuid for source in new}))
        if self._is_on and not self._is_first_look:
            for source in new:
                self.noticed.emit(whole_notice(source))
        self._is_first_look = False

    @property
    def _is_on(self) -> bool:
        return self._desk.settings.current.notifications != "off"

    def _keep(self, told: Told) -> None:
        self._told = told
        self._background.run(self._save, None, lambda _: None)

    def _save(self) -> None:
        """On a thread of its own: the newest of what is to be kept, also where two of these overtake each other."""
        with self._saving:
            if self._told is not None:
                save_told(self._path, self._told)
