"""Dataset files of Quantify, of every age and state, and what becomes of them."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.quantify.backend import QuantifyBackend
from etiket_gui.backends.quantify.config import QuantifyConfig
from etiket_gui.backends.quantify.datafile import Torn, open_data
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.errors import ConversionFailed, SourceGone
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import KnownInMemory
from tests.support.quantify_files import TUID, measurement_folder, write_data, write_measurement

OTHER = "20260102-040506-007-0a1b2d"


class Source:
    """A data directory and its backend."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.root = folder / "data"
        self.root.mkdir(exist_ok=True)
        config = QuantifyConfig(data_directory=str(self.root), is_network_folder=False, **options)
        self.backend = QuantifyBackend(config, BackendContext("source", folder / "work"))
        self.known = KnownInMemory()
        self.summary = DiscoverySummary(0)

    def look(self, **request: Any) -> dict[str, Found]:
        """One look; what it finds is known afterwards."""
        found: dict[str, Found] = {}
        self.summary = self.backend.discover(
            DiscoveryRequest(**request), self.known, lambda item: found.__setitem__(item.identifier, item), StopToken()
        )
        self.known.known.update({name: item.fingerprint for name, item in found.items()})
        for name in self.summary.missing:
            self.known.known.pop(name, None)
        return found

    def read(self, tuid: str = TUID) -> Content:
        """One measurement."""
        return self.backend.read(tuid, StopToken())

    def converted(self, tuid: str = TUID) -> xarray.Dataset:
        """What it converts to."""
        (made,) = [file.path for file in self.read(tuid).files if file.is_derived]
        with xarray.open_dataset(made, engine="h5netcdf") as opened:
            return opened.load()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """An empty data directory."""
    return Source(tmp_path)


@pytest.mark.parametrize(
    ("folder_name", "name"),
    [
        ("-a sweep", "a sweep"),
        (" AllXY q0", "AllXY q0"),
        ("", TUID),
        ("-", TUID),
        ("-µ-wave (a+b) 100%, 3", "µ-wave (a+b) 100%, 3"),
        ("_scan", "scan"),
    ],
)
def test_name_is_what_stands_behind_the_tuid(source: Source, folder_name: str, name: str) -> None:
    folder = source.root / TUID[:8] / (TUID + folder_name)
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_text("{}")
    (item,) = source.look().values()
    assert (item.identifier, item.name) == (TUID, name)
    description = source.read().description
    assert (description.name, description.identifier, description.collected) == (name, TUID, "2026-01-02T03:04:05.006")


def test_what_is_no_measurement_is_counted_and_left_alone(source: Source) -> None:
    write_measurement(source.root)
    day = source.root / TUID[:8]
    (day / ".DS_Store").write_text("x")
    (day / "notes.txt").write_text("x")
    (day / "__init__.py").write_text("")
    (day / "empty").mkdir()
    (day / OTHER).mkdir()
    (source.root / "readme.txt").write_text("x")
    archive = source.root / "archive"
    archive.mkdir()
    (archive / ".rmearchive").write_text("")
    assert set(source.look()) == {TUID}
    assert source.summary.stray_files == 3
    assert source.summary.skipped == {"folder without a TUID": 1, "archive": 1}


def test_same_tuid_in_two_folders_is_one_dataset(source: Source) -> None:
    write_measurement(source.root)
    (source.root / TUID[:8] / f"{TUID}-copy").mkdir()
    (source.root / TUID[:8] / f"{TUID}-copy" / "dataset.hdf5").write_bytes(b"x")
    assert set(source.look()) == {TUID}
    assert source.summary.skipped == {"second folder with the same TUID": 1}


def test_renamed_measurement_is_the_same_dataset_with_another_name(source: Source) -> None:
    folder = write_measurement(source.root)
    source.look()
    folder.rename(folder.with_name(f"{TUID}-a better name"))
    (item,) = source.look().values()
    assert (item.identifier, item.name) == (TUID, "a better name")
    assert source.summary.missing == ()


