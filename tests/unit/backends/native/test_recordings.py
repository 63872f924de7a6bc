"""Recordings of measurement scripts as datasets: running, finished, broken off, on a grid or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.native.backend import NativeBackend
from etiket_gui.backends.native.config import NativeConfig
from etiket_gui.domain.content import Content, Found
from etiket_gui.domain.errors import ConversionFailed, DescriptionBroken, SourceChanged
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.record import Recorder
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory


class Source:
    """A folder of recordings as a source."""

    def __init__(self, root: Path, work_folder: Path, **options: Any) -> None:
        self.root = root
        config = NativeConfig(data_directory=str(root), is_network_folder=False, **options)
        self.backend = NativeBackend(config, BackendContext(SOURCE_UUID, work_folder))
        self.known = KnownInMemory()

    def look(self, **request: Any) -> dict[str, Found]:
        found: list[Found] = []
        self.backend.discover(DiscoveryRequest(**request), self.known, found.append, StopToken())
        self.known.known.update({item.identifier: item.fingerprint for item in found})
        return {item.identifier: item for item in found}

    def read(self, run: Recorder, *, is_growing: bool = False) -> tuple[Content, dict[str, Path]]:
        read = self.backend.read_growing if is_growing else self.backend.read
        content = read(run.uuid, StopToken())
        return content, {file.entry.name: Path(file.path) for file in content.files}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "records").mkdir()
    (tmp_path / "work").mkdir()
    return Source(tmp_path / "records", tmp_path / "work")


def opened(path: Path) -> xarray.Dataset:
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        return data.load()


def test_finished_grid_becomes_a_map_with_traces(source: Source) -> None:
    with Recorder("map", folder=source.root, shape=(2, 3), keywords=["rabi"], description="text") as run:
        run.axis("time", [0.0, 1e-6], unit="s", label="Time")
        run.quantity("a", unit="V")
        run.quantity("b", unit="T", label="Field")
        run.quantity("trace", unit="mV", axes=("a", "b", "time"))
        run.quantity("mean", unit="mV", axes=("a", "b"))
        for number in range(6):
            run.add(a=number // 3, b=number % 3, trace=[number, -number], mean=complex(number, 1))
    found = source.look()[run.uuid]
    assert (found.run_state, found.name, found.has_completion_mark) == (RunState.COMPLETE, "map", True)
    content, files = source.read(run)
    assert sorted(files) == ["measurement.h5", "record.h5", "record.json"]
    data = opened(files["measurement.h5"])
    assert dict(data.sizes) == {"a": 2, "b": 3, "time": 2}
    np.testing.assert_array_equal(data["mean"].values, np.arange(6).reshape(2, 3) + 1j)
    np.testing.assert_array_equal(data["trace"].values[1, 2], [5, -5])
    assert data["b"].attrs["long_name"] == "Field"
    assert data["trace"].attrs["units"] == "mV"
    description = content.description
    assert (description.text, description.keywords) == ("text", ("rabi",))
    assert description.collected == json.loads(files["record.json"].read_text())["started"]
    assert description.details["conversions"][0]["input"] == "record.h5"


def test_points_that_are_no_grid_stay_points(source: Source) -> None:
    with Recorder("adaptive", folder=source.root, shape=(2, 2)) as run:
        run.quantity("y", axes=("x", "z"))
        for x, z in ((0, 0), (0, 1), (1, 0), (1, 5)):
            run.add(x=x, z=z, y=x + z, picture=np.ones((2, 3)) * x)
    _, files = source.read(run)
    data = opened(files["measurement.h5"])
    assert data["y"].dims == ("point",)
    assert {"x", "z"} <= set(data.coords)
    np.testing.assert_array_equal(data["z"].values, [0, 1, 0, 5])
    assert data["picture"].shape == (4, 2, 3)


def test_sweep_back_and_forth_keeps_its_repeated_setpoints(source: Source) -> None:
    with Recorder("there and back", folder=source.root) as run:
        run.quantity("y", axes=("x",))
        for x in (0.0, 1.0, 0.0):
            run.add(x=x, y=x)
    _, files = source.read(run)
    data = opened(files["measurement.h5"])
    assert data["y"].dims == ("point",)
    np.testing.assert_array_equal(data["x"].values, [0, 1, 0])


def test_same_recording_gives_the_same_bytes(source: Source) -> None:
    with Recorder("same", folder=source.root) as run:
        run.add(x=1.0)
    first = source.read(run)[1]["measurement.h5"].read_bytes()
    assert source.read(run)[1]["measurement.h5"].read_bytes() == first


def test_running_measurement_shows_its_newest_points_and_a_whole_file_of_them(source: Source) -> None:
    with Recorder("live", folder=source.root, shape=(4,)) as run:
        run.quantity("y", unit="A", axes=("x",))
        run.add(x=0, y=1.0)
        run.add(x=1, y=2.0)
        run.flush()
        assert source.look()[run.uuid].run_state is RunState.LIVE
        first = source.backend.live(run.uuid, {}, StopToken())
        assert first is not None
        assert {column.name: list(column.values) for column in first.columns} == {"x": [0, 1], "y": [1, 2]}
        assert {column.name: column.axes for column in first.columns} == {"x": (), "y": ("x",)}
        assert (first.expected_count, first.shape, first.point_count) == (4, (4,), 2)
        run.add(x=2, y=3.0)
        run.flush()
        second = source.backend.live(run.uuid, first.cursor, StopToken())
        assert second is not None
        assert (second.first_point, [list(column.values) for column in second.columns]) == (2, [[2], [3]])
        _, files = source.read(run, is_growing=True)
        assert sorted(files) == ["measurement.h5", "record.json"]
        assert opened(files["measurement.h5"])["y"].values.tolist() == [1, 2, 3]
        changed = source.look(paths=(str(run.folder / "record.h5"),))
        assert list(changed) == [run.uuid]
    assert source.look()[run.uuid].run_state is RunState.COMPLETE


def test_live_traces_come_with_their_axis(source: Source) -> None:
    with Recorder("traces", folder=source.root) as run:
        run.axis("time", [10.0, 20.0])
        run.quantity("signal", axes=("v", "time"))
        run.add(v=1, signal=[5.0, 6.0])
        run.add(v=2, signal=[7.0, 8.0])
        run.flush()
        points = source.backend.live(run.uuid, {}, StopToken())
        assert points is not None
        assert {column.name: list(column.values) for column in points.columns} == {
            "v": [1, 1, 2, 2], "signal": [5, 6, 7, 8], "time": [10, 20, 10, 20],
        }  # fmt: skip


@pytest.fixture
def killed(source: Source) -> Iterator[Path]:
    """The folder of a recording whose script was killed."""
    script = """
        import os, sys
        from etiket_gui.record import Recorder
        with Recorder("killed", folder=sys.argv[1]) as run:
            for number in range(5):
                run.add(x=number)
            run.flush()
            os._exit(9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(source.root)], timeout=30)
    (path,) = source.root.rglob("record.h5")
    return path.parent


