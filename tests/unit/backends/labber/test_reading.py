"""Labber logs of every kind, and what becomes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.labber.backend import LabberBackend
from etiket_gui.backends.labber.config import LabberConfig
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.errors import SourceGone
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory
from tests.support.labber_files import CREATED_S, TEXT, add_trace, write_log, write_simple

LOG = f"{CREATED_S:.6f}/a log/1"
X, Y, Z = ("Frequency", [1.0, 2.0, 3.0]), ("Current", [10.0, 20.0]), ("Power (a/b)", [-1.0, -2.0, -3.0, -4.0])


class Source:
    """A log directory and its backend."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.root = folder / "logs"
        self.root.mkdir(exist_ok=True)
        self.work = folder / "work"
        self.config = LabberConfig(log_directory=str(self.root), is_network_folder=False, **options)
        self.known = KnownInMemory()
        self.summary = DiscoverySummary(0)
        self.restart()

    def restart(self) -> None:
        """A fresh backend that remembers nothing."""
        self.backend = LabberBackend(self.config, BackendContext(SOURCE_UUID, self.work))

    def file(self, name: str = "a log.hdf5") -> h5py.File:
        """A new file of the measuring program."""
        return h5py.File(self.root / name, "w", locking=False)

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

    def read(self, identifier: str = LOG) -> Content:
        """One log."""
        return self.backend.read(identifier, StopToken())

    def converted(self, identifier: str = LOG) -> xarray.Dataset:
        """What it converts to."""
        content = self.read(identifier)
        assert content.problems == ()
        (made,) = [file.path for file in content.files if file.is_derived]
        with xarray.open_dataset(made, engine="h5netcdf") as opened:
            return opened.load()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """An empty log directory."""
    return Source(tmp_path)


def test_three_steps_are_three_axes_from_the_slowest_to_the_fastest(source: Source) -> None:
    values = np.arange(24.0).reshape(4, 2, 3)
    with source.file() as file:
        write_log(file, [X, Y, Z], [("Signal", values)], fixed=[("Bias", 0.5)])
    found = source.converted()
    assert found["Signal"].dims == ("Power (a_b)", "Current", "Frequency")
    np.testing.assert_array_equal(found["Signal"], values)
    for name, values_of in (("Frequency", X[1]), ("Current", Y[1]), ("Power (a_b)", Z[1])):
        np.testing.assert_array_equal(found[name], values_of)
    assert found["Power (a_b)"].attrs["long_name"] == "Power (a/b)"
    assert (found["Bias"].dims, float(found["Bias"])) == ((), 0.5)
    assert found["Signal"].attrs["units"] == "V"
    assert found["time_stamp"].dims == ("Power (a_b)", "Current")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_complex_channels_and_single_precision(source: Source, dtype: str) -> None:
    iq = (np.arange(6) + 1j * np.arange(6, 12)).reshape(2, 3)
    with source.file() as file:
        write_log(file, [X, Y], [("S21", iq), ("Power", iq.real)], dtype=dtype)
    found = source.converted()
    np.testing.assert_array_equal(found["S21"], iq)
    assert found["S21"].dtype.itemsize == 2 * np.dtype(dtype).itemsize
    assert found["Power"].dtype == np.dtype(dtype)


@pytest.mark.parametrize(("entries", "rows"), [(0, 0), (1, 1), (3, 2), (8, 4)])
def test_unfinished_log_ends_in_nothing_where_nothing_was_measured(source: Source, entries: int, rows: int) -> None:
    values = np.arange(24.0).reshape(4, 2, 3)
    with source.file() as file:
        write_log(file, [X, Y, Z], [("Signal", values)], entries=entries, is_completed=False)
    found = source.converted()
    assert found["Signal"].shape == (rows, 2, 3)
    flat = found["Signal"].values.reshape(-1)
    np.testing.assert_array_equal(flat[: entries * 3], np.arange(entries * 3.0))
    assert np.isnan(flat[entries * 3 :]).all()


def test_steps_that_do_not_fit_the_data_leave_entries_and_points(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0))])
        file["Data"].attrs["Step dimensions"] = np.array([7, 9], "i4")
    found = source.converted()
    assert found["Signal"].dims == ("entry", "point")
    np.testing.assert_array_equal(found["Signal"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(found["Frequency"], [X[1]] * 2)


def test_step_that_follows_another_is_a_coordinate_on_the_whole_grid(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0)), ("Follows this", [[1, 2, 3], [4, 5, 6]])])
        file["Log list"][...] = np.array([("Signal",), ("Signal",)], file["Log list"].dtype)
    found = source.converted()
    assert "Follows_this" in found["Signal"].coords
    np.testing.assert_array_equal(found["Follows_this"], [[1, 2, 3], [4, 5, 6]])


