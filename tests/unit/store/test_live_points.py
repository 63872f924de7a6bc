"""The newest points of running measurements: what is kept, what a reader sees, what is thrown away."""

from __future__ import annotations

import math
from array import array
from pathlib import Path

from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.store.live_points import (
    LARGEST_ROWS,
    cursor_of,
    forget_points,
    keep_points,
    kept_uuids,
    read_points,
    read_progress,
)


def _slice(first: int, count: int, *, names: tuple[str, ...] = ("gate", "current"), total: int = 0) -> LiveSlice:
    points = range(first, first + count)
    values = [array("d", points), array("d", (point * 0.5 for point in points))]
    columns = tuple(
        LiveColumn(name, name.title(), "V", () if place == 0 else (names[0],), values[place])
        for place, name in enumerate(names)
    )
    return LiveSlice(columns, {"last": first + count}, first, total or first + count, 1000)


def test_points_that_follow_are_added_to_those_that_were_kept(tmp_path: Path) -> None:
    keep_points(tmp_path / "live", "a", _slice(0, 10))
    progress = keep_points(tmp_path / "live", "a", _slice(10, 5))
    assert (progress.point_count, progress.expected_count) == (15, 1000)
    kept = read_points(tmp_path / "live", "a")
    assert kept is not None
    assert list(kept.columns[0].values) == list(range(15))
    assert list(kept.columns[1].values) == [point * 0.5 for point in range(15)]
    assert kept.columns[1].axes == ("gate",)
    assert cursor_of(tmp_path / "live", "a") == {"last": 15}


def test_a_slice_from_the_first_point_on_replaces_what_was_kept(tmp_path: Path) -> None:
    keep_points(tmp_path, "a", _slice(0, 50))
    keep_points(tmp_path, "a", _slice(0, 3))
    kept = read_points(tmp_path, "a")
    assert kept is not None
    assert list(kept.columns[0].values) == [0.0, 1.0, 2.0]
    assert (tmp_path / "a.points").stat().st_size == 3 * 2 * 8


def test_other_columns_replace_what_was_kept(tmp_path: Path) -> None:
    keep_points(tmp_path, "a", _slice(0, 5))
    keep_points(tmp_path, "a", _slice(5, 2, names=("gate", "phase")))
    kept = read_points(tmp_path, "a")
    assert kept is not None
    assert [column.name for column in kept.columns] == ["gate", "phase"]
    assert kept.row_count == 2


def test_a_long_measurement_is_kept_ever_more_coarsely_and_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    size = 30_000
    for start in range(0, 10 * size, size):
        keep_points(tmp_path, "a", _slice(start, size))
    kept = read_points(tmp_path, "a")
    assert kept is not None
    assert kept.point_count == 10 * size
    assert kept.row_count <= LARGEST_ROWS
    assert kept.stride == 4
    assert list(kept.columns[0].values) == [float(point) for point in range(0, 10 * size, 4)]
    assert (tmp_path / "a.points").stat().st_size <= LARGEST_ROWS * 16


def test_a_column_that_is_shorter_is_filled_with_holes(tmp_path: Path) -> None:
    columns = (
        LiveColumn("x", "x", "", (), array("d", [1, 2, 3])),
        LiveColumn("y", "y", "", ("x",), array("d", [4])),
    )
    keep_points(tmp_path, "a", LiveSlice(columns, point_count=3))
    kept = read_points(tmp_path, "a")
    assert kept is not None
    assert kept.columns[1].values[0] == 4.0
    assert all(math.isnan(value) for value in kept.columns[1].values[1:])


def test_rows_of_an_interrupted_write_are_never_seen(tmp_path: Path) -> None:
    keep_points(tmp_path, "a", _slice(0, 4))
    with open(tmp_path / "a.points", "ab") as stream:
        stream.write(b"\1" * 37)
    kept = read_points(tmp_path, "a")
    assert kept is not None
    assert kept.row_count == 4
    keep_points(tmp_path, "a", _slice(4, 1))
    again = read_points(tmp_path, "a")
    assert again is not None
    assert list(again.columns[0].values) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_is_broken_counts_as_nothing_and_what_is_over_is_thrown_away(tmp_path: Path) -> None:
    assert read_points(tmp_path, "a") is None
    assert read_progress(tmp_path, "a") is None
    keep_points(tmp_path, "a", _slice(0, 4))
    (tmp_path / "a.points").write_bytes(b"")
    assert read_points(tmp_path, "a") is None
    (tmp_path / "b.json").write_text("{", encoding="utf-8")
    assert read_points(tmp_path, "b") is None
    assert list(kept_uuids(tmp_path)) == ["a", "b"]
    for uuid in ("a", "b", "never"):
        forget_points(tmp_path, uuid)
    assert list(tmp_path.iterdir()) == []
    assert list(kept_uuids(tmp_path / "never")) == []