def test_killed_script_is_interrupted_after_the_quiet_time_and_its_data_is_readable_again(
    source: Source, killed: Path
) -> None:
    assert next(iter(source.look().values())).run_state is RunState.LIVE
    for path in killed.iterdir():
        os.utime(path, (path.stat().st_mtime - 7200, path.stat().st_mtime - 7200))
    late = Source(source.root, source.backend.context.work_folder, interrupted_after=0.0)
    (found,) = late.look().values()
    assert found.run_state is RunState.INTERRUPTED
    content = late.backend.read(found.identifier, StopToken())
    assert content.description.run_state is RunState.INTERRUPTED
    files = {file.entry.name: Path(file.path) for file in content.files}
    # The writer's mark stays in the original, which goes as it is; the converted file opens everywhere.
    assert opened(files["measurement.h5"])["x"].values.tolist() == [0, 1, 2, 3, 4]


def test_script_that_raised_is_interrupted_at_once_and_says_why(source: Source) -> None:
    run = Recorder("raises", folder=source.root)

    def measure() -> None:
        with run:
            run.add(x=1)
            raise RuntimeError("the magnet quenched")

    with pytest.raises(RuntimeError):
        measure()
    found = source.look()[run.uuid]
    assert (found.run_state, found.has_completion_mark) == (RunState.INTERRUPTED, True)
    assert "the magnet quenched" in source.read(run)[0].description.details["error"]