def test_traces_of_different_lengths_end_in_nothing(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X], [("Signal", np.arange(3.0)), ("Trace - a", np.zeros(3)), ("IQ (b/c)", np.zeros(3))])
        add_trace(file, "Trace - a", [[1.0, 2.0], [3.0, 4.0, 5.0], [6.0]], t0=1.0, dt=0.5)
        add_trace(file, "IQ (b/c)", [np.array([1 + 1j, 2.0]), np.array([3.0, 4j]), np.array([0.0, 1.0])])
    found = source.converted()
    trace = next(found[name] for name in found if name.startswith("Trace - a") and found[name].ndim == 2)
    np.testing.assert_array_equal(trace, [[1, 2, np.nan], [3, 4, 5], [6, np.nan, np.nan]])
    np.testing.assert_array_equal(found[trace.dims[1]], [1.0, 1.5, 2.0])
    assert found[trace.dims[1]].attrs["units"] == "s"
    iq = next(found[name] for name in found if found[name].dtype.kind == "c")
    np.testing.assert_array_equal(iq, [[1 + 1j, 2], [3, 4j], [0, 1]])
    assert found["Trace - a_N"].values.tolist() == [2, 3, 1]


def test_two_logs_in_one_file_are_two_datasets(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X], [("Signal", [1.0, 2.0, 3.0])])
        write_log(file.create_group("Log_2"), [X], [("Signal", [4.0, 5.0, 6.0])], created_s=CREATED_S + 60)
        write_log(file.create_group("Log_10"), [X], [("Signal", [7.0, 8.0, 9.0])], is_completed=False)
        file.create_group("Log_11")
    names = [f"{CREATED_S:.6f}/a log/{number}" for number in (1, 2, 10)]
    found = source.look()
    assert list(found) == names
    assert [found[name].name for name in names] == ["a log", "a log (2)", "a log (10)"]
    assert [found[name].run_state for name in names] == [RunState.COMPLETE, RunState.COMPLETE, RunState.LIVE]
    assert [source.converted(name)["Signal"].values.tolist()[0] for name in names] == [1.0, 4.0, 7.0]
    assert source.read(names[1]).description.collected == "2023-11-14T22:14:20.250+00:00"
    assert source.look() == {}
    assert source.summary.seen_count == 3


def test_tags_star_and_comment_are_described_and_an_edit_is_a_change(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X], [("Signal", np.arange(3.0))], comment="first, µ")
        tags = file.create_group("Tags")
        tags.attrs.create("Project", np.array(["demo"], object), dtype=TEXT)
        tags.attrs.create("User", np.array([""], object), dtype=TEXT)
        tags.attrs["Tags"] = np.array([], "f8")
    source.look()
    description = source.read().description
    assert (description.text, description.keywords) == ("first, µ", ())
    assert dict(description.attributes) == {"labber_version": "1.8.6", "project": "demo"}
    with h5py.File(source.root / "a log.hdf5", "r+", locking=False) as file:
        file.attrs["comment"] = "second"
        file.attrs["star"] = True
        del file["Tags"].attrs["Tags"]
        file["Tags"].attrs.create("Tags", np.array(["cold", "flux/sweep", "cold"], object), dtype=TEXT)
    assert set(source.look()) == {LOG}
    edited = source.read().description
    assert (edited.text, edited.keywords) == ("second", ("cold", "flux/sweep"))
    assert edited.attributes["star"] is True
    assert source.backend.describe(LOG, StopToken()).keywords == edited.keywords


def test_renamed_and_moved_file_is_the_same_log(source: Source) -> None:
    write_simple(source.root / "a log.hdf5")
    source.look()
    (source.root / "2026").mkdir()
    (source.root / "a log.hdf5").rename(source.root / "2026" / "renamed.hdf5")
    source.restart()
    assert set(source.look()) == {LOG}
    assert source.summary.missing == ()
    source.restart()
    assert source.read().files[1].entry.name == "renamed.hdf5"
    assert source.look(paths=(str(source.root / "a log.hdf5"),)) == {}
    assert source.summary.missing == ()


