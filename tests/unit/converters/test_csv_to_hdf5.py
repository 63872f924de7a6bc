"""CSV files of instruments and spreadsheets become HDF5 with the same numbers."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray

from etiket_gui.converters import csv_table, netcdf
from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5
from etiket_gui.domain.errors import ConversionFailed


def convert(tmp_path: Path, content: bytes | str, name: str = "trace.csv") -> xarray.Dataset:
    """The converted file, loaded by a reader that shares no code with the writer."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder = tmp_path / "converted"
    folder.mkdir(exist_ok=True)
    made = CsvToHdf5().convert(path, folder)
    assert made.parent == folder
    assert [item.name for item in folder.iterdir()] == [made.name]
    with xarray.open_dataset(made, engine="h5netcdf") as opened:
        return opened.load()


def test_header_units_whole_numbers_and_text(tmp_path: Path) -> None:
    found = convert(tmp_path, "Frequency (Hz),S21 [dB],count,note\n1e9,-3.5,1,ok\n2e9,,2,µ\n")
    assert list(found) == ["Frequency", "S21", "count", "note"]
    np.testing.assert_array_equal(found["Frequency"], [1e9, 2e9])
    np.testing.assert_array_equal(found["S21"], [-3.5, np.nan])
    assert found["count"].dtype == np.int64
    assert found["note"].values.tolist() == ["ok", "µ"]
    assert (found["Frequency"].attrs["units"], found["S21"].attrs["units"]) == ("Hz", "dB")


@pytest.mark.parametrize(
    ("content", "first", "second"),
    [
        ("1,2\n3,4\n", [1, 3], [2, 4]),
        ("1;2\n3;4\n", [1, 3], [2, 4]),
        ("1,5;2,25\n3;4\n", [1.5, 3], [2.25, 4]),
        ("1\t2\r\n3\t4\r\n", [1, 3], [2, 4]),
        ("1 2\n3   4\n", [1, 3], [2, 4]),
        ("1,2,\n3,4,\n", [1, 3], [2, 4]),
        ("# made by hand\n# a,b\n1,2\n\n3,4\n", [1, 3], [2, 4]),
        ("Instrument: VNA\nDate: today\n\na,b\n1,2\n3,4\n", [1, 3], [2, 4]),
        ("﻿1,2\n3,4\n", [1, 3], [2, 4]),
        ("1,nan\n-inf,4\n", [1, -np.inf], [np.nan, 4]),
        ('"1","2"\n"3","4"\n', [1, 3], [2, 4]),
        ("1.0D+00,2\n3,4\n", [1, 3], [2, 4]),
    ],
)
def test_ways_of_writing_the_same_table(tmp_path: Path, content: str, first: list[float], second: list[float]) -> None:
    found = convert(tmp_path, content)
    one, two = (found[name].values for name in found)
    np.testing.assert_array_equal(one, first)
    np.testing.assert_array_equal(two, second)


def test_other_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        found = convert(tmp_path, "größe,b\n1,2\n".encode(encoding))
        assert list(found) == ["größe", "b"], encoding


def test_header_in_a_comment_names_the_columns_and_the_preamble_is_kept(tmp_path: Path) -> None:
    found = convert(tmp_path, "# made by numpy\n# time (s) volt\n0.0 1.0\n0.5 2.0\n".replace("time (s)", "time"))
    assert list(found) == ["time", "volt"]
    assert found.attrs["preamble"] == "# made by numpy\n# time volt"


def test_equal_and_awkward_names_are_kept_apart(tmp_path: Path) -> None:
    found = convert(tmp_path, "row,a/b,a/b,\n1,2,3,4\n5,6,7,8\n")
    assert [found[name].values.tolist() for name in found] == [[1, 5], [2, 6], [3, 7], [4, 8]]


def test_whole_numbers_beyond_double_precision_stay_as_they_are_written(tmp_path: Path) -> None:
    found = convert(tmp_path, "id,v\n9007199254740993,1\n1,2\n")
    assert found["id"].values.tolist() == ["9007199254740993", "1"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"  \n\n", "empty"),
        (b"\x00\x01\x02\x03", "NUL"),
        (b"\x89PNG\r\n\x1a\x01\xff", "no text"),
        (b"a,b\n1,2\n1,2,3\n4,5\n", "about line 3: 3 cells"),
        (b"# nothing\n# at all\n", "no table"),
        (b"a,b\n", "no row"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(ConversionFailed, match=why):
        convert(tmp_path, content)


def test_memory_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "_SAMPLE_BYTES", 1 << 14)
    monkeypatch.setattr(csv_table, "BLOCK_ROWS", 512)
    monkeypatch.setattr(netcdf, "CHUNK_BYTES", 1 << 14)
    peaks = []
    for rows in (10_000, 40_000):
        path = tmp_path / f"{rows}.csv"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{number},{number / 7:.6f},x{number % 3}\n" for number in range(rows))
        folder = tmp_path / f"of {rows}"
        folder.mkdir()
        tracemalloc.start()
        CsvToHdf5().convert(path, folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1e5


@pytest.mark.parametrize("odd", [b"\x85", b"\x0c"])
def test_no_row_is_lost_behind_a_preamble_with_odd_characters(tmp_path: Path, odd: bytes) -> None:
    """In the encoding of Windows 0x85 is an ellipsis; to others it ends a line."""
    found = convert(tmp_path, b"# made by us" + odd + b" and others \xb5\nx,y\n1,2\n3,4\n5,6\n")
    np.testing.assert_array_equal(found["x"], [1, 3, 5])
    np.testing.assert_array_equal(found["y"], [2, 4, 6])
