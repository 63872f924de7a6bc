"""What is printed: nothing in a name can play with the terminal, tables fit, figures read well."""

from __future__ import annotations

import io
import json
import shlex

import pytest

from etiket_gui.cli import output as output_module
from etiket_gui.cli.output import Output, ago_text, duration_text, iso_time, quoted, shown, size_text
from etiket_gui.cli.running import report_lines
from etiket_gui.engine.report import RunReport


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _output(*, is_json: bool = False, is_terminal: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    out, messages = Terminal() if is_terminal else io.StringIO(), io.StringIO()
    return Output(is_json=is_json, out=out, messages=messages), out, messages


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\rb", "a\nb", "x\u202egnp.exe", "\x9b2J", "\ud800"])
def test_no_name_can_steer_the_terminal(text: str) -> None:
    assert "<U+" in shown(text)
    assert shown(text).isprintable()


def test_ordinary_text_of_every_language_is_shown_as_it_is() -> None:
    text = "Größe (µm) 100 % 測定 ‛x"
    assert shown(text) == text


@pytest.mark.parametrize("word", ["a b", "$(rm -rf /)", "a;b", "`id`", "it's", "*", "=cmd|' /C calc'!A0"])
def test_a_printed_command_can_be_pasted_whatever_the_name(word: str) -> None:
    assert shlex.split(f"etiket-sync restore {quoted(word)}") == ["etiket-sync", "restore", word]


def test_json_goes_to_stdout_alone_and_lines_are_left_out() -> None:
    output, out, messages = _output(is_json=True)
    output.line("for people")
    output.table(("A",), [("x",)])
    output.message("beside")
    output.json({"name": "µ \ud800"})
    assert json.loads(out.getvalue())["name"] == "µ \ud800"
    assert messages.getvalue() == "beside\n"


def test_a_table_lines_up_wide_characters() -> None:
    output, out, _ = _output()
    output.table(("NAME", "SIZE"), [("測定", "1 kB"), ("a", "10 kB")], right=(1,))
    assert out.getvalue().splitlines() == ["NAME   SIZE", "測定   1 kB", "a     10 kB"]


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(output_module, "terminal_columns", lambda stream: 40)
    output, out, _ = _output(is_terminal=True)
    output.table(("NAME", "STATE"), [("n" * 100, "archived")])
    assert all(len(line) <= 40 for line in out.getvalue().splitlines())
    assert "…" in out.getvalue()


def test_a_table_in_a_file_is_complete() -> None:
    output, out, _ = _output()
    output.table(("NAME",), [("n" * 500,)])
    assert "n" * 500 in out.getvalue()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_940, "99.9 kB"), (123_456, "123 kB"), (8.3e9, "8.3 GB")],
)
def test_sizes_read_well(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (7500, "2 h 5 min"), (200_000, "2 days")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_times_are_told_as_people_and_scripts_want_them() -> None:
    second = 1_000_000_000
    assert ago_text(None) == "never"
    assert ago_text(100 * second, 100 * second) == "just now"
    assert ago_text(100 * second, 160 * second) == "1 min ago"
    assert iso_time(0) == "1970-01-01T00:00:00.000Z"
    assert iso_time(None) is None


@pytest.mark.parametrize(
    "text", ["Begin with: etiket-sync", "etiket-sync run", "First: etiket-sync\nthen: etiket-sync run"]
)
def test_commands_are_told_as_they_are_typed_here_also_at_the_end_of_a_line(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(output_module.COMMAND_VARIABLE, "sh packaging/run.sh")
    assert output_module.as_typed_here(text) == text.replace("etiket-sync", "sh packaging/run.sh")
    assert output_module.as_typed_here("etiket-sync-agent is another thing") == "etiket-sync-agent is another thing"
    monkeypatch.delenv(output_module.COMMAND_VARIABLE)
    assert output_module.as_typed_here(text) == text


def test_a_run_that_is_still_measured_is_not_called_a_problem() -> None:
    report = RunReport(8, 7, 1, 0, 0, (), (), 0, (), was_interrupted=False, duration_s=30.0)
    told = list(report_lines(report))
    assert told[0] == "1 of 8 datasets is not archived yet (30 s)."
    assert told[-1] == "What waits or is still being measured: etiket-sync datasets"
