"""What stands above every page when something is in the way: why, and the next step. Pure function and widget."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QWidget

from etiket_gui.bridge.queries_pages import DestinationFacts, SourceFacts
from etiket_gui.domain.errors import HomeInUse, StoreDamaged, StoreTooNew
from etiket_gui.domain.states import DestinationState, SourceState
from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.program_state import Facts
from etiket_gui.gui.sentences import capitalised, is_ahead, until_text
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, restyle
from etiket_gui.gui.widgets.layouts import column, row

translate = QCoreApplication.translate

#: More would leave no room for the page; the others are on the page of problems.
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing that is in the way. ``tint`` is a soft colour of the theme; ``action`` what ``acted`` will name."""

    key: str
    tint: str
    icon: str
    title: str
    sentence: str
    action: str = ""
    action_text: str = ""


def banners(facts: Facts, now_ns: int) -> tuple[Banner, ...]:
    """What is in the way now, the worst first."""
    found = [*_failed(facts), *_locked(facts), *_sign_in(facts), *_offline(facts), *_quiet(facts, now_ns)]
    if facts.complaint:
        found.append(Banner("complaint", "warning", "info", translate("banner", "Please note"), facts.complaint))
    return tuple(found)


def _failed(facts: Facts) -> list[Banner]:
    failure = facts.failure
    if failure is None:
        return []
    title, action, text = failure.title, "restart-engine", translate("banner", "Try again")
    if isinstance(failure, HomeInUse):
        action, text = "take-over", translate("banner", "Stop it and take over…")
    elif isinstance(failure, StoreTooNew):
        action, text = "", ""
    elif isinstance(failure, StoreDamaged):
        text = translate("banner", "Repair now")
    sentence = " ".join(filter(None, (capitalised(failure.reason), failure.advice)))
    return [Banner("failed", "bad", "octagon-x", title, sentence, action, text)]


def _locked(facts: Facts) -> list[Banner]:
    if not facts.is_keyring_locked:
        return []
    return [
        Banner(
            "keyring", "warning", "lock", translate("banner", "The password store is locked"),
            translate("banner", "Without it there is no signing in. Nothing is lost; it goes on when it is open."),
            "unlock-keyring", translate("banner", "Unlock…"),
        )
    ]  # fmt: skip


def _sign_in(facts: Facts) -> list[Banner]:
    return [
        Banner(
            f"sign-in:{place.id}", "warning", "key-round",
            translate("banner", "{name} needs you to sign in").format(name=place.name),
            capitalised(place.state_reason), f"sign-in:{place.id}", translate("banner", "Sign in…"),
        )
        for place in facts.overview.destinations
        if place.state == DestinationState.SIGN_IN.value and not facts.is_keyring_locked
    ]  # fmt: skip


def _offline(facts: Facts) -> list[Banner]:
    away: list[SourceFacts | DestinationFacts] = [
        *(place for place in facts.overview.destinations if place.state == DestinationState.OFFLINE.value),
        *(source for source in facts.overview.enabled if source.state == SourceState.OFFLINE.value),
    ]
    if not away:
        return []
    usual = translate("banner", "Nothing is lost: all waits and goes on by itself.")
    if len(away) == 1:
        title = translate("banner", "{name} cannot be reached").format(name=away[0].name)
        sentence = " ".join(filter(None, (capitalised(away[0].state_reason), away[0].advice or usual)))
    else:
        names = ", ".join(place.name for place in away)
        title, sentence = translate("banner", "{names} cannot be reached").format(names=names), usual
    return [Banner("offline", "warning", "unplug", title, sentence, "retry-now", translate("banner", "Try now"))]


