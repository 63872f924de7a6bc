"""Verifies stored copies a few at a time in the child process, tells how far it is, and has the engine note it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from etiket_gui.domain.commands import NoteActivity, RecordVerification, Reply
from etiket_gui.domain.errors import EtiketError, Stopped
from etiket_gui.domain.names import display
from etiket_gui.domain.wording import count_text
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import files_text, number_text, size_text
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import ElidedLabel
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.progress_line import ProgressLine

#: What was checked is written down after so many datasets, so that a stop loses little.
_AT_ONCE = 20


class VerifyRun(QWidget):
    """A line that is seen while something is verified. ``ended`` has a sentence and whether it is bad."""

    ended = Signal(str, bool)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._ids: list[int] = []
        self._place = 0
        self._job: int | None = None
        self._good = self._files = self._bytes = 0
        self._different: list[str] = []
        self._unchecked: list[str] = []
        line = row(self, spacing=Space.M)
        texts = column(spacing=Space.XS)
        self._what = ElidedLabel()
        self._bar = ProgressLine(self.tr("Verified"))
        texts.addWidget(self._what)
        texts.addWidget(self._bar)
        line.addLayout(texts, 1)
        self._stop = QPushButton(self.tr("Stop"))
        self._stop.setObjectName("verify-stop")
        self._stop.setAccessibleName(self.tr("Stop verifying"))
        self._stop.clicked.connect(self.stop)
        line.addWidget(self._stop)
        self.hide()

    @property
    def is_running(self) -> bool:
        """Whether something is being verified."""
        return self._job is not None

    def start(self, dataset_ids: Sequence[int]) -> None:
        """Verify every stored copy of these, after those that are under way."""
        self._ids.extend(dataset_ids)
        if not self.is_running and self._ids:
            self._good = self._files = self._bytes = self._place = 0
            self._different, self._unchecked = [], []
            self.show()
            self._next()

    def stop(self) -> None:
        """Stop; what was written down stays."""
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
        self._end(self.tr("Stopped."))

    def _next(self) -> None:
        wanted = self._ids[self._place : self._place + _AT_ONCE]
        if not wanted:
            self._end("")
            return
        self._show_progress("", 0, 1)
        self._job = self._desk.jobs.start(
            "verify", {"datasets": wanted}, self, self._take, self._take_failure, self._note
        )

    def _note(self, body: dict[str, Any]) -> None:
        self._show_progress(str(body.get("name", "")), int(body.get("done", 0)), int(body.get("total", 1)))

    def _show_progress(self, name: str, done: int, total: int) -> None:
        now = min(len(self._ids), self._place + _AT_ONCE) - self._place
        at = self._place + now * done / max(1, total)
        self._bar.set_fraction(at / len(self._ids))
        text = self.tr("Verifying {at} of {total}").format(
            at=number_text(min(len(self._ids), int(at) + 1)), total=number_text(len(self._ids))
        )
        self._what.setText(f"{text}: {display(name)}" if name else text)

    def _take(self, result: dict[str, Any]) -> None:
        self._good += int(result.get("good", 0))
        self._files += int(result.get("checked_files", 0))
        self._bytes += int(result.get("checked_bytes", 0))
        for item in result.get("differences", ()):
            self._different.append(f"{item.get('name')} {item.get('version')} ({item.get('destination')})")
        for item in result.get("not_verified", ()):
            self._unchecked.append(f"{item.get('what')}: {item.get('reason')}")
        rows = tuple(
            (int(transfer_id), int(at_ns), bool(is_proven), tuple(str(name) for name in names))
            for transfer_id, at_ns, is_proven, names in result.get("results", ())
        )
        if not rows:
            self._go_on()
            return
        self._desk.host.ask(RecordVerification(rows), self, self._noted, self._not_noted)

    def _noted(self, _: Reply) -> None:
        self._go_on()

    def _not_noted(self, error: EtiketError) -> None:
        self._unchecked.append(self.tr("It could not be written down: {reason}").format(reason=error.reason))
        self._go_on()

    def _take_failure(self, error: EtiketError) -> None:
        if not isinstance(error, Stopped):
            self._unchecked.append(error.reason)
        self._go_on()

    def _go_on(self) -> None:
        if not self._ids:
            return
        self._place += _AT_ONCE
        self._next()

    def _end(self, first: str) -> None:
        if not self._ids:
            return
        self._ids, self._job = [], None
        self.hide()
        checked = self._good + len(self._different)
        if checked:
            result = f"{len(self._different)} of them differ" if self._different else "all is what was sent"
            copies = count_text(checked, "stored copy", "stored copies")
            self._desk.host.ask(NoteActivity(f"Verified {copies}: {result}"), None, lambda _: None)
        parts = [first] if first else []
        if self._good or not (self._different or self._unchecked):
            read = f"{files_text(self._files)}, {size_text(self._bytes)}"
            parts.append(self._good_text().format(n=number_text(self._good), read=read))
        if self._different:
            parts.append(
                self.tr(
                    "Different from what was sent: {names}. Nothing was changed there; they are sent again."
                ).format(names=", ".join(self._different[:5]))
            )
        parts.extend(self._unchecked[:5])
        self.ended.emit(" ".join(parts), bool(self._different or self._unchecked))

    def _good_text(self) -> str:
        if self._good == 1:
            return self.tr("1 stored copy is what was sent, byte for byte ({read} read again).")
        if self._good == 0:
            return self.tr("No copy is stored there yet, so there was nothing to verify.")
        return self.tr("{n} stored copies are what was sent, byte for byte ({read} read again).")
