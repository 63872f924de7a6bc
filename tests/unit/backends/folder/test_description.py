"""The description file of a dataset folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etiket_gui.backends.folder.description import FolderDescription, parse_description, read_description
from etiket_gui.domain.errors import DescriptionBroken, SourceChanged, SourceGone


def parse(text: str) -> FolderDescription:
    return parse_description(text.encode(), "/data/run/_QH_dataset_info.yaml")


def test_every_key_is_understood() -> None:
    description = parse(
        "version: '0.1'\n"
        "dataset_name: cold µ\n"
        "collected: '2026-01-02T03:04:05'\n"
        "description: |\n  two\n  lines\n"
        "attributes: {sample: SQ22, T_mK: 12.5, n: 3, ok: true, none: null, when: 2026-01-02}\n"
        "tags: [cold, 7, cold]\n"
        "keywords: [not these]\n"
        "skip: ['*.tmp', scratch]\n"
        "thumbnails: [a.png]\n"
        "converters:\n  csv_to_hdf5_converter: {module: os, class: system}\n"
    )
    assert description == FolderDescription(
        version="0.1",
        name="cold µ",
        collected="2026-01-02T03:04:05",
        text="two\nlines",
        attributes={"sample": "SQ22", "T_mK": 12.5, "n": 3, "ok": True, "none": None, "when": "2026-01-02"},
        keywords=("cold", "7"),
        skip=("*.tmp", "scratch"),
        thumbnails=("a.png",),
        converters={"csv_to_hdf5_converter": {"module": "os", "class": "system"}},
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-02", "2026-01-02"),
        ("20260102", "20260102"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05"),
        ("2026-01-02T03:04:05.25", "2026-01-02T03:04:05.250000"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05 +01:00", "2026-01-02T03:04:05+01:00"),
        ("2026-01-02 03:04:05 -5", "2026-01-02T03:04:05-05:00"),
        ("'2026-01-02 03:04:05 +01:00'", "2026-01-02 03:04:05+01:00"),
        ("'2026-01-02 03:04:05 -5'", "2026-01-02 03:04:05-05"),
        ("'2026-01-02T03:04Z'", "2026-01-02T03:04Z"),
        ("2026-01-02 03:04", "2026-01-02 03:04"),
    ],
)
def test_dates_and_zones_are_understood_with_and_without_quotes(written: str, meant: str) -> None:
    assert parse(f"collected: {written}\n").collected == meant
    assert parse(f"created: {written}\n").collected == meant


def test_older_keys_stand_in_for_newer_ones() -> None:
    description = parse("created: 2026-01-02\nkeywords: warm\n")
    assert (description.collected, description.keywords) == ("2026-01-02", ("warm",))
    assert parse("collected:\ncreated: 2026-01-02\n").collected == "2026-01-02"


def test_empty_file_says_nothing() -> None:
    for text in ("", "---\n", "# only a comment\n", "null\n", "\ufeff"):
        assert parse(text) == FolderDescription()


def test_no_more_than_ten_thumbnails_are_taken() -> None:
    assert len(parse(f"thumbnails: [{', '.join(f'{n}.png' for n in range(12))}]").thumbnails) == 10


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("dataset_name: a\n- b\n", 2, ""),
        ("a: [1, 2\n\nb: 3\n", 3, ""),
        ("just text\n", 1, "key: value"),
        ("- a\n- b\n", 1, "key: value"),
        ("dataset_name: a\n\ncollected: yesterday\n", 3, "yesterday"),
        ("collected: 2026-13-45\n", 1, ""),
        ("collected: 1767323045\n", 1, "bare number"),
        ("collected: true\n", 1, "text"),
        ("version: 1\nattributes: [1]\n", 2, "name: value"),
        ("attributes:\n  a: {b: 1}\n", 2, "flat"),
        ("dataset_name: a\ndataset_name: b\n", 2, "second time"),
        ("dataset_name: [a]\n", 1, "text"),
        ("skip: ['[z-a]']\n", 1, "pattern"),
        ("x: !!python/object:os.system {}\n", 1, ""),
        ('dataset_name: "\\ud800"\n', 1, "half a character"),
        ('dataset_name: "a\\0b"\n', 1, "NUL"),
        ("converters: [1]\n", 1, "converter"),
        ("converters: {exec: {module: os}}\n", 1, "_to_"),
    ],
)
def test_broken_file_is_said_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(DescriptionBroken) as broken:
        parse(text)
    assert broken.value.reason.startswith(f"/data/run/_QH_dataset_info.yaml, line {line}: ")
    assert what in broken.value.reason
    assert broken.value.path == "/data/run/_QH_dataset_info.yaml"


def test_file_in_another_encoding_is_said_with_its_line() -> None:
    with pytest.raises(DescriptionBroken, match=r"line 2: .*UTF-8"):
        parse_description(b"version: 1\ndataset_name: caf\xe9\n", "x.yaml")


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{b: " * 5000, "a: &a [x]\nb: [" + "*a, " * 200 + "]\n"])
def test_file_that_unfolds_without_end_is_refused(text: str) -> None:
    with pytest.raises(DescriptionBroken):
        parse(text)


def test_reading_believes_only_the_file_that_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "_QH_dataset_info.yaml"
    path.write_text("dataset_name: cold\n")
    status = path.lstat()
    assert read_description(str(path), status).name == "cold"
    path.write_text("dataset_name: warm and longer\n")
    with pytest.raises(SourceChanged):
        read_description(str(path), status)
    path.unlink()
    with pytest.raises(SourceGone):
        read_description(str(path), status)
    with open(path, "wb") as file:
        os.truncate(file.fileno(), (1 << 20) + 1)
    with pytest.raises(DescriptionBroken, match="1 MiB"):
        read_description(str(path), path.lstat())
