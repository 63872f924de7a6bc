"""What state the program is in, as one word of seven and a sentence that says why: pure functions of known facts."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from etiket_gui.bridge.queries_pages import DestinationFacts, OldestUnsafe, Overview, SourceFacts
from etiket_gui.bridge.queries_shell import ShellFacts
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import DestinationState, SourceState, TransferState
from etiket_gui.gui.sentences import (
    ago_text,
    capitalised,
    clock_text,
    datasets_text,
    is_ahead,
    is_quiet,
    problems_text,
    until_text,
)

translate = QCoreApplication.translate


class TrayKind(enum.StrEnum):
    """The seven states, worst first: the program is in the first that holds."""

    ERROR = "error"
    ATTENTION = "attention"
    OFFLINE = "offline"
    PAUSED = "paused"
    MEASURING = "measuring"
    WORKING = "working"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the state follows from. ``shell`` is None while the store was not read yet or cannot be.

    ``failure`` is why there is no engine, ``complaint`` what is wrong with settings or log. ``is_running``: an engine
    is up. ``looking`` are the ids of the sources that it looks through just now, for long enough to be told.
    ``as_of_ns``: when what is known was last known to be so, 0 while it is of now; ``is_store_away`` says why. Times
    are ns since 1970 UTC, 0 means not paused or held, -1 means without end.
    """

    shell: ShellFacts | None = None
    failure: EtiketError | None = None
    is_running: bool = False
    is_measuring: bool = False
    paused_until_ns: int = 0
    held_until_ns: int = 0
    is_keyring_locked: bool = False
    complaint: str = ""
    looking: tuple[int, ...] = ()
    as_of_ns: int = 0
    is_store_away: bool = False

    @property
    def overview(self) -> Overview:
        """The overview; an empty one while it is not known."""
        return Overview() if self.shell is None else self.shell.overview

    @property
    def problem_count(self) -> int:
        """Open problems, as many as the page of problems lists."""
        return 0 if self.shell is None else self.shell.problem_count


@dataclass(frozen=True, slots=True)
class TrayState:
    """What the tray shows: which of the seven, why in one sentence, and how old the oldest unsafe dataset is.

    ``oldest`` says what is known where nothing is unsafe and sources are being looked through.
    """

    kind: TrayKind
    sentence: str
    oldest: str = ""

    @property
    def tooltip(self) -> str:
        """All of it, line by line."""
        return "\n".join(filter(None, (self.sentence, self.oldest)))


def tray_state(facts: Facts, now_ns: int) -> TrayState:
    """The worst state that holds, and why. ``now_ns``: ns since 1970 UTC."""
    oldest = oldest_sentence(facts.overview, now_ns)
    found = (
        _error(facts) or _attention(facts) or _offline(facts) or _paused(facts, now_ns)
        or _measuring(facts, now_ns)
        or _working(facts) or (TrayKind.IDLE, _idle_sentence(facts))
    )  # fmt: skip
    if not oldest and facts.looking and found[0] is TrayKind.WORKING:
        oldest = _known_sentence(facts)
    if facts.as_of_ns and facts.failure is None:
        oldest = f"{_as_of(facts, now_ns)} {oldest}".strip()
    return TrayState(found[0], found[1], oldest)


def _as_of(facts: Facts, now_ns: int) -> str:
    """Of what time everything that is said here is, and why it is not of now."""
    if facts.is_store_away:
        text = translate("state", "As of {clock}: what the program knows cannot be read since then.")
    else:
        text = translate("state", "As of {clock}: the engine has not answered since then.")
    return text.format(clock=clock_text(facts.as_of_ns, now_ns))


_Found = tuple[TrayKind, str] | None


def _error(facts: Facts) -> _Found:
    if facts.failure is not None:
        return TrayKind.ERROR, capitalised(facts.failure.reason)
    for source in facts.overview.enabled:
        if source.state == SourceState.PROBLEM.value:
            return TrayKind.ERROR, named(source.name, source.state_reason or translate("state", "cannot be read"))
    for place in facts.overview.destinations:
        if place.state in {DestinationState.PROBLEM.value, DestinationState.FULL.value}:
            usual = (
                translate("state", "is full")
                if place.state == DestinationState.FULL.value
                else translate("state", "does not work")
            )
            return TrayKind.ERROR, named(place.name, place.state_reason or usual)
    return None


def _attention(facts: Facts) -> _Found:
    if facts.is_keyring_locked:
        return TrayKind.ATTENTION, translate("state", "The password store is locked. Unlock it to go on.")
    for place in facts.overview.destinations:
        if place.state == DestinationState.SIGN_IN.value:
            return TrayKind.ATTENTION, translate("state", "{name} needs you to sign in.").format(name=place.name)
    for source in facts.overview.enabled:
        if source.state in {SourceState.ASKING.value, SourceState.EMPTY.value}:
            usual = (
                translate("state", "asks you something")
                if source.state == SourceState.ASKING.value
                else translate("state", "found nothing")
            )
            return TrayKind.ATTENTION, named(source.name, source.state_reason or usual)
    if facts.shell is not None and facts.shell.pressing_count:
        first = facts.shell.worst[0] if facts.shell.worst else None
        why = "" if first is None else f" {capitalised(first.reason or first.title)}"
        return TrayKind.ATTENTION, f"{capitalised(problems_text(facts.shell.pressing_count))}{why}"
    return None


def _offline(facts: Facts) -> _Found:
    away: list[SourceFacts | DestinationFacts] = [
        *(place for place in facts.overview.destinations if place.state == DestinationState.OFFLINE.value),
        *(source for source in facts.overview.enabled if source.state == SourceState.OFFLINE.value),
    ]
    if not away:
        return None
    names = ", ".join(place.name for place in away)
    if len(away) == 1:
        text = translate("state", "{names} cannot be reached. Nothing is lost; it goes on by itself.")
    else:
        text = translate("state", "{names} cannot be reached. Nothing is lost; they go on by themselves.")
    return TrayKind.OFFLINE, text.format(names=names)


