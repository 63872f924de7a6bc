"""Walks through every page, dialog and wizard page and tells what is wrong with their looks.

``python -m tests.desktop.looks_walk HOME SOURCE APPEARANCE POINTS REPORT``, in a process of its own because the scale
(QT_SCALE_FACTOR) is that of a process. HOME has datasets in every state, SOURCE is a folder that no source has yet.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget

from etiket_gui.gui.application import Beginning, Program, new_application
from etiket_gui.gui.crash import CrashReport
from etiket_gui.gui.crash_dialog import crash_dialog
from etiket_gui.gui.credential_dialog import CredentialDialog
from etiket_gui.gui.diagnostics import DiagnosticsDialog
from etiket_gui.gui.dialogs.restore import RestoreDialog
from etiket_gui.gui.drops import DropSheet
from etiket_gui.gui.pages.datasets import DatasetsPage
from etiket_gui.gui.settings_dialog import SettingsDialog
from etiket_gui.gui.wizards.add_source import AddSourceWizard
from etiket_gui.gui.wizards.destination import DestinationDialog
from etiket_gui.gui.wizards.edit_source import EditSourceDialog
from etiket_gui.gui.wizards.first_run import FirstRunWizard
from etiket_gui.gui.wizards.form import ConfigForm
from etiket_gui.gui.wizards.frame import Wizard
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from tests.support import looks

_SIZES = ((1000, 700), (2560, 1440))


class Walk:
    """One walk; ``flaws`` has what was found at each place, ``places`` how many there were."""

    def __init__(self, program: Program, source: Path, pictures: Path | None, *, is_large: bool) -> None:
        self.program = program
        self.source = source
        self.flaws: dict[str, list[str]] = {}
        self.places: list[str] = []
        self._pictures = pictures
        self._is_large = is_large

    def whole(self) -> None:
        """Everything there is."""
        self._until(lambda: self.program.watch.facts.shell is not None, "the store is read")
        self._pages()
        self._dialogs()
        self._forms()
        self._wizards()
        self._menus()

    def _look(self, name: str, window: QWidget) -> None:
        window.activateWindow()
        self._rest(80)
        found = self._flaws(window)
        if found:
            # On a busy machine the numbers of a moment ago may not have got their room yet.
            self._rest(800)
            window.activateWindow()
            found = self._flaws(window)
        self.places.append(name)
        if found:
            self.flaws[name] = found
        if self._pictures is not None:
            window.grab().save(str(self._pictures / f"{name.replace(' ', '-').replace('/', '-')}.png"))

    def _flaws(self, window: QWidget) -> list[str]:
        found = looks.flaws(window)
        if self._is_large:
            found += looks.pale(window)
        if QApplication.activeWindow() is not window:
            return [*found, "the window cannot be made the active one"]
        return found + [f"Tab does not reach {control}" for control in looks.unreached(window)]

    def _pages(self) -> None:
        window = self.program.window
        for width, height in _SIZES:
            window.resize(width, height)
            for key in ("overview", "datasets", "problems", "activity", "log"):
                page = window.show_page(key)
                self._rest(250)
                if isinstance(page, DatasetsPage):
                    self._until(lambda page=page: page.model.rowCount() > 0, "the table is filled")  # type: ignore[misc]
                    page.show_dataset(1)
                    self._until(lambda page=page: page.pane.dataset is not None, "the pane")  # type: ignore[misc]
                    for tab in range(page.pane.tabs.count()):
                        page.pane.tabs.setCurrentIndex(tab)
                        self._look(f"datasets tab {tab} {width}", window)
                else:
                    self._look(f"{key} {width}", window)

    def _dialogs(self) -> None:
        desk, parent = self.program.desk, self.program.window
        page = parent.show_page("datasets")
        assert isinstance(page, DatasetsPage)
        dataset = page.pane.dataset
        assert dataset is not None
        crash = CrashReport(time.time_ns(), Path("crash.log"), "Segmentation fault\n" + "  at a line\n" * 9)
        made: dict[str, Callable[[], QDialog]] = {
            "settings": lambda: SettingsDialog(desk, self.program.background, parent),
            "diagnostics": lambda: DiagnosticsDialog(desk, parent),
            "crash": lambda: crash_dialog(crash, parent),
            "credential": lambda: CredentialDialog(
                desk, parent, account="source:1", name="core-tools on the server in the cellar", title="Password"
            ),
            "restore": lambda: RestoreDialog(desk, [dataset], parent),
            "add destination": lambda: DestinationDialog(desk, parent),
            "change destination": lambda: DestinationDialog(desk, parent, 1),
            "change source": lambda: EditSourceDialog(desk, parent, 1),
        }
        for name, make in made.items():
            dialog = make()
            dialog.show()
            self._rest(1500 if name in {"diagnostics", "credential"} else 500)
            if "destination" in name or "source" in name:
                self._until(lambda dialog=dialog: bool(dialog.findChildren(ConfigForm)), name)  # type: ignore[misc]
            self._look(name, dialog)
            self._close(dialog)

    def _forms(self) -> None:
        wizard = AddSourceWizard(self.program.desk, self.program.window)
        wizard.show()
        self._until(lambda: bool(wizard.place._kinds), "the kinds of source")
        self._look("add source, kinds", wizard)
        kinds = list(wizard.place._kinds)
        self._close(wizard)
        for kind in kinds:
            wizard = AddSourceWizard(self.program.desk, self.program.window)
            wizard.show()
            self._until(lambda wizard=wizard: bool(wizard.place._kinds), "the kinds of source")  # type: ignore[misc]
            wizard.place._kinds[kind].button.setChecked(True)
            wizard.go_on()
            self._until(lambda wizard=wizard: wizard.settings.form is not None, kind)  # type: ignore[misc]
            self._look(f"form of {kind}", wizard)
            for more in wizard.findChildren(QWidget, "more-options"):
                more.click()  # type: ignore[attr-defined]
            self._look(f"whole form of {kind}", wizard)
            self._close(wizard)

    def _wizards(self) -> None:
        desk, window = self.program.desk, self.program.window
        adding = AddSourceWizard(desk, window)
        adding.show()
        self._until(lambda: bool(adding.place._kinds), "the kinds of source")
        adding.place.set_path(str(self.source))
        self._steps("add source", adding)
        first = FirstRunWizard(desk, window)
        first.show()
        first.places.add_path(str(self.source))
        self._steps("first run", first)
        refused = self.source.parent / "nothing there"
        sheet = DropSheet(desk, window, [str(self.source), str(refused), "https://example.org/data"])
        sheet.show()
        self._until(lambda: sheet._job is None, "the sheet knows what was dropped")
        self._look("drop sheet", sheet)
        self._close(sheet)

    def _steps(self, name: str, wizard: Wizard) -> None:
        """Every page but the end of it."""
        for number in range(len(wizard._steps)):
            self._until(lambda: wizard.current_step.is_ready, f"{name} {number}")
            self._rest(600)
            self._look(f"{name} {number}", wizard)
            if number < len(wizard._steps) - 1:
                before = wizard.current_step
                wizard.go_on()
                self._until(lambda before=before: wizard.current_step is not before, "next page")  # type: ignore[misc]
        self._close(wizard)

    def _menus(self) -> None:
        """Menus have no focus of their own; every entry has words."""
        menu = self.program.tray._menu
        menu.aboutToShow.emit()
        for part in [menu, *menu.findChildren(QMenu)]:
            entries = [action for action in part.actions() if not action.isSeparator()]
            wordless = [action.objectName() for action in entries if not action.text()]
            self.places.append(f"menu {part.objectName()}")
            if wordless:
                self.flaws[f"menu {part.objectName()}"] = wordless

    def _close(self, dialog: QWidget) -> None:
        dialog.close()
        dialog.deleteLater()
        self._rest(50)

    @staticmethod
    def _rest(milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def _until(self, is_so: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + 120
        while not is_so():
            if time.monotonic() > end_s:
                raise AssertionError(f"waited in vain: {what}")
            self._rest(40)


def main(home: str, source: str, appearance: str, points: str, report: str) -> int:
    """One walk in that appearance with letters of so many points."""
    application = new_application(["looks"])
    font = application.font()
    font.setPointSizeF(float(points))
    application.setFont(font)
    mode = "dark" if appearance == "dark" else "light"
    program = Program(Home.locate(home), Settings(worker_count=1, appearance=mode), Beginning())
    program._was_first_run_offered = True
    pictures = os.environ.get("ETIKET_GUI_TEST_PICTURES")
    scale = float(os.environ.get("QT_SCALE_FACTOR", "1"))
    walk = Walk(program, Path(source), Path(pictures) if pictures else None, is_large=scale * float(points) >= 18)
    program.start()
    error: list[BaseException] = []

    def go() -> None:
        try:
            walk.whole()
        except BaseException as problem:  # noqa: BLE001  it is raised when the program has ended
            error.append(problem)
        program.quit()

    QTimer.singleShot(0, go)
    application.exec()
    program.window.deleteLater()
    if error:
        raise error[0]
    Path(report).write_text(json.dumps({"flaws": walk.flaws, "places": walk.places}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
