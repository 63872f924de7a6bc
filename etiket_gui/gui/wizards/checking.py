"""Has the values of a form checked by its plug-in, in the child process, a moment after the last edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.desk import Desk

DELAY_MS = 250


class Checker(QObject):
    """Checks one form. ``checked`` has the answer of the job "validate"; ``failed`` an EtiketError.

    Only the answer to the newest values is told.
    """

    checked = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        desk: Desk,
        group: str,
        values: Callable[[], Mapping[str, Any]],
        parent: QObject,
        *,
        delay_ms: int = DELAY_MS,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._group = group
        self._values = values
        self._identifier = ""
        self._edited_name = ""
        self._beside: tuple[Mapping[str, Any], ...] = ()
        self._job: int | None = None
        self.result: dict[str, Any] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(delay_ms)
        self._timer.timeout.connect(self.check_now)

    def set_plugin(self, identifier: str, edited_name: str = "") -> None:
        """Which plug-in checks from now on; ``edited_name``: the source or destination whose own places are free."""
        self._identifier = identifier
        self._edited_name = edited_name
        self.result = None

    def set_beside(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Sources (``name`` and ``config``) that are to be added with it: its places must be apart from theirs, too."""
        if tuple(sources) != self._beside:
            self._beside = tuple(sources)
            self.check_soon()

    @property
    def is_checking(self) -> bool:
        """Whether an answer is still to come."""
        return self._job is not None or self._timer.isActive()

    @property
    def config(self) -> dict[str, Any] | None:
        """The whole configuration, None while it is wrong or not checked yet."""
        if self.is_checking or self.result is None:
            return None
        config = self.result.get("config")
        return None if config is None else dict(config)

    def check_soon(self) -> None:
        """Check when nothing was edited for a moment."""
        self.result = None
        self._timer.start()

    def check_now(self) -> None:
        """Check at once."""
        self._timer.stop()
        if not self._identifier:
            return
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
        self.result = None
        parameters = {
            "group": self._group, "identifier": self._identifier, "values": dict(self._values()),
            "name": self._edited_name, "beside": list(self._beside),
        }  # fmt: skip
        self._job = self._desk.jobs.start("validate", parameters, self, self._on_answer, self._on_failure)

    def _on_answer(self, result: dict[str, Any]) -> None:
        self._job = None
        self.result = result
        self.checked.emit(result)

    def _on_failure(self, error: EtiketError) -> None:
        self._job = None
        self.failed.emit(error)
