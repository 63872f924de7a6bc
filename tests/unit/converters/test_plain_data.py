"""Pictures of files that other programs made: what is set and what is measured is guessed, and little is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from etiket_gui.converters import plain_data, preview
from etiket_gui.converters.dangerous_files import DangerousFile, keep_notes_in
from etiket_gui.converters.preview import draw_preview
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.stopping import StopToken
from tests.support.deadly_files import die_over

X = np.linspace(1e9, 2e9, 101)


def plan_of(path: Path, most_bytes: int = 1 << 20) -> Any:
    """What would be drawn."""
    return preview._plan_of(path, path.name, most_bytes, StopToken())


def write(path: Path, **arrays: Any) -> Path:
    """A plain HDF5 file; ``__`` in a name is a group."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


def test_what_rises_steadily_is_the_axis_of_what_was_measured(tmp_path: Path) -> None:
    plan = plan_of(write(tmp_path / "a.h5", frequency=X, s21=np.sin(X / 1e8), settings=np.arange(3)))
    assert plan.title == "a.h5"
    assert plan.x.name == "frequency"
    assert [quantity.name for quantity in plan.measured] == ["s21"]
    assert draw_preview(tmp_path / "a.h5", tmp_path / "a.png", StopToken(), most_bytes=1 << 20)


def test_map_in_a_group_has_its_axes(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(50, 101))
    plan = plan_of(write(tmp_path / "a.h5", run__data__z=values, run__data__bias=np.arange(50.0), run__data__f=X))
    assert (plan.y.name, plan.x.name, plan.measured[0].name) == ("bias", "f", "z")
    np.testing.assert_array_equal(plan.measured[0].values, values)


def test_only_the_beginning_of_a_huge_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "line.h5", y=np.sin(np.arange(1_000_000.0)))
    write(tmp_path / "map.h5", z=np.random.default_rng(1).normal(size=(4000, 500)))
    monkeypatch.setattr(plain_data, "_LONGEST_AXIS", 10_000)
    read: list[int] = []
    real = h5py.Dataset.__getitem__

    def noted(self: h5py.Dataset, key: Any, *more: Any) -> Any:
        values = real(self, key, *more)
        read.append(np.asarray(values).nbytes)
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", noted)
    line, picture = plan_of(tmp_path / "line.h5", 80_000), plan_of(tmp_path / "map.h5", 80_000)
    assert line.measured[0].values.shape == (10_000,)
    assert picture.measured[0].values.shape == (20, 500)
    assert max(read) <= 80_000


def test_links_and_parts_elsewhere_and_giant_pieces_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "other.h5", y=np.arange(9.0))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/y")
        file["gone"] = h5py.SoftLink("/nowhere")
        layout = h5py.VirtualLayout(shape=(9,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "y", shape=(9,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("giant", shape=(1 << 28,), dtype="f8", chunks=(1 << 27,), compression="gzip")
        file["loop"] = h5py.SoftLink("/")
    assert plan_of(tmp_path / "a.h5") is None
    assert not draw_preview(tmp_path / "a.h5", tmp_path / "a.png", StopToken(), most_bytes=1 << 20)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut off", b"CDF\x01 classic", b"a,b\n1,2\n"])
def test_what_is_no_hdf5_has_no_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(content)
    assert not draw_preview(tmp_path / "a.h5", tmp_path / "a.png", StopToken(), most_bytes=1 << 20)
    assert not (tmp_path / "a.png").exists()


def test_file_with_very_many_entries_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_data, "_MOST_ENTRIES", 20)
    with h5py.File(write(tmp_path / "a.h5", aaa__y=np.arange(9.0)), "r+") as file:
        for number in range(30):
            file.create_group(f"b{number:02}/c")
    with h5py.File(tmp_path / "a.h5") as file:
        assert plain_data.first_group(file, StopToken()) == {}
        stop = StopToken()
        stop.stop()
        with pytest.raises(Stopped):
            plain_data.first_group(file, stop)


def test_file_that_ends_the_process_that_opens_it_is_not_opened_for_a_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", y=np.arange(9.0))
    keep_notes_in(tmp_path / "notes")
    try:
        die_over(tmp_path / "notes", path)
        die_over(tmp_path / "notes", path)
        with pytest.raises(DangerousFile):
            draw_preview(path, tmp_path / "a.png", StopToken())
    finally:
        keep_notes_in(None)