def _quiet(facts: Facts, now_ns: int) -> list[Banner]:
    found = []
    if is_ahead(facts.held_until_ns, now_ns):
        found.append(
            Banner(
                "held", "accent", "hand",
                translate("banner", "On hold {until}").format(until=until_text(facts.held_until_ns, now_ns)),
                translate("banner", "Nothing is read or sent, so that a measurement is not disturbed."),
                "resume", translate("banner", "End the hold"),
            )
        )  # fmt: skip
    if is_ahead(facts.paused_until_ns, now_ns):
        found.append(
            Banner(
                "paused", "accent", "pause",
                translate("banner", "Paused {until}").format(until=until_text(facts.paused_until_ns, now_ns)),
                translate("banner", "New measurements are found, but nothing is sent."),
                "resume", translate("banner", "Resume"),
            )
        )  # fmt: skip
    live = [source.name for source in facts.overview.enabled if source.live]
    if not found and facts.is_running and facts.is_measuring:
        where = translate("banner", "A measurement is running")
        if live:
            one = translate("banner", "{names} is measuring")
            where = one if len(live) == 1 else translate("banner", "{names} are measuring")
        found.append(
            Banner(
                "measuring", "measuring", "waves", where.format(names=", ".join(live)),
                translate("banner", "It goes slowly meanwhile, so that the measurement is not disturbed."),
            )
        )  # fmt: skip
    return found


class BannerRow(QFrame):
    """One banner; ``acted`` has the name of its action."""

    acted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = ""
        self._icon = QLabel()
        self._icon.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._title = SentenceLabel(role=TextRole.STRONG)
        self._sentence = SentenceLabel()
        self._button = QPushButton()
        self._button.clicked.connect(lambda: self.acted.emit(self._action))
        layout = row(self, spacing=Space.M)
        layout.setContentsMargins(Space.L, Space.S, Space.M, Space.S)
        layout.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        texts = column(spacing=0)
        texts.addWidget(self._title)
        texts.addWidget(self._sentence)
        layout.addLayout(texts, 1)
        layout.addWidget(self._button, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_banner(self, banner: Banner) -> None:
        """Show this one."""
        self.setObjectName(f"banner-{banner.key}")
        self.setProperty("banner", banner.tint)
        restyle(self)
        keep_icon(self._icon, banner.icon, banner.tint)
        self._title.setText(banner.title)
        self._sentence.setText(banner.sentence)
        self._sentence.setVisible(bool(banner.sentence))
        self._action = banner.action
        self._button.setObjectName(f"banner-{banner.action.partition(':')[0]}")
        self._button.setText(banner.action_text)
        self._button.setAccessibleName(f"{banner.title}: {banner.action_text}")
        self._button.setVisible(bool(banner.action))
        self.setAccessibleName(f"{banner.title}. {banner.sentence}")


class BannerArea(QWidget):
    """The banners above the page; takes no room while there is none."""

    acted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: tuple[Banner, ...] = ()
        self._shown: tuple[Banner, ...] = ()
        self._most = MOST_SHOWN
        self._layout = column(self, spacing=Space.S)
        self._layout.setContentsMargins(Space.XL, Space.M, Space.XL, 0)
        self._rows = [BannerRow() for _ in range(MOST_SHOWN)]
        for banner_row in self._rows:
            self._layout.addWidget(banner_row)
            banner_row.acted.connect(self.acted)
            banner_row.hide()
        self.hide()

    @property
    def shown(self) -> tuple[Banner, ...]:
        """The banners that are shown."""
        return self._shown

    def set_most(self, most: int) -> None:
        """Show so many at most from now on."""
        if most != self._most:
            self._most = most
            self.show_banners(self._found)

    def show_banners(self, found: tuple[Banner, ...]) -> None:
        """Show these, the first few of them."""
        self._found = found
        wanted = found[: self._most]
        if wanted == self._shown:
            return
        self._shown = wanted
        for place, banner_row in enumerate(self._rows):
            if place < len(wanted):
                banner_row.show_banner(wanted[place])
            banner_row.setVisible(place < len(wanted))
        self.setVisible(bool(wanted))
