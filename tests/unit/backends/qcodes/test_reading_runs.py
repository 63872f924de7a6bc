"""What is made of a run: lossless, the same bytes each time, and described as a list shows it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from etiket_gui.backends.qcodes import columns, exports, grids
from etiket_gui.backends.qcodes.exports import DataElsewhere
from etiket_gui.backends.qcodes.rebuilding import rebuild_database
from etiket_gui.converters.dangerous_files import DangerousFile, keep_notes_in
from etiket_gui.converters.netcdf import write_netcdf
from etiket_gui.domain.errors import FileBusy, SourceGone, UsageError
from etiket_gui.domain.stopping import StopToken
from tests.support.deadly_files import die_over
from tests.support.qcodes_database import P, QCoDeSFile, QCoDeSSource, X, Y, guid_of, npy

XYZ = (P("x"), P("y"), P("z", ("x", "y"), unit="V"))


def _source(tmp_path: Path, parameters: Sequence[P], rows: list[dict[str, Any]], **more: Any) -> QCoDeSSource:
    file = QCoDeSFile(tmp_path / "experiments.db")
    run_id = file.start("run", parameters, **more)
    file.add(run_id, rows)
    file.finish(run_id)
    file.close()
    source = QCoDeSSource(tmp_path / "experiments.db", tmp_path / "work")
    source.look()
    return source


def _opened(path: Path, group: str | None = None) -> xarray.Dataset:
    with xarray.open_dataset(path, engine="h5netcdf", group=group) as dataset:
        return dataset.load()


def test_grid_keeps_the_order_of_measurement(tmp_path: Path) -> None:
    rows = [{"x": x, "y": y, "z": 10 * x + y} for x in (3, 1, 2) for y in (0.5, -0.5)]
    made = _opened(_source(tmp_path, XYZ, rows).file(guid_of(1)))
    assert made["z"].dims == ("x", "y")
    assert made["x"].values.tolist() == [3, 1, 2]
    assert made["z"].values.tolist() == [[30.5, 29.5], [10.5, 9.5], [20.5, 19.5]]
    assert made["z"].attrs["units"] == "V"


def test_back_and_forth_is_a_grid_and_its_order_is_kept_beside_it(tmp_path: Path) -> None:
    rows = [{"x": x, "y": y if x % 2 else 2 - y, "z": 0} for x in range(2) for y in range(3)]
    path = _source(tmp_path, XYZ, rows).file(guid_of(1))
    assert _opened(path)["z"].shape == (2, 3)
    assert _opened(path, "order")["z"].values.tolist() == [0, 1, 2, 5, 4, 3]


def test_unfinished_grid_is_filled_up_with_nan(tmp_path: Path) -> None:
    rows = [{"x": place // 3, "y": place % 3, "z": place} for place in range(5)]
    made = _opened(_source(tmp_path, XYZ, rows, shapes={"z": [4, 3]}).file(guid_of(1)))
    np.testing.assert_array_equal(made["z"], [[0, 1, 2], [3, 4, np.nan]])


def test_announced_grid_whose_setpoints_jitter_keeps_every_setpoint(tmp_path: Path) -> None:
    rows = [{"x": place // 3 + place * 1e-6, "y": place % 3, "z": place} for place in range(6)]
    path = _source(tmp_path, XYZ, rows, shapes={"z": [2, 3]}).file(guid_of(1))
    assert _opened(path)["z"].shape == (2, 3)
    # Some are whole numbers to SQLite, the others are not: each is kept as what it is.
    table = _opened(path, "table")
    kept = sorted([*table["x.real"].values.tolist(), *table["x.whole"].values.tolist()])
    assert kept == [row["x"] for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [{"x": 1, "y": None}, {"x": 2, "y": 5}],
        [{"x": None, "y": 1}, {"x": 2, "y": 5}],
        [{"x": 1, "y": 2**60 + 1}],
        [{"x": 1, "y": "no number"}],
        [{"x": 1, "y": b"\x00\xff"}],
    ],
    ids=["setpoint alone", "no setpoint", "huge whole number", "text among numbers", "bytes among numbers"],
)
def test_cells_that_the_sweep_cannot_hold_are_kept_in_the_table(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    source = _source(tmp_path, (X, Y), rows)
    target = tmp_path / "restored"
    target.mkdir()
    for file in source.read(guid_of(1)).files:
        shutil.copyfile(file.path, target / file.entry.name)
    with h5py.File(target / "measurement.h5", "r", locking=False) as made:
        assert "table" in made
    rebuild_database(tmp_path / "again.db", [target], StopToken())
    import sqlite3

    with sqlite3.connect(tmp_path / "again.db") as again:
        found = again.execute('SELECT x, y FROM "results-1-1" ORDER BY id').fetchall()
    again.close()
    assert found == [(row["x"], row["y"]) for row in rows]


def test_large_runs_go_through_the_work_folder_and_come_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"x": x, "y": y, "z": x * 1000.5 + y} for x in range(60) for y in (range(50) if x % 2 else range(49, -1, -1))
    ]
    source = _source(tmp_path, XYZ, rows)
    plain = source.file(guid_of(1)).read_bytes()
    monkeypatch.setattr(columns, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(columns, "BLOCK_VALUES", 77)
    monkeypatch.setattr("etiket_gui.backends.qcodes.conversion.BAND_VALUES", 500)
    monkeypatch.setattr("etiket_gui.backends.qcodes.grids.BLOCK_VALUES", 77)
    assert source.file(guid_of(1)).read_bytes() == plain
    assert not list((tmp_path / "work").glob("*columns*"))


def test_too_many_different_setpoints_are_a_plain_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "MOST_DIFFERENT", 3)
    rows = [{"x": place * place % 7, "y": place, "z": place} for place in range(6)]
    made = _opened(_source(tmp_path, XYZ, rows).file(guid_of(1)))
    assert made["z"].dims == ("index",)
    assert made["x"].values.tolist() == [row["x"] for row in rows]


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    rows = [{"x": place // 300, "y": place % 300, "z": place / 7} for place in range(30_000)]
    source = _source(tmp_path, XYZ, rows, snapshot={"station": "µ"})
    here = [(file.entry.to_row(), Path(file.path).read_bytes()) for file in source.read(guid_of(1)).files]
    script = (
        "import sys, pathlib\n"
        "from tests.support.qcodes_database import *\n"
        "source = QCoDeSSource(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "source.read(guid_of(1))\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(source.path), str(tmp_path / "other work")],
        check=True, timeout=60, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    there = {path.name: path for path in (tmp_path / "other work").rglob("*") if path.is_file()}
    assert [(row[0], there[row[0]].read_bytes()) for row, _ in here] == [(row[0], content) for row, content in here]


def test_description_says_who_what_when_and_why_it_failed(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "experiments.db")
    run_id = file.run("pinch off", snapshot={"a": 1})
    for key, value in (
        ("operator", "A. Person"), ("temperature", 0.012), ('odd "name"/x', "kept"), ("tag_list", '["cold", "pinch"]'),
        ("comment", "first try"), ("measurement_exception", "Traceback\nRuntimeError: fridge warmed up\n"),
    ):  # fmt: skip
        file.annotate(run_id, key, value)
    file.close()
    options = {"set_up": "fridge 2", "static_attributes": {"wafer": "W7"}}
    source = QCoDeSSource(tmp_path / "experiments.db", tmp_path / "work", options)
    description = source.read(guid_of(1)).description
    assert source.backend.describe(guid_of(1), StopToken()) == description
    assert description.name == "pinch off"
    assert description.text == "first try"
    assert description.keywords == ("cold", "pinch", "y")
    assert dict(description.attributes) == {
        "comment": "first try", "exception": "RuntimeError: fridge warmed up", "experiment": "cooldown 3",
        'odd "name"/x': "kept", "operator": "A. Person", "run": 1, "sample": "chip A7 α", "set_up": "fridge 2",
        "tag_list": '["cold", "pinch"]', "temperature": 0.012, "wafer": "W7",
    }  # fmt: skip
    metadata = json.loads(source.file(guid_of(1), "metadata.json").read_text())
    assert metadata["metadata"]["measurement_exception"].startswith("Traceback")


def test_snapshot_is_kept_byte_for_byte_unless_it_is_no_strict_json(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "experiments.db")
    file.run("strict", snapshot={"b": 1, "a": "µ"})
    file.run("strange", snapshot={"gain": float("nan"), "limit": float("inf")})
    file.close()
    source = QCoDeSSource(tmp_path / "experiments.db", tmp_path / "work")
    assert source.file(guid_of(1), "snapshot.json").read_text() == json.dumps({"b": 1, "a": "µ"})
    strict = json.loads(source.file(guid_of(2), "snapshot.json").read_text(), parse_constant=pytest.fail)
    assert strict == {"gain": "nan", "limit": "inf"}


@pytest.mark.parametrize("place", ["told", "beside", "exports", "nowhere"])
def test_run_measured_in_memory_is_taken_from_its_export(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "lab"
    (folder / "exports_here").mkdir(parents=True)
    file = QCoDeSFile(folder / "experiments.db")
    run_id = file.start("in memory", has_table=False)
    file.finish(run_id)
    name = f"qcodes_1_{guid_of(1)}.nc"
    told = tmp_path / "told" / name
    told.parent.mkdir()
    places = {"told": told, "beside": folder / name, "exports": folder / "exports_here" / name}
    if place in places:
        write_netcdf(places[place], {}, (), {"guid": guid_of(1)}, StopToken())
    path = told if place == "told" else f"C:\\data\\{name}"
    file.annotate(run_id, "export_info", json.dumps({"export_paths": {"nc": str(path)}}))
    file.close()
    content = QCoDeSSource(folder / "experiments.db", tmp_path / "work").read(guid_of(1))
    found = {item.entry.name: Path(item.path).read_bytes() for item in content.files}
    assert found.get("measurement.h5") == (None if place == "nowhere" else places[place].read_bytes())
    assert [type(problem) for problem in content.problems] == ([DataElsewhere] if place == "nowhere" else [])
    if place == "nowhere":
        assert "not on this machine" in found["metadata.json"].decode()
        assert name in content.problems[0].reason
        assert content.problems[0].advice


def _in_memory(tmp_path: Path) -> tuple[QCoDeSSource, Path]:
    file = QCoDeSFile(tmp_path / "experiments.db")
    run_id = file.start("in memory", has_table=False)
    file.finish(run_id)
    path = tmp_path / f"qcodes_1_{guid_of(1)}.nc"
    file.annotate(run_id, "export_info", json.dumps({"export_paths": {"nc": str(path)}}))
    file.close()
    return QCoDeSSource(tmp_path / "experiments.db", tmp_path / "work"), path


def test_damaged_export_is_archived_as_it_is_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, path = _in_memory(tmp_path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n cut off")
    with pytest.raises(FileBusy, match="may still be written"):
        source.read(guid_of(1))
    monkeypatch.setattr(exports, "STILL_WRITTEN_S", 0.0)
    content = source.read(guid_of(1))
    found = {item.entry.name: Path(item.path).read_bytes() for item in content.files}
    assert found["measurement.h5"] == path.read_bytes()
    (problem,) = content.problems
    assert "cannot be opened" in problem.reason
    assert problem.path == str(path)


def test_export_of_another_run_is_not_taken(tmp_path: Path) -> None:
    source, path = _in_memory(tmp_path)
    write_netcdf(path, {}, (), {"guid": guid_of(2)}, StopToken())
    content = source.read(guid_of(1))
    assert "measurement.h5" not in {item.entry.name for item in content.files}
    assert [type(problem) for problem in content.problems] == [DataElsewhere]


def test_export_that_ends_the_process_that_opens_it_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "STILL_WRITTEN_S", 0.0)
    source, path = _in_memory(tmp_path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n cut off")
    keep_notes_in(tmp_path / "notes")
    try:
        die_over(tmp_path / "notes", path)
        die_over(tmp_path / "notes", path)
        content = source.read(guid_of(1))
    finally:
        keep_notes_in(None)
    assert "measurement.h5" in {item.entry.name for item in content.files}
    assert [type(problem) for problem in content.problems] == [DangerousFile]


def test_arrays_keep_their_traces_apart(tmp_path: Path) -> None:
    parameters = (P("x"), P("t", kind="array"), P("w", ("x", "t"), kind="array"))
    rows = [{"x": x, "t": npy(np.arange(3)), "w": npy(np.arange(3.0) * x)} for x in range(2)]
    source = _source(tmp_path, parameters, rows)
    made = _opened(source.file(guid_of(1)))
    assert made["w"].values.tolist() == [[0, 0, 0], [0, 1, 2]]
    told = json.loads(source.file(guid_of(1), "metadata.json").read_text())
    assert told["points"]["w"]["lengths"] == [[3, 2]]


def test_newest_points_of_a_run_follow_each_other(tmp_path: Path) -> None:
    file = QCoDeSFile(tmp_path / "experiments.db", wal=True)
    parameters = (P("x", label="Gate", unit="mV"), P("a", ("x",)), P("b", ("x",)))
    run_id = file.start("live", parameters, shapes={"a": [10], "b": [10]})
    source = QCoDeSSource(tmp_path / "experiments.db", tmp_path / "work")
    seen: dict[str, list[float]] = {"x": [], "a": [], "b": []}
    cursor: dict[str, Any] = {}
    for place in range(4):
        file.add(run_id, [{"x": place, "a": place * 2}, {"x": place, "b": place * 3}])
        found = source.backend.live(guid_of(1), cursor, StopToken())
        assert found is not None
        assert (found.first_point, found.point_count, found.expected_count, found.shape) == (
            place,
            place + 1,
            10,
            (10,),
        )
        cursor = dict(found.cursor)
        for column in found.columns:
            seen[column.name] += column.values
    assert seen == {"x": [0, 1, 2, 3], "a": [0, 2, 4, 6], "b": [0, 3, 6, 9]}
    nothing = source.backend.live(guid_of(1), cursor, StopToken())
    assert nothing is not None
    assert nothing.columns == ()
    file.close()


def test_run_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    source = _source(tmp_path, (X, Y), [{"x": 1, "y": 1}])
    for ask in (source.backend.fingerprint, source.read):
        with pytest.raises(SourceGone):
            ask(guid_of(9))


def test_database_is_not_put_together_over_another_file_or_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "there.db").write_text("x")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        rebuild_database(tmp_path / "there.db", [], StopToken())
    (tmp_path / "no run").mkdir()
    with pytest.raises(UsageError, match="not archived from a QCoDeS database"):
        rebuild_database(tmp_path / "new.db", [tmp_path / "no run"], StopToken())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no run", "there.db"]
