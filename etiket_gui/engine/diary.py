"""What happened, in sentences for a person. Much that happens at once is one sentence, so that the list stays short.

What is alike (datasets of one source archived at one destination, …) is gathered until nothing more of it came for some
seconds, and told once a minute at most, so that a night of short measurements does not fill the list either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from etiket_gui.domain.states import RunState
from etiket_gui.domain.wording import count_text, duration_text, size_text
from etiket_gui.engine.timers import Timers

#: Gathered is told when nothing more came for so long, …
QUIET_S = 4.0
#: … but not sooner than so long after the last sentence of its kind, …
APART_S = 60.0
#: … and no later than so long after its first.
LONGEST_S = 600.0
#: The same trouble, told in other words, is told again after so long.
_SAME_TROUBLE_S = 600.0
_MOST_REMEMBERED = 1000
_SHORT_S = 1.0
_ENDS = {
    RunState.COMPLETE: "is complete",
    RunState.INTERRUPTED: "was interrupted",
}


class Say(Protocol):
    """Writes a sentence into the list of what happened."""

    def __call__(
        self, sentence: str, *, source_id: int | None = None, dataset_id: int | None = None, at_ns: int | None = None
    ) -> None:
        """``at_ns``: when it happened, None for now."""


class Clock(Protocol):
    """Wall and monotonic time."""

    def now_ns(self) -> int:
        """Wall time, ns since 1970 UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never jump."""


@dataclass(slots=True)
class _Burst(ABC):
    """What is alike and not told yet. ``dataset_id`` and ``name`` are of the first dataset."""

    source_id: int | None
    source: str
    count: int = 0
    dataset_id: int | None = None
    name: str = ""
    first_s: float = 0.0
    last_s: float = 0.0
    last_ns: int = 0

    @abstractmethod
    def sentence(self) -> str:
        """What happened; "" when it is not worth a sentence."""

    def add(self, dataset_id: int, name: str) -> None:
        """One dataset more."""
        if not self.count:
            self.dataset_id, self.name = dataset_id, name
        self.count += 1

    @property
    def only_dataset_id(self) -> int | None:
        """The dataset that it is about, if it is about one."""
        return self.dataset_id if self.count == 1 else None


@dataclass(slots=True)
class _Looks(_Burst):
    changed: set[int] = field(default_factory=set)
    gone_count: int = 0
    #: Of the last look at everything, if there was one.
    seen_count: int | None = None
    duration_s: float = 0.0

    def sentence(self) -> str:
        counts = ((self.count, "new"), (len(self.changed), "changed"), (self.gone_count, "gone"))
        told = ", ".join(f"{count} {word}" for count, word in counts if count)
        if self.seen_count is not None:
            took = f" in {duration_text(self.duration_s)}" if self.duration_s >= _SHORT_S else ""
            seen = f"{count_text(self.seen_count, 'dataset')}{took}"
            return f"Looked through {self.source} ({seen}): {told or 'nothing new'}."
        if self.count == 1 and not self.changed and not self.gone_count:
            return f"Found {self.name} in {self.source}."
        return f"Seen in {self.source}: {told}." if told else ""

    @property
    def only_dataset_id(self) -> int | None:
        is_one = self.count == 1 and self.seen_count is None and not self.changed and not self.gone_count
        return self.dataset_id if is_one else None


@dataclass(slots=True)
class _Archived(_Burst):
    destination: str = ""
    size_bytes: int = 0
    file_count: int = 0
    known_count: int = 0
    mended_count: int = 0
    flaw_count: int = 0
    flaw: str = ""

    def sentence(self) -> str:
        if self.count == 1:
            return self._of_one()
        what = f"{self.count} datasets of {self.source}"
        if self.known_count == self.count:
            return f"{what} were at {self.destination} already, which is verified{self._rest()}."
        took_s = self.last_s - self.first_s
        took = f", in {duration_text(took_s)}" if took_s >= 10 else ""
        known = f"; {self.known_count} of them were there already" if self.known_count else ""
        return f"Archived {what} to {self.destination}, {size_text(self.size_bytes)}{took}{known}{self._rest()}."

    def _of_one(self) -> str:
        what = f"{self.name} of {self.source}" if self.source else self.name
        if self.known_count:
            return f"{what} was at {self.destination} already, which is verified{self._rest()}."
        files = f"{count_text(self.file_count, 'file')}, {size_text(self.size_bytes)}"
        return f"Archived {what} to {self.destination} ({files}){self._rest()}."

    def _rest(self) -> str:
        parts = []
        if self.mended_count:
            parts.append(
                "it had failed before" if self.count == 1 else f"{self.mended_count} of them had failed before"
            )
        if self.flaw_count:
            which = "one part" if self.count == 1 else f"a part of {self.flaw_count} of them"
            parts.append(f"{which} could not be made: {self.flaw.rstrip('.')}")
        return "".join(f"; {part}" for part in parts)


@dataclass(slots=True)
class _Failed(_Burst):
    destination: str = ""
    reason: str = ""

    def sentence(self) -> str:
        reason = self.reason.rstrip(".")
        if self.count == 1:
            return f"{self.name} of {self.source} could not be archived at {self.destination}: {reason}."
        what = f"{self.count} datasets of {self.source} could not be archived at {self.destination}"
        return f"{what}. Of the first, {self.name}: {reason}."


@dataclass(slots=True)
class _Begun(_Burst):
    running_count: int = 0

    def sentence(self) -> str:
        if self.count > 1:
            return f"{self.count} measurements began in {self.source}."
        if self.running_count:
            return f"{self.name} in {self.source} is still being measured."
        return f"The measurement {self.name} began in {self.source}."


@dataclass(slots=True)
class _Ended(_Burst):
    end: str = ""
    interrupted_count: int = 0
    details: str = ""

    def sentence(self) -> str:
        if self.count > 1:
            broken = f", {self.interrupted_count} of them interrupted" if self.interrupted_count else ""
            return f"{self.count} measurements ended in {self.source}{broken}."
        return f"The measurement {self.name} in {self.source} {self.end}{self.details}."


@dataclass(slots=True)
class _Proven(_Burst):
    destination: str = ""
    different_count: int = 0

    def sentence(self) -> str:
        what = f"Read {count_text(self.count, 'copy', 'copies')} at {self.destination} again"
        if not self.different_count:
            return f"{what}: {'it is' if self.count == 1 else 'all are'} what was put there."
        return f"{what}: {self.different_count} {'is' if self.different_count == 1 else 'are'} not what was put there."


@dataclass(slots=True)
class _Unreadable(_Burst):
    reason: str = ""

    def sentence(self) -> str:
        more = f" The same goes for {count_text(self.count - 1, 'other place')}." if self.count > 1 else ""
        return f"{self.source}: {self.reason.rstrip('.')}.{more}"


@dataclass(slots=True)
class _Plain(_Burst):
    text: str = ""

    def sentence(self) -> str:
        return self.text


_Kind = TypeVar("_Kind", bound=_Burst)


class Diary:
    """Belongs to the coordinator's thread. Writes only inside the transactions in which the timers run."""

    def __init__(self, say: Say, clock: Clock, timers: Timers) -> None:
        self._say = say
        self._clock = clock
        self._timers = timers
        self._bursts: dict[Hashable, _Burst] = {}
        self._told_s: dict[Hashable, float] = {}
        self._failed: set[int] = set()
        #: Places in trouble: since when, the state, and when it was told last (monotonic).
        self._troubled: dict[Hashable, tuple[float, str, float]] = {}

    # --- gathering ------------------------------------------------------------------------------------------

    def _gather(self, key: Hashable, made: Callable[[], _Kind]) -> _Kind:
        now_s = self._clock.monotonic_s()
        burst = self._bursts.get(key)
        if burst is None:
            burst = self._bursts[key] = made()
            burst.first_s = now_s
        burst.last_s, burst.last_ns = now_s, self._clock.now_ns()
        self._timers.not_later_than("diary", self._due_s(key, burst), self._tell_due)
        return burst  # type: ignore[return-value]  # a key stands for one kind

    def _due_s(self, key: Hashable, burst: _Burst) -> float:
        if isinstance(burst, _Plain):
            return burst.last_s
        quiet_s = max(burst.last_s + QUIET_S, self._told_s.get(key, -APART_S) + APART_S)
        return min(quiet_s, burst.first_s + LONGEST_S)

    def _tell_due(self) -> None:
        now_s = self._clock.monotonic_s()
        self._tell([key for key, burst in self._bursts.items() if self._due_s(key, burst) <= now_s])
        if self._bursts:
            next_s = min(self._due_s(key, burst) for key, burst in self._bursts.items())
            self._timers.at("diary", max(next_s, now_s + 0.1), self._tell_due)

    def tell_all(self) -> None:
        """Write down what is not told yet: the engine ends."""
        self._tell(list(self._bursts))

    def _tell(self, keys: list[Hashable]) -> None:
        now_s = self._clock.monotonic_s()
        if len(self._told_s) > _MOST_REMEMBERED:
            self._told_s = {key: told_s for key, told_s in self._told_s.items() if now_s - told_s < APART_S}
        for key in sorted(keys, key=lambda key: self._bursts[key].last_s):
            burst = self._bursts.pop(key)
            sentence = burst.sentence()
            if sentence:
                self._told_s[key] = now_s
                self._say(sentence, source_id=burst.source_id, dataset_id=burst.only_dataset_id, at_ns=burst.last_ns)

    def note(self, sentence: str, source_id: int | None = None) -> None:
        """A sentence of its own, written down with the next transaction."""
        self._gather(("note", sentence), lambda: _Plain(source_id, "", text=sentence))

    # --- what happened --------------------------------------------------------------------------------------

    def looked(self, source_id: int, source: str, *, changed: set[int], gone_count: int) -> None:
        """A look found datasets other than they were, or gone."""
        if changed or gone_count:
            burst = self._gather(("looks", source_id), lambda: _Looks(source_id, source))
            burst.changed |= changed
            burst.gone_count += gone_count

    def found(self, source_id: int, source: str, dataset_id: int, name: str) -> None:
        """A dataset is seen for the first time."""
        self._gather(("looks", source_id), lambda: _Looks(source_id, source)).add(dataset_id, name)

    def looked_through(
        self, source_id: int, source: str, *, seen_count: int, duration_s: float, is_worth_telling: bool
    ) -> None:
        """A look at everything ended; one that found nothing is told only where it is worth it."""
        known = self._bursts.get(("looks", source_id))
        if not is_worth_telling and (not isinstance(known, _Looks) or known.seen_count is not None):
            return
        burst = self._gather(("looks", source_id), lambda: _Looks(source_id, source))
        burst.seen_count, burst.duration_s = seen_count, duration_s

    def archived(
        self,
        source: tuple[int, str],
        destination: str,
        dataset: tuple[int, str],
        transfer_id: int,
        *,
        file_count: int,
        size_bytes: int,
        is_new: bool,
        has_failed: bool,
        flaw: str,
    ) -> None:
        """A dataset is archived. ``flaw``: what could not be made of it, "" where nothing is missing."""
        key = ("archived", source[0], destination)
        burst = self._gather(key, lambda: _Archived(*source, destination=destination))
        burst.add(*dataset)
        burst.file_count += file_count
        burst.size_bytes += size_bytes
        burst.known_count += not is_new
        burst.mended_count += has_failed or transfer_id in self._failed
        self._failed.discard(transfer_id)
        if flaw:
            burst.flaw_count += 1
            burst.flaw = burst.flaw or flaw

    def failed(
        self, source: tuple[int, str], destination: str, dataset: tuple[int, str], transfer_id: int, *, title: str,
        reason: str,
    ) -> None:  # fmt: skip
        """A dataset could not be archived; of its further tries nothing is told until one goes well."""
        if transfer_id in self._failed:
            return
        if len(self._failed) >= 100 * _MOST_REMEMBERED:
            self._failed.clear()
        self._failed.add(transfer_id)
        key = ("failed", source[0], destination, title)
        burst = self._gather(key, lambda: _Failed(*source, destination=destination, reason=reason))
        burst.add(*dataset)

    def run_began(self, source: tuple[int, str], dataset: tuple[int, str], *, is_new: bool) -> None:
        """A measurement runs; ``is_new`` False: it ran before this program began to look."""
        burst = self._gather(("began", source[0]), lambda: _Begun(*source))
        burst.add(*dataset)
        burst.running_count += not is_new

    def run_ended(
        self, source: tuple[int, str], dataset: tuple[int, str], end: RunState, *, points: int, lasted_s: float | None,
        early_count: int,
    ) -> None:  # fmt: skip
        """A measurement ended. ``early_count`` provisional versions of it were stored while it ran."""
        burst = self._gather(("ended", source[0]), lambda: _Ended(*source))
        burst.add(*dataset)
        burst.interrupted_count += end is RunState.INTERRUPTED
        burst.end = _ENDS.get(end, "ended")
        lasted = "" if lasted_s is None or lasted_s < _SHORT_S else f" after {duration_text(lasted_s)}"
        counted = f", {count_text(points, 'point')}" if points else ""
        early = f"; {count_text(early_count, 'provisional version')} had been stored meanwhile" if early_count else ""
        burst.details = f"{lasted}{counted}{early}"

    def proven(self, destination_id: int, destination: str, *, is_good: bool) -> None:
        """A stored copy was read again and compared."""
        burst = self._gather(("proven", destination_id), lambda: _Proven(None, "", destination=destination))
        burst.count += 1
        burst.different_count += not is_good

    def unreadable(self, source_id: int, source: str, reason: str) -> None:
        """Something in a source cannot be read."""
        self._gather(("unreadable", source_id), lambda: _Unreadable(source_id, source, reason=reason)).count += 1

    def place_changed(
        self, key: Hashable, *, state: str, trouble: str, relief: str, source_id: int | None = None
    ) -> None:
        """A source or destination has another state. ``trouble`` says what is wrong now, "" where nothing is.

        ``relief`` says that what was wrong before is over, "" where nothing was.
        """
        now_s = self._clock.monotonic_s()
        known = self._troubled.get(key)
        if trouble:
            since_s, known_state, told_s = known or (now_s, "", 0.0)
            if known_state != state or now_s - told_s >= _SAME_TROUBLE_S:
                self._say(trouble, source_id=source_id)
                told_s = now_s
            self._troubled[key] = (since_s, state, told_s)
            return
        self._troubled.pop(key, None)
        if relief:
            lasted = f", after {duration_text(now_s - known[0])}" if known and now_s - known[0] >= _SHORT_S else ""
            self._say(f"{relief}{lasted}.", source_id=source_id)
