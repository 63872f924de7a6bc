"""The top of the window: the state of everything in a sentence, and what one does most; below it, what moves now."""

from __future__ import annotations

import time

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QFrame, QToolButton, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.program_state import Facts, TrayKind, TrayState
from etiket_gui.gui.program_watch import Moving
from etiket_gui.gui.sentences import ago_text, datasets_text, moving_text, rest_text
from etiket_gui.gui.steering_menu import Steering, SteeringActions
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel
from etiket_gui.gui.widgets.layouts import column, row
from etiket_gui.gui.widgets.progress_line import ProgressLine
from etiket_gui.gui.widgets.status_dot import StatusDot

_ICON = 18
_SAY_MS = 8000
#: State of the program: sign that stands for it.
SIGNS = {
    TrayKind.ERROR: "problem",
    TrayKind.ATTENTION: "attention",
    TrayKind.OFFLINE: "offline",
    TrayKind.PAUSED: "paused",
    TrayKind.MEASURING: "measuring",
    TrayKind.WORKING: "sending",
    TrayKind.IDLE: "ok",
}


class Header(QFrame):
    """State and actions of the whole program."""

    def __init__(self, steering: Steering, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("bar", "top")
        self._kind = TrayKind.IDLE
        self._sign = StatusDot("new", scale=1.6)
        self._sign.setObjectName("state-sign")
        self._sentence = SentenceLabel(role=TextRole.HEADING)
        self._sentence.setObjectName("state-sentence")
        self._oldest = ElidedLabel(tint="muted")
        self._oldest.setObjectName("state-oldest")
        self.actions_of = SteeringActions(steering, self)
        layout = row(self, spacing=Space.M)
        layout.setContentsMargins(Space.XL, Space.M, Space.L, Space.M)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignVCenter)
        texts = column(spacing=0)
        texts.addWidget(self._sentence)
        texts.addWidget(self._oldest)
        layout.addLayout(texts, 1)
        self._sync = self._button("header-sync", self.tr("Sync now"), "refresh-cw")
        self._sync.clicked.connect(self.actions_of.sync_now.trigger)
        self._sync.setToolTip(self.tr("Look through every source and try again what failed (F5)"))
        self._pause = self._button("header-pause", self.tr("Pause"), "pause")
        self._pause.setMenu(self.actions_of.pause_menu)
        self._pause.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._pause.setToolTip(self.tr("Send nothing for a while; new measurements are still found"))
        self._hold = self._button("header-hold", self.tr("Hold"), "hand")
        self._hold.setCheckable(True)
        self._hold.clicked.connect(self.actions_of.hold.trigger)
        self._hold.setToolTip(self.tr("Touch nothing for two hours, so that a measurement is not disturbed"))
        for button in (self._sync, self._pause, self._hold):
            layout.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)

    def _button(self, name: str, text: str, icon_name: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setProperty("boxed", "true")
        button.setText(f"\u2009{text}")
        button.setAccessibleName(text)
        button.setIconSize(QSize(_ICON, _ICON))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        keep_icon(button, icon_name)
        return button

    def set_narrow(self, *, is_narrow: bool) -> None:
        """Show the buttons as icons alone, where the window is narrow."""
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if is_narrow else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        for button in (self._sync, self._pause, self._hold):
            button.setToolButtonStyle(style)

    def show_state(self, facts: Facts, state: TrayState, now_ns: int) -> None:
        """Show this state."""
        is_blank = facts.failure is None and (not facts.is_running or not facts.overview.sources)
        self._sign.set_state("new" if is_blank and state.kind is TrayKind.IDLE else SIGNS[state.kind])
        self._sign.setAccessibleName(state.sentence)
        if self._sentence.text() != state.sentence:
            self._sentence.setText(state.sentence)
        self._oldest.setText(state.oldest)
        self._oldest.setVisible(bool(state.oldest))
        self.actions_of.show(facts, now_ns)
        self._hold.setChecked(self.actions_of.hold.isChecked())
        for button in (self._sync, self._pause, self._hold):
            button.setEnabled(facts.is_running)


class StatusLine(QFrame):
    """The bottom of the window: what moves now, and when everything was looked through last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("bar", "bottom")
        layout = row(self, spacing=Space.M)
        layout.setContentsMargins(Space.XL, Space.S - 2, Space.XL, Space.S - 2)
        self._line = ProgressLine(self.tr("Progress of all transfers"))
        self._line.setMaximumWidth(Space.XXL * 5)
        self._moving = ElidedLabel(role=TextRole.SMALL, mode=Qt.TextElideMode.ElideRight)
        self._moving.setObjectName("status-moving")
        self._looked = ElidedLabel(role=TextRole.SMALL, tint="muted", mode=Qt.TextElideMode.ElideRight)
        self._looked.setObjectName("status-looked")
        layout.addWidget(self._line, 1)
        layout.addWidget(self._moving, 2)
        layout.addStretch(1)
        layout.addWidget(self._looked, 2)
        self._looked.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._line.hide()
        self._said = ""
        self._silence = QTimer(self)
        self._silence.setSingleShot(True)
        self._silence.setInterval(_SAY_MS)
        self._silence.timeout.connect(lambda: self.say(""))

    def say(self, sentence: str) -> None:
        """Show a sentence for some seconds in place of what moves."""
        self._said = sentence
        self._moving.setText(sentence)
        if sentence:
            self._silence.start()

    def show_moving(self, moving: Moving) -> None:
        """Show what moves now."""
        is_moving = moving.dataset_count > 0 and moving.size_bytes > 0
        self._line.setVisible(is_moving)
        self._line.set_fraction(moving.done_bytes / moving.size_bytes if is_moving else None)
        if self._said:
            return
        if not is_moving:
            self._moving.setText("")
            return
        parts = [self.tr("Sending {datasets}").format(datasets=datasets_text(moving.dataset_count))]
        if moving.rate_bytes_per_s > 0:
            parts.append(moving_text(moving.rate_bytes_per_s, moving.rate_files_per_s))
        parts.append(rest_text(moving.rest_s))
        self._moving.setText(" · ".join(parts))

    def show_looked(self, facts: Facts, now_ns: int | None = None) -> None:
        """Show when the last of the sources was looked through completely."""
        looks = [source.last_scan_ns for source in facts.overview.enabled]
        if not looks:
            self._looked.setText("")
        elif any(look is None for look in looks):
            self._looked.setText(self.tr("Not every source was looked through yet"))
        else:
            oldest_ns = min(look for look in looks if look is not None)
            now_ns = time.time_ns() if now_ns is None else now_ns
            self._looked.setText(self.tr("Everything looked through {ago}").format(ago=ago_text(oldest_ns, now_ns)))
