"""What can be told of a core-tools source without a database: options, settings files, axes, newest points."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from etiket_gui.backends.core_tools.arrays import Floats, LargeObjects, LayoutMaker
from etiket_gui.backends.core_tools.backend import CoreToolsBackend
from etiket_gui.backends.core_tools.config import CoreToolsConfig
from etiket_gui.backends.core_tools.describing import iso, json_in
from etiket_gui.backends.core_tools.newest import newest_points
from etiket_gui.backends.core_tools.rows import Parameter, Run
from etiket_gui.backends.core_tools.scanning import OpenRuns, fingerprint_of
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken


class Objects(LargeObjects):
    """Arrays that are in memory instead of in a database."""

    def __init__(self, contents: dict[int, Floats]) -> None:
        self._contents = contents

    def blocks(self, parameter: Parameter, first: int = 0, count: int | None = None) -> Iterator[Floats]:
        end = math.prod(parameter.shape) if count is None else first + count
        whole = np.full(math.prod(parameter.shape), np.nan)
        written = self._contents[parameter.id].reshape(-1)[: parameter.valid_count]
        whole[: written.size] = written
        for start in range(first, end, 3):
            yield whole[start : min(start + 3, end)]


def parameter(
    number: int, name: str, shape: tuple[int, ...], *, kind: str = "measured", axes: tuple[int, ...] = (),
    axis: int = 0, valid: int | None = None,
) -> Parameter:  # fmt: skip
    return Parameter(
        index=number, id=number, measured_by=1, number=0, axis=axis, is_setpoint=kind == "swept",
        is_local=kind == "local", full_name=name, name=name, label=name.title(), unit="V", axes=axes, shape=shape,
        valid_count=math.prod(shape) if valid is None else valid, oid=number,
    )  # fmt: skip


def run(*, is_completed: bool = False, started_s: float | None = 1000.0) -> Run:
    return Run(1, 7, "run", "F006", is_completed, False, started_s, None, 0, 42, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dbname": " ", "user": "u"}, "empty"),
        ({"dbname": "d", "user": ""}, "empty"),
        ({"dbname": "d", "user": "u", "host": "a\x00b"}, "NUL"),
        ({"dbname": "d", "user": "u", "port": 0}, "greater than"),
        ({"dbname": "d", "user": "u", "interrupted_after": 0}, "1 s to 30 days"),
        ({"dbname": "d", "user": "u", "password": "p"}, "password"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CoreToolsConfig(**options)  # type: ignore[arg-type]


def test_address_names_the_database_and_no_secret() -> None:
    assert CoreToolsConfig(dbname="d", user="u").address() == "postgresql://u@localhost:5432/d"
    assert CoreToolsConfig(dbname="d", user="u", host="/run").address() == "postgresql://u@:5432/d?host=/run"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "local_database: 7",
        "local_database: {user: u}",
        "local_database: [",
        "local_database: {database: 1}",
    ],
)
def test_other_yaml_files_are_no_settings_of_core_tools(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert CoreToolsBackend.recognise(tmp_path / "a.yaml", StopToken()) is None
    assert CoreToolsBackend.recognise(tmp_path, StopToken()) is None
    assert CoreToolsBackend.recognise(tmp_path / "missing", StopToken()) is None


def test_settings_of_a_server_that_is_off_are_recognised_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("setup: F6\nremote_database: {user: u, password: p, database: d, address: 'localhost:1'}\n")
    recognition = CoreToolsBackend.recognise(path, StopToken())
    assert recognition is not None
    assert recognition.options == {"host": "localhost", "port": 1, "dbname": "d", "user": "u"}
    assert recognition.sentence == "core-tools settings of set-up F6 (a.yml): database d on localhost."
    assert recognition.warnings == ("It does not answer just now.",)


def test_swept_axis_that_is_the_same_along_the_others_becomes_a_coordinate() -> None:
    first, second = np.meshgrid([0.0, 1.0], [5.0, 6.0, 7.0], indexing="ij")
    objects = Objects({1: first * second, 2: first, 3: second})
    layout = LayoutMaker(objects).make(
        [
            parameter(1, "I", (2, 3), axes=(2, 3)),
            parameter(2, "a", (2, 3), kind="swept", axis=0),
            parameter(3, "b", (2, 3), kind="swept", axis=1),
        ]
    )
    assert layout.dims == {"a": 2, "b": 3}
    assert [(item.name, item.dims) for item in layout.variables] == [("a", ("a",)), ("b", ("b",)), ("I", ("a", "b"))]


def test_written_nan_is_no_step_of_a_sweep() -> None:
    setpoints = np.array([[0.0, np.nan], [1.0, 1.0]])
    layout = LayoutMaker(Objects({1: np.zeros((2, 2)), 2: setpoints})).make(
        [parameter(1, "I", (2, 2), axes=(2,)), parameter(2, "a", (2, 2), kind="swept")]
    )
    assert "a" not in layout.dims
    assert [item.dims for item in layout.variables if item.name == "a"] == [("a_point", "a_point_2")]


def test_array_nobody_depends_on_is_kept() -> None:
    layout = LayoutMaker(Objects({1: np.zeros(2), 2: np.ones(3)})).make(
        [parameter(1, "I", (2,)), parameter(2, "lonely", (3,), kind="swept")]
    )
    assert {item.name for item in layout.variables} == {"I", "lonely"}


def test_newest_points_come_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etiket_gui.backends.core_tools.newest.MOST_POINTS", 2)
    objects = Objects({1: np.arange(5.0), 2: np.arange(5.0) * 10})
    arrays = [parameter(1, "I", (5,), axes=(2,), valid=4), parameter(2, "a", (5,), kind="swept", valid=4)]
    first = newest_points(arrays, objects, {})
    assert first is not None
    assert {column.name: list(column.values) for column in first.columns} == {"a": [0, 10], "I": [0, 1]}
    second = newest_points(arrays, objects, first.cursor)
    assert second is not None
    assert (second.first_point, second.point_count, second.expected_count) == (2, 4, 5)
    nothing_new = newest_points(arrays, objects, second.cursor)
    assert nothing_new is not None
    assert [list(column.values) for column in nothing_new.columns] == [[], []]
    assert newest_points([], objects, {}) is None
    restarted = newest_points(arrays, objects, {"points": 99})
    assert restarted is not None
    assert restarted.first_point == 0


def test_progress_survives_a_restart_in_the_cursor() -> None:
    runs = OpenRuns(100.0)
    assert runs.judge(run(), 5, 2000.0, is_left=False) == (RunState.LIVE, 2000.0)
    cursor = runs.cursor([7])
    later = OpenRuns(100.0)
    later.load(cursor)
    assert later.is_known(run())
    assert later.judge(run(), 5, 2100.0, is_left=False) == (RunState.INTERRUPTED, 2000.0)
    assert later.judge(run(), 6, 2200.0, is_left=False) == (RunState.LIVE, 2200.0)
    assert later.cursor([]) == {"open": {}}


def test_left_run_is_as_old_as_its_start_and_one_without_a_start_is_new() -> None:
    assert OpenRuns(100.0).judge(run(), 5, 2000.0, is_left=True) == (RunState.INTERRUPTED, 1000.0)
    assert OpenRuns(100.0).judge(run(started_s=None), 5, 2000.0, is_left=True)[0] is RunState.LIVE


def test_fingerprint_follows_the_points_of_an_open_run_only() -> None:
    assert fingerprint_of(run(), 1) != fingerprint_of(run(), 2)
    assert fingerprint_of(run(is_completed=True), 1) == fingerprint_of(run(is_completed=True), 2)


def test_columns_with_json_in_them() -> None:
    assert json_in(None) is None
    assert json_in(b" ") is None
    assert json_in(b'{"a": 1}') == {"a": 1}
    assert json_in(b"\xff") == {"text": "\\xff"}
    assert iso(1_767_348_246.25) == "2026-01-02T10:04:06.250000+00:00"
