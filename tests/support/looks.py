"""Flaws that an eye or a screen reader would find in a window: cropped text, overlaps, missing names, pale letters,
controls that the Tab key never reaches."""

from __future__ import annotations

import collections
import itertools

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from etiket_gui.gui.theme.tokens import contrast
from etiket_gui.gui.widgets.labels import ElidedLabel

LEAST_CONTRAST = 4.5
#: More controls than that no window has.
_MOST_TABS = 400


def seen(window: QWidget) -> list[QWidget]:
    """The widgets of a window that are not hidden; what is scrolled out of sight counts."""
    return [widget for widget in window.findChildren(QWidget) if widget.isVisibleTo(window)]


def _named(widget: QWidget) -> str:
    return f"{type(widget).__name__} {widget.objectName()!r} in {type(widget.parent()).__name__}"


def cropped(window: QWidget) -> list[str]:
    """Texts for which their widget is too small."""
    found = []
    for widget in seen(window):
        if isinstance(widget, ElidedLabel) or not isinstance(widget, QLabel | QAbstractButton):
            continue
        text = widget.text()
        if not text:
            continue
        if isinstance(widget, QLabel) and widget.wordWrap():
            needed = widget.heightForWidth(widget.width())
            if widget.height() < needed - 1:
                found.append(f"{text!r}: {widget.height()} px high of {needed}")
        elif widget.width() < widget.minimumSizeHint().width() - 1:
            found.append(f"{text!r}: {widget.width()} px wide of {widget.minimumSizeHint().width()}")
    return found


def overlapping(window: QWidget) -> list[str]:
    """Siblings of one layout that lie over each other."""
    found = []
    for parent in [window, *seen(window)]:
        if isinstance(parent, QAbstractScrollArea | QComboBox | QLineEdit | QScrollBar):
            continue
        children = [
            child for child in parent.children()
            if isinstance(child, QWidget) and child.isVisibleTo(window) and not child.isWindow() and parent.layout()
            and parent.layout().indexOf(child) >= 0
        ]  # fmt: skip
        for one, other in itertools.combinations(children, 2):
            common = one.geometry().intersected(other.geometry())
            if common.width() > 1 and common.height() > 1:
                found.append(f"{_named(one)} over {_named(other)}: {common}")
    return found


def _takes_focus(widget: QWidget) -> bool:
    """Whether it is a control of its own, not a part that another one brings with it."""
    return (
        widget.focusPolicy() is not Qt.FocusPolicy.NoFocus
        and not isinstance(widget, QScrollBar)
        and not isinstance(widget.parent(), QLineEdit | QComboBox | QAbstractSpinBox)
        and widget.metaObject().className() not in {"QScrollArea", "QTabBar", "QSplitterHandle"}
    )


def nameless(window: QWidget) -> list[str]:
    """Controls without a name for a screen reader."""
    return [_named(widget) for widget in seen(window) if _takes_focus(widget) and not widget.accessibleName()]


def pale(window: QWidget) -> list[str]:
    """Texts whose pixels do not stand out from what is behind them; only what is on the screen can be looked at.

    Needs letters whose strokes are wider than a pixel: scale or font must be large enough.
    """
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    ratio = image.devicePixelRatio()
    found = []
    for widget in seen(window):
        if not isinstance(widget, QLabel | QAbstractButton) or not widget.isEnabled() or not widget.text():
            continue
        region = widget.visibleRegion().boundingRect()
        if (
            region.height() < widget.fontMetrics().height()
            or region.width() < 2 * widget.fontMetrics().averageCharWidth()
        ):
            continue
        place = QRect(widget.mapTo(window, region.topLeft()) * ratio, region.size() * ratio)
        best = _contrast_in(image, place)
        if best < LEAST_CONTRAST:
            found.append(f"{widget.text()!r} ({_named(widget)}): {best:.2f} : 1")
    return found


def _contrast_in(image: QImage, place: QRect) -> float:
    colours = collections.Counter(
        image.pixel(x, y) & 0xFFFFFF
        for y in range(max(0, place.top()), min(image.height(), place.bottom() + 1))
        for x in range(max(0, place.left()), min(image.width(), place.right() + 1))
    )
    if not colours:
        return 21.0
    behind = f"#{colours.most_common(1)[0][0]:06x}"
    return max(contrast(f"#{colour:06x}", behind) for colour in colours)


def unreached(window: QWidget) -> list[str]:
    """Controls that the Tab key does not come to. The window must be the active one.

    Of buttons that exclude each other, Tab comes to one and the arrow keys to the others.
    """
    wanted = [
        widget for widget in seen(window)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isEnabled() and _takes_focus(widget)
        and widget.window() is window and widget.focusProxy() is None and not widget.visibleRegion().isEmpty()
    ]  # fmt: skip
    missing = {_entrance(widget): widget for widget in wanted}
    for _ in range(_MOST_TABS):
        QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        if now is not None:
            missing.pop(_entrance(now), None)
        if now is None or not missing:
            break
    return [_named(widget) for widget in missing.values()]


def _entrance(widget: QWidget) -> object:
    """What stands for a control where Tab is concerned."""
    if isinstance(widget, QAbstractButton):
        group = widget.group()
        if group is not None and group.exclusive():
            return group
        if widget.autoExclusive():
            return (widget.parent(), "radio")
    return widget


def flaws(window: QWidget) -> list[str]:
    """What can be told in every size."""
    return [*cropped(window), *overlapping(window), *nameless(window)]