def test_measurement_in_a_folder_that_is_no_day_is_found_and_read(source: Source) -> None:
    folder = write_measurement(source.root)
    moved = source.root / "old ones"
    folder.parent.rename(moved)
    assert set(source.look()) == {TUID}
    assert source.read().description.name == "a sweep"


def test_day_that_cannot_be_listed_hides_its_measurements(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    write_measurement(source.root)
    write_measurement(source.root, "20260203-040506-007-0a1b2d")
    source.look()
    real, locked = os.scandir, str(source.root / TUID[:8])

    def scandir(path: Any = ".") -> Any:
        if path == locked:
            raise PermissionError(13, "denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert source.look() == {}
    assert source.summary.missing == ()
    assert len(source.summary.unreadable) == 1


def test_event_in_one_day_looks_at_that_day_alone(source: Source) -> None:
    write_measurement(source.root)
    other = write_measurement(source.root, "20260203-040506-007-0a1b2d")
    source.look()
    (other / "more.txt").write_text("x")
    (source.root / TUID[:8] / f"{TUID}-a sweep" / "more.txt").write_text("x")
    assert set(source.look(paths=(str(other / "more.txt"),))) == {"20260203-040506-007-0a1b2d"}
    assert set(source.look(paths=(str(source.root),))) == {TUID}
    assert source.look(paths=("/somewhere/else",)) == {}


def test_analysis_added_later_is_a_change_and_its_quantities_are_attributes(source: Source) -> None:
    folder = write_measurement(source.root)
    source.look()
    analysis = folder / "analysis_Fit"
    analysis.mkdir()
    quantities = {
        "frequency": {"__dtype__": "UFloat", "nominal_value": 5.0, "std_dev": 0.25},
        "fit_success": True,
        "fit_msg": "text",
        "fit_result": {"deep": {}},
        "chi2": 1.5,
    }
    (analysis / "quantities_of_interest.json").write_text(json.dumps(quantities))
    (analysis / "dataset_processed.hdf5").write_bytes(b"HDF5")
    assert set(source.look()) == {TUID}
    content = source.read()
    assert dict(content.description.attributes) == {
        "chi2": 1.5, "fit_success": True, "frequency": 5.0, "frequency_u": 0.25,
    }  # fmt: skip
    assert content.description.details["analyses"] == ["Fit"]
    assert "analysis_Fit/dataset_processed.hdf5" in [file.entry.name for file in content.files]


def test_metadata_of_the_measurement_is_in_the_description(source: Source, tmp_path: Path) -> None:
    folder = write_measurement(source.root)
    metadata = {"operator": "A. Person µ", "tags": ["cold", "cold", ""], "nested": {"x": 1}, "n": 3, "nothing": None}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with gzip.open(folder / "snapshot.json.gz", "wt") as file:
        file.write("{}")
    named = Source(tmp_path, set_up="fridge 1")
    description = named.read().description
    assert dict(description.attributes) == {"n": 3, "nothing": None, "operator": "A. Person µ", "set_up": "fridge 1"}
    assert description.keywords == ("cold",)
    assert named.backend.describe(TUID, StopToken()).attributes == description.attributes


@pytest.mark.parametrize("text", ["{broken", "[1, 2]", "", '{"a": ' * 10_000])
def test_broken_metadata_travels_as_a_file(source: Source, text: str) -> None:
    folder = write_measurement(source.root)
    (folder / "metadata.json").write_text(text)
    content = source.read()
    assert content.description.attributes == {}
    assert "metadata.json" in [file.entry.name for file in content.files]


def _classic(version: int, *, is_record: bool) -> bytes:
    """A netCDF-3 file with a variable of four float64 and one of four int16, made by hand from the format's text."""
    out = io.BytesIO()

    def number(value: int, size: int = 4) -> None:
        out.write(value.to_bytes(size, "big"))

    def name(text: str) -> None:
        number(len(text), count)
        out.write(text.encode() + bytes(-len(text) % 4))

    count, offset = (8, 8) if version == 5 else (4, 4 if version == 1 else 8)
    out.write(b"CDF" + bytes([version]))
    number(4 if is_record else 0, count)
    number(10)
    number(1, count)
    name("dim_0")
    number(0 if is_record else 4, count)
    number(0)
    number(0, count)
    number(11)
    number(2, count)
    # Header: what follows is the same for both variables but for name, type and size.
    head = out.tell() + 2 * (count + 4 + count + count + 4 + count + 4 + count + offset)
    for variable, kind, size, begin in (("y0", 6, 8, head), ("y1", 3, 2, head + (8 if is_record else 32))):
        name(variable)
        number(1, count)
        number(0, count)
        number(0)
        number(0, count)
        number(kind)
        number(size + size % 4 if is_record else 4 * size, count)
        number(begin, offset)
    assert out.tell() == head
    doubles, shorts = np.array([1.5, 2.5, 3.5, 4.5], ">f8"), np.array([1, 2, 3, 4], ">i2")
    if is_record:
        for row in range(4):
            out.write(doubles[row : row + 1].tobytes() + shorts[row : row + 1].tobytes() + bytes(2))
    else:
        out.write(doubles.tobytes() + shorts.tobytes())
    return out.getvalue()


@pytest.mark.parametrize("version", [1, 2, 5])
@pytest.mark.parametrize("is_record", [False, True])
def test_classic_files_with_and_without_records(source: Source, version: int, is_record: bool) -> None:
    folder = measurement_folder(source.root)
    (folder / "dataset.hdf5").write_bytes(_classic(version, is_record=is_record))
    found = source.converted()
    assert found["y0"].values.tolist() == [1.5, 2.5, 3.5, 4.5]
    assert found["y1"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", [3, 10, 40, 100])
def test_classic_file_that_is_cut_off_is_a_problem_and_not_a_crash(source: Source, cut: int) -> None:
    folder = measurement_folder(source.root)
    (folder / "dataset.hdf5").write_bytes(_classic(2, is_record=False)[:cut])
    content = source.read()
    assert [file.entry.name for file in content.files] == ["dataset.hdf5"]
    assert [problem.kind for problem in content.problems] == ["ConversionFailed"]


def test_full_grid_is_a_map_in_whichever_order_it_was_swept(source: Source) -> None:
    folder = measurement_folder(source.root)
    slow, fast = np.meshgrid([3.0, 1.0, 2.0], [10.0, 20.0], indexing="ij")
    write_data(folder / "dataset.hdf5", [slow.ravel(), fast.ravel()], [np.arange(6.0)])
    found = source.converted()
    assert found["y0"].dims == ("x0", "x1")
    assert found["x0"].values.tolist() == [3.0, 1.0, 2.0]
    assert found["y0"].sel(x0=1.0, x1=20.0) == 3.0


@pytest.mark.parametrize(
    "x",
    [
        [[0.0, 1.0, 0.0]],
        [[0.0, np.nan, 1.0]],
        [[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]],
        [[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]],
    ],
)
def test_what_is_no_plain_grid_stays_a_table_with_its_setpoints(source: Source, x: list[list[float]]) -> None:
    folder = measurement_folder(source.root)
    write_data(folder / "dataset.hdf5", x, [np.arange(float(len(x[0])))])
    found = source.converted()
    assert found["y0"].dims == ("dim_0",)
    assert set(found["y0"].coords) == {f"x{n}" for n in range(len(x))}
    for number, values in enumerate(x):
        np.testing.assert_array_equal(found[f"x{number}"], values)


def test_complex_whole_numbers_and_text_are_kept_and_uncertainties_are_named(source: Source) -> None:
    folder = measurement_folder(source.root)
    iq = np.array([1 + 2j, np.nan + 1j, 3 - 1j])
    write_data(
        folder / "dataset.hdf5",
        [np.arange(3)],
        [iq],
        extra={"v": [1.0, 2.0, 3.0], "v_u": [0.1, 0.2, 0.3], "state": np.array(["g", "e", "µ"], dtype=object)},
    )
    found = source.converted()
    np.testing.assert_array_equal(found["y0"], iq)
    assert found["x0"].dtype.kind == "i"
    assert found["state"].values.tolist() == ["g", "e", "µ"]
    assert found["v"].attrs["ancillary_variables"] == "v_u"


def test_dataset_that_makes_no_sense_is_a_problem_and_the_rest_goes(source: Source) -> None:
    folder = write_measurement(source.root)
    (folder / "dataset.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    (item,) = source.look().values()
    assert item.run_state is RunState.COMPLETE
    content = source.read()
    assert [file.entry.name for file in content.files] == ["dataset.hdf5", "snapshot.json"]
    (problem,) = content.problems
    assert "no dataset that can be read" in problem.reason


def test_file_that_is_written_all_the_time_is_torn_and_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dataset.hdf5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    sizes: list[int] = []

    def wait(self: StopToken, delay_s: float) -> bool:
        sizes.append(1)
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(len(sizes)))
        return False

    monkeypatch.setattr(StopToken, "wait", wait)
    with pytest.raises(Torn), open_data(str(path), StopToken()):
        pass
    assert len(sizes) >= 5


def test_quiet_nonsense_is_said_to_be_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "dataset.hdf5"
    path.write_bytes(b"no dataset")
    with pytest.raises(ConversionFailed, match="neither HDF5 nor netCDF-3"), open_data(str(path), StopToken()):
        pass
    with pytest.raises(SourceGone), open_data(str(tmp_path / "gone.hdf5"), StopToken()):
        pass


def test_unfinished_run_is_live_then_interrupted_and_live_again_when_it_goes_on(tmp_path: Path) -> None:
    source = Source(tmp_path, interrupted_after=0.3)
    folder = write_measurement(source.root, done=2)
    assert source.look()[TUID].run_state is RunState.LIVE
    os.utime(folder / "dataset.hdf5", ns=(1_000_000_000, 1_000_000_000))
    fresh = Source(tmp_path, interrupted_after=0.3)
    assert fresh.look()[TUID].run_state is RunState.INTERRUPTED
    write_data(folder / "dataset.hdf5", [np.arange(5) * 1e6], [[0.0, 0.25, 0.5, np.nan, np.nan]], {"tuid": TUID})
    assert fresh.look()[TUID].run_state is RunState.LIVE
    write_data(folder / "dataset.hdf5", [np.arange(5) * 1e6], [np.linspace(0, 1, 5)], {"tuid": TUID})
    assert fresh.look()[TUID].run_state is RunState.COMPLETE


def test_slow_run_is_not_called_interrupted_between_its_points(tmp_path: Path) -> None:
    """20 times the time between two points, where that is more than a minute."""
    source = Source(tmp_path)
    folder = write_measurement(source.root, points=10, done=2)
    path = folder / "dataset.hdf5"
    begun_ns = path.stat().st_mtime_ns - 700_000_000_000
    os.utime(path, ns=(begun_ns, begun_ns))
    assert source.look()[TUID].run_state is RunState.INTERRUPTED
    y = np.linspace(0, 1, 10)
    y[3:] = np.nan
    write_data(path, [np.arange(10) * 1e6], [y], {"tuid": TUID})
    os.utime(path, ns=(begun_ns + 30_000_000_000, begun_ns + 30_000_000_000))
    assert source.look(identifiers=(TUID,))[TUID].run_state is RunState.LIVE
    seen = source.backend._states._seen[str(path)]
    assert seen.interval_s == 30.0
    seen.moved_at_s = (seen.moved_at_s or 0.0) - 599.0
    assert source.look(identifiers=(TUID,))[TUID].run_state is RunState.LIVE
    seen.moved_at_s -= 2.0
    assert source.look(identifiers=(TUID,))[TUID].run_state is RunState.INTERRUPTED


@pytest.mark.parametrize(
    ("declared", "state", "mark"),
    [
        ("done", RunState.COMPLETE, True),
        ("running", RunState.LIVE, False),
        ("interrupted (safety)", RunState.INTERRUPTED, False),
        ("interrupted (forced)", RunState.INTERRUPTED, False),
    ],
)
def test_state_that_version_2_files_declare_counts(source: Source, declared: str, state: RunState, mark: bool) -> None:
    folder = measurement_folder(source.root)
    attributes = {"tuid": TUID, "quantify_dataset_version": "2.0.0", "dataset_state": declared}
    write_data(folder / "dataset.hdf5", [np.arange(3.0)], [np.arange(3.0)], attributes)
    item = source.look()[TUID]
    assert (item.run_state, item.has_completion_mark) == (state, mark)


def test_growing_measurement_is_sent_as_one_moment(source: Source) -> None:
    folder = write_measurement(source.root, points=5, done=2)
    content = source.backend.read_growing(TUID, StopToken())
    write_data(folder / "dataset.hdf5", [np.arange(5) * 1e6], [np.linspace(0, 1, 5)], {"tuid": TUID})
    files = {file.entry.name: file for file in content.files}
    assert files["dataset.hdf5"].is_derived
    for name in ("dataset.hdf5", "measurement.h5"):
        with xarray.open_dataset(files[name].path, engine="h5netcdf") as opened:
            assert int(np.isfinite(opened["y0"]).sum()) == 2


def test_newest_points_come_once_and_again_when_earlier_ones_change(source: Source) -> None:
    folder = write_measurement(source.root, points=5, done=2)
    live: Callable[..., Any] = source.backend.live
    first = live(TUID, {}, StopToken())
    assert (first.first_point, first.point_count, first.expected_count) == (0, 2, 5)
    assert [(column.name, column.unit, column.axes) for column in first.columns] == [
        ("x0", "Hz", ()), ("y0", "V", ("x0",)),
    ]  # fmt: skip
    y = np.linspace(0, 1, 5)
    y[4:] = np.nan
    write_data(folder / "dataset.hdf5", [np.arange(5) * 1e6], [y], {"tuid": TUID})
    second = live(TUID, first.cursor, StopToken())
    assert (second.first_point, list(second.columns[1].values)) == (2, [0.5, 0.75])
    nothing = live(TUID, second.cursor, StopToken())
    assert (nothing.first_point, list(nothing.columns[1].values)) == (4, [])
    write_data(folder / "dataset.hdf5", [np.arange(5) * 1e6], [y + 1], {"tuid": TUID})
    again = live(TUID, second.cursor, StopToken())
    assert (again.first_point, len(again.columns[1].values)) == (0, 4)
    (folder / "dataset.hdf5").unlink()
    assert live(TUID, {}, StopToken()) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data_directory": ""}, "is empty"),
        ({"data_directory": "data"}, "not an absolute path"),
        ({"data_directory": "/a\x00b"}, "NUL"),
        ({"data_directory": "/data", "settle_time": -1}, "is not possible"),
        ({"data_directory": "/data", "interrupted_after": float("nan")}, "is not possible"),
    ],
)
def test_nonsense_in_the_options_is_refused_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        QuantifyConfig(**options)


def test_values_that_are_damaged_are_a_problem_and_the_rest_of_the_source_goes(source: Source) -> None:
    folder = measurement_folder(source.root)
    path = folder / "dataset.hdf5"
    write_data(path, [np.arange(4000.0)], [np.random.default_rng(1).random(4000)])
    with h5py.File(path, "r+", locking=False) as file:
        values = file["y0"][()]
        del file["y0"]
        packed = file.create_dataset("y0", data=values, chunks=(4000,), compression="gzip")
        packed.dims[0].attach_scale(file["dim_0"])
        place, size = packed.id.get_chunk_info(0).byte_offset, packed.id.get_chunk_info(0).size
    with open(path, "r+b") as raw:
        raw.seek(place + size // 2)
        raw.write(bytes(64))
    write_measurement(source.root, OTHER)
    assert sorted(source.look()) == sorted([TUID, OTHER])
    content = source.read()
    assert [file.entry.name for file in content.files] == ["dataset.hdf5"]
    (problem,) = content.problems
    assert "The values of y0" in problem.reason
    assert source.backend.live(TUID, {}, StopToken()) is None


def test_event_in_a_copy_beside_the_days_changes_nothing(source: Source) -> None:
    folder = write_measurement(source.root)
    source.look()
    copy = source.root / "backup" / folder.name
    shutil.copytree(folder, copy)
    assert source.look(paths=(str(copy / "dataset.hdf5"),)) == {}
    assert source.summary.skipped == {"second folder with the same TUID": 1}
    assert source.summary.missing == ()
