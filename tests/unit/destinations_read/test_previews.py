"""The picture beside a measurement in the browsable tree: drawn, renewed, checked, and never over somebody's file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from etiket_gui.converters.netcdf import Variable, write_netcdf
from etiket_gui.destinations.archive import previews
from etiket_gui.domain.stopping import StopToken
from tests.support.stored_archive import StoredArchive
from tests.unit.destinations_read.test_browsing import check_sums, derive

_PNG = b"\x89PNG\r\n\x1a\n"


def _measurement(folder: Path, scale: float = 1.0) -> bytes:
    """A converted measurement of twenty points."""
    x = np.linspace(0.0, 1.0, 20)
    path = folder / f"measurement-{scale}.h5"
    variables = [
        Variable("x", ("x",), x.dtype, {"long_name": "Gate", "units": "V"}, lambda: iter([x])),
        Variable("y", ("x",), x.dtype, {"long_name": "Current", "units": "A"}, lambda: iter([np.sin(x * 6) * scale])),
    ]
    write_netcdf(path, {"x": 20}, variables, {}, StopToken())
    return path.read_bytes()


def test_a_measurement_has_a_picture_that_the_checksums_and_the_page_know(
    archive: StoredArchive, tmp_path: Path
) -> None:
    archive.add("run", {"measurement.h5": _measurement(tmp_path), "notes.txt": b"cold"})
    folder = derive(archive)
    assert (folder / "preview.png").read_bytes().startswith(_PNG)
    assert "preview.png" in (folder / "SHA256SUMS").read_text()
    assert b'src="./preview.png"' in (folder / "index.html").read_bytes()
    check_sums(folder)
    before = (folder / "preview.png").read_bytes()
    assert (derive(archive) / "preview.png").read_bytes() == before, "the same measurement, the same picture"


def test_a_new_version_has_a_new_picture_and_one_without_a_measurement_has_none(
    archive: StoredArchive, tmp_path: Path
) -> None:
    archive.add("run", {"measurement.h5": _measurement(tmp_path)})
    first = (derive(archive) / "preview.png").read_bytes()
    archive.add("run", {"measurement.h5": _measurement(tmp_path, 1e-9)}, version="1.1.0")
    folder = derive(archive)
    assert (folder / "preview.png").read_bytes() != first
    check_sums(folder)
    archive.add("run", {"raw.dat": b"1 2 3"}, version="1.2.0")
    folder = derive(archive)
    assert not (folder / "preview.png").exists()
    check_sums(folder)


def test_a_picture_of_the_dataset_or_of_somebody_is_never_replaced(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"measurement.h5": _measurement(tmp_path), "preview.png": b"the lab's own"})
    folder = derive(archive)
    assert (folder / "preview.png").read_bytes() == b"the lab's own"
    archive.add("other", {"measurement.h5": _measurement(tmp_path)})
    folder = derive(archive, "other")
    (folder / "preview.png").unlink()
    (folder / "preview.png").write_bytes(b"put here by a person")
    archive.add("other", {"measurement.h5": _measurement(tmp_path, 2.0)}, version="1.1.0")
    folder = derive(archive, "other")
    assert (folder / "preview.png").read_bytes() == b"put here by a person"


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n but broken"])
def test_what_cannot_be_drawn_is_no_problem_of_the_dataset(archive: StoredArchive, content: bytes) -> None:
    archive.add("run", {"measurement.h5": content})
    folder = derive(archive)
    assert not (folder / "preview.png").exists()
    assert (folder / "measurement.h5").read_bytes() == content
    check_sums(folder)


def test_what_is_too_large_is_not_drawn(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "LARGEST_BYTES", 100)
    archive.add("run", {"measurement.h5": _measurement(tmp_path)})
    assert not (derive(archive) / "preview.png").exists()


def _picture(folder: Path, name: str, brightness: float) -> bytes:
    """A picture of one grey."""
    from matplotlib.image import imsave

    path = folder / name
    imsave(path, np.full((30, 40, 3), brightness))
    return path.read_bytes()


def test_without_a_measurement_a_picture_beside_the_data_is_shown(archive: StoredArchive, tmp_path: Path) -> None:
    files = {
        "raw.dat": b"1 2 3",
        "later.png": _picture(tmp_path, "later.png", 0.2),
        "a camera.JPG": _picture(tmp_path, "camera.jpg", 0.9),
    }
    archive.add("run", files)
    folder = derive(archive)
    assert _grey_of(folder / "preview.png") == pytest.approx(0.9, abs=0.02)
    check_sums(folder)


def test_a_picture_that_is_none_is_passed_over(archive: StoredArchive, tmp_path: Path) -> None:
    archive.add("run", {"a.png": b"no picture", "b.png": _picture(tmp_path, "b.png", 0.5)})
    assert _grey_of(derive(archive) / "preview.png") == pytest.approx(0.5, abs=0.02)
    archive.add("other", {"a.png": b"no picture"})
    assert not (derive(archive, "other") / "preview.png").exists()


def test_what_the_description_names_comes_first(archive: StoredArchive, tmp_path: Path) -> None:
    files = {
        "measurement.h5": _measurement(tmp_path),
        "a.png": _picture(tmp_path, "a.png", 0.9),
        "fits/b.png": _picture(tmp_path, "b.png", 0.3),
    }
    archive.add("run", files, details={"thumbnails": ["missing.png", "fits/b.png"]})
    assert _grey_of(derive(archive) / "preview.png") == pytest.approx(0.3, abs=0.02)


def _grey_of(path: Path) -> float:
    from matplotlib.image import imread

    pixels = imread(path)[:, :, :3]
    assert pixels.min() == pixels.max()
    return float(pixels.mean())


def _plain(folder: Path, name: str = "raw.h5", size: int = 50) -> bytes:
    """A file as somebody's own script writes it."""
    with h5py.File(folder / name, "w") as file:
        file["time"], file["signal"] = np.arange(float(size)), np.sin(np.arange(size) / 5)
    return (folder / name).read_bytes()


def test_numbers_in_files_of_other_programs_are_drawn_where_nothing_else_is_there(
    archive: StoredArchive, tmp_path: Path
) -> None:
    archive.add("run", {"data/raw.h5": _plain(tmp_path), "notes.txt": b"cold"})
    folder = derive(archive)
    assert (folder / "preview.png").read_bytes().startswith(_PNG)
    check_sums(folder)
    rows = b"".join(b"%d,%d\n" % (number, number * number) for number in range(500_000))
    archive.add("run", {"trace.CSV": b"time (s),current (A)\n" + rows}, version="1.1.0")
    folder = derive(archive)
    assert (folder / "preview.png").read_bytes().startswith(_PNG)
    check_sums(folder)


def test_damaged_or_slow_files_are_left_out_and_the_next_is_drawn(
    archive: StoredArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = b"\x89HDF\r\n\x1a\n cut off" * 10_000
    archive.add("run", {"a.h5": damaged, "b.h5": _plain(tmp_path), "c.csv": b"no table at all"})
    assert (derive(archive) / "preview.png").read_bytes().startswith(_PNG)
    monkeypatch.setattr(previews, "LONGEST_DATA_S", -1.0)
    archive.add("run", {"b.h5": _plain(tmp_path, size=60)}, version="1.1.0")
    folder = derive(archive)
    assert not (folder / "preview.png").exists(), "what takes too long has none"
    check_sums(folder)
