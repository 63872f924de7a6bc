"""The program's log: files with a budget, no secret in any line, crashes of the interpreter included."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from etiket_gui.credentials.redaction import RedactingFormatter
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError
from etiket_gui.osys.early_checks import check_writable
from etiket_gui.osys.log_files import FILE_BYTES, FILE_COUNT, BudgetedLogHandler

logger = logging.getLogger(__name__)

LOG_FILE = "etiket-gui.log"
CRASH_FILE = "crash.log"
LINE_FORMAT = "%(asctime)s %(levelname)-7s [%(process)d %(threadName)s] %(name)s: %(message)s"
_MOST_CRASH_BYTES = 1_000_000
#: Other people's chatter at INFO and below says nothing about a measurement.
_QUIET = ("watchdog", "alembic", "urllib3", "keyring", "secretstorage", "jeepney")


class ProgramLog:
    """The log of one process of the program, from :meth:`open` to :meth:`close`.

    ``complaint`` is a sentence when the log cannot be written to its folder; the program then logs to standard error
    and works on.
    """

    def __init__(self, folder: Path, *, file_bytes: int = FILE_BYTES, file_count: int = FILE_COUNT) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._file_count = file_count
        self._handlers: list[logging.Handler] = []
        self._levels: list[tuple[logging.Logger, int]] = []
        self._crash_file: TextIO | None = None
        self._hooks: tuple[Callable[..., Any], Callable[..., Any]] | None = None
        self.complaint = ""

    def open(self, *, level: int = logging.INFO, is_on_screen: bool = False) -> Self:
        """Put the handlers on the root logger, and have crashes and forgotten exceptions written down."""
        formatter = RedactingFormatter(LINE_FORMAT)
        handler: logging.Handler | None = None
        try:
            check_writable(self._folder)
            handler = BudgetedLogHandler(
                self._folder / LOG_FILE, file_bytes=self._file_bytes, file_count=self._file_count
            )
            self._open_crash_file()
        except (EtiketError, OSError) as error:
            if not guards.is_on("log-unwritable"):
                raise
            self.complaint = f"No log is written: {error}"
        if handler is not None:
            self._add(handler, formatter)
        if is_on_screen or handler is None:
            self._add(logging.StreamHandler(), formatter)
        self._set_level(logging.getLogger(), level)
        for name in _QUIET:
            self._set_level(logging.getLogger(name), max(level, logging.WARNING))
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = _log_unhandled
        threading.excepthook = _log_unhandled_in_thread
        if self.complaint:
            logger.warning("%s", self.complaint)
        return self

    def open_again(self) -> None:
        """Write to the folder from now on, where it could not be written before and can be now."""
        try:
            check_writable(self._folder)
            handler = BudgetedLogHandler(
                self._folder / LOG_FILE, file_bytes=self._file_bytes, file_count=self._file_count
            )
            self._open_crash_file()
        except (EtiketError, OSError) as error:
            logger.info("Still no log is written: %s", error)
            return
        before, self._handlers, self.complaint = self._handlers, [], ""
        self._add(handler, RedactingFormatter(LINE_FORMAT))
        for other in before:
            logging.getLogger().removeHandler(other)
            other.close()

    def close(self) -> None:
        """Write what was counted and leave logging as it was."""
        if self._hooks is not None:
            sys.excepthook, threading.excepthook = self._hooks
            self._hooks = None
        root = logging.getLogger()
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        self._handlers.clear()
        for changed, level in reversed(self._levels):
            changed.setLevel(level)
        self._levels.clear()
        if self._crash_file is not None:
            faulthandler.disable()
            self._crash_file.close()
            self._crash_file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, handler: logging.Handler, formatter: logging.Formatter) -> None:
        handler.setFormatter(formatter)
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)

    def _set_level(self, changed: logging.Logger, level: int) -> None:
        self._levels.append((changed, changed.level))
        changed.setLevel(level)

    def _open_crash_file(self) -> None:
        path = self._folder / CRASH_FILE
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > _MOST_CRASH_BYTES:
                path.replace(path.with_name(f"{CRASH_FILE}.1"))
        self._crash_file = path.open("a", encoding="utf-8")
        faulthandler.enable(self._crash_file)


def _log_unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("Something went wrong that nobody expected", exc_info=(kind, error, trace))


def _log_unhandled_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
        return
    name = "?" if arguments.thread is None else arguments.thread.name
    logger.critical(
        "The thread %s ended with something that nobody expected",
        name,
        exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback),
    )