def _paused(facts: Facts, now_ns: int) -> _Found:
    if is_ahead(facts.held_until_ns, now_ns):
        text = translate("state", "On hold {until}: nothing is touched.")
        return TrayKind.PAUSED, text.format(until=until_text(facts.held_until_ns, now_ns))
    if is_ahead(facts.paused_until_ns, now_ns):
        text = translate("state", "Paused {until}: nothing is sent.")
        return TrayKind.PAUSED, text.format(until=until_text(facts.paused_until_ns, now_ns))
    return None


def _measuring(facts: Facts, now_ns: int) -> _Found:
    running = [source for source in facts.overview.enabled if source.live]
    live = [source.name for source in running if not is_quiet(source.newest_live_ns, now_ns)]
    if not (running or facts.is_measuring) or not facts.is_running:
        return None
    if running and not live:
        return TrayKind.MEASURING, _seems_measuring(facts, running, now_ns)
    where = ", ".join(live)
    if len(live) > 1 and any(source.waiting for source in facts.overview.enabled):
        text = translate("state", "{where} are measuring, so the rest is sent slowly.")
    elif len(live) > 1:
        text = translate("state", "{where} are measuring.")
    elif any(source.waiting for source in facts.overview.enabled):
        text = (
            translate("state", "{where} is measuring, so the rest is sent slowly.")
            if where
            else translate("state", "A measurement is running, so the rest is sent slowly.")
        )
    else:
        text = translate("state", "{where} is measuring.") if where else translate("state", "A measurement is running.")
    return TrayKind.MEASURING, text.format(where=where)


def _seems_measuring(facts: Facts, running: list[SourceFacts], now_ns: int) -> str:
    """Of what said that it measures, but has written nothing for a while: perhaps it was killed."""
    ago = ago_text(max(source.newest_live_ns or 0 for source in running), now_ns)
    where = ", ".join(source.name for source in running)
    is_slowed = facts.is_measuring and any(source.waiting for source in facts.overview.enabled)
    if is_slowed and len(running) > 1:
        text = translate("state", "{where} seem to be measuring (last point {ago}), so the rest is sent slowly.")
    elif is_slowed:
        text = translate("state", "{where} seems to be measuring (last point {ago}), so the rest is sent slowly.")
    elif len(running) > 1:
        text = translate("state", "{where} seem to be measuring (last point {ago}).")
    else:
        text = translate("state", "{where} seems to be measuring (last point {ago}).")
    return text.format(where=where, ago=ago)


def _working(facts: Facts) -> _Found:
    overview = facts.overview
    counts = [source.counts for source in overview.enabled]
    sending = sum(count.get(TransferState.SENDING.value, 0) for count in counts)
    missing = sum(source.not_archived for source in overview.enabled)
    if not facts.is_running:
        return None
    if sending:
        text = translate("state", "{sending} on the way, {missing} not archived yet.")
        return TrayKind.WORKING, text.format(sending=datasets_text(sending), missing=datasets_text(missing))
    if missing:
        text = translate("state", "{missing} not archived yet.")
        return TrayKind.WORKING, text.format(missing=datasets_text(missing))
    looking = [source.name for source in overview.enabled if source.id in facts.looking]
    if looking:
        return TrayKind.WORKING, translate("state", "Looking through {names}.").format(names=", ".join(looking))
    if any(source.last_scan_ns is None for source in overview.enabled):
        return TrayKind.WORKING, translate("state", "Looking through the sources.")
    return None


def _known_sentence(facts: Facts) -> str:
    """What is safe already, while it is looked for more."""
    if not any(source.last_scan_ns for source in facts.overview.enabled):
        return ""
    total = sum(source.archived for source in facts.overview.enabled)
    if not total:
        return ""
    if total == 1:
        return translate("state", "The known dataset is archived and verified.")
    return translate("state", "All {datasets} known so far are archived and verified.").format(
        datasets=datasets_text(total)
    )


def _idle_sentence(facts: Facts) -> str:
    if not facts.is_running:
        return translate("state", "Starting…")
    overview = facts.overview
    if facts.shell is None:
        return translate("state", "Looking at what is known…")
    if not overview.sources:
        return translate("state", "Nothing is set up yet. Add a source to begin.")
    if not overview.enabled:
        return translate("state", "Every source is switched off.")
    total = sum(source.archived for source in overview.enabled)
    ignored = sum(source.ignored for source in overview.enabled)
    if any(source.state != SourceState.OK.value or source.unreadable for source in overview.enabled):
        return translate("state", "What is known is archived, but not everything was looked at.")
    if not total and ignored:
        return translate("state", "Everything that was found is left out, as you asked.")
    if not total:
        return translate("state", "No dataset was found.")
    if total == 1:
        return translate("state", "1 dataset, archived and verified.")
    return translate("state", "All {datasets} are archived and verified.").format(datasets=datasets_text(total))


def oldest_sentence(overview: Overview, now_ns: int) -> str:
    """How old the oldest dataset is that is not safe yet; "" when all are."""
    found: tuple[SourceFacts, OldestUnsafe] | None = overview.oldest_unsafe
    if found is None:
        return ""
    text = translate("state", "Oldest not archived: {name}, {ago}.")
    return text.format(name=found[1].name, ago=ago_text(found[1].since_ns, now_ns))


def named(name: str, reason: str) -> str:
    """A reason with the name of the place it is about, unless it already names it."""
    return capitalised(reason) if name in reason else capitalised(f"{name}: {reason}")
