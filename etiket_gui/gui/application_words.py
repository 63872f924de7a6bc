"""The language of the window: translations that somebody made are loaded at the start; without one it is English."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from etiket_gui.gui.resources import resources_folder
from etiket_gui.settings.home import Home

log = logging.getLogger(__name__)

_NAME = "etiket_gui"


def translation_folders(home: Home) -> tuple[Path, ...]:
    """Where ``etiket_gui_<locale>.qm`` may lie: what a lab put into its home goes before what the program brings."""
    return home.root / "translations", resources_folder() / "translations"


def load_words(folders: Sequence[Path], locale: QLocale | None = None) -> list[QTranslator]:
    """Have the window speak the language of a locale, that of the system by default, where there is a file for it.

    Returns what was installed: the file of the program, then Qt's own words for the same language; empty for English.
    """
    wanted = QLocale() if locale is None else locale
    for folder in folders:
        words = QTranslator(QCoreApplication.instance())
        if words.load(wanted, _NAME, "_", str(folder)):
            break
        words.deleteLater()
    else:
        return []
    log.info("The words of the window come from %s.", words.filePath())
    installed = [words]
    qts = QTranslator(QCoreApplication.instance())
    if qts.load(wanted, "qtbase", "_", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        installed.insert(0, qts)
    for translator in installed:
        # The one that was installed last is asked first.
        QCoreApplication.installTranslator(translator)
    return installed[::-1]
