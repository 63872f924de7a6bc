"""KEY=VALUE texts become checked options, and nonsense becomes a sentence that helps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from etiket_gui.cli.values import option_names, options_from_text, parse_duration, parse_size
from etiket_gui.domain.errors import UsageError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mode: Literal["links", "copies"] = "links"
    depth: int = 1


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    root_directory: str = Field(title="Folder")
    level: int = 1
    ignore: list[str] = Field(default_factory=lambda: [".git/"])
    settle_time: float | None = None
    is_network_folder: bool | None = None
    static_attributes: dict[str, str | int | float | bool] = Field(default_factory=dict)
    free_floor_bytes: int = 0
    numbers: tuple[int, ...] = ()
    extra_path: Path | None = None
    browse: Inner = Inner()
    port: int = 5432
    token: SecretStr = SecretStr("")
    pin: str = Field(default="", json_schema_extra={"secret": True})


ROOT = f"root_directory={os.path.abspath('/data')}"


def options(*assignments: str, present: dict[str, Any] | None = None) -> dict[str, Any]:
    return options_from_text(Config, assignments, present=present)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("2min", 120), ("2h", 7200), ("1d", 86400), ("1h30min", 5400), ("90", 90), ("0.5h", 1800)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "2 fortnights", "-3s", "h"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="10s, 2min, 2h or 1d"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("1GiB", 2**30), ("500MB", 500_000_000), ("12", 12), ("1.5 kB", 1500)])
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_values_take_the_type_of_their_field() -> None:
    found = options(ROOT, "level=-1", "settle_time=2min", "is_network_folder=true", "free_floor_bytes=1GiB")
    assert found["level"] == -1
    assert found["settle_time"] == 120
    assert found["is_network_folder"] is True
    assert found["free_floor_bytes"] == 2**30


def test_a_path_is_made_absolute_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = options("root_directory=some/../data", "extra_path=~/x")
    assert found["root_directory"] == str(tmp_path / "data")
    assert found["extra_path"] == os.path.expanduser("~/x")


@pytest.mark.skipif(os.name != "posix", reason="names are text on Windows")
def test_a_path_that_is_no_text_is_kept_as_portable_name() -> None:
    found = options("root_directory=/data/\udcff")
    assert found["root_directory"] == "/data/‛ff"


def test_repeating_a_key_makes_a_list_and_replaces_the_default() -> None:
    assert options(ROOT, "ignore=*.tmp", "ignore=a b")["ignore"] == ["*.tmp", "a b"]
    assert options(ROOT, "numbers=1", "numbers=2")["numbers"] == [1, 2]
    assert options(ROOT)["ignore"] == [".git/"]


def test_an_empty_value_empties_a_list() -> None:
    assert options(ROOT, "ignore=")["ignore"] == []


def test_dots_make_maps_whose_values_keep_their_meaning() -> None:
    found = options(
        ROOT, "static_attributes.sample=SQ22", "static_attributes.run=7", "static_attributes.cold=true",
        "static_attributes.code=007", "static_attributes.a.b=c=d",
    )  # fmt: skip
    assert found["static_attributes"] == {"sample": "SQ22", "run": 7, "cold": True, "code": "007", "a.b": "c=d"}


def test_dots_reach_into_nested_options() -> None:
    assert options(ROOT, "browse.mode=copies")["browse"] == {"mode": "copies", "depth": 1}


def test_a_file_gives_any_value(tmp_path: Path) -> None:
    path = tmp_path / "attributes.json"
    path.write_text(json.dumps({"sample": "S1"}))
    assert options(ROOT, f"static_attributes=@{path}")["static_attributes"] == {"sample": "S1"}


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json cannot be read"):
        options(ROOT, f"ignore=@{tmp_path}/none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        options(ROOT, f"ignore=@{tmp_path}/bad.json")


def test_a_doubled_at_sign_stands_for_itself() -> None:
    assert options(ROOT, "ignore=@@eaDir")["ignore"] == ["@eaDir"]


def test_present_options_stay_unless_named() -> None:
    present = options(ROOT, "level=2", "static_attributes.a=1")
    changed = options("static_attributes.b=2", "ignore=x", present=present)
    assert changed["level"] == 2
    assert changed["static_attributes"] == {"a": 1, "b": 2}
    assert changed["ignore"] == ["x"]


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("root=/x", r"There is no key 'root'.*Valid keys: root_directory, level"),
        ("levle=2", r"Did you mean level\?"),
        ("level", r"'level' is not KEY=VALUE"),
        ("=3", r"is not KEY=VALUE"),
        ("level=two", r"level is a whole number, not 'two'"),
        ("level=1.5", r"level is a whole number"),
        ("is_network_folder=yes", r"either true or false"),
        ("token=abc", r"token is a secret.*login"),
        ("pin=abc", r"pin is a secret.*login"),
        ("level.x=1", r"level is not a map"),
        ("static_attributes=1", r"static_attributes is a map"),
        ("settle_time=soon", r"is not a duration"),
        ("free_floor_bytes=much", r"is not a size"),
        ("browse.mode=sideways", r"browse\.mode"),
        ("extra_path=", r"needs a path"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(assignment: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        options(ROOT, assignment)


def test_a_single_value_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="given twice"):
        options(ROOT, "level=1", "level=2")


def test_a_missing_option_is_named_with_its_meaning() -> None:
    with pytest.raises(UsageError, match=r"root_directory=… is missing \(Folder\)"):
        options("level=1")


def test_secrets_are_not_among_the_keys() -> None:
    assert "token" not in option_names(Config)
    assert "pin" not in option_names(Config)
    with pytest.raises(UsageError) as caught:
        options(ROOT, "nothing=1")
    assert "token" not in caught.value.reason
