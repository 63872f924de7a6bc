"""Tells a person about a crash or a bug: what is known, a button to copy it, and how to report it."""

from __future__ import annotations

import platform
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QCoreApplication, QObject, QSysInfo, Qt, Signal, qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QPushButton, QWidget

from etiket_gui import __version__
from etiket_gui.domain import guards
from etiket_gui.gui.crash import CrashReport, hide_account
from etiket_gui.gui.sentences import clock_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel
from etiket_gui.gui.widgets.layouts import column

translate = QCoreApplication.translate

_MOST_REPORTS = 5


def versions_text() -> str:
    """What a report must say about where it comes from."""
    # Qt knows without asking another program, as platform.platform() does.
    system = f"{QSysInfo.prettyProductName()}, {QSysInfo.kernelType()} {QSysInfo.kernelVersion()}"
    return (
        f"etiket-gui {__version__}, Python {platform.python_version()}, Qt {qVersion()}, {system},"
        f" {QSysInfo.currentCpuArchitecture()}"
    )


class ReportDialog(QDialog):
    """A title, a sentence, and the text of a report to copy."""

    def __init__(self, title: str, sentence: str, report: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("report")
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = column(self, margin=Space.XL, spacing=Space.M)
        layout.addWidget(SentenceLabel(title, TextRole.HEADING))
        layout.addWidget(SentenceLabel(sentence))
        self._text = QPlainTextEdit(f"{versions_text()}\n\n{report}")
        self._text.setObjectName("report-text")
        self._text.setAccessibleName(self.tr("Report"))
        self._text.setReadOnly(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        layout.addWidget(self._text, 1)
        buttons = QDialogButtonBox()
        close = buttons.addButton(self.tr("Close"), QDialogButtonBox.ButtonRole.RejectRole)
        close.setObjectName("report-close")
        close.setAccessibleName(close.text())
        copy = QPushButton(self.tr("Copy"))
        copy.setObjectName("report-copy")
        copy.setAccessibleName(self.tr("Copy the report"))
        copy.clicked.connect(self._copy)
        buttons.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * 90, metrics.height() * 26)

    @property
    def text(self) -> str:
        """The report."""
        return self._text.toPlainText()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text)


def crash_dialog(crash: CrashReport, parent: QWidget | None) -> ReportDialog:
    """The dialog about a crash of an earlier run."""
    sentence = translate(
        "crash",
        "It ended unexpectedly ({when}). Your measurements and archives are safe: what was under way is taken up "
        "again. The report is kept as {file} in the folder of the logs.",
    )
    return ReportDialog(
        translate("crash", "The program crashed last time"),
        sentence.format(when=clock_text(crash.at_ns), file=crash.path.name),
        crash.text,
        parent,
    )


def bug_dialog(report: str, parent: QWidget | None) -> ReportDialog:
    """The dialog about something that went wrong just now, while the program goes on."""
    return ReportDialog(
        translate("crash", "Something went wrong that nobody expected"),
        translate("crash", "The program goes on, and your measurements are safe. Please report what stands here."),
        report,
        parent,
    )


class BugWatch(QObject):
    """Hears of exceptions nobody caught, on any thread, after they were logged; ``found`` has the report's text."""

    found = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._count = 0
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def stop(self) -> None:
        """Leave the hooks as they were."""
        sys.excepthook, threading.excepthook = self._before

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._before[0](kind, error, trace)
        if not issubclass(kind, KeyboardInterrupt):
            self._tell(kind, error, trace)

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        self._before[1](arguments)
        if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
            self._tell(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def _tell(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._count += 1
        if self._count > _MOST_REPORTS or not guards.is_on("bugs-are-shown"):
            return
        self.found.emit(hide_account("".join(traceback.format_exception(kind, error, trace))))
