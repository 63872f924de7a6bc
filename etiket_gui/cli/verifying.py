"""The command ``verify``: re-reads what destinations store, compares it with the records, writes down the result."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.output import count_text, iso_time, size_text
from etiket_gui.cli.progress import ByteProgress
from etiket_gui.cli.session import CommandLine, Session, stop_on_interrupt
from etiket_gui.destinations.api import Destination, Verification
from etiket_gui.domain.commands import RecordVerification
from etiket_gui.domain.errors import EtiketError, Stopped, UsageError
from etiket_gui.domain.stopping import StopToken
from etiket_gui.store.rows import DatasetRow, DestinationRow, TransferRow

#: Results are written down in groups of this many, so that an interrupted verification has not worked in vain.
_GROUP = 200


@dataclass(frozen=True, slots=True)
class Copy:
    """One stored copy to be verified."""

    dataset: DatasetRow
    transfer: TransferRow
    destination: DestinationRow
    remote: str
    version: str

    @property
    def is_newest(self) -> bool:
        """Whether this is the version that the dataset's state speaks of."""
        return self.version == self.transfer.version


@dataclass(slots=True)
class Tally:
    """What came out of a verification so far."""

    good: int = 0
    checked_files: int = 0
    checked_bytes: int = 0
    different: list[tuple[Copy, Verification]] = field(default_factory=list)
    unchecked: list[tuple[str, EtiketError]] = field(default_factory=list)
    pending: list[tuple[int, int, bool, tuple[str, ...]]] = field(default_factory=list)


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="*", metavar="DATASET", help="these datasets; none: everything archived")
    parser.add_argument("--destination", metavar="NAME", help="only what is stored there")
    parser.add_argument("--all-versions", action="store_true", help="the older versions, too")


def _verify(session: Session, arguments: Namespace) -> int:
    if not session.has_store:
        raise UsageError("Nothing was archived from this home yet, so there is nothing to verify.")
    destinations = list(session.reader().destinations())
    if arguments.destination is not None:
        destinations = [session.destination_named(arguments.destination)]
    datasets = [session.dataset(query) for query in arguments.dataset]
    copies = list(_copies(session, destinations, datasets))
    tally = Tally()
    was_stopped = False
    with stop_on_interrupt() as stop:
        try:
            _check_all(session, destinations, copies, tally, stop, all_versions=arguments.all_versions)
        except Stopped:
            was_stopped = True
        _write_down(session, tally)
    _tell(session, tally, was_stopped=was_stopped)
    return _exit_code(tally, was_stopped=was_stopped)


def _exit_code(tally: Tally, *, was_stopped: bool) -> int:
    if tally.different:
        return ExitCode.DIFFERENCE
    if was_stopped:
        return ExitCode.INTERRUPTED
    if tally.unchecked:
        return exit_code_of(tally.unchecked[0][1])
    return ExitCode.OK


def _copies(session: Session, destinations: Iterable[DestinationRow], datasets: list[DatasetRow]) -> Iterator[Copy]:
    by_id = {row.id: row for row in destinations}
    for page in [datasets] if datasets else _all_datasets(session):
        transfers = session.reader().transfers_of([row.id for row in page])
        for row in page:
            for transfer in transfers.get(row.id, ()):
                destination = by_id.get(transfer.destination_id)
                if destination is not None and transfer.remote and transfer.version:
                    yield Copy(row, transfer, destination, transfer.remote, transfer.version)


def _all_datasets(session: Session, page_length: int = 500) -> Iterator[list[DatasetRow]]:
    offset = 0
    while True:
        page = list(session.reader().datasets(None, None, None, page_length, offset))
        if not page:
            return
        yield page
        offset += len(page)


