"""Release records and their versions."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etiket_gui.destinations.archive.record import (
    Change,
    Record,
    RecordFacts,
    build_record,
    encode_record,
    is_altered,
    is_live_version,
    is_version,
    next_version,
    parse_record,
    version_key,
    versions_in,
)
from etiket_gui.domain.content import DatasetReference, Description, FileEntry
from etiket_gui.domain.errors import DestinationDamaged, NameTooLong, UnsafeName
from etiket_gui.domain.states import EntryKind
from tests.support.outgoing import AGENT, SOURCE_UUID

SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
REFERENCE = DatasetReference("0123abcd-4567-89ab-cdef-0123456789ab", SOURCE_UUID, "F", "folder", "source", "run 1")


def _facts(**changes: object) -> RecordFacts:
    values: dict[str, object] = {
        "title": "run-0123abcd4567", "version": "1.0.0", "digest": "d" * 64, "published_ns": 5, "is_provisional": False,
        "scope": "", "reference": REFERENCE, "description": Description("run 1", "run 1"), "browse": "browse/F/x",
        "agent": AGENT, "host": "PC-12",
    }  # fmt: skip
    return RecordFacts(**(values | changes))  # type: ignore[arg-type]


def _file(name: str, size_bytes: int = 3, **changes: object) -> FileEntry:
    values: dict[str, object] = {"sha256": SHA, "is_executable": False} | changes
    return FileEntry(name, EntryKind.FILE, size_bytes, 7, **values)  # type: ignore[arg-type]


def _round_trip(facts: RecordFacts, entries: list[FileEntry]) -> Record:
    return parse_record(encode_record(build_record(facts, entries)), "record.yml")


def test_record_comes_back_whole() -> None:
    facts = _facts(description=Description("n", "i", attributes={"a": 1.5, "b": None}, keywords=("k",)))
    entries = [
        _file("a/b/c.txt", is_executable=True),
        _file("top", 3),
        FileEntry("a/link", EntryKind.LINK, 0, 9, link_target="../x"),
        FileEntry("a/empty", EntryKind.FOLDER, 0, 11),
    ]
    record = _round_trip(facts, entries)
    assert record.facts == facts
    assert sorted(record.entries(), key=lambda entry: entry.name) == sorted(entries, key=lambda entry: entry.name)
    assert (record.size_bytes, record.file_count) == (6, 2)
    assert record.blobs() == {SHA: 3}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), st.text(max_size=20))
def test_record_is_the_same_read_as_json_and_as_yaml(attributes: dict[str, str], text: str) -> None:
    description = Description("n", "i", text=text, attributes=attributes)
    data = encode_record(build_record(_facts(description=description), [_file("a.txt")]))
    assert yaml.load(data, Loader=yaml.SafeLoader) == json.loads(data)
    assert yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == json.loads(data)
    # Whoever opens it in the encoding of an old Windows reads the same, as long as no character needs more.
    if all(ord(character) < 0x10000 for character in text + "".join([*attributes, *attributes.values()])):
        assert data.isascii()


@pytest.mark.parametrize("cut", [0, 1, 50, 200, -1])
def test_torn_record_is_damage_and_never_a_crash(cut: int) -> None:
    data = encode_record(build_record(_facts(), [_file("a.txt")]))
    with pytest.raises(DestinationDamaged, match=r"record\.yml"):
        parse_record(data[:cut], "record.yml")


@pytest.mark.fault("F110", guard="altered-records-are-told")
def test_any_bit_that_turns_over_in_a_record_is_noticed() -> None:
    data = encode_record(build_record(_facts(), [_file("a.txt")]))
    assert not parse_record(data, "record.yml").is_altered
    for place in range(data.index(b',"seal"')):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            assert is_altered(bytes(flipped)), f"bit {bit} of byte {place}"
    assert not is_altered(b'{"title": "another program"}')


@pytest.mark.parametrize(
    "data",
    [b"[]", b"7", b"\xff\xfe\x00", b"a: [", b"title: x", b'{"version": "1.0.0"}', b'{"version": 1, "project": {}}',
     b'{"title": "x-v1.0.0", "version": "1.0.0", "project": {}, "etiket": {"format": 99}}',
     b'{"title": "x-v1.0.0", "version": "1.0.0", "project": []}'],
)  # fmt: skip
def test_rubbish_is_damage_and_never_a_crash(data: bytes) -> None:
    with pytest.raises(DestinationDamaged):
        parse_record(data, "record.yml")


def test_record_of_rmellipse_is_read() -> None:
    text = f"""
