"""Shows what the engine does while it runs: bars on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from etiket_gui.cli.output import Output, count_text, duration_text, shown, size_text, until_text
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.events import (
    DatasetArchived,
    DatasetProgressed,
    DestinationStateChanged,
    EngineIdled,
    Event,
    ProvisionalStored,
    ScanBroken,
    ScanFinished,
    ScanStarted,
    SourceStateChanged,
    SteeringChanged,
    TransferFailed,
    TransferStarted,
    VerificationDiffered,
)
from etiket_gui.domain.states import DestinationState, SourceState
from etiket_gui.domain.stopping import StopToken

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: In one second, so many lines tell of single datasets; what comes beyond is counted.
LINES_PER_SECOND = 20
_MOST_BARS = 4
#: A dataset that is done sooner than this gets no bar of its own: it would only flicker.
_BAR_AFTER_S = 0.4
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Copies:
    """How many copies (one per dataset and destination) there are to be, and how many of them are archived."""

    wanted: int
    archived: int
    destinations: int


class Display(Protocol):
    """A listener of the engine that shows what happens, as a context manager."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and leave the terminal tidy."""

    def __call__(self, event: Event) -> None:
        """Show one event; called from any thread."""


def has_bars(output: Output) -> bool:
    """Whether messages go to a terminal that can draw bars."""
    return output.messages.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def display_for(output: Output, store: Path) -> Display:
    """Bars where a person looks at the messages, plain lines elsewhere; ``store`` is asked for the totals."""
    return BarDisplay(output, lambda: copies_in(store)) if has_bars(output) else LineDisplay(output)


def copies_in(store: Path) -> Copies:
    """How many copies are to be archived in all, and how many are; zeros while the store cannot tell."""
    from etiket_gui.store.quick import status

    try:
        destinations = status(store)["destinations"]
    except (EtiketError, OSError):
        return Copies(0, 0, 0)
    wanted = sum(row["total"] - row["counts"]["ignored"] for row in destinations)
    return Copies(wanted, sum(row["counts"]["archived"] for row in destinations), len(destinations))


def sentence_of(event: Event) -> str | None:
    """What an event is in one line for a person, or None when it is not worth one."""
    match event:
        case DatasetArchived(name=name, destination=destination, version=version, is_new=True):
            what = f"{count_text(event.file_count, 'file')}, {size_text(event.size_bytes)}"
            return f"archived {name} → {destination} {version} ({what})"
        case DatasetArchived(name=name, destination=destination, version=version):
            return f"archived {name} → {destination} {version} (was there already)"
        case TransferFailed(name=name, destination=destination, title=title, reason=reason):
            return f"NOT archived {name} → {destination}: {title}. {reason}"
        case ScanFinished(source=source, seen_count=seen):
            changes = f", {event.changed_count} new or changed" if event.changed_count else ", nothing new"
            gone = f", {event.gone_count} gone" if event.gone_count else ""
            return f"looked through {source}: {count_text(seen, 'dataset')}{changes}{gone}"
        case SourceStateChanged(source=source, state=state, reason=reason) if state is not SourceState.OK:
            return f"source {source}: {reason or state.value}"
        case DestinationStateChanged(destination=name, state=state, reason=reason) if state is not DestinationState.OK:
            return f"destination {name}: {reason or state.value}"
        case ProvisionalStored(name=name, destination=destination, version=version, size_bytes=size_bytes):
            return f"kept what there is of {name} → {destination} {version} ({size_text(size_bytes)}, provisional)"
        case VerificationDiffered(destination=destination, version=version, files=files):
            return f"DIFFERENT at {destination}, version {version}: {', '.join(files[:5])}"
        case SteeringChanged(held_until_ns=held) if held:
            return f"on hold {until_text(held, time.time_ns())}: nothing is touched"
        case SteeringChanged(paused_until_ns=paused) if paused:
            return f"paused {until_text(paused, time.time_ns())}: nothing is sent"
        case SteeringChanged(is_measuring=True):
            return "a measurement runs: the work goes on slowly"
    return None


