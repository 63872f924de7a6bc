"""What a wizard has come to know of the source or destination that is to be added, and what the catalogue offers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, Signal

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import NS_PER_S, duration_text, translate


class Catalogue(QObject):
    """The plug-ins that can be used, asked once for each wizard. ``arrived`` when they are there, else ``failed``."""

    arrived = Signal()
    failed = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.backends: dict[str, dict[str, Any]] = {}
        self.destinations: dict[str, dict[str, Any]] = {}
        self.disabled: list[dict[str, Any]] = []
        self.error: EtiketError | None = None
        self.is_here = False

    def load(self) -> None:
        """Ask for them."""
        self._desk.jobs.start("plugins", {}, self, self._on_answer, self._on_failure)

    def when_here(self, then: Callable[[], None]) -> None:
        """Call ``then`` now or as soon as they are there."""
        if self.is_here:
            then()
        else:
            self.arrived.connect(then)

    def _on_answer(self, result: dict[str, Any]) -> None:
        self.backends = {item["identifier"]: item for item in result["backends"]}
        self.destinations = {item["identifier"]: item for item in result["destinations"]}
        self.disabled = list(result["disabled"])
        self.is_here = True
        self.arrived.emit()

    def _on_failure(self, error: EtiketError) -> None:
        self.error = error
        self.failed.emit(error)


@dataclass(slots=True)
class NewDestination:
    """A destination that is added together with a source."""

    kind: str
    name: str
    config: Mapping[str, Any]
    secret: str = ""


@dataclass(slots=True)
class SourceDraft:
    """A source that is to be added. ``since_ns`` 0: every dataset; ``survey`` is the answer of that job, once there.

    ``uuid`` names the source; it is that of another one where that is continued.
    """

    backend: str = ""
    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    root: str = ""
    secret: str = ""
    destination: str = ""
    new_destination: NewDestination | None = None
    scope: str = ""
    since_ns: int = 0
    survey: dict[str, Any] | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Amount:
    """What would be archived: datasets, bytes, the oldest and newest (ns since 1970 UTC), and how long it may take."""

    count: int
    size_bytes: int
    oldest_ns: int | None
    newest_ns: int | None
    older_count: int
    duration_s: float
    basis: str
    is_size_estimated: bool = False


def amount_since(survey: Mapping[str, Any], since_ns: int) -> Amount:
    """What a survey found that is not older than a date (0: everything). Whole days count, so it takes no new look."""
    days = [day for day in survey["days"] if not since_ns or day[0] + 24 * 3600 * NS_PER_S > since_ns]
    if since_ns and since_ns > time.time_ns() - 3600 * NS_PER_S:
        # "From now on": of what is there already, only what still runs.
        days = []
    count = sum(day[1] for day in days) + survey["running"]
    size_bytes = sum(day[2] for day in days) + survey["running_bytes"]
    is_everything = not since_ns
    oldest_ns = survey["oldest_ns"] if is_everything else max(since_ns, days[0][0]) if days else None
    newest_ns = survey["newest_ns"] if count else None
    duration_s = count * survey["per_dataset_s"] + size_bytes / survey["bytes_per_s"]
    return Amount(
        count, size_bytes, oldest_ns, newest_ns, survey["count"] - count, duration_s, str(survey["estimate_basis"]),
        bool(survey["is_size_estimated"]),
    )  # fmt: skip


def time_words(amount: Amount) -> str:
    """How long the first time may take: ``about 12 min``, ``a moment``."""
    if amount.count == 0:
        return translate("wizards", "nothing to send yet")
    if amount.duration_s < 10:
        return translate("wizards", "a few seconds")
    return translate("wizards", "about {time}").format(time=duration_text(amount.duration_s))