datasets: {{}}
project:
  data:
    /attrs/: {{}}
    /item/: Directory
    /path/: data
    raw.h5:
      /attrs/: {{}}
      /bpid/: {SHA}
      /bytes/: 12
      /item/: H5_File
      /path/: data/raw.h5
      group: {{/attrs/: {{}}, /item/: H5_Group, /path/: data/raw.h5/group}}
requirements: []
title: demo-run-v0.10.0
title_versionless: demo-run
version: 0.10.0
"""
    record = parse_record(text.encode(), "record.yml")
    assert record.facts is None
    assert [(entry.name, entry.size_bytes) for entry in record.entries()] == [("data/raw.h5", 12)]
    assert (record.title, record.version, record.size_bytes, record.file_count) == ("demo-run", "0.10.0", 12, 1)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../x", "a\\..\\..\\x", "C:\\x"])
def test_record_with_a_name_that_leaves_its_folder_is_refused_both_ways(name: str) -> None:
    with pytest.raises(UnsafeName):
        build_record(_facts(), [_file(name)])
    record = build_record(_facts(), [_file("harmless")])
    record["project"][name] = record["project"].pop("harmless")
    read = parse_record(encode_record(record), "record.yml")
    if name.startswith("/"):
        assert list(read.entries()) == []  # what starts so is a fact about the folder and never a file
        return
    with pytest.raises(UnsafeName):
        list(read.entries())


def test_folders_deeper_than_any_real_dataset_are_refused_and_500_characters_are_not() -> None:
    with pytest.raises(NameTooLong):
        build_record(_facts(), [_file("/".join("d" * 1000))])
    deep = "/".join("d" * 300)
    assert [entry.name for entry in _round_trip(_facts(), [_file(deep)]).entries()] == [deep]


def test_versions_rise_by_what_changed() -> None:
    assert next_version([], Change.FIRST) == "1.0.0"
    assert next_version(["1.0.0", "1.9.0", "1.10.0"], Change.FILES) == "1.11.0"
    assert next_version(["1.0.0", "1.2.3"], Change.DESCRIPTION) == "1.2.4"
    assert next_version(["0.1.0", "not a version"], Change.FILES) == "0.2.0"


def test_provisional_versions_precede_the_one_that_will_come() -> None:
    assert next_version([], Change.FIRST, is_provisional=True) == "1.0.0-live.1"
    assert next_version(["1.0.0-live.1", "1.0.0-live.9"], Change.FIRST, is_provisional=True) == "1.0.0-live.10"
    assert next_version(["1.0.0-live.1"], Change.FIRST) == "1.0.0"
    assert next_version(["1.0.0"], Change.FILES, is_provisional=True) == "1.1.0-live.1"
    assert is_live_version("1.0.0-live.3")
    assert not is_live_version("1.0.0")
    assert not is_live_version("1.0.0-rc.1")


def test_versions_sort_as_semantic_versions_do() -> None:
    ordered = ["0.2.0", "0.9.0-rc.1", "0.9.0", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
               "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-live.2", "1.0.0-rc.1", "1.0.0", "1.0.0+b1", "1.0.1"]  # fmt: skip
    backwards = ordered[::-1]
    assert sorted(backwards, key=version_key) == ordered
    names = [f"t-v{version}.yml" for version in backwards] + ["t-vx.yml", "t-v1.yml", "notes"]
    assert versions_in("t", names) == ordered


@pytest.mark.parametrize("text", ["1.0", "01.0.0", "1.0.0-", "v1.0.0", "1.0.0-01", "", "1.0.0.0", "1.0.0\n"])
def test_only_full_semantic_versions_count(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="semantic version"):
        version_key(text)
