"""One look at a data folder of a measuring program: the frame that each such backend fills in."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from etiket_gui.backends.api import DiscoveryRequest, KnownDatasets
from etiket_gui.backends.directories import root_error, root_status
from etiket_gui.backends.folder.levels import unreadable
from etiket_gui.backends.folder.survey import Surveyor
from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary, Found, Unreadable
from etiket_gui.domain.errors import SourceOffline
from etiket_gui.domain.stopping import StopToken


@dataclass(slots=True)
class Walk:
    """What was met beside the measurements. ``unlisted`` are parts (portable names, "" is the root) not looked into.

    Of what may lie in those nothing is known.
    """

    stray_files: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)

    def skip(self, rule: str) -> None:
        """Count something that was left alone."""
        self.skipped[rule] = self.skipped.get(rule, 0) + 1

    def hide(self, name: str, path: str, error: OSError) -> None:
        """Note a part that could not be looked into."""
        self.unreadable.append(unreadable(name, path, error))
        self.unlisted.append(name)


class DirectoryScan(ABC):
    """From the request to the summary. Used once."""

    def __init__(
        self, root: str, surveyor: Surveyor, known: KnownDatasets, report: Callable[[Found], None], stop: StopToken
    ) -> None:
        self._root = root
        self._surveyor = surveyor
        self._known = known
        self._report = report
        self._stop = stop
        self._seen_count = 0
        self._root_status = root_status(root)

    @property
    @abstractmethod
    def walked(self) -> Walk:
        """What was met so far."""

    @abstractmethod
    def _everything(self) -> set[str]:
        """Look at all there is; returns what is missing. May raise OSError for the root."""

    @abstractmethod
    def _identifiers(self, identifiers: Iterable[str]) -> set[str]:
        """Look at these datasets; returns what is missing."""

    @abstractmethod
    def _paths(self, paths: Iterable[str]) -> set[str]:
        """Look where something was seen to happen; returns what is missing."""

    def run(self, request: DiscoveryRequest) -> DiscoverySummary:
        """Raises SourceOffline when the root is away, or was replaced while it was being looked through."""
        begun_s = time.perf_counter()
        try:
            if request.is_everything:
                missing = self._everything()
            else:
                missing = self._identifiers(request.identifiers or ())
                missing |= self._paths(request.paths or ())
        except OSError as error:
            raise root_error(error, self._root) from error
        after = root_status(self._root)
        is_same = (after.st_dev, after.st_ino) == (self._root_status.st_dev, self._root_status.st_ino)
        if not is_same and guards.is_on("root-looked-at-twice"):
            raise SourceOffline(f"{self._root} was replaced while it was being looked through.", path=self._root)
        return DiscoverySummary(
            seen_count=self._seen_count,
            missing=tuple(sorted(missing)),
            unreadable=tuple(self.walked.unreadable),
            stray_files=self.walked.stray_files,
            root_place=self._surveyor.place(self._root_status, self._surveyor.traits.device),
            duration_s=time.perf_counter() - begun_s,
            is_complete_scan=request.is_everything,
            skipped=self.walked.skipped,
        )
