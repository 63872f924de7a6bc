"""What a running measurement looks like: lines, maps, holes, and quantities to choose from."""

from __future__ import annotations

import math
from array import array
from pathlib import Path

import numpy as np

from etiket_gui.bridge.live_pictures import LARGEST_SIDE, live_picture
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.store.live_points import keep_points


def _column(name: str, values: list[float], *axes: str, unit: str = "V") -> LiveColumn:
    return LiveColumn(name, f"The {name}", unit, axes, array("d", values))


def _keep(folder: Path, *columns: LiveColumn) -> None:
    count = len(columns[0].values)
    keep_points(folder, "a", LiveSlice(columns, {}, 0, count, 1000))


def test_one_swept_quantity_is_drawn_as_a_line_in_the_order_it_was_measured(tmp_path: Path) -> None:
    _keep(tmp_path, _column("gate", [0, 2, 1]), _column("current", [5, math.nan, 7], "gate", unit="A"))
    picture = live_picture(tmp_path, "a")
    assert picture is not None
    assert picture.map is None
    assert (picture.x.text, picture.y.text) == ("The gate (V)", "The current (A)")
    assert picture.lines[0].x.tolist() == [0.0, 1.0]
    assert picture.lines[0].y.tolist() == [5.0, 7.0]
    assert (picture.point_count, picture.expected_count) == (3, 1000)


def test_another_quantity_can_be_chosen_and_an_unknown_one_is_the_first(tmp_path: Path) -> None:
    _keep(tmp_path, _column("x", [0, 1]), _column("i", [1, 2], "x"), _column("q", [3, 4], "x"))
    chosen, unknown = live_picture(tmp_path, "a", "q"), live_picture(tmp_path, "a", "never")
    assert chosen is not None
    assert unknown is not None
    assert chosen.quantities == ("i", "q")
    assert chosen.lines[0].y.tolist() == [3.0, 4.0]
    assert unknown.chosen == "i"


def test_two_swept_quantities_are_a_map_with_holes_where_nothing_was_measured_yet(tmp_path: Path) -> None:
    slow = [0.1, 0.1, 0.1, 0.3, 0.3]
    fast = [-1.0, 0.0, 1.0, 1.0, 0.0]
    _keep(tmp_path, _column("slow", slow), _column("fast", fast), _column("z", [1, 2, 3, 4, 5], "slow", "fast"))
    picture = live_picture(tmp_path, "a")
    assert picture is not None
    assert picture.map is not None
    assert (picture.x.label, picture.y.label) == ("The fast", "The slow")
    assert picture.map.values.shape == (3, 2)
    assert picture.map.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert picture.map.values[1:, 1].tolist() == [5.0, 4.0]
    assert math.isnan(picture.map.values[0, 1])
    assert (picture.map.x0, picture.map.dx) == (-1.0, 1.0)
    assert math.isclose(picture.map.dy, 0.2)


def test_rounding_errors_of_set_points_make_no_map_finer_and_no_map_is_larger_than_a_screen(tmp_path: Path) -> None:
    slow = [round(point) * 0.1 + 1e-13 * (point % 3) for point in np.repeat(np.arange(20), 3)]
    _keep(tmp_path, _column("s", slow), _column("f", [0.0, 1.0, 2.0] * 20), _column("z", [1.0] * 60, "s", "f"))
    picture = live_picture(tmp_path, "a")
    assert picture is not None
    assert picture.map is not None
    assert picture.map.values.shape == (3, 20)
    wild = [float(value) for value in np.random.default_rng(1).random(5000)]
    _keep(tmp_path, _column("s", wild), _column("f", wild[::-1]), _column("z", wild, "s", "f"))
    picture = live_picture(tmp_path, "a")
    assert picture is not None
    assert picture.map is not None
    assert max(picture.map.values.shape) <= LARGEST_SIDE


def test_a_measurement_without_axes_is_drawn_against_its_points_and_nothing_kept_is_no_picture(tmp_path: Path) -> None:
    assert live_picture(tmp_path, "a") is None
    _keep(tmp_path, _column("temperature", [4.0, 4.1], unit="K"))
    picture = live_picture(tmp_path, "a")
    assert picture is not None
    assert picture.x.text == "Point"
    assert picture.lines[0].x.tolist() == [0.0, 1.0]
