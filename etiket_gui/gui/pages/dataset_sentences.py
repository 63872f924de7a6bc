"""The sentences of the dataset pane: how a dataset stands, where its copies are, what happened to it."""

from __future__ import annotations

from etiket_gui.bridge.queries_pages_dataset import CopyFacts, DatasetFacts, HistoryFact
from etiket_gui.domain.names import display
from etiket_gui.domain.states import DestinationState, RunState, SourceState
from etiket_gui.gui.pages.overview_sentences import Told
from etiket_gui.gui.sentences import (
    ago_text,
    capitalised,
    clock_text,
    destination_state_title,
    ended,
    files_text,
    in_text,
    level_title,
    size_text,
    transfer_sentence,
    translate,
)


def dataset_told(
    facts: DatasetFacts, *, is_paused: bool = False, is_held: bool = False, now_ns: int | None = None
) -> Told:
    """How a dataset stands: its state, why, and what comes next. ``is_held``: a person asked to touch nothing."""
    if facts.shown == "gone":
        detail = translate("dataset", "What was archived stays archived.") if facts.stored else ""
        return Told("gone", translate("dataset", "No longer at its source"), detail)
    if facts.shown == "ignored":
        return Told("ignored", translate("dataset", "Left out, as you asked"), _taken_up_again())
    if facts.shown == "archived":
        return _archived(facts, now_ns)
    if facts.run_state == RunState.LIVE.value and facts.shown in {"held", "waiting"}:
        return Told(
            "live",
            translate("dataset", "Is being measured"),
            translate("dataset", "It is archived as a whole when the measurement is complete and quiet."),
        )
    copy = facts.worst_copy
    if copy is None:
        return Told("waiting", translate("dataset", "Waiting for its first look"))
    sentence = transfer_sentence(copy.state, display(copy.reason), due_ns=None, now_ns=now_ns)
    if facts.is_source_off:
        off = translate("dataset", "{source} is switched off, so nothing of it is sent.").format(source=facts.source)
        return Told(facts.shown, capitalised(sentence), off)
    if is_held:
        return Told(
            facts.shown, capitalised(sentence), translate("dataset", "Everything is on hold: nothing is touched.")
        )
    return Told(facts.shown, capitalised(sentence), _next_step(facts, copy, is_paused=is_paused, now_ns=now_ns))


def _taken_up_again() -> str:
    return translate("dataset", "Retry takes it up again.")


def _archived(facts: DatasetFacts, now_ns: int | None) -> Told:
    verified = [copy.verified_at_ns for copy in facts.copies if copy.verified_at_ns]
    count = len(facts.copies)
    if count == 1:
        sentence = translate("dataset", "Archived and verified {ago}")
    else:
        sentence = translate("dataset", "Archived and verified at {n} destinations, last {ago}")
    sentence = sentence.format(n=count, ago=ago_text(max(verified, default=None), now_ns))
    notes = [display(copy.reason) for copy in facts.copies if copy.reason]
    detail = " ".join(ended(note) for note in dict.fromkeys(notes))
    if facts.run_state == RunState.INTERRUPTED.value:
        interrupted = translate("dataset", "The measurement was interrupted; more of it is archived when it goes on.")
        detail = f"{interrupted} {detail}".strip()
    return Told("archived", sentence, detail)


def _next_step(facts: DatasetFacts, copy: CopyFacts, *, is_paused: bool, now_ns: int | None) -> str:
    match copy.state:
        case "failed":
            if copy.due_ns is not None:
                return translate("dataset", "Tried again {when}. Retry tries now.").format(
                    when=in_text(copy.due_ns, now_ns)
                )
            return translate("dataset", "It waits for you: see Problems for what to do, then Retry.")
        case "held":
            if facts.source_state == SourceState.ASKING.value:
                return translate("dataset", "The page Problems asks whether the many changes are meant.")
            return translate("dataset", "Nothing to do: it is sent when it has been quiet for a while.")
        case "sending":
            return ""
    if is_paused:
        return translate("dataset", "Sending is paused.")
    if copy.destination_state not in {DestinationState.OK.value, DestinationState.NEW.value}:
        reason = display(copy.destination_reason) or destination_state_title(copy.destination_state)
        return f"{copy.destination}: {ended(reason)}"
    return translate("dataset", "Nothing to do: it goes on by itself.")


def copy_sentence(copy: CopyFacts, now_ns: int | None = None) -> str:
    """Where a dataset is on its way to one destination."""
    return capitalised(
        transfer_sentence(
            copy.state, display(copy.reason), verified_at_ns=copy.verified_at_ns, due_ns=copy.due_ns, now_ns=now_ns
        )
    )


def copy_detail(copy: CopyFacts, now_ns: int | None = None) -> str:
    """Which version is there, how it was checked, and when it was last proven; "" when nothing is there."""
    if not copy.version:
        return ""
    parts = [translate("dataset", "version {version}").format(version=copy.version)]
    if copy.level:
        parts.append(level_title(copy.level))
    if copy.proven_at_ns:
        parts.append(translate("dataset", "proven {ago}").format(ago=ago_text(copy.proven_at_ns, now_ns)))
    elif copy.state == "archived":
        parts.append(translate("dataset", "not read again yet"))
    return " · ".join(parts)


def versions_text(copy: CopyFacts, now_ns: int | None = None) -> str:
    """The versions at a destination, newest first, one line each."""
    lines = []
    for version in copy.versions:
        text = translate("dataset", "{version}  {when}  {files}, {size}").format(
            version=version.version,
            when=clock_text(version.received_ns, now_ns),
            files=files_text(version.file_count),
            size=size_text(version.size_bytes),
        )
        lines.append(f"{text}  {translate('dataset', 'still measuring')}" if version.is_provisional else text)
    return "\n".join(lines)


def history_sentence(fact: HistoryFact) -> str:
    """What happened."""
    if fact.version is None:
        return ended(display(fact.sentence))
    return translate("dataset", "{destination} took version {version}: {files}, {size}, {new} of it new.").format(
        destination=fact.destination,
        version=fact.version.version,
        files=files_text(fact.version.file_count),
        size=size_text(fact.version.size_bytes),
        new=size_text(fact.version.new_bytes),
    )
