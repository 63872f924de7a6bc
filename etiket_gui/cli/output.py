"""What the command line prints: JSON alone on stdout, tables and sentences for people, messages on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.wording import count_text, duration_text, size_text

__all__ = [
    "COMMAND_VARIABLE",
    "PROGRAM",
    "Output",
    "ago_text",
    "as_typed_here",
    "count_text",
    "duration_text",
    "iso_time",
    "local_time",
    "prepare_streams",
    "problem_lines",
    "quoted",
    "shown",
    "size_text",
    "terminal_columns",
    "until_text",
]

#: C0 and C1 control characters (a terminal obeys them), line separators, and what turns the direction of text.
_UNSAFE_ON_A_SCREEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ELLIPSIS = "…"
_NS_PER_S = 1_000_000_000


#: What starts the program where it is not on the PATH (``sh packaging/run.sh``); printed commands begin with it.
COMMAND_VARIABLE = "ETIKET_GUI_COMMAND"
PROGRAM = "etiket-sync"
_COMMAND_IN_TEXT = re.compile(rf"{PROGRAM}(?= |$)", re.MULTILINE)


def prepare_streams() -> None:
    """Make sure that no name can make printing fail: what a terminal's encoding lacks is shown escaped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def shown(text: str) -> str:
    """The text for a screen: nothing in it can move the cursor, change colours or spoof what stands beside it."""
    if not guards.is_on("names-shown-safely"):
        return text
    return _UNSAFE_ON_A_SCREEN.sub(lambda match: f"<U+{ord(match.group()):04X}>", text)


def as_typed_here(text: str) -> str:
    """The text with the commands in it as they are to be typed on this installation."""
    command = os.environ.get(COMMAND_VARIABLE)
    return _COMMAND_IN_TEXT.sub(lambda _: command, text) if command and PROGRAM in text else text


def quoted(text: str) -> str:
    """The text as one word of a command line that a person can paste."""
    if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII):
        return text
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline([text])
    import shlex

    return shlex.quote(text)


class Output:
    """Where a command writes. ``is_json`` keeps stdout for one JSON value."""

    def __init__(self, *, is_json: bool, out: TextIO | None = None, messages: TextIO | None = None) -> None:
        self.is_json = is_json
        self._out = out
        self._messages = messages

    @property
    def out(self) -> TextIO:
        """The stream of results."""
        return self._out or sys.stdout

    @property
    def messages(self) -> TextIO:
        """The stream of messages."""
        return self._messages or sys.stderr

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at the results as they come."""
        return self.out.isatty() and os.environ.get("TERM") != "dumb"

    def json(self, value: Any) -> None:
        """Print one JSON value to stdout."""
        is_utf8 = (getattr(self.out, "encoding", None) or "").lower().replace("-", "") == "utf8"
        json.dump(value, self.out, ensure_ascii=not is_utf8 or _has_surrogates(value), indent=2)
        self.out.write("\n")

    def line(self, text: str = "") -> None:
        """Print one line for a person to stdout; left out where stdout is JSON's."""
        if not self.is_json:
            self.out.write(f"{shown(as_typed_here(text))}\n")

    def message(self, text: str = "") -> None:
        """Print one line beside the results, to stderr."""
        self.messages.write(f"{shown(as_typed_here(text))}\n")
        self.messages.flush()

    def error(self, error: EtiketError) -> None:
        """Tell a known failure: what happened and where, then what to do."""
        self.message(f"{getattr(error, 'remote_title', error.title)}: {error.reason}")
        if error.advice:
            self.message(error.advice)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> None:
        """Print a table to stdout: on a terminal cut to its width, elsewhere in full. ``right`` aligns numbers."""
        if self.is_json:
            return
        text_rows = [[shown("" if cell is None else str(cell)) for cell in row] for row in rows]
        widths = [max(_width(row[column]) for row in [list(headers), *text_rows]) for column in range(len(headers))]
        if self.is_terminal:
            widths = _fitted(widths, [_width(header) for header in headers], terminal_columns(self.out))
        right_columns = frozenset(right)
        for row in [list(headers), *text_rows]:
            cells = [
                _padded(_cut(cell, widths[column]), widths[column], is_right=column in right_columns)
                for column, cell in enumerate(row)
            ]
            self.out.write("  ".join(cells).rstrip() + "\n")


def terminal_columns(stream: TextIO) -> int:
    """The width of the terminal behind a stream, in characters."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _has_surrogates(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return text + _ELLIPSIS


def _padded(text: str, width: int, *, is_right: bool) -> str:
    padding = " " * (width - _width(text))
    return padding + text if is_right else text + padding


def _fitted(widths: list[int], least: list[int], columns: int) -> list[int]:
    """Take from the widest columns until the row fits, never below the header and 8 characters."""
    widths = list(widths)
    floor = [min(width, max(minimum, 8)) for width, minimum in zip(widths, least, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > columns:
        shrinkable = [column for column, width in enumerate(widths) if width > floor[column]]
        if not shrinkable:
            break
        widths[max(shrinkable, key=lambda column: widths[column])] -= 1
    return widths


def ago_text(time_ns: int | None, now_ns: int | None = None) -> str:
    """How long ago that was, for people; ``never`` for None."""
    if not time_ns:
        return "never"
    passed_s = ((time.time_ns() if now_ns is None else now_ns) - time_ns) / _NS_PER_S
    return "just now" if passed_s < 1 else f"{duration_text(passed_s)} ago"


def iso_time(time_ns: int | None) -> str | None:
    """ISO 8601 text in UTC of ns since 1970, for JSON; None stays None."""
    if time_ns is None:
        return None
    return datetime.fromtimestamp(time_ns / _NS_PER_S, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_time(time_ns: int | None) -> str:
    """Date and time on this machine's clock, for people; empty for None."""
    if time_ns is None:
        return ""
    return datetime.fromtimestamp(time_ns / _NS_PER_S, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def until_text(until_ns: int, now_ns: int) -> str:
    """The end of a pause or hold for people: ``until resumed``, ``until 14:30``, else with the date."""
    if until_ns == -1:
        return "until resumed"
    moment, today = local_time(until_ns), local_time(now_ns)[:10]
    return f"until {moment.removeprefix(today).strip()}"


def problem_lines(problems: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Problems as lines for people: title and where, then reason, advice and next try."""
    for problem in problems:
        where = problem.get("dataset") or problem.get("source") or problem.get("destination") or ""
        yield f"{problem['title']}{f' – {where}' if where else ''}"
        for part in (problem.get("reason"), problem.get("advice")):
            if part:
                yield f"    {part}"
