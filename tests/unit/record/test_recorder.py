"""What a measurement script may rely on: every point is in the file, also while it grows and after a crash."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from etiket_gui import record as record_package
from etiket_gui.record import Recorder, default_folder


def about(run: Recorder) -> Any:
    return json.loads((run.folder / "record.json").read_text(encoding="utf-8"))


def columns(run: Recorder, **options: Any) -> dict[str, Any]:
    with h5py.File(run.folder / "record.h5", "r", locking=False, **options) as file:
        return {name: file[name][...].tolist() for name in file}


def test_points_arrays_and_what_is_known_of_them_are_kept(tmp_path: Path) -> None:
    with Recorder("Rabi of Q1", folder=tmp_path, attributes={"sample": "SQ22", "n": np.int64(3)}, shape=(2,)) as run:
        run.axis("time", [0.0, 1.0, 2.0], unit="s")
        run.quantity("amplitude", unit="V")
        run.quantity("signal", unit="mV", label="Signal", axes=("amplitude", "time"))
        run.add(amplitude=0, signal=np.array([1.0, 2.0, 3.0]))
        run.add(amplitude=0.5, signal=np.array([4.0, 5.0, 6.0]))
    assert columns(run) == {"time": [0, 1, 2], "amplitude": [0, 0.5], "signal": [[1, 2, 3], [4, 5, 6]]}
    with h5py.File(run.folder / "record.h5", locking=False) as file:
        assert dict(file["signal"].attrs) == {"unit": "mV", "label": "Signal", "axes": '["amplitude", "time"]'}
        assert file.attrs["uuid"] == run.uuid
    kept = about(run)
    assert (kept["name"], kept["state"], kept["points"], kept["shape"]) == ("Rabi of Q1", "complete", 2, [2])
    assert kept["attributes"] == {"sample": "SQ22", "n": 3}
    assert kept["started"] <= kept["finished"]
    assert run.folder.name.endswith(f"_Rabi-of-Q1_{run.uuid.replace('-', '')}")


@pytest.mark.parametrize(
    "value",
    [1 + 2j, np.float32(1.5), True, np.arange(24.0).reshape(2, 3, 4), np.array([[1, 2]], np.int16)],
)
def test_numbers_and_arrays_of_any_dimension(tmp_path: Path, value: Any) -> None:
    with Recorder("any", folder=tmp_path) as run:
        run.add(x=value)
        run.add(x=value)
    with h5py.File(run.folder / "record.h5", locking=False) as file:
        np.testing.assert_array_equal(file["x"][...], np.array([value, value]))


def test_points_can_be_read_while_more_are_added(tmp_path: Path) -> None:
    with Recorder("live", folder=tmp_path) as run:
        run.add(x=1.0)
        run.flush()
        assert columns(run, swmr=True) == {"x": [1]}
        assert about(run)["state"] == "running"
        run.add(x=2.0)
        run.set(comment="looks good")
        run.flush()
        assert columns(run, swmr=True) == {"x": [1, 2]}
        assert about(run)["attributes"] == {"comment": "looks good"}


def test_points_reach_the_disk_by_themselves(tmp_path: Path) -> None:
    import time

    with Recorder("slow", folder=tmp_path) as run:
        run.add(x=1.0)
        end_s = time.monotonic() + 10
        while columns(run, swmr=True) != {"x": [1]}:
            assert time.monotonic() < end_s
            time.sleep(0.05)


def test_error_in_the_script_ends_the_recording_as_interrupted_and_is_kept(tmp_path: Path) -> None:
    run = Recorder("breaks", folder=tmp_path)

    def measure() -> None:
        with run:
            run.add(x=1 / 1.0)
            run.add(x=1 / 0)

    with pytest.raises(ZeroDivisionError):
        measure()
    assert columns(run) == {"x": [1]}
    assert about(run)["state"] == "interrupted"
    assert "ZeroDivisionError" in about(run)["error"]


def test_killed_script_leaves_everything_that_was_written(tmp_path: Path) -> None:
    script = """
        import os, sys
        from etiket_gui.record import Recorder
        with Recorder("killed", folder=sys.argv[1]) as run:
            for number in range(100):
                run.add(x=number)
            run.flush()
            os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], timeout=30)
    assert done.returncode == 9
    (path,) = tmp_path.rglob("record.h5")
    with h5py.File(path, "r", swmr=True, locking=False) as file:
        assert file["x"].shape == (100,)
    assert json.loads((path.parent / "record.json").read_text())["state"] == "running"


