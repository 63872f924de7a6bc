"""Help: which version this is, the keys, and a diagnostics file that is looked at before it is saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QWidget,
)

from etiket_gui.domain.errors import EtiketError
from etiket_gui.gui.crash_dialog import versions_text
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import capitalised, size_text
from etiket_gui.gui.theme.tokens import Space
from etiket_gui.gui.widgets.labels import SectionHeading, SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row

_FILE_NAME = "etiket-diagnostics-%Y%m%d-%H%M.zip"


class DiagnosticsDialog(QDialog):
    """The file is made in a process of its own when the dialog opens; nothing leaves this computer."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._parts: list[dict[str, Any]] = []
        self.setObjectName("diagnostics-dialog")
        self.setWindowTitle(self.tr("Help"))
        layout = column(self, margin=Space.XL, spacing=Space.M)
        layout.addWidget(SectionHeading(self.tr("This program")))
        layout.addWidget(SentenceLabel(versions_text(), tint="muted"))
        keys = self.tr(
            "F5 looks through everything now · Ctrl+1 to Ctrl+5 change the page · Ctrl+, opens the settings · "
            "Ctrl+W closes the window · Ctrl+Q quits"
        )
        layout.addWidget(SentenceLabel(keys, tint="muted"))
        layout.addSpacing(Space.S)
        layout.addWidget(SectionHeading(self.tr("Diagnostics file")))
        layout.addWidget(
            SentenceLabel(
                self.tr(
                    "It helps whoever helps you: versions, settings, logs, open problems. Passwords and the name of "
                    "your account are left out, and your measurements are not in it. This is all it holds:"
                )
            )
        )
        layout.addWidget(self._preview(), 1)
        self._said = SentenceLabel(self.tr("Collecting…"), tint="muted")
        self._said.setObjectName("diagnostics-said")
        layout.addWidget(self._said)
        layout.addLayout(self._buttons())
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * 110, metrics.height() * 36)
        desk.jobs.start("diagnostics_preview", {}, self, self._take, self._fail)

    def _preview(self) -> QSplitter:
        self._list = QListWidget()
        self._list.setObjectName("diagnostics-parts")
        self._list.setAccessibleName(self.tr("Parts of the diagnostics file"))
        self._list.currentRowChanged.connect(self._show_part)
        self._text = QPlainTextEdit()
        self._text.setObjectName("diagnostics-text")
        self._text.setAccessibleName(self.tr("What the part says"))
        self._text.setReadOnly(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setHandleWidth(Space.M)
        splitter.addWidget(self._list)
        splitter.addWidget(self._text)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 2)
        splitter.setChildrenCollapsible(False)
        return splitter

    def _buttons(self) -> QHBoxLayout:
        line = row(spacing=Space.S)
        line.addStretch(1)
        buttons = QDialogButtonBox()
        self._save_button: QPushButton = buttons.addButton(
            self.tr("Save the file…"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self._save_button.setObjectName("diagnostics-save")
        self._save_button.setAccessibleName(self.tr("Save the diagnostics file"))
        self._save_button.setProperty("primary", "true")
        self._save_button.setEnabled(False)
        self._save_button.clicked.connect(self._choose)
        close = buttons.addButton(self.tr("Close"), QDialogButtonBox.ButtonRole.RejectRole)
        close.setObjectName("diagnostics-close")
        close.setAccessibleName(close.text())
        buttons.rejected.connect(self.reject)
        line.addWidget(buttons)
        return line

    @property
    def said(self) -> str:
        """The sentence below the preview."""
        return self._said.text()

    def _say(self, sentence: str, tint: str) -> None:
        set_tint(self._said, tint)
        self._said.setText(sentence)

    def _take(self, result: dict[str, Any]) -> None:
        self._parts = list(result["parts"])
        for part in self._parts:
            QListWidgetItem(f"{part['name']}\n{size_text(part['size_bytes'])}", self._list)
        self._save_button.setEnabled(True)
        self._list.setCurrentRow(0)
        self._say(self.tr("{size} when saved.").format(size=size_text(result["size_bytes"])), "muted")

    def _fail(self, error: EtiketError) -> None:
        self._say(" ".join(filter(None, (capitalised(error.reason), error.advice))), "bad")

    def _show_part(self, index: int) -> None:
        if not 0 <= index < len(self._parts):
            return
        part = self._parts[index]
        text = str(part["text"])
        if part["size_bytes"] > len(text.encode("utf-8", "replace")):
            text = self.tr("{text}\n… and so on; the file holds all of it.").format(text=text)
        self._text.setPlainText(text)

    def _choose(self) -> None:
        dialog = QFileDialog(self, self.tr("Save the diagnostics file"), QDir.homePath())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setDefaultSuffix("zip")
        dialog.selectFile(time.strftime(_FILE_NAME))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.save_as)
        dialog.open()

    def save_as(self, path: str) -> None:
        """Save the file that was looked at."""
        self._save_button.setEnabled(False)
        self._say(self.tr("Saving…"), "muted")
        self._desk.jobs.start("diagnostics_save", {"path": path}, self, self._saved, self._save_failed)

    def _saved(self, result: dict[str, Any]) -> None:
        self._save_button.setEnabled(True)
        self._say(self.tr("Saved as {path}.").format(path=Path(str(result["path"]))), "good")

    def _save_failed(self, error: EtiketError) -> None:
        self._save_button.setEnabled(True)
        self._fail(error)
