"""The sentences of the overview: how everything stands, how a source stands, how a destination stands. Only the truth.

"All … are archived" is said only where every source that is switched on was looked through to the end and found well.
"""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.bridge.queries_pages import DestinationFacts, Overview, SourceFacts
from etiket_gui.domain.states import DestinationState, SourceState
from etiket_gui.gui.sentences import (
    advice_text,
    ago_text,
    clock_text,
    datasets_text,
    destination_state_title,
    duration_text,
    ended,
    is_ahead,
    is_quiet,
    number_text,
    source_state_title,
    translate,
    until_text,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A state in words: the sign it has, a sentence, and what stands behind it or what to do."""

    sign: str
    sentence: str
    detail: str = ""


def headline(facts: Overview, *, is_measuring: bool, engine_away: str, now_ns: int) -> Told:
    """How everything stands. ``engine_away`` is why no engine runs, "" while one does."""
    if engine_away:
        return Told("problem", translate("overview", "Nothing is archived just now"), engine_away)
    if not facts.sources:
        return Told("new", translate("overview", "Nothing to archive yet"), _begin(facts))
    if not facts.enabled:
        return Told("off", translate("overview", "Every source is switched off, so nothing new is archived"))
    if is_ahead(facts.held_until_ns, now_ns):
        return _stopped(facts, translate("overview", "Nothing is touched"), facts.held_until_ns, now_ns)
    if is_ahead(facts.paused_until_ns, now_ns):
        return _stopped(facts, translate("overview", "Sending is paused"), facts.paused_until_ns, now_ns)
    missing = sum(source.not_archived for source in facts.enabled)
    if missing:
        return _missing(facts, missing, is_measuring=is_measuring, now_ns=now_ns)
    return _nothing_missing(facts, now_ns)


def _begin(facts: Overview) -> str:
    if facts.destinations:
        return translate("overview", "Add a source: a folder or a database with measurements.")
    return translate("overview", "Add a source and the place where its measurements are to be kept.")


def _stopped(facts: Overview, what: str, until_ns: int, now_ns: int) -> Told:
    waiting = sum(source.not_archived for source in facts.enabled)
    sentence = translate("overview", "{what} {until}").format(what=what, until=until_text(until_ns, now_ns))
    if not waiting:
        return Told("paused", sentence, translate("overview", "Nothing that is known waits."))
    return Told("paused", sentence, _are_waiting(waiting) + _oldest_behind(facts, now_ns))


def _are_waiting(count: int) -> str:
    if count == 1:
        return translate("overview", "1 dataset waits.")
    return translate("overview", "{datasets} wait.").format(datasets=datasets_text(count))


def _oldest_behind(facts: Overview, now_ns: int) -> str:
    oldest = facts.oldest_unsafe
    if oldest is None:
        return ""
    age = duration_text((now_ns - oldest[1].since_ns) / 1e9)
    return " " + translate("overview", "The oldest is {name}, unchanged for {age}.").format(
        name=oldest[1].name, age=age
    )


def _missing(facts: Overview, missing: int, *, is_measuring: bool, now_ns: int) -> Told:
    total = sum(source.found - source.ignored for source in facts.enabled)
    live = sum(source.live for source in facts.enabled)
    failed = sum(source.failed for source in facts.enabled)
    if missing == live:
        return _only_live(live, total)
    if missing == 1:
        sentence = translate("overview", "1 of {total} is not archived yet").format(total=datasets_text(total))
    else:
        sentence = translate("overview", "{n} of {total} are not archived yet").format(
            n=number_text(missing), total=datasets_text(total)
        )
    parts = [_oldest_behind(facts, now_ns).strip()]
    if is_measuring:
        parts.append(translate("overview", "A measurement runs, so sending is slow on purpose."))
    away = [item.name for item in facts.destinations if item.state in _AWAY]
    if away:
        parts.append(translate("overview", "{names} cannot take anything now.").format(names=", ".join(away)))
    sign = "attention" if failed or away or _unwell(facts) else "measuring" if is_measuring else "sending"
    return Told(sign, sentence, " ".join(part for part in parts if part))


_AWAY = {
    DestinationState.OFFLINE.value,
    DestinationState.FULL.value,
    DestinationState.SIGN_IN.value,
    DestinationState.PROBLEM.value,
}


def _only_live(live: int, total: int) -> Told:
    finished = total - live
    if live == 1:
        detail = translate("overview", "1 dataset is still being measured and follows when it is complete.")
    else:
        detail = translate("overview", "{datasets} are still being measured and follow when complete.").format(
            datasets=datasets_text(live)
        )
    if not finished:
        return Told("measuring", translate("overview", "A measurement runs"), detail)
    sentence = translate("overview", "Everything that is complete is archived and verified")
    return Told("measuring", sentence, detail)


def _unwell(facts: Overview) -> list[SourceFacts]:
    """The sources of which not everything may have been seen."""
    return [
        source
        for source in facts.enabled
        if source.state != SourceState.OK.value or not source.last_scan_ns or source.unreadable
    ]


def _nothing_missing(facts: Overview, now_ns: int) -> Told:
    total = sum(source.found - source.ignored for source in facts.enabled)
    unwell = _unwell(facts)
    never = [source.name for source in unwell if not source.last_scan_ns and source.state == SourceState.NEW.value]
    if never:
        sentence = translate("overview", "Looking through {names} for the first time").format(names=", ".join(never))
        return Told("sending", sentence)
    if unwell:
        names = ", ".join(source.name for source in unwell)
        if not total:
            return Told("attention", translate("overview", "No dataset was found in {names}").format(names=names))
        sentence = translate("overview", "All known datasets are archived, but there may be more")
        reason = ended(unwell[0].state_reason or source_state_title(unwell[0].state))
        if unwell[0].state == SourceState.OK.value:
            reason = _unreadable()
        detail = translate("overview", "{names}: {reason}").format(names=names, reason=reason)
        return Told("attention", sentence, detail)
    if not total and any(source.ignored for source in facts.enabled):
        return Told("ok", translate("overview", "Everything that was found is left out, as you asked"))
    if not total:
        return Told("attention", translate("overview", "No dataset was found"))
    seen_ns = min(source.last_scan_ns or 0 for source in facts.enabled)
    if total == 1:
        sentence = translate("overview", "The dataset is archived and verified as of {clock}")
    else:
        sentence = translate("overview", "All {datasets} are archived and verified as of {clock}")
    sentence = sentence.format(datasets=datasets_text(total), clock=clock_text(seen_ns, now_ns))
    return Told("ok", sentence, _not_counted(facts))


def _not_counted(facts: Overview) -> str:
    parts = []
    off = [source.name for source in facts.sources if not source.is_enabled]
    if off:
        parts.append(translate("overview", "Switched off and not counted: {names}.").format(names=", ".join(off)))
    ignored = sum(source.ignored for source in facts.enabled)
    if ignored:
        parts.append(
            translate("overview", "Left out as you asked: {datasets}.").format(datasets=datasets_text(ignored))
        )
    return " ".join(parts)


# -- one source --------------------------------------------------------------------------------------------------------


def source_told(facts: SourceFacts, *, is_looking: bool = False, looking_s: float | None = None, now_ns: int) -> Told:
    """How a source stands: its state, why, and what to do. ``looking_s``: for how long it has been looked through."""
    if not facts.is_enabled:
        return Told("off", translate("overview", "Switched off"), translate("overview", "Nothing new of it is seen."))
    if facts.state not in {SourceState.OK.value, SourceState.NEW.value}:
        reason = ended(facts.state_reason) or source_state_title(facts.state) + "."
        advice = advice_text(facts.problem_kind, facts.advice)
        if facts.state == SourceState.ASKING.value:
            advice = _asking()
        return Told(facts.state, reason, advice)
    if is_looking and not facts.last_scan_ns:
        return Told("sending", translate("overview", "Is looked through for the first time"), _so_far(facts, looking_s))
    if facts.state == SourceState.NEW.value or not facts.last_scan_ns:
        return Told("new", translate("overview", "Was not looked through yet"))
    if facts.failed:
        sentence = translate("overview", "{datasets} could not be archived").format(
            datasets=datasets_text(facts.failed)
        )
        return Told("problem", sentence, translate("overview", "The page Problems says why and what to do."))
    if facts.unreadable:
        sentence = translate("overview", "Not everything here could be read, so there may be more")
        return Told("attention", sentence, translate("overview", "The page Problems says why and what to do."))
    if looking_s is not None:
        return Told("sending", _looked_through(looking_s), source_told(facts, now_ns=now_ns).sentence + ".")
    if facts.waiting:
        return Told("sending", translate("overview", "{datasets} to go").format(datasets=datasets_text(facts.waiting)))
    if facts.live:
        return _live(facts, now_ns)
    if not facts.found:
        return Told("new", translate("overview", "No dataset is known here"))
    if not facts.archived:
        return Told("ignored", translate("overview", "Everything that was found here is left out, as you asked"))
    sentence = translate("overview", "Everything is archived and verified as of {clock}")
    return Told("ok", sentence.format(clock=clock_text(facts.last_scan_ns, now_ns)))


def _live(facts: SourceFacts, now_ns: int) -> Told:
    runs = translate("overview", "A measurement runs")
    if is_quiet(facts.newest_live_ns, now_ns):
        ago = ago_text(facts.newest_live_ns, now_ns)
        runs = translate("overview", "A measurement seems to run (last point {ago})").format(ago=ago)
    if not facts.archived:
        return Told("live", translate("overview", "{runs}; it follows when it is complete").format(runs=runs))
    rest = translate("overview", "{runs}; everything before it is archived and verified")
    return Told("live", rest.format(runs=runs))


def _looked_through(looking_s: float) -> str:
    return translate("overview", "Being looked through for {time}").format(time=duration_text(looking_s))


def _so_far(facts: SourceFacts, looking_s: float | None) -> str:
    """What the first look at a source found up to now, and how long it has taken."""
    if looking_s is None:
        return ""
    parts = [translate("overview", "For {time} now").format(time=duration_text(looking_s))]
    if facts.found:
        parts.append(translate("overview", "{datasets} found so far").format(datasets=datasets_text(facts.found)))
    return ended(", ".join(parts))


def _unreadable() -> str:
    return translate("overview", "not everything in it could be read.")


def _asking() -> str:
    return translate("overview", "Answer on the page Problems. Until then the good versions in the archive stay.")


def source_footnote(facts: SourceFacts, now_ns: int) -> str:
    """When a source was last looked through, and what was noticed beside its datasets."""
    parts = [translate("overview", "Not looked through yet")]
    if facts.last_scan_ns:
        parts = [translate("overview", "Looked through {ago}").format(ago=ago_text(facts.last_scan_ns, now_ns))]
    if facts.missed_by_watcher:
        parts.append(
            translate("overview", "{n} found only by looking, missed by the watcher").format(
                n=number_text(facts.missed_by_watcher)
            )
        )
    if facts.stray_files == 1:
        parts.append(translate("overview", "1 file lies outside of any dataset"))
    elif facts.stray_files:
        parts.append(
            translate("overview", "{n} files lie outside of any dataset").format(n=number_text(facts.stray_files))
        )
    if facts.ignored:
        parts.append(translate("overview", "{n} left out").format(n=number_text(facts.ignored)))
    return " · ".join(parts)


def oldest_sentence(facts: SourceFacts, now_ns: int) -> str:
    """What of a source has been unsafe longest, and for how long; "" when everything is safe."""
    oldest = facts.oldest_unsafe
    if oldest is None or not facts.is_enabled:
        return ""
    age = duration_text(max(0.0, (now_ns - oldest.since_ns) / 1e9))
    return translate("overview", "Oldest not safe yet: {name}, unchanged for {age}").format(name=oldest.name, age=age)


# -- one destination ---------------------------------------------------------------------------------------------------


def destination_told(facts: DestinationFacts, now_ns: int) -> Told:
    """How a destination stands: reachable or not, why, and what to do."""
    if facts.state == DestinationState.NEW.value:
        return Told("new", translate("overview", "Was not looked at yet"))
    if facts.state != DestinationState.OK.value:
        reason = ended(facts.state_reason) or destination_state_title(facts.state) + "."
        return Told(facts.state, reason, advice_text(facts.problem_kind, facts.advice))
    if facts.last_success_ns:
        sentence = translate("overview", "Reachable; took something {ago}")
        return Told("ok", sentence.format(ago=ago_text(facts.last_success_ns, now_ns)))
    return Told("ok", translate("overview", "Reachable; nothing was sent there yet"))


def proof_sentence(facts: DestinationFacts, now_ns: int) -> str:
    """How long ago the copies there were read back from the disk and compared; "" where there are none."""
    if not facts.archived:
        return ""
    if facts.oldest_proof_ns is None:
        return translate(
            "overview", "Each copy was verified when it was stored; reading them again later is still to come"
        )
    proof = translate("overview", "Read again and compared: the oldest proof is from {ago}").format(
        ago=ago_text(facts.oldest_proof_ns, now_ns)
    )
    if facts.unproven_since_ns is not None:
        proof += translate("overview", "; the newest copies follow")
    return proof
