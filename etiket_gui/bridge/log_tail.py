"""The end of a log file and what is added to it, read by a pool thread so that a slow disk never holds the window."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[,.]\d+ ([A-Z]+) +\[\d+ ([^\]]*)\] ([^:]+): (.*)", re.DOTALL)
#: So much of a file's end is read at first, and at most in one go afterwards.
TAIL_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of a log; ``text`` may have several lines. ``level`` is "" for what is not in the log's own form."""

    at: str
    level: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a file was read, and which file that was."""

    identity: tuple[int, int]
    offset: int


def parsed(text: str) -> tuple[LogLine, ...]:
    """The entries of a piece of log; lines of another form belong to the entry before them."""
    found: list[LogLine] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            at, level, _, where, message = match.groups()
            found.append(LogLine(at, level, where, message))
        elif found:
            before = found[-1]
            found[-1] = LogLine(before.at, before.level, before.where, f"{before.text}\n{line}")
        elif line.strip():
            found.append(LogLine("", "", "", line))
    return tuple(found)


def log_files(folder: Path) -> tuple[str, ...]:
    """The names of the log files of a home, the program's own first. Raises OSError."""
    names = [entry.name for entry in os.scandir(folder) if ".log" in entry.name and entry.is_file()]
    return tuple(sorted(names, key=lambda name: (not name.startswith("etiket-gui.log"), name)))


@dataclass(frozen=True, slots=True)
class LogNews:
    """What was read: ``is_whole`` when it replaces everything before; ``failure`` a sentence when nothing could be."""

    name: str
    files: tuple[str, ...]
    lines: tuple[LogLine, ...] = ()
    is_whole: bool = False
    failure: str = ""


def read_news(folder: Path, name: str, place: _Place | None) -> tuple[LogNews, _Place | None]:
    """What a log file holds since it was read up to a place; its end when it was not read before or is another one."""
    try:
        files = log_files(folder)
        if name not in files:
            return LogNews(name, files, is_whole=True), None
        with open(folder / name, "rb") as file:
            status = os.fstat(file.fileno())
            identity = status.st_dev, status.st_ino
            is_same = place is not None and place.identity == identity and place.offset <= status.st_size
            start = place.offset if is_same and place is not None else 0
            skips = status.st_size - start > TAIL_BYTES
            file.seek(status.st_size - TAIL_BYTES if skips else start)
            content = file.read(TAIL_BYTES)
    except OSError as error:
        return LogNews(name, (), is_whole=True, failure=f"{folder / name} cannot be read: {error.strerror}."), None
    if skips:
        content = content[content.find(b"\n") + 1 :]
    # A line that is being written is read when it is whole.
    end = content.rfind(b"\n") + 1
    offset = status.st_size - (len(content) - end)
    text = content[:end].decode("utf-8", "replace")
    return LogNews(name, files, parsed(text), is_whole=not is_same or skips), _Place(identity, offset)


class _Read(QRunnable):
    def __init__(self, tail: LogTail, name: str, place: _Place | None) -> None:
        super().__init__()
        self._tail = tail
        self._name = name
        self._place = place

    def run(self) -> None:
        """Called on a thread of the pool."""
        self._tail.give(*read_news(self._tail.folder, self._name, self._place))


class LogTail(QObject):
    """``news`` has a LogNews for the file that is followed, each time :meth:`look` found something, and at first."""

    news = Signal(object)
    _read = Signal(object, object)

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self._name = ""
        self._place: _Place | None = None
        self._files: tuple[str, ...] = ()
        self._is_reading = False
        self._is_wanted_again = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._pool.setExpiryTimeout(2000)
        self._read.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def name(self) -> str:
        """The file that is followed."""
        return self._name

    def follow(self, name: str) -> None:
        """Read that file from its end on."""
        self._name, self._place = name, None
        self.look()

    def look(self) -> None:
        """Look whether something was added; one look at a time."""
        if self._is_reading:
            self._is_wanted_again = True
            return
        self._is_reading, self._is_wanted_again = True, False
        self._pool.start(_Read(self, self._name, self._place))

    def give(self, news: LogNews, place: _Place | None) -> None:
        """Called on a thread of the pool."""
        self._read.emit(news, place)

    @Slot(object, object)
    def _take(self, news: LogNews, place: _Place | None) -> None:
        self._is_reading = False
        if news.name == self._name:
            self._place = place
            if news.lines or news.is_whole or news.files != self._files:
                self._files = news.files
                self.news.emit(news)
        if self._is_wanted_again:
            self.look()
