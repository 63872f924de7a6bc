"""The guided first use: asks until the answers make sense, begins only after a yes, and goes on from there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etiket_gui.cli import guided, running
from etiket_gui.cli.guided import Dialogue, absolute, ask_all, count_at, examples, path_completion
from etiket_gui.cli.output import Output
from etiket_gui.cli.session import Session
from tests.support.command_line import CommandLineRunner, make_datasets
from tests.support.fake_engine import FakeEngine

Type = Callable[..., list[str]]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """What runs instead of the real engine."""
    fake = FakeEngine()
    monkeypatch.setattr(running, "new_engine", lambda session, listener: fake)
    return fake


@pytest.fixture
def type_lines(monkeypatch: pytest.MonkeyPatch) -> Type:
    """``type_lines("a", "b")``: a person at a terminal who types these lines, then presses Ctrl-D."""

    def typing(*lines: str) -> list[str]:
        left = list(lines)

        def read(prompt: str = "") -> str:
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr("builtins.input", read)
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: True)
        return left

    return typing


def test_two_answers_and_a_yes_bring_everything_to_the_archive(
    cli: CommandLineRunner, type_lines: Type, tmp_path: Path, engine: FakeEngine
) -> None:
    data = make_datasets(tmp_path / "data", *(f"2024-01-0{day}/run {n}" for day in (1, 2) for n in (1, 2)))
    left = type_lines(str(data), str(tmp_path / "archive"), "")
    ended = cli.ok()
    assert left == []
    assert "4 datasets in" in ended.out
    assert engine.calls == ["start", "run_once", "stop"]
    assert "All 3 datasets are archived and verified" in ended.out
    assert "etiket-sync restore NAME --to DIR" in ended.out
    source = cli.ok("sources", "--json").json[0]
    assert (source["name"], source["where"], source["config"]["level"]) == ("data", str(data), 2)


def test_a_second_time_it_shows_the_state_and_asks_whether_to_look_again(
    configured: CommandLineRunner, type_lines: Type, engine: FakeEngine
) -> None:
    type_lines("n")
    ended = configured.ok()
    assert "Not looked through yet: lab." in ended.out
    assert "How to go on:" in ended.out
    assert engine.calls == []
    type_lines("maybe", "y")
    assert "All 3 datasets are archived and verified" in configured.ok().out
    assert engine.calls == ["start", "run_once", "stop"]


def test_after_a_no_nothing_was_made(
    cli: CommandLineRunner, type_lines: Type, data: Path, tmp_path: Path, home_folder: Path
) -> None:
    type_lines(str(data), "", str(tmp_path / "archive"), "n")
    assert "Nothing was set up." in cli.ok().out
    assert not (tmp_path / "archive").exists()
    assert not home_folder.exists()


def test_the_end_of_input_interrupts(cli: CommandLineRunner, type_lines: Type, home_folder: Path) -> None:
    type_lines()
    ended = cli()
    assert ended.code == 130
    assert not home_folder.exists()


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session(None, Output(is_json=False))
    yield session
    session.close()


def _ask(session: Session, *lines: str) -> guided.Answers | None:
    left = list(lines)

    def read(prompt: str) -> str:
        return left.pop(0)

    answers = ask_all(session, Dialogue(session, read))
    assert left == []
    return answers


def test_answers_that_make_no_sense_are_asked_again_with_the_reason(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_datasets(tmp_path / "data", "2024-01-01/run 1", "2024-01-01/run 2")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "main.tex").touch()
    answers = _ask(
        session,
        "", str(tmp_path / "nowhere"), str(data / "2024-01-01/run 1/data.txt"), str(data),
        str(data / "archive"), str(tmp_path / "no" / "parent"), str(tmp_path / "thesis"),
        str(tmp_path / "thesis" / "main.tex"), str(tmp_path / "archive"), "what?", "yes",
    )  # fmt: skip
    said = " ".join(capsys.readouterr().out.split())
    assert answers is not None
    assert (answers.folder, answers.archive, answers.level) == (str(data), str(tmp_path / "archive"), None)
    for words in ("does not exist", "is a file; name the folder", "nothing is ever written into a source",
                  "make it first or name another", "is a file."):  # fmt: skip
        assert words in said
    assert list((tmp_path / "thesis").iterdir()) == [tmp_path / "thesis" / "main.tex"]


def test_a_guessed_depth_is_asked_about_with_examples(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_datasets(tmp_path / "samples", "A/x", "A/y", "B/z")
    (data / "B" / "notes.txt").write_text("n")
    answers = _ask(session, str(data), "deep", "99", "2", str(tmp_path / "archive"), "y")
    said = capsys.readouterr().out
    assert f"1   each folder like: {data}/A\n" in said
    assert f"2   each folder like: {data}/A/x\n" in said
    assert "3 datasets in" in said
    assert answers is not None
    assert answers.level == 2


def test_folders_are_counted_and_shown_at_each_depth(tmp_path: Path) -> None:
    data = make_datasets(tmp_path / "data", "a/1", "a/2", "b/3")
    assert [count_at(str(data), level) for level in (-1, 0, 1, 2, 3)] == [None, 1, 2, 3, 0]
    assert examples(str(data)) == [str(data / "a"), str(data / "a" / "1")]
    assert examples(str(data / "none")) == []


def test_a_path_dragged_onto_the_terminal_loses_its_quotes(tmp_path: Path) -> None:
    assert absolute("'/data/my lab'") == "/data/my lab"
    assert absolute('"/data/my lab"') == "/data/my lab"


def test_the_tab_key_completes_folders(tmp_path: Path) -> None:
    readline = pytest.importorskip("readline", reason="this Python has no readline")
    for name in ("data one", "data two", "other"):
        (tmp_path / name).mkdir()
    before = readline.get_completer()
    with path_completion():
        complete = readline.get_completer()
        assert complete is not None
        found = [complete(f"{tmp_path}/da", number) for number in range(3)]
        assert found == [f"{tmp_path}/data one/", f"{tmp_path}/data two/", None]
        assert complete("/nowhere/x", 0) is None
    assert readline.get_completer() is before