def test_quantity_left_out_later_is_nan(tmp_path: Path) -> None:
    with Recorder("holes", folder=tmp_path) as run:
        run.add(x=1, y=2.0)
        run.add(x=2)
    np.testing.assert_array_equal(columns(run)["y"], [2, np.nan])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "needs a value"),
        ({"x": "text"}, "only numbers"),
        ({"x": []}, "empty array"),
        ({"x": 1.0, "new": 1.0}, "was not in the first point"),
        ({"x": [1.0, 2.0]}, "in the first point it was"),
        ({"x": 1j}, "in the first point it was float64"),
        ({"n": np.array([1])}, "'x' is missing|in this point|was not"),
    ],
)
def test_point_that_does_not_fit_is_refused_and_the_others_stay(
    tmp_path: Path, values: dict[str, Any], sentence: str
) -> None:
    with Recorder("strict", folder=tmp_path) as run:
        run.add(x=1.0)
        with pytest.raises((ValueError, TypeError), match=sentence):
            run.add(**values)
        run.add(x=2.0)
    assert columns(run) == {"x": [1, 2]}


def test_what_cannot_be_described_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name is empty"):
        Recorder(" ")
    with pytest.raises(ValueError, match="not that of a grid"):
        Recorder("x", shape=(0, 2))
    with pytest.raises(TypeError, match="attribute 'list'"):
        Recorder("x", attributes={"list": [1]})
    run = Recorder("x", folder=tmp_path)
    with pytest.raises(ValueError, match="inside of"):
        run.add(x=1)
    with run:
        with pytest.raises(ValueError, match="no name"):
            run.quantity("a/b")
        with pytest.raises(ValueError, match="row of numbers"):
            run.axis("t", [[1.0]])
        run.quantity("y", axes=("nothing",))
        with pytest.raises(ValueError, match="neither an axis nor a quantity"):
            run.add(y=1.0)
    run = Recorder("x", folder=tmp_path)
    with run:
        run.axis("t", [1.0, 2.0])
        run.quantity("y", axes=("t",))
        with pytest.raises(ValueError, match="have \\(2,\\) values"):
            run.add(y=[1.0, 2.0, 3.0])
        run.add(y=[1.0, 2.0])
        with pytest.raises(ValueError, match="too late"):
            run.axis("late", [1.0])


def test_place_without_a_folder(monkeypatch: pytest.MonkeyPatch, account_folder: Path, tmp_path: Path) -> None:
    assert default_folder() == account_folder / "etiket records"
    monkeypatch.setenv("ETIKET_GUI_RECORDS", str(tmp_path))
    with Recorder("somewhere") as run:
        run.add(x=1)
    assert tmp_path in run.folder.parents


def test_recorder_is_one_short_file_that_needs_nothing_else_of_the_program() -> None:
    path = Path(record_package.__file__).with_name("recorder.py")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    script = (
        "import sys, etiket_gui.record\n"
        "print(sorted(name for name in sys.modules if name.startswith('etiket_gui')))\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import site; site.main()\n{script}"], capture_output=True, text=True, timeout=30
    )
    ours, foreign = done.stdout.splitlines()
    assert ours == "['etiket_gui', 'etiket_gui.record', 'etiket_gui.record.recorder']"
    assert "numpy" in foreign
    for heavy in ("PySide6", "pydantic", "sqlalchemy", "yaml", "pandas", "xarray"):
        assert heavy not in foreign
