"""A log with a budget in bytes: a few files of bounded size, and equal lines counted instead of repeated."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from etiket_gui.domain import guards

FILE_BYTES = 5_000_000
FILE_COUNT = 5
_WINDOW_S = 60.0
_MOST_MESSAGES = 200
_LONGEST_LINE = 32_768


@dataclass(slots=True)
class _Repeated:
    since_s: float
    count: int = 0


class BudgetedLogHandler(logging.Handler):
    """Writes ``path``, ``path.1`` … with at most ``file_count`` × ``file_bytes`` bytes in all.

    A message that comes again within a minute is counted and written as one line when the minute is over or the log
    ends. A disk that is full costs log lines, never the work. One process writes one log.
    """

    def __init__(
        self,
        path: Path,
        *,
        file_bytes: int = FILE_BYTES,
        file_count: int = FILE_COUNT,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._path = path
        self._file_bytes = file_bytes
        self._file_count = file_count
        self._now_s = now_s
        self._stream: TextIOWrapper | None = None
        self._size = 0
        self._seen: OrderedDict[tuple[str, int, str], _Repeated] = OrderedDict()
        self._next_sweep_s = now_s() + _WINDOW_S
        self._remove_surplus()
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        try:
            now_s = self._now_s()
            if now_s >= self._next_sweep_s:
                self._sweep(now_s)
            if guards.is_on("log-collapse") and self._is_repeated(record, now_s):
                return
            self._write(self.format(record))
        except OSError:
            self._close_stream()
        except (ValueError, TypeError, AttributeError):
            self.handleError(record)

    def flush(self) -> None:
        """Nothing waits here: every line is handed to the system at once."""

    def close(self) -> None:
        """Write what was counted and close the file."""
        self.acquire()
        try:
            for key, repeated in self._seen.items():
                self._tell(key, repeated)
            self._seen.clear()
            self._close_stream()
        except OSError:
            self._stream = None
        finally:
            self.release()
        super().close()

    def _is_repeated(self, record: logging.LogRecord, now_s: float) -> bool:
        key = (record.name, record.levelno, record.getMessage())
        repeated = self._seen.get(key)
        if repeated is not None and now_s - repeated.since_s < _WINDOW_S:
            repeated.count += 1
            return True
        if repeated is not None:
            self._tell(key, repeated)
            del self._seen[key]
        self._seen[key] = _Repeated(now_s)
        if len(self._seen) > _MOST_MESSAGES:
            self._tell(*self._seen.popitem(last=False))
        return False

    def _sweep(self, now_s: float) -> None:
        self._next_sweep_s = now_s + _WINDOW_S
        for key in [key for key, repeated in self._seen.items() if now_s - repeated.since_s >= _WINDOW_S]:
            self._tell(key, self._seen.pop(key))

    def _tell(self, key: tuple[str, int, str], repeated: _Repeated) -> None:
        if not repeated.count:
            return
        times = "once more" if repeated.count == 1 else f"{repeated.count} times"
        name, level, message = key
        text = f"repeated {times} in {_WINDOW_S:.0f} s: {message}"
        self._write(self.format(logging.LogRecord(name, level, "", 0, text, None, None)))

    def _write(self, line: str) -> None:
        if len(line) > _LONGEST_LINE:
            line = f"{line[:_LONGEST_LINE]}… ({len(line) - _LONGEST_LINE} more characters)"
        size = len(line.encode("utf-8", "backslashreplace")) + len(os.linesep)
        if self._size + size > self._file_bytes and self._size and guards.is_on("log-budget"):
            self._rotate()
        if self._stream is None:
            self._open()
        assert self._stream is not None
        self._stream.write(line + "\n")
        self._stream.flush()
        self._size += size

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stream = os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace")
        self._size = os.fstat(fd).st_size

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            stream.close()
        except OSError:
            return

    def _rotate(self) -> None:
        self._close_stream()
        for number in range(self._file_count - 1, 0, -1):
            source = self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))
        self._open()

    def _remove_surplus(self) -> None:
        """Files of an earlier, larger budget go away at the start."""
        for path in self._path.parent.glob(f"{self._path.name}.*"):
            number = path.name[len(self._path.name) + 1 :]
            if number.isdecimal() and (int(number) >= self._file_count or path.stat().st_size > 2 * self._file_bytes):
                path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")
