"""Opens wizards and dialogs over the main window, each when it is first wanted and one of a kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QDialog, QWidget

from etiket_gui.bridge.background import Background
from etiket_gui.bridge.queries_wizards import DestinationSetup, SourceSetup, destination_setup, source_setup
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.main_window import MainWindow
from etiket_gui.gui.main_window_place import keep_within_screen


class Opening(QObject):
    """``closed`` has the key of a dialog that was closed."""

    closed = Signal(str)

    def __init__(self, desk: Desk, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._background = background
        self._open: dict[str, QDialog] = {}
        self._window: MainWindow | None = None
        self._drops = 0

    @property
    def window(self) -> MainWindow:
        """The window over which dialogs open."""
        assert self._window is not None
        return self._window

    def set_window(self, window: MainWindow) -> None:
        """The window, which is made after this object."""
        self._window = window

    def is_open(self, key: str) -> bool:
        """Whether that dialog is on the screen."""
        return key in self._open and shiboken6.isValid(self._open[key])

    def _show(self, key: str, make: Callable[[QWidget], QDialog]) -> QDialog:
        if self.is_open(key):
            dialog = self._open[key]
            dialog.raise_()
            dialog.activateWindow()
            return dialog
        self.window.raise_up()
        dialog = make(self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._open[key] = dialog
        dialog.finished.connect(lambda _: self._forget(key))
        keep_within_screen(dialog)
        dialog.open()
        return dialog

    def _forget(self, key: str) -> None:
        self._open.pop(key, None)
        self.closed.emit(key)

    # -- what is about the program -----------------------------------------------------------------------------------

    def settings(self) -> None:
        """The settings."""
        from etiket_gui.gui.settings_dialog import SettingsDialog

        self._show("settings", lambda parent: SettingsDialog(self._desk, self._background, parent))

    def diagnostics(self) -> None:
        """Help: versions, and the diagnostics file."""
        from etiket_gui.gui.diagnostics import DiagnosticsDialog

        self._show("diagnostics", lambda parent: DiagnosticsDialog(self._desk, parent))

    # -- what is about sources and destinations ----------------------------------------------------------------------

    def first_run(self) -> None:
        """The wizard for a home in which nothing is set up."""
        from etiket_gui.gui.wizards.first_run import FirstRunWizard

        self._show("first-run", lambda parent: FirstRunWizard(self._desk, parent))

    def add_source(self) -> None:
        """The wizard that adds a source."""
        from etiket_gui.gui.wizards.add_source import AddSourceWizard

        self._show("add-source", lambda parent: AddSourceWizard(self._desk, parent))

    def edit_source(self, source_id: int) -> None:
        """The dialog that changes a source."""
        from etiket_gui.gui.wizards.edit_source import EditSourceDialog

        self._show("edit-source", lambda parent: EditSourceDialog(self._desk, parent, source_id))

    def remove_source(self, source_id: int) -> None:
        """Ask whether a source is to be forgotten."""
        from etiket_gui.gui.wizards.removing import remove_source

        remove_source(self._desk, self.window, source_id)

    def add_destination(self) -> None:
        """The dialog that adds a destination."""
        from etiket_gui.gui.wizards.destination import DestinationDialog

        self._show("destination", lambda parent: DestinationDialog(self._desk, parent))

    def edit_destination(self, destination_id: int) -> None:
        """The dialog that changes a destination."""
        from etiket_gui.gui.wizards.destination import DestinationDialog

        self._show("destination", lambda parent: DestinationDialog(self._desk, parent, destination_id))

    def remove_destination(self, destination_id: int) -> None:
        """Ask whether a destination is to be forgotten."""
        from etiket_gui.gui.wizards.removing import remove_destination

        remove_destination(self._desk, self.window, destination_id)

    def sign_in(self, destination_id: int) -> None:
        """The dialog in which a destination's sign-in is given; the engine tries it as soon as it is kept."""
        self._desk.reads.ask(
            lambda reads: destination_setup(reads.connection, destination_id), self,
            lambda setup: self._ask_credentials(setup, self.tr("Password or token")),
        )  # fmt: skip

    def sign_in_source(self, source_id: int) -> None:
        """The dialog in which a source's password is given; the engine tries it as soon as it is kept."""
        self._desk.reads.ask(
            lambda reads: source_setup(reads.connection, source_id), self,
            lambda setup: self._ask_credentials(setup, self.tr("Password")),
        )  # fmt: skip

    def _ask_credentials(self, setup: DestinationSetup | SourceSetup | None, title: str) -> None:
        if setup is None:
            return
        from etiket_gui.gui.credential_dialog import CredentialDialog

        self._show(
            f"sign-in-{setup.uuid}",
            lambda parent: CredentialDialog(self._desk, parent, account=setup.uuid, name=setup.name, title=title),
        )

    def take_drops(self) -> None:
        """Have the window take what is dropped on it from now on."""
        from etiket_gui.gui.drops import DropFilter

        DropFilter(self.window).dropped.connect(self.drop)

    def drop(self, paths: Sequence[str]) -> None:
        """The sheet that says what was dropped."""
        from etiket_gui.gui.drops import DropSheet

        self._drops += 1
        self._show(f"drop-{self._drops}", lambda parent: DropSheet(self._desk, parent, list(paths)))
