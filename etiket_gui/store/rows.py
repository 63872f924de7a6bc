"""Rows of the store as frozen values: the only shape in which they leave it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etiket_gui.domain.content import FileEntry, Found
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import DestinationState, RunState, SourceState, TransferState


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One configured source. Times are ns since 1970 UTC; ``since_ns`` > 0: what is older is ignored."""

    id: int
    uuid: str
    name: str
    backend: str
    config: Mapping[str, Any]
    is_enabled: bool
    state: SourceState
    state_reason: str
    root_place: str
    cursor: Mapping[str, Any]
    last_scan_ns: int | None
    last_scan_duration_s: float
    seen_count: int
    stray_files: int
    missed_by_watcher: int
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """One configured destination. ``last_success_ns`` is ns since 1970 UTC, ``free_bytes`` and
    ``total_bytes`` as last probed.

    ``identity`` is what the last good probe said it is ("" before the first, or where it has none); ``is_moved``: its
    configuration was changed since then.
    """

    id: int
    uuid: str
    name: str
    kind: str
    config: Mapping[str, Any]
    state: DestinationState
    state_reason: str
    last_success_ns: int | None
    free_bytes: int | None
    identity: str = ""
    is_moved: bool = False
    total_bytes: int | None = None


class IdentityOutcome(enum.Enum):
    """What a destination turned out to be: the same as before, a new one a person meant, or another one by accident."""

    SAME = "same"
    MOVED = "moved"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """What goes where: one source to one destination, into one scope."""

    id: int
    source_id: int
    destination_id: int
    scope: str


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One dataset. ``fingerprint`` was seen at the last look, ``settled_fingerprint`` is ready to be sent."""

    id: int
    uuid: str
    source_id: int
    identifier: str
    birth_ordinal: int
    previous_identifiers: tuple[str, ...]
    name: str
    collected_ns: int | None
    run_state: RunState
    is_gone: bool
    is_ignored: bool
    fingerprint: int
    settled_fingerprint: int | None
    place: str
    size_bytes: int
    file_count: int
    newest_change_ns: int
    looked_at_ns: int
    found_ns: int
    attributes: Mapping[str, Any]
    keywords: tuple[str, ...]
    state: TransferState


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One dataset's way to one destination."""

    id: int
    dataset_id: int
    route_id: int
    destination_id: int
    scope: str
    state: TransferState
    reason: str
    attempts: int
    due_ns: int | None
    claim_fingerprint: int | None
    sent_fingerprint: int | None
    digest: str | None
    remote: str | None
    version: str | None
    verified_at_ns: int | None
    proven_at_ns: int | None


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """One open problem: what, where, why, what to do, and when it is tried again."""

    id: int
    kind: str
    title: str
    reason: str
    advice: str
    retry_class: str
    since_ns: int
    due_ns: int | None
    attempts: int
    source_id: int | None
    destination_id: int | None
    dataset_id: int | None
    key: str = ""


@dataclass(frozen=True, slots=True)
class FoundOutcome:
    """What became of one find: which dataset it is now, and what the row said before this look."""

    dataset_id: int
    uuid: str
    found: Found
    is_new: bool
    was_gone: bool
    previous_fingerprint: int | None
    previous_looked_at_ns: int | None
    settled_fingerprint: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One transfer that was claimed for sending, with all that a worker needs to know of it."""

    transfer_id: int
    dataset_id: int
    uuid: str
    identifier: str
    birth_ordinal: int
    previous_identifiers: tuple[str, ...]
    name: str
    place: str
    run_state: RunState
    scope: str
    fingerprint: int
    size_bytes: int
    file_count: int
    attempts: int
    remote: str | None
    version: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A receipt to be recorded. ``files`` are the entries as read, with digests; ``fingerprint`` is what was sent."""

    transfer_id: int
    dataset_id: int
    fingerprint: int
    remote: str
    version: str
    digest: str
    level: str
    verified_at_ns: int
    is_new: bool
    is_provisional: bool
    new_bytes: int
    description: Mapping[str, Any]
    files: tuple[FileEntry, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProvisionalReceipt:
    """A provisional version of a measurement that is not finished, as a destination stored it. Sizes in bytes."""

    transfer_id: int
    dataset_id: int
    destination_id: int
    version: str
    digest: str
    level: str
    file_count: int
    size_bytes: int
    new_bytes: int
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotSent:
    """A transfer that did not succeed, the failure, and the state it goes into until ``due_ns``."""

    transfer_id: int
    dataset_id: int
    error: EtiketError
    state: TransferState
    due_ns: int | None
    counts_as_attempt: bool = True


@dataclass(frozen=True, slots=True)
class StoredDatasetFacts:
    """What a destination remembers of a dataset, for a store that is built anew: its identity and newest version."""

    uuid: str
    source_id: int
    destination_id: int
    identifier: str
    name: str
    remote: str
    version: str
    digest: str
    scope: str = ""
    birth_ordinal: int = 1
    previous_identifiers: tuple[str, ...] = ()
    place: str = ""
    size_bytes: int = 0
    file_count: int = 0
    description: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """One receipt. ``files`` are (name, size in bytes, sha256 as hex or None)."""

    id: int
    transfer_id: int
    dataset_id: int
    destination_id: int
    version: str
    digest: str
    level: str
    received_ns: int
    new_bytes: int
    is_provisional: bool
    file_count: int
    size_bytes: int
    files: tuple[tuple[str, int, str | None], ...]


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One sentence about what happened, and when (ns since 1970 UTC)."""

    id: int
    at_ns: int
    sentence: str
    source_id: int | None
    dataset_id: int | None


@dataclass(frozen=True, slots=True)
class Steering:
    """Until when nothing is sent (paused) or touched (held); ns since 1970 UTC, 0 means not, -1 without end."""

    paused_until_ns: int = 0
    held_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many datasets are shown in each state (those of 0 are left out), and what is counted apart from them."""

    by_state: Mapping[TransferState, int]
    ignored: int
    gone: int

    @property
    def total(self) -> int:
        """Datasets that are at their source, ignored ones too."""
        return sum(self.by_state.values()) + self.ignored

    @property
    def not_archived(self) -> int:
        """Datasets that are still to be archived."""
        return sum(self.by_state.values()) - self.by_state.get(TransferState.ARCHIVED, 0)