def _check_all(
    session: Session,
    destinations: Iterable[DestinationRow],
    copies: list[Copy],
    tally: Tally,
    stop: StopToken,
    *,
    all_versions: bool,
) -> None:
    done = done_bytes = 0
    total_bytes = sum(copy.dataset.size_bytes for copy in copies)
    with ByteProgress(session.output, "Verifying", stop, total=total_bytes or 1) as progress:
        for row in destinations:
            own = [copy for copy in copies if copy.destination.id == row.id]
            try:
                destination = session.destination_of(row)
                for copy in own:
                    figures = f"{done} of {len(copies)}, {size_text(tally.checked_bytes)}"
                    progress.step(f"{copy.dataset.name} at {row.name}", done_bytes, figures)
                    _check(session, destination, copy, tally, stop)
                    for older in _older(destination, copy) if all_versions else ():
                        _check(session, destination, older, tally, stop)
                    done += 1
                    done_bytes += copy.dataset.size_bytes
            except EtiketError as error:
                if isinstance(error, Stopped):
                    raise
                tally.unchecked.append((row.name, error))


def _older(destination: Destination, copy: Copy) -> list[Copy]:
    """The other versions of a stored dataset, newest first."""
    names = destination.version_names(copy.remote, copy.transfer.scope)
    return [dataclasses.replace(copy, version=name) for name in reversed(names) if name != copy.version]


def _check(session: Session, destination: Destination, copy: Copy, tally: Tally, stop: StopToken) -> None:
    try:
        result = destination.verify_sent(copy.remote, copy.version, copy.transfer.scope, stop)
    except EtiketError as error:
        if error.concerns_all or isinstance(error, Stopped):
            raise
        tally.unchecked.append((f"{copy.dataset.name} at {copy.destination.name}", error))
        return
    tally.checked_files += result.checked_files
    tally.checked_bytes += result.checked_bytes
    if result.is_good:
        tally.good += 1
    else:
        tally.different.append((copy, result))
        for item in result.differences:
            session.output.message(
                f"DIFFERENT: {copy.dataset.name} {copy.version} at {copy.destination.name}: {item.name} {item.problem}"
            )
    if not copy.is_newest:
        # What the source has now is another version: nothing can be sent again for this one.
        return
    differences = tuple(f"{item.name}: {item.problem}" for item in result.differences)
    tally.pending.append((copy.transfer.id, result.verified_at_ns, result.is_proven, differences))
    if len(tally.pending) >= _GROUP:
        _write_down(session, tally)


def _write_down(session: Session, tally: Tally) -> None:
    if tally.pending:
        session.steer(RecordVerification(tuple(tally.pending)))
        tally.pending.clear()


def _tell(session: Session, tally: Tally, *, was_stopped: bool) -> None:
    output = session.output
    checked = tally.good + len(tally.different)
    if checked:
        result = f"{len(tally.different)} of them differ" if tally.different else "all is what was sent"
        session.note(f"Verified {count_text(checked, 'stored copy', 'stored copies')}: {result}")
    if output.is_json:
        output.json(_as_json(tally, was_stopped=was_stopped))
        return
    read = f"{count_text(tally.checked_files, 'file')}, {size_text(tally.checked_bytes)} read again"
    copies = count_text(tally.good, "stored copy is", "stored copies are")
    output.line(f"{copies} what was sent, byte for byte ({read}).")
    newest = sum(copy.is_newest for copy, _ in tally.different)
    if newest:
        different = count_text(newest, "stored copy differs", "stored copies differ")
        output.line(f"{different}. Nothing was changed there; the engine sends these datasets again.")
    if older := len(tally.different) - newest:
        different = count_text(older, "older version differs", "older versions differ")
        output.line(f"{different}. Their sources have changed since: only a backup of the archive brings them back.")
    for name, error in tally.unchecked:
        output.message(f"Not verified: {name}: {error.reason}")
    if was_stopped:
        output.message("Interrupted. What was verified before is written down.")


def _as_json(tally: Tally, *, was_stopped: bool) -> dict[str, Any]:
    return {
        "good": tally.good,
        "checked_files": tally.checked_files,
        "checked_bytes": tally.checked_bytes,
        "was_interrupted": was_stopped,
        "differences": [
            {
                "uuid": copy.dataset.uuid,
                "name": copy.dataset.name,
                "destination": copy.destination.name,
                "version": copy.version,
                "verified_at": iso_time(result.verified_at_ns),
                "files": [{"name": item.name, "problem": item.problem} for item in result.differences],
            }
            for copy, result in tally.different
        ],
        "not_verified": [{"what": name, **error.to_json()} for name, error in tally.unchecked],
    }


COMMANDS = {"verify": CommandLine(_configure, _verify)}