class LineDisplay:
    """One line an event; a flood of archived datasets becomes a count."""

    def __init__(self, output: Output, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._second = -1
        self._lines = 0
        self._uncounted = 0
        self._uncounted_bytes = 0
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._tell_rest()

    def __call__(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        text = sentence_of(event)
        if text is None:
            return
        with self._lock:
            if not isinstance(event, DatasetArchived):
                self._tell_rest()
                self._output.message(text)
                return
            second = int(self._monotonic_s())
            if second != self._second:
                self._tell_rest()
                self._second, self._lines = second, 0
            if self._lines < LINES_PER_SECOND:
                self._lines += 1
                self._output.message(text)
            else:
                self._uncounted += 1
                self._uncounted_bytes += event.size_bytes
                self._last = text

    def _tell_rest(self) -> None:
        if self._uncounted == 1:
            self._output.message(self._last)
        elif self._uncounted:
            more = count_text(self._uncounted, "more dataset")
            self._output.message(f"archived {more} ({size_text(self._uncounted_bytes)})")
        self._uncounted = self._uncounted_bytes = 0


class BarDisplay:
    """A line of totals, a bar for each dataset that takes its time, and lasting lines for what went wrong."""

    def __init__(
        self, output: Output, look: Callable[[], Copies], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._look = look
        self._looked_s = -_LOOK_EVERY_S
        self._copies = Copies(0, 0, 0)
        self._is_idle = False
        self._monotonic_s = monotonic_s
        self._console = Console(file=output.messages, highlight=False, markup=False, emoji=False)
        self._rich: RichProgress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True, min_width=18)),
            console=self._console,
            transient=True,
            expand=True,
            refresh_per_second=8,
        )
        self._lock = threading.Lock()
        self._totals: TaskID | None = None
        self._bars: dict[int, TaskID] = {}
        self._started: dict[int, tuple[float, str, int]] = {}
        self._failed = self._bytes = 0
        self._scans: dict[int, str] = {}

    def __enter__(self) -> Self:
        self._rich.start()
        self._totals = self._rich.add_task("Looking…", total=None, figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rich.stop()

    def __call__(self, event: Event) -> None:
        """Move the bars; what a person should not miss is printed above them."""
        with self._lock:
            match event:
                case TransferStarted():
                    moment = self._monotonic_s()
                    self._started[event.transfer_id] = (moment, f"{event.name} → {event.destination}", event.size_bytes)
                case DatasetProgressed():
                    self._progress(event)
                case DatasetArchived():
                    self._forget(event.transfer_id)
                    self._bytes += event.size_bytes
                case TransferFailed():
                    self._forget(event.transfer_id)
                    self._failed += 1
                    self._print(event)
                case ScanStarted():
                    self._scans[event.source_id] = event.source
                case ScanFinished() | ScanBroken():
                    self._scans.pop(event.source_id, None)
                    self._print(event)
                case _:
                    self._print(event)
            self._show_totals(event)

    def _print(self, event: Event) -> None:
        text = sentence_of(event)
        if text is not None:
            self._rich.console.print(shown(text), soft_wrap=True)

    def _show_totals(self, event: Event) -> None:
        if self._totals is None:
            return
        self._is_idle = isinstance(event, EngineIdled) or (self._is_idle and isinstance(event, ScanFinished))
        now_s = self._monotonic_s()
        if self._is_idle or now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s, self._copies = now_s, self._look()
        copies = self._copies
        looking = f"ooking through {shown(', '.join(self._scans.values()))}…" if self._scans else "ooking…"
        text, completed = f"L{looking}", 0
        if copies.wanted:
            what = "copies" if copies.destinations > 1 else "datasets"
            text, completed = f"Archived {copies.archived} of {copies.wanted} {what}", copies.archived
        if self._failed:
            text += f" ({self._failed} not at once)"
            if self._scans:
                text += f", l{looking}"
        if self._is_idle:
            text += ", watching for more"
        self._rich.update(
            self._totals,
            description=text,
            total=copies.wanted or None,
            completed=completed,
            figures=size_text(self._bytes) if self._bytes else "",
        )

    def _progress(self, event: DatasetProgressed) -> None:
        begun_s, name, size_bytes = self._started.setdefault(
            event.transfer_id, (self._monotonic_s(), event.name, event.size_bytes)
        )
        bar = self._bars.get(event.transfer_id)
        if bar is None:
            if len(self._bars) >= _MOST_BARS or self._monotonic_s() - begun_s < _BAR_AFTER_S:
                return
            bar = self._rich.add_task(shown(name), total=max(size_bytes, 1), figures="")
            self._bars[event.transfer_id] = bar
        figures = f"{size_text(event.rate_bytes_per_s)}/s"
        if event.rest_s is not None:
            figures += f", {duration_text(event.rest_s)} left"
        self._rich.update(bar, completed=event.done_bytes, total=max(event.size_bytes, 1), figures=figures)

    def _forget(self, transfer_id: int) -> None:
        self._started.pop(transfer_id, None)
        bar = self._bars.pop(transfer_id, None)
        if bar is not None:
            self._rich.remove_task(bar)


class ByteProgress:
    """Progress of one task of our own (restore, verify): a bar on a terminal, nothing elsewhere.

    It is the ``progress`` that destinations report to; on a stop it raises Stopped.
    """

    def __init__(self, output: Output, title: str, stop: StopToken, total: int | None = None) -> None:
        self._stop = stop
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        self._title = title
        self._total = total
        self._done = 0
        if has_bars(output):
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
            from rich.table import Column

            self._rich = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True, min_width=18)),
                expand=True,
                console=Console(file=output.messages, highlight=False, markup=False, emoji=False),
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task(shown(self._title), total=self._total, figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def step(self, title: str, done: int, figures: str) -> None:
        """``done`` of ``total`` is done, and what comes next."""
        self._stop.check()
        if self._rich is not None and self._task is not None:
            self._rich.update(self._task, description=shown(title), completed=done, figures=figures)

    def begin(self, uuid: str, files: int, size_bytes: int) -> None:
        """A dataset of that many files and bytes starts."""
        self._total = size_bytes
        if self._rich is not None and self._task is not None:
            self._rich.update(self._task, total=max(size_bytes, 1))

    def advance(self, uuid: str, name: str, bytes_done: int, size_bytes: int) -> None:
        """``bytes_done`` more bytes of a file were moved."""
        self._stop.check()
        self._done += bytes_done
        if self._rich is not None and self._task is not None:
            self._rich.update(self._task, completed=self._done, figures=size_text(self._done))

    def finish(self, uuid: str) -> None:
        """The last byte was moved."""
