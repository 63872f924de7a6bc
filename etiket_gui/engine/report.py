"""What a run came to, in numbers that add up, and the exit code it stands for."""

from __future__ import annotations

from dataclasses import dataclass

from etiket_gui.domain.states import DestinationState, SourceState, TransferState
from etiket_gui.store.reader import StoreReader

EXIT_ALL_ARCHIVED = 0
EXIT_NOT_ALL_ARCHIVED = 3
EXIT_VERIFICATION_DIFFERENCE = 4
EXIT_SIGN_IN_NEEDED = 6
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class RunReport:
    """Counts of datasets after a run: ``found`` = ``archived`` + ``not_archived`` + ``ignored``; ``gone`` are apart."""

    found: int
    archived: int
    not_archived: int
    ignored: int
    gone: int
    empty_sources: tuple[str, ...]
    unfinished_sources: tuple[str, ...]
    verification_differences: int
    needs_sign_in: tuple[str, ...]
    was_interrupted: bool
    duration_s: float
    #: Not looked through at all, for the hold that is on.
    unseen_sources: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The command line's exit code for this run."""
        if self.was_interrupted:
            return EXIT_INTERRUPTED
        if self.verification_differences:
            return EXIT_VERIFICATION_DIFFERENCE
        if self.needs_sign_in:
            return EXIT_SIGN_IN_NEEDED
        if self.not_archived or self.empty_sources or self.unfinished_sources or self.unseen_sources:
            return EXIT_NOT_ALL_ARCHIVED
        return EXIT_ALL_ARCHIVED


def report_of(reader: StoreReader, *, duration_s: float, was_interrupted: bool) -> RunReport:
    """The report of what the store says now."""
    counts = reader.counts()
    sources = [source for source in reader.sources() if source.is_enabled]
    problems = reader.problems()
    unreadable = {problem.source_id for problem in problems if problem.key.startswith("unreadable:")}
    return RunReport(
        found=counts.total,
        archived=counts.by_state.get(TransferState.ARCHIVED, 0),
        not_archived=sum(
            count
            for state, count in counts.by_state.items()
            if state not in {TransferState.ARCHIVED, TransferState.IGNORED}
        ),
        ignored=counts.ignored,
        gone=counts.gone,
        empty_sources=tuple(source.name for source in sources if source.state is SourceState.EMPTY),
        unfinished_sources=tuple(
            source.name
            for source in sources
            if source.state not in {SourceState.EMPTY, SourceState.OK} or source.id in unreadable
        ),
        verification_differences=sum(problem.key.startswith("damaged:") for problem in problems),
        needs_sign_in=tuple(
            destination.name for destination in reader.destinations() if destination.state is DestinationState.SIGN_IN
        ),
        was_interrupted=was_interrupted,
        duration_s=duration_s,
    )
