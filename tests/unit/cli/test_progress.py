"""What is shown while the engine works: lines in a file, bars on a terminal, the truth at the end."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.cli import running
from etiket_gui.cli.output import Output
from etiket_gui.cli.progress import (
    LINES_PER_SECOND,
    BarDisplay,
    ByteProgress,
    Copies,
    LineDisplay,
    copies_in,
    display_for,
    sentence_of,
)
from etiket_gui.domain.errors import HomeInUse, Stopped
from etiket_gui.domain.events import (
    DatasetArchived,
    DatasetProgressed,
    DestinationStateChanged,
    EngineIdled,
    Event,
    ScanFinished,
    SourceStateChanged,
    TransferFailed,
    TransferStarted,
)
from etiket_gui.domain.states import DestinationState, SourceState
from etiket_gui.domain.stopping import StopToken
from tests.support.command_line import CommandLineRunner
from tests.support.fake_engine import REPORT, FakeEngine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def archived(number: int, *, is_new: bool = True) -> DatasetArchived:
    return DatasetArchived(number, number, f"u{number}", f"run {number}", "arch", "1.0.0", 2, 1000, is_new)


def _lines(clock: Clock, *events: Event) -> list[str]:
    messages = io.StringIO()
    with LineDisplay(Output(is_json=False, messages=messages), clock) as display:
        for event in events:
            display(event)
    return messages.getvalue().splitlines()


def test_every_dataset_gets_a_line_in_a_file() -> None:
    assert _lines(Clock(), archived(1), archived(2, is_new=False)) == [
        "archived run 1 → arch 1.0.0 (2 files, 1.0 kB)",
        "archived run 2 → arch 1.0.0 (was there already)",
    ]


def test_a_flood_becomes_a_count_and_nothing_is_lost() -> None:
    lines = _lines(Clock(), *(archived(number) for number in range(1000)))
    assert len(lines) == LINES_PER_SECOND + 1
    assert lines[-1] == f"archived {1000 - LINES_PER_SECOND} more datasets (980 kB)"


def test_one_more_than_the_flood_is_told_by_name() -> None:
    lines = _lines(Clock(), *(archived(number) for number in range(LINES_PER_SECOND + 1)))
    assert lines[-1].startswith(f"archived run {LINES_PER_SECOND} →")


def test_a_failure_is_always_told_and_in_its_order() -> None:
    failed = TransferFailed(5, 5, "u", "run x", "arch", "Still being written", "data.txt changed.", None)
    lines = _lines(Clock(), *(archived(number) for number in range(LINES_PER_SECOND + 10)), failed)
    assert lines[-2] == "archived 10 more datasets (10.0 kB)"
    assert lines[-1] == "NOT archived run x → arch: Still being written. data.txt changed."


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (ScanFinished(1, "lab", 1, 0, 0, 0.1), "looked through lab: 1 dataset, nothing new"),
        (ScanFinished(1, "lab", 9, 2, 1, 0.1), "looked through lab: 9 datasets, 2 new or changed, 1 gone"),
        (SourceStateChanged(1, "lab", SourceState.OFFLINE, "The share is away."), "source lab: The share is away."),
        (SourceStateChanged(1, "lab", SourceState.OK, ""), None),
        (DestinationStateChanged(1, "arch", DestinationState.FULL, ""), "destination arch: full"),
        (EngineIdled(), None),
    ],
)
def test_events_read_as_sentences(event: Event, sentence: str | None) -> None:
    assert sentence_of(event) == sentence


def test_bars_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    store = Path("store.sqlite")
    assert isinstance(display_for(Output(is_json=False, messages=Terminal()), store), BarDisplay)
    assert isinstance(display_for(Output(is_json=False, messages=io.StringIO()), store), LineDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display_for(Output(is_json=False, messages=Terminal()), store), LineDisplay)


def test_bars_show_what_takes_its_time_and_leave_what_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    messages, clock = Terminal(), Clock()
    display = BarDisplay(Output(is_json=False, messages=messages), lambda: Copies(7, 3, 1), clock)
    with display:
        display(TransferStarted(1, 1, "u", "big\x1b[2J run", "arch", 1, 1000))
        clock.now_s += 1
        display(DatasetProgressed(1, "u", "big\x1b[2J run", 500, 1000, 100.0, 5.0))
        display._rich.refresh()
        display(TransferFailed(1, 1, "u", "big run", "arch", "Copy differs", "data.txt [bold]x", None))
        display(archived(2))
        display._rich.refresh()
    text = messages.getvalue()
    assert "big<U+001B>[2J run → arch" in text
    assert "100 B/s, 5 s left" in text
    assert "NOT archived big run → arch: Copy differs. data.txt [bold]x" in text
    assert "Archived 3 of 7 datasets (1 not at once)" in text


def test_the_totals_come_from_the_store(configured: CommandLineRunner, home_folder: Path) -> None:
    assert copies_in(home_folder / "store.sqlite") == Copies(0, 0, 1)
    assert copies_in(home_folder / "nothing.sqlite") == Copies(0, 0, 0)


def test_work_of_our_own_stops_when_asked() -> None:
    stop = StopToken()
    with ByteProgress(Output(is_json=False, messages=io.StringIO()), "Restoring", stop) as progress:
        progress.begin("u", 1, 100)
        progress.advance("u", "f", 50, 100)
        stop.stop()
        with pytest.raises(Stopped):
            progress.advance("u", "f", 50, 100)
        progress.finish("u")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, configured: CommandLineRunner) -> FakeEngine:
    """``run`` gets this engine instead of the real one."""
    fake = FakeEngine()
    monkeypatch.setattr(running, "new_engine", lambda session, listener: fake)
    return fake


def test_run_runs_for_ever_once_or_in_cycles(engine: FakeEngine, cli: CommandLineRunner) -> None:
    assert "All 3 datasets are archived and verified (2 s)." in cli.ok("run", "--once").out
    cli.ok("run", "--cycles", "3")
    assert "Ctrl-C" in cli.ok("run").err
    assert [call for call in engine.calls if call.startswith("run")] == ["run_once", "run 3", "run None"]
    assert engine.calls.count("stop") == 3


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_the_engine_to_stop_and_ends_with_130(
    engine: FakeEngine, cli: CommandLineRunner, number: int
) -> None:
    engine.while_running = lambda: os.kill(os.getpid(), number)
    ended = cli("run", "--once")
    assert ended.code == 130
    assert engine.calls[-2:] == ["request_stop True", "stop"]
    assert "taken up again at the next start" in ended.out


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_second_ctrl_c_interrupts_at_once_and_still_gives_the_home_back(
    engine: FakeEngine, cli: CommandLineRunner
) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    engine.while_running = twice
    ended = cli("run", "--once")
    assert (ended.code, engine.calls[-1]) == (130, "stop")


def test_an_engine_elsewhere_ends_with_5(
    engine: FakeEngine, cli: CommandLineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_COMMANDS_END_WITHIN_S", 0.0)
    engine.start_failures = [HomeInUse("The home is in use by process 7.")]
    ended = cli("run", "--once")
    assert ended.code == 5
    assert "in use by process 7" in ended.err


def test_a_command_that_holds_the_home_for_a_moment_is_waited_for(engine: FakeEngine, cli: CommandLineRunner) -> None:
    engine.start_failures = [HomeInUse("a moment")]
    cli.ok("run", "--once")
    assert engine.calls.count("start") == 2


def test_a_bug_in_the_engine_gives_the_home_back_and_ends_with_1(engine: FakeEngine, cli: CommandLineRunner) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    engine.while_running = fail
    ended = cli("run", "--once")
    assert (ended.code, engine.calls[-1]) == (1, "stop")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"archived": 1, "not_archived": 2}, 3, "2 of 3 datasets are not archived yet"),
        ({"archived": 0, "found": 0, "empty_sources": ("lab",)}, 3, "The source lab found nothing"),
        ({"unfinished_sources": ("lab",)}, 3, "lab could not be looked through completely"),
        ({"verification_differences": 1}, 4, "1 stored copy differs"),
        ({"needs_sign_in": ("arch",)}, 6, "etiket-sync login arch"),
        ({"archived": 1, "ignored": 1, "gone": 1}, 0, "Beside these: 1 left out, 1 gone."),
    ],
)
def test_the_last_lines_tell_the_whole_truth(
    engine: FakeEngine, cli: CommandLineRunner, changes: dict[str, Any], code: int, words: str
) -> None:
    engine.report = replace(REPORT, **changes)
    ended = cli("run", "--once")
    assert ended.code == code
    assert words in ended.out
    assert cli("run", "--once", "--json").json["exit_code"] == code
    if code not in {0, 130}:
        assert "All 3 datasets" not in ended.out
