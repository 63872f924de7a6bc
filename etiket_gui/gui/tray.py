"""The icon in the system tray: seven states by shape, a tooltip that says why, and a menu that is made once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QColor, QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget

from etiket_gui.domain import guards
from etiket_gui.gui.notifications import Notice
from etiket_gui.gui.program_state import TrayKind
from etiket_gui.gui.program_watch import ProgramWatch
from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.sentences import problems_text
from etiket_gui.gui.steering_menu import Steering, SteeringActions
from etiket_gui.gui.theme.tokens import DARK, LIGHT

#: The pictures are named after what is drawn, not after the words of the window.
_PICTURES = {TrayKind.WORKING: "syncing", TrayKind.MEASURING: "waiting"}
_SIZES = (16, 22, 24, 32, 44, 48, 64)
#: A panel may start long after we did, and may go and come back: looked at for ever, often at first.
_LOOK_MS, _LOOK_LATER_MS = 1_000, 5_000
_LOOKS_OFTEN = 90


def tray_icon(kind: TrayKind, *, is_dark_panel: bool, platform: str = sys.platform) -> QIcon:
    """The picture of a state. On macOS the system colours it; elsewhere it is drawn for a light or a dark panel.

    On Linux nobody tells the colour of the panel, so the picture has a rim in the other brightness and is seen on both.
    """
    name = _PICTURES.get(kind, kind.value)
    variant = "mask" if platform == "darwin" else "dark" if is_dark_panel else "light"
    drawn = QIcon(str(resources_folder() / "icons" / variant / f"{name}.svg"))
    made = QIcon()
    # Panels take bitmaps; all sizes are made once, so that none is scaled.
    for size in _SIZES:
        picture = drawn.pixmap(QSize(size, size), 1.0)
        if platform not in {"darwin", "win32"}:
            picture = _with_rim(picture, (DARK if is_dark_panel else LIGHT).surface)
        made.addPixmap(picture)
    made.setIsMask(platform == "darwin")
    return made


def _with_rim(picture: QPixmap, colour: str) -> QPixmap:
    """The picture on a silhouette of itself that is a little larger."""
    silhouette = QPixmap(picture)
    painter = QPainter(silhouette)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(silhouette.rect(), QColor(colour))
    painter.end()
    rimmed = QPixmap(picture.size())
    rimmed.fill(Qt.GlobalColor.transparent)
    painter = QPainter(rimmed)
    width = max(1.0, picture.width() / 24)
    for x in (-width, 0.0, width):
        for y in (-width, 0.0, width):
            painter.drawPixmap(QPointF(x, y), silhouette)
    painter.drawPixmap(0, 0, picture)
    painter.end()
    return rimmed


def has_tray() -> bool:
    """Whether there is a panel that shows icons now; nothing else Qt says about trays can be relied on."""
    return QSystemTrayIcon.isSystemTrayAvailable()


class Tray(QObject):
    """``acted`` has a key: open, problems, settings or quit. ``availabilityChanged`` when a panel came or went."""

    acted = Signal(str)
    availabilityChanged = Signal(bool)

    def __init__(
        self,
        watch: ProgramWatch,
        steering: Steering,
        parent: QObject | None = None,
        *,
        is_there: Callable[[], bool] = has_tray,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(parent)
        self._watch = watch
        self._is_there = is_there
        self._now_ns = now_ns
        self._is_available = False
        self._kind: TrayKind | None = None
        self._is_dark = False
        self._clicked = "problems"
        # A menu needs a widget that outlives it; the window may come and go.
        self._owner = QWidget()
        self._icon: QSystemTrayIcon | None = None
        self._actions = SteeringActions(steering, self._owner)
        self._menu = QMenu(self._owner)
        self._menu.setObjectName("tray-menu")
        self._status = self._menu.addAction("")
        self._status.setEnabled(False)
        self._menu.addSeparator()
        self._open = self._add("open", self.tr("Open"))
        self._menu.addAction(self._actions.sync_now)
        self._menu.addMenu(self._actions.pause_menu)
        self._menu.addAction(self._actions.hold)
        self._problems = self._add("problems", self.tr("No problem"))
        self._menu.addSeparator()
        self._add("settings", self.tr("Settings…"))
        self._add("quit", self.tr("Quit"))
        self._menu.aboutToShow.connect(self._renew_menu)
        watch.changed.connect(self.renew)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_scheme)
        self._looks = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)

    def _add(self, key: str, text: str) -> QAction:
        action = self._menu.addAction(text)
        action.setObjectName(f"tray-{key}")
        action.triggered.connect(lambda: self.acted.emit(key))
        return action

    @property
    def is_available(self) -> bool:
        """Whether the icon is in a panel."""
        return self._is_available

    @property
    def menu(self) -> QMenu:
        """The menu, made once."""
        return self._menu

    @property
    def icon(self) -> QSystemTrayIcon | None:
        """Qt's side of it; None before there was a panel."""
        return self._icon

    def start(self) -> None:
        """Show the icon as soon as there is a panel, and again whenever one comes back."""
        self.renew()
        self._renew_menu()
        self._timer.start()
        self._look()

    def stop(self) -> None:
        """Take the icon away; the program ends."""
        self._timer.stop()
        self._watch.changed.disconnect(self.renew)
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._on_scheme)
        self._take_down()
        self._owner.deleteLater()

    def pop_up(self, notice: Notice) -> None:
        """Show a notice beside the icon; without a panel there is nowhere to show it, and the window says it anyway."""
        if self._is_available and self._icon is not None:
            icons = QSystemTrayIcon.MessageIcon
            self._clicked = notice.action
            self._icon.showMessage(notice.title, notice.body, icons.Information if notice.is_good else icons.Warning)

    def renew(self) -> None:
        """Bring picture and tooltip up to date."""
        self._renew_menu()
        state = self._watch.state
        if self._icon is None:
            return
        if state.kind is not self._kind:
            self._kind = state.kind
            self._icon.setIcon(tray_icon(state.kind, is_dark_panel=self._is_dark_panel()))
        if self._icon.toolTip() != state.tooltip:
            self._icon.setToolTip(state.tooltip)

    def _put_up(self) -> None:
        """Make an icon for the panel that is there now.

        Which protocol an icon speaks is decided when it is made: one that was made before its panel, or for the panel
        before this one, is never shown.
        """
        if self._icon is not None:
            if not guards.is_on("icon-comes-back"):
                self._icon.show()
                return
            self._take_down()
        icon = QSystemTrayIcon(self)
        self._icon, self._kind = icon, None
        # The menu is complete before it is given away: some panels keep what they get first.
        icon.setContextMenu(self._menu)
        icon.activated.connect(self._on_activated)
        icon.messageClicked.connect(lambda: self.acted.emit(self._clicked))
        self.renew()
        icon.show()

    def _take_down(self) -> None:
        icon, self._icon = self._icon, None
        if icon is not None:
            icon.hide()
            icon.deleteLater()

    def _look(self) -> None:
        self._looks += 1
        if self._looks == _LOOKS_OFTEN:
            self._timer.setInterval(_LOOK_LATER_MS)
        is_there = self._is_there()
        if is_there == self._is_available:
            return
        self._is_available = is_there
        if is_there:
            self._put_up()
        else:
            self._looks = 0
            self._timer.setInterval(_LOOK_MS)
        self.availabilityChanged.emit(is_there)

    def _renew_menu(self) -> None:
        facts, state = self._watch.facts, self._watch.state
        if self._status.text() != state.sentence:
            self._status.setText(state.sentence)
        count = facts.problem_count
        text = problems_text(count)
        self._problems.setText(f"{text[:1].upper()}{text[1:]}" + ("…" if count else ""))
        self._problems.setEnabled(bool(count))
        self._actions.show(facts, self._now_ns())

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in {QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick}:
            self.acted.emit("open")

    def _on_scheme(self) -> None:
        self._kind = None
        self.renew()

    def _is_dark_panel(self) -> bool:
        return QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark
