"""Whether what the window says is of now: since when the store cannot be read or the engine does not answer."""

from __future__ import annotations

from collections.abc import Callable

#: What is no older than this counts as of now; so often the engine is asked whether it is still there.
DOUBT_AFTER_S = 8.0
_S = 1_000_000_000


class Currency:
    """``now_ns`` gives ns since 1970 UTC, as do the times told."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._store_away_ns = 0
        #: When the engine was asked what it did not answer yet.
        self._asked_ns = 0
        #: When it answered last or, after it failed to, when that was asked.
        self._silent_since_ns = 0

    def note_store(self, *, is_away: bool) -> None:
        """The store cannot be read any more, or can again."""
        if not is_away:
            self._store_away_ns = 0
        elif not self._store_away_ns:
            self._store_away_ns = self._now_ns()

    def note_asked(self) -> bool:
        """The engine is to be asked; False while it owes an answer."""
        if self._asked_ns:
            return False
        self._asked_ns = self._now_ns()
        return True

    def note_answer(self) -> None:
        """The engine answered."""
        self._asked_ns = self._silent_since_ns = 0

    def note_refused(self) -> None:
        """The engine did not answer in time."""
        self._silent_since_ns = self._silent_since_ns or self._asked_ns
        self._asked_ns = 0

    def forget_engine(self) -> None:
        """There is no engine that could answer."""
        self.note_answer()

    @property
    def is_store_away(self) -> bool:
        """Whether it is the store that is away."""
        return self._is_old(self._store_away_ns)

    @property
    def as_of_ns(self) -> int:
        """Of when what is known is; 0 while it is of now."""
        silent_ns = self._silent_since_ns or self._asked_ns
        return min((since_ns for since_ns in (self._store_away_ns, silent_ns) if self._is_old(since_ns)), default=0)

    def _is_old(self, since_ns: int) -> bool:
        return bool(since_ns) and self._now_ns() - since_ns >= DOUBT_AFTER_S * _S
