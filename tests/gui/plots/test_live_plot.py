"""The live plot on the screen: it shows the newest points, keeps up, and looks right in light and dark."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from etiket_gui.domain.events import LivePointsArrived
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.plots.live_plot import LivePlot
from etiket_gui.gui.theme import Theme
from etiket_gui.settings.home import Home
from etiket_gui.store.live_points import keep_points


class _Host(QObject):
    eventHappened = Signal(object)  # noqa: N815


class _Reads:
    """Answers at once: the store is not what is asked here."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, work: Callable[[Any], Any], owner: QObject, then: Callable[[Any], None], failed: Any = None) -> int:
        self.asked += 1
        then(work(None))
        return self.asked


@pytest.fixture
def plot(qtbot: QtBot, tmp_path: Path) -> LivePlot:
    parts = SimpleNamespace(
        host=_Host(), reads=_Reads(), theme=Theme("light"), home=Home(tmp_path), jobs=None, settings=None
    )
    made = LivePlot(cast("Desk", parts))
    made.resize(640, 420)
    qtbot.addWidget(made)
    made.show()
    return made


def _keep(home: Path, uuid: str, count: int, *, is_map: bool = False) -> None:
    fast = array("d", (point % 20 * 0.1 for point in range(count)))
    slow = array("d", (point // 20 * 1.0 for point in range(count)))
    value = array("d", (math.sin(fast[point] * 3) + slow[point] for point in range(count)))
    swept = (LiveColumn("fast", "Plunger", "V", (), fast),)
    if is_map:
        swept = (LiveColumn("slow", "Barrier", "mV", (), slow), *swept)
    axes = tuple(column.name for column in swept)
    measured = (
        LiveColumn("current", "Current", "A", axes, value),
        LiveColumn("phase", "Phase", "rad", axes, array("d", (item / 2 for item in value))),
    )
    keep_points(home / "live", uuid, LiveSlice((*swept, *measured), {}, 0, count, 400))


def test_plot_keeps_up_with_a_running_measurement(qtbot: QtBot, plot: LivePlot, tmp_path: Path) -> None:
    _keep(tmp_path, "run", 15)
    plot.follow("run")
    qtbot.waitUntil(lambda: plot.findChild(QObject, "live-plot") is not None, timeout=20_000)
    progress = plot.findChild(QObject, "live-progress")
    assert progress is not None
    qtbot.waitUntil(lambda: "15 of 400 points (4 %)" in progress.property("text"))
    _keep(tmp_path, "run", 60)
    plot._desk.host.eventHappened.emit(LivePointsArrived(1, "run", 60, 400))
    qtbot.waitUntil(lambda: "60 of 400" in progress.property("text"))
    before = plot._desk.reads.asked  # type: ignore[attr-defined]
    plot._desk.host.eventHappened.emit(LivePointsArrived(2, "another", 5, None))
    assert plot._desk.reads.asked == before, "of another run nothing is drawn here"  # type: ignore[attr-defined]


def test_a_map_is_drawn_with_its_colours_and_the_quantity_can_be_chosen(
    qtbot: QtBot, plot: LivePlot, tmp_path: Path
) -> None:
    _keep(tmp_path, "run", 130, is_map=True)
    plot.follow("run")
    qtbot.waitUntil(lambda: plot.findChild(QObject, "live-plot") is not None, timeout=20_000)
    assert plot.picture is not None
    assert plot.picture.map is not None
    plot._quantity.setCurrentText("phase")
    qtbot.waitUntil(lambda: plot.picture is not None and plot.picture.chosen == "phase")
    colours = {plot.grab().toImage().pixelColor(x, 300).name() for x in range(80, 560, 4)}
    assert len(colours) > 10, "the map has many colours"
    _keep(tmp_path, "line", 15)
    plot.follow("line")
    qtbot.waitUntil(lambda: plot.picture is not None and plot.picture.map is None)


def test_dark_appearance_reaches_the_plot_at_once(qtbot: QtBot, plot: LivePlot, tmp_path: Path) -> None:
    _keep(tmp_path, "run", 15)
    plot.follow("run")
    qtbot.waitUntil(lambda: plot.findChild(QObject, "live-plot") is not None, timeout=20_000)
    before = plot.grab().toImage().pixelColor(5, 200).lightness()
    plot._desk.theme.set_mode("dark")
    assert plot.grab().toImage().pixelColor(5, 200).lightness() < before


def test_figures_at_an_axis_without_a_unit_are_those_that_were_measured(
    qtbot: QtBot, plot: LivePlot, tmp_path: Path
) -> None:
    value = array("d", (item / 100 for item in range(80)))
    columns = (LiveColumn("population", "Population", "", (), value),)
    keep_points(tmp_path / "live", "run", LiveSlice(columns, {}, 0, 80, None))
    plot.follow("run")
    qtbot.waitUntil(lambda: plot._canvas is not None and plot.picture is not None, timeout=20_000)
    assert plot._canvas is not None
    axis = plot._canvas._plot.getAxis("left")
    axis.updateAutoSIPrefix()
    assert axis.autoSIPrefixScale == 1.0
    assert "(x" not in axis.labelString()
