"""Turns what looks at one source found into rows of the store: new, changed, settled, renamed, gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.states import Realm, RunState
from etiket_gui.engine.desk import Desk
from etiket_gui.engine.mass_change import MassChangeWatch
from etiket_gui.engine.settle import SettleBook
from etiket_gui.store.rows import DatasetRow, FoundOutcome, SourceRow

STILL_WRITTEN = "still being written"
#: Enough for what may be on its way to a destination under its old name.
_REMEMBERED_RENAMES = 1000
MANY_CHANGED = "many datasets of this source changed at once; waiting for your answer"


@dataclass(slots=True)
class LookResult:
    """What one look changed so far."""

    changed_ids: set[int] = field(default_factory=set)
    new_count: int = 0
    gone_count: int = 0
    settled_count: int = 0
    #: What the watcher had not told when it was found.
    unannounced: list[Found] = field(default_factory=list)
    renamed_count: int = 0
    rewritten_ids: set[int] = field(default_factory=set)
    #: New ones that are no running measurement, by id, with their names.
    found: dict[int, str] = field(default_factory=dict)

    @property
    def has_news(self) -> bool:
        """Whether something is new, changed or gone."""
        return bool(self.found or self.rewritten_ids or self.gone_count)

    @property
    def was_missed(self) -> bool:
        """Whether a look at everything found what nobody may have told."""
        return bool(self.gone_count or self.renamed_count)


@dataclass(slots=True)
class Rename:
    """A find at a place where the store knows another identifier; decided when the look is finished."""

    found: Found
    row: DatasetRow


class Discovery:
    """One source's finds. ``look_again`` asks for another look at an identifier after so many seconds."""

    def __init__(self, desk: Desk, row: SourceRow, realm: Realm, book: SettleBook) -> None:
        self._desk = desk
        self.row = row
        self.realm = realm
        self.book = book
        self.mass_change = MassChangeWatch()
        self.is_asking = False
        self.look_again: dict[str, float] = {}
        self.on_waiting: Callable[[], None] = lambda: None
        self.on_looked: Callable[[Sequence[FoundOutcome], frozenset[int]], None] = lambda outcomes, growing: None
        self.on_gone: Callable[[Iterable[int]], None] = lambda dataset_ids: None
        self._new_names: dict[str, str] = {}
        self._renames: list[Rename] = []
        #: Finds at paths where the store knows a folder at another place; decided when the look is finished.
        self._replaced: list[Found] = []
        #: Set when a look at a part could not decide; the caller clears it.
        self.is_scan_needed = False

    def take(self, found: Sequence[Found], result: LookResult, *, was_announced: bool) -> None:
        """Write down a chunk of finds. ``was_announced``: the watcher had told of them, or could not have."""
        plain = self._set_renames_aside(found)
        if plain:
            self._record(plain, result, was_announced=was_announced)

    def _set_renames_aside(self, found: Sequence[Found]) -> list[Found]:
        places = {item.place for item in found if item.place}
        if not places or not guards.is_on("recognise-renames"):
            return list(found)
        writer = self._desk.writer
        known = writer.find_by_place(self.row.id, sorted(places))
        lay_at = writer.places_of(self.row.id, [item.identifier for item in found])
        plain = []
        for item in found:
            rows = known.get(item.place, [])
            if any(row.identifier == item.identifier for row in rows):
                plain.append(item)
                continue
            same = [row for row in rows if _is_same(row, item)]
            if same:
                self._renames.append(Rename(item, same[0]))
            elif item.place and lay_at.get(item.identifier, "") not in {"", item.place}:
                self._replaced.append(item)
            else:
                plain.append(item)
        return plain

    def _record(self, found: Sequence[Found], result: LookResult, *, was_announced: bool) -> None:
        outcomes = self._desk.writer.record_found(self.row, self.realm, found)
        now_s = self._desk.clock.monotonic_s()
        rewritten = [outcome.dataset_id for outcome in outcomes if _is_rewritten(outcome)]
        if rewritten:
            self.mass_change.note(rewritten, now_s)
            self.ask_if_too_much()
            result.rewritten_ids.update(rewritten)
        settled: list[tuple[int, int]] = []
        unsettled: list[tuple[int, str]] = []
        for outcome in outcomes:
            item = outcome.found
            result.changed_ids.add(outcome.dataset_id)
            result.new_count += outcome.is_new
            if outcome.is_new and item.run_state is not RunState.LIVE:
                result.found[outcome.dataset_id] = item.name
            if item.is_unchanged or (outcome.settled_fingerprint == item.fingerprint and not outcome.was_gone):
                self.book.forget(item.identifier)
                self.look_again.pop(item.identifier, None)
                if not item.is_unchanged:
                    settled.append((outcome.dataset_id, item.fingerprint))
                continue
            if not was_announced:
                result.unannounced.append(item)
            if self.is_asking and not outcome.is_new and outcome.settled_fingerprint is not None:
                unsettled.append((outcome.dataset_id, MANY_CHANGED))
                continue
            self._note_sign_of_life(outcome)
            judgement = self.book.judge(item, now_s, is_clock_trusted=self._desk.is_clock_trusted)
            if judgement.is_settled:
                settled.append((outcome.dataset_id, item.fingerprint))
                self.look_again.pop(item.identifier, None)
            else:
                unsettled.append((outcome.dataset_id, STILL_WRITTEN))
                self.look_again[item.identifier] = now_s + judgement.look_again_in_s
        if settled:
            self.mass_change.forget(dataset_id for dataset_id, _ in settled)
            if self._desk.writer.mark_settled(settled):
                self.on_waiting()
            result.settled_count += len(settled)
        if unsettled:
            self._desk.writer.mark_unsettled(unsettled)
        self.on_looked(outcomes, frozenset(dataset_id for dataset_id, reason in unsettled if reason == STILL_WRITTEN))

    def _note_sign_of_life(self, outcome: FoundOutcome) -> None:
        # A dataset that was read back from an archive has no look before this one to differ from.
        was_seen = bool(outcome.previous_looked_at_ns) and not outcome.was_gone
        is_growing = was_seen and outcome.previous_fingerprint not in {None, outcome.found.fingerprint}
        if outcome.found.run_state is RunState.LIVE or is_growing:
            self._desk.budget.note_sign_of_life(
                self.row.id, self._desk.clock.monotonic_s(), looks_every_s=self.book.settle_time_s
            )

    def finish(self, summary: DiscoverySummary, result: LookResult) -> tuple[str, ...]:
        """Decide renames and what is gone; returns identifiers that must be looked at once more for that."""
        missing = set(summary.missing)
        look_now: list[str] = []
        late: list[Found] = []
        renames, self._renames = self._renames, []
        replaced, self._replaced = self._replaced, []
        # A path is left also when another folder lies there now: a new one, or one that was renamed itself.
        left = missing | {item.identifier for item in replaced} | {rename.found.identifier for rename in renames}
        moving: dict[str, Rename] = {}
        for rename in renames:
            old = rename.row.identifier
            if old in left or rename.row.is_gone:
                moving[old] = rename
            elif summary.is_complete_scan:
                late.append(rename.found)
            else:
                look_now += [old, rename.found.identifier]
        renamed: set[str] = set()
        while ready := [old for old, rename in moving.items() if rename.found.identifier not in moving]:
            for old in ready:
                missing.discard(old)
                renamed.add(old)
                self._rename(moving.pop(old), result)
        # Names that went round in a circle: their contents are what changed.
        late += [rename.found for rename in moving.values()]
        for item in replaced:
            if summary.is_complete_scan or item.identifier in renamed:
                late.append(item)
            else:
                self.is_scan_needed = True
        if late:
            self._record(late, result, was_announced=True)
        if missing:
            self._gone(sorted(missing), result)
        return tuple(look_now)

    def _rename(self, rename: Rename, result: LookResult) -> None:
        row, found = rename.row, rename.found
        for holder in self._desk.writer.dataset_ids(self.row.id, [found.identifier]).values():
            if holder != row.id:
                # What lay under the new name is no longer there; found elsewhere, it is known by its place.
                self._desk.writer.mark_gone([holder])
                self.on_gone([holder])
                result.gone_count += 1
                result.changed_ids.add(holder)
        result.renamed_count += 1
        self.book.forget(row.identifier)
        self.look_again.pop(row.identifier, None)
        self._desk.writer.rename_dataset(row.id, found.identifier, found.name)
        self._new_names.pop(found.identifier, None)
        self._new_names[row.identifier] = found.identifier
        if len(self._new_names) > _REMEMBERED_RENAMES:
            del self._new_names[next(iter(self._new_names))]
        self._desk.say(
            f"{row.identifier} was renamed to {found.identifier}; it stays the same dataset.",
            source_id=self.row.id,
            dataset_id=row.id,
        )
        self._record([found], result, was_announced=True)

    def name_now(self, identifier: str) -> str:
        """What a dataset is called now that was claimed under this name."""
        for _ in range(len(self._new_names)):
            if identifier not in self._new_names:
                break
            identifier = self._new_names[identifier]
        return identifier

    def _gone(self, identifiers: Sequence[str], result: LookResult) -> None:
        ids = self._desk.writer.dataset_ids(self.row.id, identifiers)
        self.mass_change.note(ids.values(), self._desk.clock.monotonic_s())
        if self.is_asking or self.ask_if_too_much():
            return
        for identifier in identifiers:
            self.book.forget(identifier)
            self.look_again.pop(identifier, None)
        self._desk.writer.mark_gone(list(ids.values()))
        self.on_gone(ids.values())
        self.mass_change.forget(ids.values())
        result.gone_count += len(ids)
        result.changed_ids.update(ids.values())

    def ask_if_too_much(self) -> bool:
        """Whether so much changed within the hour that a person must say it is meant."""
        if not self.is_asking and self.mass_change.is_too_much(self._desk.writer.dataset_count(self.row.id)):
            self.is_asking = True
        return self.is_asking

    def accept_mass_change(self, changed_ids: Iterable[int]) -> None:
        """A person said the changes are meant; ``changed_ids`` are the datasets that wait for that."""
        self.is_asking = False
        self.mass_change.accept(changed_ids)


def _is_same(row: DatasetRow, item: Found) -> bool:
    """Whether a dataset's folder, found under another name at its old place, still holds what it held."""
    if row.looked_at_ns == 0:
        # Read back after the store was lost: only what the archive says of it is known.
        return (row.size_bytes, row.file_count) == (item.size_bytes, item.file_count)
    return item.fingerprint in {row.fingerprint, row.settled_fingerprint}


def _is_rewritten(outcome: FoundOutcome) -> bool:
    """Whether a dataset that was settled before is not what it was."""
    found = outcome.found
    return (
        not outcome.is_new
        and not found.is_unchanged
        and outcome.settled_fingerprint is not None
        and outcome.settled_fingerprint != found.fingerprint
    )