def test_broken_description_is_told_with_its_path(source: Source) -> None:
    with Recorder("broken", folder=source.root) as run:
        run.add(x=1)
    (run.folder / "record.json").write_text("{")
    assert run.uuid in source.look()
    with pytest.raises(DescriptionBroken, match=r"record\.json"):
        source.read(run)


def test_recognised_from_the_root_a_day_a_recording_and_its_file(source: Source) -> None:
    with Recorder("one", folder=source.root) as run:
        run.add(x=1)
    for path in (source.root, run.folder.parent, run.folder, run.folder / "record.h5"):
        recognition = NativeBackend.recognise(path, StopToken())
        assert recognition is not None, path
        assert recognition.options == {"data_directory": str(source.root)}
    assert NativeBackend.recognise(source.root.parent / "work", StopToken()) is None


def test_damaged_recording_is_sent_as_it_is_and_told(source: Source) -> None:
    with Recorder("a run", folder=source.root) as run:
        run.add(x=1, y=2)
    data = run.folder / "record.h5"
    data.write_bytes(data.read_bytes()[:700])
    os.utime(data, ns=(1, 1))
    source.look()
    content, files = source.read(run)
    assert sorted(files) == ["record.h5", "record.json"]
    assert [type(problem) for problem in content.problems] == [ConversionFailed]
    with pytest.raises(SourceChanged):
        source.read(run, is_growing=True)


def test_quantities_with_the_names_of_dimensions_are_kept(source: Source) -> None:
    with Recorder("a run", folder=source.root) as run:
        for number in range(3):
            run.add(trace=[number, 1, 2], trace_0=number, point=number * 2)
    _, files = source.read(run)
    data = opened(files["measurement.h5"])
    assert data["point"].values.tolist() == [0, 2, 4]
    assert data["trace_0"].values.tolist() == [0, 1, 2]
    assert data["trace"].shape == (3, 3)


def test_large_sweep_is_gridded_piece_by_piece(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etiket_gui.backends.native.recordfile._BLOCK_VALUES", 7)
    with Recorder("a map", folder=source.root, shape=(5, 4)) as run:
        run.quantity("z", axes=("x", "y"))
        for x in range(5):
            for y in range(4):
                run.add(x=x * 0.5, y=-y, z=x * 10 + y)
    _, files = source.read(run)
    data = opened(files["measurement.h5"])
    assert data["z"].sel(x=2.0, y=-3).item() == 43
    assert data["z"].shape == (5, 4)


@pytest.mark.parametrize(
    ("change", "keywords", "attributes"),
    [
        ({"keywords": 7, "attributes": {"a": {"deep": 1}, "b": 2}}, (), {"b": 2}),
        ({"keywords": ["q1", 3], "attributes": [1], "shape": "no", "started": 5}, ("q1", "3"), {}),
    ],
)
def test_description_that_somebody_edited_is_believed_as_far_as_it_makes_sense(
    source: Source, change: dict[str, Any], keywords: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    with Recorder("a run", folder=source.root) as run:
        run.add(x=1)
    about = json.loads((run.folder / "record.json").read_text())
    (run.folder / "record.json").write_text(json.dumps({**about, **change}))
    assert list(source.look()) == [run.uuid]
    content, _ = source.read(run)
    assert (content.description.keywords, dict(content.description.attributes)) == (keywords, attributes)
