"""Names and places in a folder archive."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etiket_gui.destinations.archive import layout
from etiket_gui.domain.errors import NameTooLong, UnsafeName
from etiket_gui.domain.names import is_windows_safe

UUID = "0123abcd-4567-89ab-cdef-0123456789ab"


@given(st.text())
def test_every_name_gives_a_title_that_rmellipse_accepts(name: str) -> None:
    title = layout.title_of(UUID, name)
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,59}-0123abcd4567", title)
    assert "--" not in title
    assert layout.check_component(title) == title


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Rabi of Q3", "rabi-of-q3"), ("Überlänge", "uberlange"), ("2026-05 run", "d-2026-05-run"), ("日本", "dataset"),
     ("", "dataset"), ("---", "dataset"), ("x" * 80, "x" * 60)],
)  # fmt: skip
def test_slug_reads_like_the_name(name: str, slug: str) -> None:
    assert layout.slug_of(name) == slug


@given(st.text())
def test_browsable_names_are_safe_on_every_system(name: str) -> None:
    made = layout.safe_component(name)
    assert is_windows_safe(made)
    assert not made.startswith(".")
    assert len(made.encode()) <= 202


@pytest.mark.parametrize(
    ("collected", "path"),
    [("2026-05-04T23:59:00+02:00", "browse/F_1/2026/2026-05-04/run"), (None, "browse/F_1/2001/2001-09-09/run")],
)
def test_browsable_folder_has_source_year_and_day(collected: str | None, path: str) -> None:
    made = layout.browse_path("F/1", "run", collected, 1_000_050_000 * 10**9)
    assert re.sub(r"2001-09-\d\d", "2001-09-09", made) == path


@pytest.mark.parametrize("earliest_ns", [0, -(10**18), 10**30, -(10**30)])
def test_no_time_is_too_strange_for_a_browsable_folder(earliest_ns: int) -> None:
    assert layout.browse_path("F", "run", None, earliest_ns).startswith("browse/F/")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".etiket", "a/b", "a\\b", "C:", "nul", "a.", "a ", " a", "a\0", "browse", "BROWSE", "a\x7f"]
)
def test_workspace_must_be_one_plain_folder_name(name: str) -> None:
    with pytest.raises(UnsafeName):
        layout.check_workspace(name)


def test_workspace_of_more_than_255_bytes_is_refused_with_its_length() -> None:
    with pytest.raises(NameTooLong, match="300 bytes"):
        layout.check_workspace("é" * 150)


@pytest.mark.parametrize("remote", ["title", "", "a/../b", "../x/y", "ws/", "/title", "ws/a/b"])
def test_remote_must_name_a_workspace_and_a_title(remote: str) -> None:
    with pytest.raises(UnsafeName):
        layout.split_remote(remote)


def test_remote_comes_apart_as_it_was_joined() -> None:
    assert layout.split_remote(layout.join_remote("My Group", "rabi-0123abcd4567")) == ("My Group", "rabi-0123abcd4567")


@pytest.mark.parametrize("text", ["", "x", "../../etc/passwd", "A" * 64, "g" * 64, "a" * 63])
def test_blob_path_takes_nothing_but_a_sha256(text: str) -> None:
    with pytest.raises(UnsafeName):
        layout.blob_in_title(text)


def test_pointer_comes_back_and_a_torn_one_is_nobodys() -> None:
    data = layout.pointer_text("My Group", "rabi-0123abcd4567")
    assert layout.parse_pointer(data, "My Group") == "rabi-0123abcd4567"
    assert layout.parse_pointer(data, "Another") is None
    for length in range(len("My Group\n") + 1):
        assert layout.parse_pointer(data[:length], "My Group") is None
    assert layout.parse_pointer(b"My Group\n../../x", "My Group") is None
    assert layout.parse_pointer(b"\xff\xfe", "My Group") is None


def test_temporaries_are_known_by_their_exact_name() -> None:
    name = layout.staging_name(UUID, 0xABC)
    assert layout.staging_owner(name) == UUID
    for other in (name + "x", "x" + name, name.upper(), UUID, f"{UUID}-1", ".."):
        assert layout.staging_owner(other) is None


def test_record_is_known_by_its_exact_name() -> None:
    assert layout.version_in_name("run-1", "run-1-v1.0.0.yml") == "1.0.0"
    for other in ("run-1-v1.0.0.yml~", "x-run-1-v1.0.0.yml", "run-1.yml", "notes on run-1.txt"):
        assert layout.version_in_name("run-1", other) is None
