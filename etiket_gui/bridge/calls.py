"""One question of the window: who asked, what is done with the answer, and whether the one who asked is still there."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import shiboken6
from PySide6.QtCore import QObject

from etiket_gui.domain import guards
from etiket_gui.domain.commands import Reply
from etiket_gui.domain.errors import EtiketError, error_from_json


class BugsReported:
    """Inside, a bug of who asked is reported like one in a slot, and whoever answers goes on with the next one."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or error is None or not issubclass(kind, Exception) or not guards.is_on("bugs-stay-apart"):
            return False
        sys.excepthook(kind, error, trace)
        return True


class Call:
    """Answers are for one ``owner``; without one (None) they are always given. Belongs to the GUI thread."""

    __slots__ = ("_failed", "_has_owner", "_owner", "_then")

    def __init__(
        self,
        owner: QObject | None,
        then: Callable[[Any], None],
        failed: Callable[[EtiketError], None] | None = None,
    ) -> None:
        self._has_owner = owner is not None
        self._owner = None if owner is None else weakref.ref(owner)
        self._then = then
        self._failed = failed

    @property
    def is_wanted(self) -> bool:
        """Whether the one who asked is still there."""
        if not self._has_owner or not guards.is_on("answers-need-their-owner"):
            return True
        owner = None if self._owner is None else self._owner()
        return owner is not None and shiboken6.isValid(owner)

    def answer(self, value: Any) -> None:
        """Hand over the answer, if it is still wanted."""
        if self.is_wanted:
            with BugsReported():
                self._then(value)

    def answer_reply(self, reply: Reply) -> None:
        """Hand over the engine's reply; where it refuses with a reason and somebody cares, that failure."""
        if reply.error is not None and self._failed is not None:
            self.fail(error_from_json(dict(reply.error)))
        else:
            self.answer(reply)

    def fail(self, error: EtiketError) -> None:
        """Hand over the failure, if it is still wanted and somebody cares."""
        if self._failed is not None and self.is_wanted:
            with BugsReported():
                self._failed(error)
