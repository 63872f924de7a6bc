"""Whether a source that is added is one that a destination knows already: from this machine, or from another."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etiket_gui.backends.api import Backend
from etiket_gui.cli.output import quoted
from etiket_gui.cli.session import Session
from etiket_gui.destinations.api import StoredSource
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.osys.hostname import host_name
from etiket_gui.osys.remote import share_of
from etiket_gui.settings.configuration_rules import Kinship, kinship
from etiket_gui.store.rows import DestinationRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a source before it is added."""

    backend: str
    host: str
    root: str
    share: str
    root_place: str

    def kinship(self, stored: StoredSource) -> Kinship:
        """How this one relates to one that a destination knows."""
        return kinship(
            stored,
            backend=self.backend,
            host=self.host,
            root=self.root,
            share=self.share,
            root_place=self.root_place,
        )


def candidate(backend: type[Backend], config: Mapping[str, Any]) -> Candidate:
    """What is known of a source with this configuration on this machine."""
    root = backend.root(backend.config_class.model_validate(dict(config)))
    share, place = "", ""
    if os.path.isabs(root):
        share = share_of(root) or ""
        try:
            status = os.stat(root)
            place = f"{status.st_dev}:{status.st_ino}" if status.st_ino else ""
        except OSError:
            place = ""
    return Candidate(backend.identifier, host_name(), root, share, place)


def source_uuid(
    session: Session, new: Candidate, destinations: Sequence[DestinationRow], *, continued: str | None, is_new: bool
) -> str:
    """The uuid of the stored source that is continued, or "" for a source of its own.

    A source that this machine sent from this very root is continued without a question. One that may be the same
    from elsewhere is asked about on a terminal; elsewhere UsageError asks for --continue or --new.
    """
    if is_new:
        return ""
    stored = [item for item in _stored(session, destinations) if item.backend == new.backend or continued]
    if continued is not None:
        return _chosen(continued, stored, new, destinations)
    by_kinship: dict[Kinship, list[StoredSource]] = {}
    for item in stored:
        by_kinship.setdefault(new.kinship(item), []).append(item)
    same = by_kinship.get(Kinship.SAME, [])
    if same:
        newest = max(same, key=lambda item: item.written_at_ns)
        session.output.message(f"This continues the source {newest.name}, which was sent from here before.")
        return newest.uuid
    maybe = by_kinship.get(Kinship.MAYBE, [])
    if not maybe:
        return ""
    return _asked(session, maybe)


def _stored(session: Session, destinations: Sequence[DestinationRow]) -> list[StoredSource]:
    known: dict[str, StoredSource] = {}
    for row in destinations:
        try:
            for item in session.destination_of(row).sources():
                before = known.get(item.uuid)
                if before is None or before.written_at_ns < item.written_at_ns:
                    known[item.uuid] = item
        except EtiketError as error:
            session.output.message(
                f"{row.name} cannot be asked whether it knows this source from elsewhere: {error.reason}"
            )
    return list(known.values())


def _chosen(
    continued: str, stored: Sequence[StoredSource], new: Candidate, destinations: Sequence[DestinationRow]
) -> str:
    matches = [item for item in stored if continued in {item.uuid, item.name}]
    where = ", ".join(row.name for row in destinations)
    if not matches:
        known = "; ".join(_described(item) for item in stored) or "none"
        raise UsageError(f"{where} knows no source {continued!r}. It knows: {known}.")
    if len(matches) > 1:
        listed = "; ".join(f"{_described(item)}, {item.uuid}" for item in matches)
        raise UsageError(f"Several sources are called {continued}: {listed}.", advice="Write --continue UUID")
    if matches[0].backend != new.backend:
        raise UsageError(f"{continued} is read by the backend {matches[0].backend}, not by {new.backend}.")
    return matches[0].uuid


def _described(item: StoredSource) -> str:
    return f"{item.name} ({item.share or item.root} on {item.host})"


def _asked(session: Session, maybe: Sequence[StoredSource]) -> str:
    newest = max(maybe, key=lambda item: item.written_at_ns)
    question = f"This may be the same as the source {_described(newest)}, which is archived there already."
    if sys.stdin.isatty() and sys.stderr.isatty() and not session.output.is_json:
        session.output.message(question)
        session.output.message("Continue it (its datasets keep their identity), or add a new source beside it?")
        while True:
            session.output.messages.write("[c]ontinue / [n]ew: ")
            session.output.messages.flush()
            answer = sys.stdin.readline()
            if not answer:
                raise KeyboardInterrupt
            match answer.strip().lower():
                case "c" | "continue":
                    return newest.uuid
                case "n" | "new":
                    return ""
    raise UsageError(
        question,
        advice=f"Say which: --continue {quoted(newest.uuid)} if it is the same data, --new if it is not.",
    )
