"""Names, scopes and places of a configuration, and whether a source is one that is known already."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from etiket_gui.domain import guards
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.states import ScopePolicy
from etiket_gui.settings.configuration_rules import (
    Kinship,
    Place,
    check_name,
    check_places_apart,
    check_scopes,
    kinship,
    places_of,
)


@pytest.mark.parametrize("name", ["fridge 1", "Größe µ", "a", "x" * 80, "lab.2_b-c"])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert check_name("source", name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "x" * 81, "a\nb", "a\u202eb", "-rf", "a:b", "a=b", "a/b", "a\\b"])
def test_names_that_cannot_be_typed_or_shown_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Choose another"):
        check_name("destination", name)


def test_a_required_scope_must_be_given_and_a_disabled_one_must_not() -> None:
    with pytest.raises(UsageError, match="--to arch:SCOPE"):
        check_scopes("qcodes", ScopePolicy.REQUIRED, [("arch", "")])
    with pytest.raises(UsageError, match="none can be given"):
        check_scopes("core_tools", ScopePolicy.DISABLED, [("arch", "lab")])
    check_scopes("folder", ScopePolicy.OPTIONAL, [("arch", ""), ("other", "lab")])
    check_scopes("qcodes", ScopePolicy.REQUIRED, [("arch", "lab")])


def test_places_are_the_absolute_paths_under_keys_that_name_places() -> None:
    config = {
        "root_directory": os.path.abspath("/data"),
        "path": os.path.abspath("/archive"),
        "sample": os.path.abspath("/not/a/place"),
        "level": 2,
        "work_folder": "relative",
    }
    found = places_of("source", "s", config)
    assert [place.path for place in found] == [os.path.abspath("/data"), os.path.abspath("/archive")]


def _refusal(new: Place, other: Place, *, follows_links: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        check_places_apart([new], [other], follows_links=follows_links)
    return caught.value.reason


@pytest.mark.parametrize(
    ("new_kind", "new", "other_kind", "other", "words"),
    [
        ("source", "/d", "source", "/d", "already the source other"),
        ("source", "/d/a", "source", "/d", "lies inside the source other"),
        ("source", "/d", "source", "/d/a", "holds the source other"),
        ("source", "/d/a", "destination", "/d", "archive would archive itself"),
        ("source", "/d", "destination", "/d/a", "archive would archive itself"),
        ("destination", "/d/a", "source", "/d", "nothing is ever written into a source"),
        ("destination", "/d", "source", "/d/a", "archive would archive itself"),
        ("destination", "/d", "destination", "/d", "already the destination other"),
        ("destination", "/d/a", "destination", "/d", "inside each other"),
    ],
)
def test_overlapping_places_are_refused_with_the_reason(
    new_kind: str, new: str, other_kind: str, other: str, words: str
) -> None:
    assert words in _refusal(Place(new_kind, "new", new), Place(other_kind, "other", other))


def test_places_side_by_side_are_accepted() -> None:
    new = Place("source", "new", "/data/run1")
    others = [Place("source", "a", "/data/run10"), Place("destination", "b", "/data/run"), Place("source", "c", "/x")]
    check_places_apart([new], others, follows_links=False)


def test_a_link_does_not_hide_that_a_source_lies_in_another(tmp_path: Path) -> None:
    (tmp_path / "data" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    new, other = Place("source", "new", str(tmp_path / "link" / "inner")), Place("source", "o", str(tmp_path / "data"))
    check_places_apart([new], [other], follows_links=False)
    assert "lies inside" in _refusal(new, other, follows_links=True)


def test_a_place_that_does_not_exist_yet_is_compared_by_the_folders_above_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    new = Place("destination", "new", str(tmp_path / "link" / "archive"))
    assert "lies inside" in _refusal(new, Place("source", "o", str(tmp_path / "data")), follows_links=True)


@dataclass(frozen=True)
class Stored:
    uuid: str = "u"
    name: str = "fridge"
    backend: str = "folder"
    host: str = "PC-1"
    root: str = "/data/fridge"
    share: str = ""
    root_place: str = "1:2"


def _kin(stored: Stored, **changes: str) -> Kinship:
    own = {"backend": "folder", "host": "PC-1", "root": "/data/fridge", "share": "", "root_place": "1:2", **changes}
    return kinship(
        stored,
        backend=own["backend"],
        host=own["host"],
        root=own["root"],
        share=own["share"],
        root_place=own["root_place"],
    )


def test_the_same_root_on_the_same_machine_is_the_same_source() -> None:
    assert _kin(Stored()) is Kinship.SAME
    assert _kin(Stored(), host="pc-1", root="/data/fridge/", root_place="9:9") is Kinship.SAME


def test_another_backend_is_never_the_same_source() -> None:
    assert _kin(Stored(), backend="quantify") is Kinship.OTHER


def test_the_same_share_on_another_machine_may_be_the_same_source() -> None:
    share = "//nas/data/fridge"
    stored = replace(Stored(), share=share, root="Z:\\fridge")
    assert _kin(stored, host="PC-2", share=share.upper(), root_place="") is Kinship.MAYBE
    assert _kin(stored, host="PC-2", share="//nas/data/other", root_place="") is Kinship.OTHER


def test_a_moved_root_on_the_same_machine_may_be_the_same_source() -> None:
    assert _kin(Stored(), root="/mnt/new/place") is Kinship.MAYBE


def test_equal_paths_on_the_local_disks_of_two_machines_are_two_sources() -> None:
    assert _kin(Stored(), host="PC-2", root_place="5:6") is Kinship.OTHER


def test_disks_numbered_alike_on_two_machines_do_not_make_other_folders_the_same() -> None:
    assert _kin(Stored(), host="PC-2", root="/data/another") is Kinship.OTHER
    assert _kin(Stored(), host="PC-2", root="/mnt/fridge") is Kinship.MAYBE


def test_guards_switch_the_checks_off() -> None:
    with guards.switched_off("places-apart"):
        check_places_apart([Place("source", "a", "/d")], [Place("source", "b", "/d")], follows_links=False)
    with guards.switched_off("one-source-per-share"):
        assert _kin(Stored()) is Kinship.OTHER