def test_copy_with_more_in_it_counts(source: Source) -> None:
    with source.file("partial copy.hdf5") as file:
        write_log(file, [X, Y, Z], [("Signal", np.arange(24.0))], entries=2, is_completed=False)
    with source.file("z whole.hdf5") as file:
        write_log(file, [X, Y, Z], [("Signal", np.arange(24.0))])
        add_trace(file, "T", [np.random.default_rng(1).random(500)] * 2)
    found = source.look()
    assert found[LOG].run_state is RunState.COMPLETE
    assert source.summary.skipped == {"second copy of the same log": 1}
    source.restart()
    assert source.look() == {}
    assert source.read().files[-1].entry.name == "z whole.hdf5"


def test_minimal_files_of_other_programs(source: Source) -> None:
    with source.file("other.hdf5") as file:
        file.create_dataset("Log list", data=np.array([["Signal"]], object), dtype=TEXT)
        data = file.create_group("Data")
        data.create_dataset("Channel names", data=np.array([["x", ""], ["Signal", ""]], object), dtype=TEXT)
        data.create_dataset("Data", data=np.arange(6.0).reshape(3, 2, 1))
    (item,) = source.look().values()
    assert item.identifier == f"{SOURCE_UUID}:other.hdf5:1"
    assert (item.name, item.run_state, item.collected_ns) == ("other", RunState.COMPLETE, None)
    found = source.converted(item.identifier)
    assert found["Signal"].values.tolist() == [1.0, 3.0, 5.0]
    source.look()
    before = item.fingerprint
    (source.root / "other.hdf5").rename(source.root / "renamed.hdf5")
    (renamed,) = source.look().values()
    assert (renamed.fingerprint, renamed.place) == (before, item.place)


def test_files_that_are_no_logs_are_counted_by_their_rule_and_never_claimed(source: Source) -> None:
    with source.file("Server.hdf5") as file:
        file.create_group("Instruments")
        file.create_group("Instrument config")
    with source.file("netcdf.hdf5") as file:
        file["x"] = [1.0]
    (source.root / "broken.hdf5").write_bytes(b"not HDF5 at all")
    (source.root / "notes.txt").write_text("x")
    write_simple(source.root / "log.HDF5")
    assert set(source.look()) == {LOG}
    assert source.summary.skipped == {
        "Labber server configuration": 1, "HDF5 file that is no Labber log": 1, "broken HDF5 file": 1,
    }  # fmt: skip
    assert source.summary.stray_files == 1
    assert source.summary.unreadable == ()


def test_unfinished_log_is_live_then_interrupted_and_live_again_when_it_grows(tmp_path: Path) -> None:
    source = Source(tmp_path, interrupted_after=300.0)
    with source.file() as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0))], entries=1, is_completed=False)
    assert source.look()[LOG].run_state is RunState.LIVE
    long_ago = 1_600_000_000_000_000_000
    os.utime(source.root / "a log.hdf5", ns=(long_ago, long_ago))
    source.restart()
    item = source.look()[LOG]
    assert (item.run_state, item.has_completion_mark) == (RunState.INTERRUPTED, False)
    with h5py.File(source.root / "a log.hdf5", "r+", locking=False) as file:
        file["Data/Data"].resize(2, 2)
    assert source.look()[LOG].run_state is RunState.LIVE
    with h5py.File(source.root / "a log.hdf5", "r+", locking=False) as file:
        file["Data"].attrs["Completed"] = True
    item = source.look()[LOG]
    assert (item.run_state, item.has_completion_mark) == (RunState.COMPLETE, True)


