"""Gets datasets back from a destination into a folder: which version, where from, where to, as copies or links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QStandardPaths, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QWidget,
)

from etiket_gui.bridge.queries_pages_dataset import CopyFacts, DatasetFacts
from etiket_gui.domain.commands import NoteActivity
from etiket_gui.domain.errors import DestinationDamaged, EtiketError, Stopped
from etiket_gui.domain.names import display
from etiket_gui.domain.wording import count_text
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.pages.places import open_place
from etiket_gui.gui.sentences import clock_text, datasets_text, files_text, size_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel, TextLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.progress_line import ProgressLine

_LEAST_CHARACTERS = 64


class RestoreDialog(QDialog):
    """For one dataset or several, one after the other. ``restored`` carries each result; nothing is overwritten."""

    restored = Signal(object)

    def __init__(self, desk: Desk, datasets: Sequence[DatasetFacts], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("restore-dialog")
        self.setWindowTitle(self.tr("Restore"))
        self._desk = desk
        self._datasets = tuple(datasets)
        #: Those of this run: all, or those whose damaged copies are to come back without what is damaged.
        self._asked = self._datasets
        self._damaged: list[DatasetFacts] = []
        self._takes_intact = False
        self._job: int | None = None
        self._place = 0
        self._done: list[Mapping[str, Any]] = []
        self._failures: list[str] = []
        self._noted = 0
        layout = column(self, margin=Space.XL, spacing=Space.M)
        layout.addWidget(self._make_title())
        layout.addLayout(self._make_form())
        self._progress = ProgressLine(self.tr("Restored"))
        self._moving = ElidedLabel("", TextRole.SMALL, "muted")
        self.report = SentenceLabel()
        self.report.setObjectName("restore-report")
        for widget in (self._progress, self._moving, self.report):
            widget.hide()
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addLayout(self._make_buttons())
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * _LEAST_CHARACTERS)
        self._show_versions()
        self._check()

    # -- what it consists of -----------------------------------------------------------------------------------------

    def _make_title(self) -> QWidget:
        if len(self._datasets) == 1:
            return ElidedLabel(display(self._datasets[0].name), TextRole.HEADING)
        return TextLabel(datasets_text(len(self._datasets)), TextRole.HEADING)

    def _make_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(Space.L)
        form.setVerticalSpacing(Space.M)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.source = self._combo("restore-from", self.tr("From which destination"))
        self.source.addItem(self.tr("The first that gives it back"), None)
        for copy in self._places():
            self.source.addItem(copy.destination, copy.destination_id)
        self.source.currentIndexChanged.connect(lambda _: self._show_versions())
        self.version = self._combo("restore-version", self.tr("Which version"))
        self.target = QLineEdit()
        self.target.setObjectName("restore-target")
        self.target.setAccessibleName(self.tr("Into which folder"))
        self.target.setText(str(_usual_folder()))
        self.target.setToolTip(self.target.text())
        self.target.textChanged.connect(self.target.setToolTip)
        self.target.textChanged.connect(lambda _: self._check())
        choose = QPushButton(self.tr("Choose…"))
        choose.setObjectName("restore-choose")
        choose.setAccessibleName(self.tr("Choose the folder"))
        choose.setAutoDefault(False)
        choose.clicked.connect(self._choose)
        folder: QHBoxLayout = row()
        folder.addWidget(self.target, 1)
        folder.addWidget(choose)
        self.copies = QRadioButton(self.tr("Copies, to work with"))
        self.copies.setObjectName("restore-copies")
        self.copies.setAccessibleName(self.copies.text())
        self.copies.setChecked(True)
        self.links = QRadioButton(self.tr("Links to what is stored, only to read"))
        self.links.setObjectName("restore-links")
        self.links.setAccessibleName(self.links.text())
        methods = column(spacing=Space.XS)
        methods.addWidget(self.copies)
        methods.addWidget(self.links)
        form.addRow(self.tr("From"), self.source)
        form.addRow(self.tr("Version"), self.version)
        form.addRow(self.tr("Into"), folder)
        form.addRow(self.tr("As"), methods)
        return form

    @staticmethod
    def _combo(name: str, said: str) -> QComboBox:
        combo = QComboBox()
        combo.setObjectName(name)
        combo.setAccessibleName(said)
        return combo

    def _make_buttons(self) -> QHBoxLayout:
        line = row(spacing=Space.S)
        self.open_button = QPushButton(self.tr("Open folder"))
        self.open_button.setObjectName("restore-open")
        self.open_button.setAccessibleName(self.open_button.text())
        keep_icon(self.open_button, "folder-open")
        self.open_button.clicked.connect(self._open)
        self.open_button.setAutoDefault(False)
        self.open_button.hide()
        self.intact_button = QPushButton(self.tr("Restore the intact files"))
        self.intact_button.setObjectName("restore-intact")
        self.intact_button.setAccessibleName(self.intact_button.text())
        self.intact_button.setToolTip(self.tr("Into a folder whose name says that it is incomplete"))
        self.intact_button.clicked.connect(self.start_intact)
        self.intact_button.setAutoDefault(False)
        self.intact_button.hide()
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.setObjectName("restore-cancel")
        self.cancel_button.setAccessibleName(self.cancel_button.text())
        self.cancel_button.setAutoDefault(False)
        self.cancel_button.clicked.connect(self.reject)
        self.restore_button = QPushButton(self.tr("Restore"))
        self.restore_button.setObjectName("restore-start")
        self.restore_button.setAccessibleName(self.restore_button.text())
        self.restore_button.setDefault(True)
        self.restore_button.clicked.connect(self.start)
        line.addWidget(self.open_button)
        line.addStretch(1)
        line.addWidget(self.intact_button)
        line.addWidget(self.cancel_button)
        line.addWidget(self.restore_button)
        return line

    def _places(self) -> list[CopyFacts]:
        """The destinations that hold all of the datasets."""
        first, *others = self._datasets
        held = [{copy.destination_id for copy in facts.stored} for facts in others]
        return [copy for copy in first.stored if all(copy.destination_id in ids for ids in held)]

    def _show_versions(self) -> None:
        self.version.clear()
        self.version.addItem(self.tr("The newest complete one"), None)
        if len(self._datasets) > 1:
            self.version.setEnabled(False)
            return
        chosen = self.source.currentData()
        seen = set()
        for copy in self._datasets[0].stored:
            if chosen not in {None, copy.destination_id}:
                continue
            for version in copy.versions:
                if version.version in seen:
                    continue
                seen.add(version.version)
                text = self.tr("{version}, {when}, {files}, {size}").format(
                    version=version.version,
                    when=clock_text(version.received_ns),
                    files=files_text(version.file_count),
                    size=size_text(version.size_bytes),
                )
                self.version.addItem(text, version.version)

    def _choose(self) -> None:
        dialog = QFileDialog(self, self.tr("Into which folder"), self.target.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.target.setText)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _check(self) -> None:
        path = Path(self.target.text().strip())
        is_stored = all(facts.stored for facts in self._datasets)
        self.restore_button.setEnabled(path.is_absolute() and is_stored and self._job is None)
        if not is_stored:
            self._say(self.tr("Nothing of this is archived yet, so there is nothing to restore."), "warning")

    # -- what it does ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Restore what was asked for."""
        self._done, self._noted = [], 0
        self._begin(self._datasets, takes_intact=False)

    def start_intact(self) -> None:
        """Of what came back from nowhere because files are damaged, restore the others."""
        self._begin(tuple(self._damaged), takes_intact=True)

    def _begin(self, asked: tuple[DatasetFacts, ...], *, takes_intact: bool) -> None:
        self._asked, self._takes_intact = asked, takes_intact
        self._place, self._failures, self._damaged = 0, [], []
        self.open_button.hide()
        self.intact_button.hide()
        self._next()

    def _next(self) -> None:
        facts = self._asked[self._place]
        self._set_busy(is_busy=True)
        self._progress.set_fraction(0.0)
        self._moving.setText(display(facts.name))
        parameters = {
            "dataset": facts.uuid,
            "version": self.version.currentData(),
            "destination": self.source.currentData(),
            "target": self.target.text().strip(),
            "method": "link" if self.links.isChecked() else "copy",
            "intact": self._takes_intact,
        }
        self._job = self._desk.jobs.start("restore", parameters, self, self._take, self._take_failure, self._note)

    def _set_busy(self, *, is_busy: bool) -> None:
        for widget in (self.source, self.target, self.copies, self.links, self.restore_button):
            widget.setEnabled(not is_busy)
        self.version.setEnabled(not is_busy and len(self._datasets) == 1)
        self._progress.setVisible(is_busy)
        self._moving.setVisible(is_busy)
        self.report.setVisible(not is_busy and bool(self.report.text()))
        self.cancel_button.setText(self.tr("Cancel") if is_busy or not self._done else self.tr("Close"))

    def _note(self, body: dict[str, Any]) -> None:
        done, total = body.get("bytes_done"), body.get("bytes_total")
        if isinstance(done, int) and isinstance(total, int) and total:
            # Of all datasets together, each counting the same.
            self._progress.set_fraction((self._place + min(1.0, done / total)) / len(self._asked))
            self._moving.setText(
                self.tr("{done} of {total} · {file}").format(
                    done=size_text(done), total=size_text(total), file=display(str(body.get("file", "")))
                )
            )
        elif body.get("note"):
            self._moving.setText(str(body["note"]))

    def _take(self, result: dict[str, Any]) -> None:
        self._done.append(result)
        self.restored.emit(result)
        self._go_on()

    def _take_failure(self, error: EtiketError) -> None:
        if not isinstance(error, Stopped):
            told = f"{error.reason} {error.advice}".strip()
            name = display(self._asked[self._place].name)
            if error.kind == DestinationDamaged.__name__ and not self._takes_intact:
                self._damaged.append(self._asked[self._place])
            self._failures.append(told if len(self._datasets) == 1 else f"{name}: {told}")
        self._go_on()

    def _go_on(self) -> None:
        self._job = None
        self._place += 1
        if self._place < len(self._asked):
            self._next()
            return
        self._tell()
        self.intact_button.setVisible(bool(self._damaged))
        self._set_busy(is_busy=False)
        self._check()

    def _tell(self) -> None:
        sentences = []
        if self._done:
            count = sum(int(result.get("file_count", 0)) for result in self._done)
            size = sum(int(result.get("size_bytes", 0)) for result in self._done)
            first = str(self._done[0].get("folder", ""))
            folder = first if len(self._done) == 1 else str(Path(first).parent)
            sentences.append(
                self.tr("{files}, {size}, each compared with its checksum, are in {folder}.").format(
                    files=files_text(count), size=size_text(size), folder=folder
                )
            )
            self.open_button.setVisible(bool(folder))
            self.open_button.setProperty("folder", folder)
            self._note_done(folder)
        for result in self._done:
            sentences.extend(str(item) for item in (*result.get("notes", ()), *result.get("differences", ())))
        sentences.extend(self._failures)
        is_bad = bool(self._failures) or any(result.get("left_out") for result in self._done)
        self._say("\n".join(sentences), "bad" if is_bad else "good" if len(sentences) == 1 else "")

    def _note_done(self, folder: str) -> None:
        """Have the engine put what was restored since the last time into the list of what happened."""
        done, self._noted = self._done[self._noted :], len(self._done)
        if not done:
            return
        only = self._datasets[0] if len(self._datasets) == 1 else None
        what = count_text(len(done), "dataset") if only is None else only.name
        files = count_text(sum(int(result.get("file_count", 0)) for result in done), "file")
        size = size_text(sum(int(result.get("size_bytes", 0)) for result in done))
        places = ", ".join(sorted({str(result.get("destination", "")) for result in done}))
        sentence = f"Restored {what} from {places} to {folder} ({files}, {size})"
        self._desk.host.ask(NoteActivity(sentence, None if only is None else only.id), None, lambda _: None)

    def _say(self, text: str, tint: str) -> None:
        set_tint(self.report, tint)
        self.report.setText(text)
        self.report.setVisible(bool(text))

    def _open(self) -> None:
        open_place(str(self.open_button.property("folder")))

    def reject(self) -> None:
        """Stop what is under way; close when nothing is."""
        if self._job is None:
            super().reject()
            return
        self._desk.jobs.cancel(self._job)
        self._job = None
        self._place = len(self._asked) - 1
        self._failures.append(self.tr("Stopped. What was not whole is removed again."))
        self._tell()
        self._set_busy(is_busy=False)
        self._check()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the window stops what is under way."""
        if self._job is not None:
            self._desk.jobs.cancel(self._job)
            self._job = None
        super().closeEvent(event)


def _usual_folder() -> Path:
    """Where restored data go unless somebody chooses otherwise."""
    found = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return Path(found or Path.home()) / "restored"
