"""What the watcher of one source told, and which finds of a look at everything it should have told and did not.

A look may be quicker than the events: what it finds counts as missed only when it lay there unchanged for some seconds
while the watcher was silent. While that cannot be known yet a find is suspect; an event about it clears it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etiket_gui.domain.content import Found

#: So long may an event be on its way, counted from the change itself and from the last event of all.
GRACE_S = 10.0
#: A watcher that tells of this and that is not waited for longer than this.
_LONGEST_GRACE_S = 300.0


class Announced:
    """Of one source. Times are monotonic seconds."""

    def __init__(self) -> None:
        #: What is watched, as absolute paths.
        self.folders: tuple[str, ...] = ()
        #: Whether identifiers are paths below them; where they are not, any event may have been about any dataset.
        self.are_paths = True
        self._was_told = False
        self._paths: set[str] = set()
        self._last_event_s: float | None = None
        #: Finds of which no event came yet, and since when.
        self._suspects: dict[str, float] = {}

    def tell(self, paths: Iterable[str], now_s: float) -> None:
        """The watcher told that something happened at these paths."""
        self._last_event_s = now_s
        self._was_told = True
        if self._suspects:
            told = _Told(paths, self.folders)
            for name in [name for name in self._suspects if not self.are_paths or told.is_about(name)]:
                del self._suspects[name]

    def keep(self, paths: Iterable[str]) -> None:
        """These paths were told since the last look at everything, and are not looked at by themselves."""
        self._paths.update(paths)

    def judge(self, found: Sequence[Found], told_now: Iterable[str], now_s: float) -> int:
        """How many of the finds of a look at everything were surely missed; the look is over, and so is its time.

        ``told_now``: paths that were told meanwhile and are not looked at yet.
        """
        told = _Told([*self._paths, *told_now], self.folders)
        was_told, self._was_told = self._was_told, False
        self._paths.clear()
        missed = 0
        for item in found:
            if told.is_about(item.identifier) if self.are_paths else was_told:
                continue
            age_s = (item.looked_at_ns - item.newest_change_ns) / 1e9
            if age_s < GRACE_S or self._is_telling(now_s):
                self._suspects.setdefault(item.identifier, now_s)
            else:
                missed += 1
        return missed

    def _is_telling(self, now_s: float) -> bool:
        return self._last_event_s is not None and now_s - self._last_event_s < GRACE_S

    @property
    def due_s(self) -> float | None:
        """When the suspects are to be looked at again; None while there are none."""
        if not self._suspects:
            return None
        since_s = min(self._suspects.values())
        quiet_s = max(since_s, self._last_event_s or 0.0) + GRACE_S
        return min(quiet_s, since_s + _LONGEST_GRACE_S)

    def take_missed(self, now_s: float) -> int:
        """How many suspects turned out to be missed; they are none any more."""
        missed = [
            name
            for name, since_s in self._suspects.items()
            if now_s >= min(max(since_s, self._last_event_s or 0.0) + GRACE_S, since_s + _LONGEST_GRACE_S)
        ]
        for name in missed:
            del self._suspects[name]
        return len(missed)


class _Told:
    """What paths may stand for: the folders from the watched one down to each path, and everything below it.

    A path is told of a folder when all of that folder is to be looked at.
    """

    def __init__(self, paths: Iterable[str], folders: Sequence[str]) -> None:
        self._above: set[str] = set()
        self._whole: set[str] = set()
        for path in paths:
            self._above.add(".")
            for folder in folders:
                if path.startswith(folder):
                    parts = path[len(folder) :].replace("\\", "/").strip("/").split("/")
                    self._above.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
                    self._whole.add("/".join(parts))

    def is_about(self, identifier: str) -> bool:
        """Whether one of the paths may be about that dataset."""
        if identifier in self._above:
            return True
        place = identifier.rfind("/")
        while place > 0:
            if identifier[:place] in self._whole:
                return True
            place = identifier.rfind("/", 0, place)
        return False