def test_newest_points_come_entry_by_entry_and_an_unfinished_entry_again(source: Source) -> None:
    values = np.arange(6.0).reshape(2, 3)
    with source.file() as file:
        write_log(file, [X, Y], [("S21", values * (3 + 4j))], entries=1, is_completed=False)
    first = source.backend.live(LOG, {}, StopToken())
    assert first is not None
    assert [(column.name, column.axes) for column in first.columns] == [
        ("Frequency", ()), ("Current", ()), ("S21", ("Current", "Frequency")),
    ]  # fmt: skip
    assert list(first.columns[2].values) == [0.0, 5.0, 10.0]
    assert (first.point_count, first.expected_count, first.shape) == (3, 6, (2, 3))
    with h5py.File(source.root / "a log.hdf5", "r+", locking=False) as file:
        file["Data/Data"].resize(2, 2)
        file["Data/Data"][:, :, 1] = np.nan
        file["Data/Data"][:2, :, 1] = [[1, 20, 9, 12], [2, 20, 12, 16]]
    second = source.backend.live(LOG, first.cursor, StopToken())
    assert second is not None
    assert (second.first_point, list(second.columns[2].values), second.point_count) == (3, [15.0, 20.0], 5)
    third = source.backend.live(LOG, second.cursor, StopToken())
    assert third is not None
    assert third.first_point == 3
    with pytest.raises(SourceGone):
        source.backend.live(f"{CREATED_S:.6f}/another/1", {}, StopToken())


def test_log_that_is_half_written_is_not_missing_and_not_a_problem(source: Source) -> None:
    write_simple(source.root / "a log.hdf5")
    source.look()
    path = source.root / "a log.hdf5"
    whole = path.read_bytes()

    class Growing(StopToken):
        def wait(self, delay_s: float) -> bool:
            path.write_bytes(whole[: path.stat().st_size + 8])
            return False

    path.write_bytes(whole[:200])
    summary = source.backend.discover(DiscoveryRequest(), source.known, pytest.fail, Growing())
    assert summary.missing == ()
    assert summary.unreadable == ()
    path.write_bytes(whole)
    assert set(source.look()) == {LOG}


def test_log_that_cannot_be_converted_is_sent_as_it_is_with_a_problem(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X], [("Signal", np.arange(3.0))])
        del file["Data/Data"]
        file["Data/Data"] = np.zeros((3, 2), dtype=[("a", "f8"), ("b", "f8")])
    content = source.read()
    assert [item.entry.name for item in content.files] == ["a log.hdf5"]
    (problem,) = content.problems
    assert problem.kind in {"ConversionFailed", "CannotConvert"}


def test_folder_that_cannot_be_listed_hides_its_logs(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    (source.root / "2026").mkdir()
    write_simple(source.root / "2026" / "a log.hdf5")
    write_simple(source.root / "other.hdf5", name="other")
    source.look()
    real, locked = os.scandir, str(source.root / "2026")

    def scandir(path: Any = ".") -> Any:
        if path == locked:
            raise PermissionError(13, "denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert source.look() == {}
    assert source.summary.missing == ()
    source.restart()
    assert source.look() == {}
    assert source.summary.missing == ()
    assert len(source.summary.unreadable) == 1


def test_growing_log_is_sent_as_what_it_converts_to(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0))], entries=1, is_completed=False)
    content = source.backend.read_growing(LOG, StopToken())
    assert [file.entry.name for file in content.files] == ["measurement.h5"]


def test_event_in_a_copy_with_less_in_it_changes_nothing(source: Source) -> None:
    with source.file() as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0))])
    first = source.look()[LOG]
    (source.root / "backup").mkdir()
    copy = source.root / "backup" / "a log.hdf5"
    with h5py.File(copy, "w", locking=False) as file:
        write_log(file, [X, Y], [("Signal", np.arange(6.0))], entries=1)
    assert copy.stat().st_size <= (source.root / "a log.hdf5").stat().st_size
    assert source.look(paths=(str(copy),)) == {}
    assert source.summary.skipped == {"second copy of the same log": 1}
    assert source.backend.fingerprint(LOG) == first.fingerprint
    assert source.converted().sizes["Current"] == 2


def test_log_that_was_damaged_is_told_and_never_missing(source: Source) -> None:
    write_simple(source.root / "a log.hdf5")
    write_simple(source.root / "other.hdf5", created_s=CREATED_S + 1)
    source.look()
    for content in (b"\x89HDF\r\n\x1a\n", (source.root / "a log.hdf5").read_bytes()[:3000]):
        (source.root / "a log.hdf5").write_bytes(content)
        assert source.look() == {}
        assert (source.summary.missing, source.summary.unreadable) == ((), ())
        # Nobody writes it any more.
        source.backend._index._heads.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("etiket_gui.backends.labber.scanning._DAMAGED_AFTER_S", 0.0)
            source.look()
        assert source.summary.missing == ()
        (told,) = source.summary.unreadable
        assert (told.path, told.reason[:23]) == ("a log.hdf5", "it makes no sense as HD")
        assert told.advice
