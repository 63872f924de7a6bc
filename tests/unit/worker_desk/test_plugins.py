"""Forms come from configuration classes, and what is typed into them is checked with a sentence per field."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from etiket_gui.domain.errors import UsageError
from etiket_gui.settings.option_kinds import described_fields, values_of_form
from tests.support.command_line import CommandLineRunner


class Everything(BaseModel):
    data_directory: str = Field(title="Folder", description="Where it is.")
    database_path: str = ""
    settle_time: float | None = None
    floor_bytes: int = 1_000
    level: int = 1
    names: list[str] = ["a"]
    attributes: dict[str, str] = {}
    mode: Literal["fast", "slow"] = "fast"
    is_shared: bool | None = None
    password: SecretStr | None = None
    target: Path | None = None
    note: str = Field(default="", json_schema_extra={"advanced": True})


def test_every_kind_of_field_is_described() -> None:
    fields = {item["name"]: item for item in described_fields(Everything)}
    assert {name: item["type"] for name, item in fields.items()} == {
        "data_directory": "path", "database_path": "path", "settle_time": "duration", "floor_bytes": "size",
        "level": "integer", "names": "list", "attributes": "map", "mode": "choice", "is_shared": "boolean",
        "password": "secret", "target": "path", "note": "text",
    }  # fmt: skip
    assert (fields["data_directory"]["is_path"], fields["database_path"]["is_path"]) == ("folder", "file")
    assert fields["data_directory"]["required"]
    assert fields["mode"]["choices"] == ["fast", "slow"]
    assert [name for name, item in fields.items() if item["is_advanced"]] == [
        "settle_time", "floor_bytes", "is_shared", "password", "target", "note",
    ]  # fmt: skip


def test_texts_of_a_form_become_values_or_sentences() -> None:
    values, errors = values_of_form(
        Everything,
        {"data_directory": "/d", "settle_time": "2min", "floor_bytes": "1GiB", "level": "x", "is_shared": None},
    )
    assert values == {"data_directory": "/d", "settle_time": 120.0, "floor_bytes": 2**30, "is_shared": None}
    assert errors == {"level": "'x' is not a whole number."}
    assert values_of_form(Everything, {"settle_time": "", "password": "geheim"}) == ({"settle_time": None}, {})


def test_every_installed_plug_in_has_a_form(run_job: Any) -> None:
    told = run_job("plugins")
    kinds = {item["identifier"]: item for item in told["backends"]}
    assert {"folder"} <= set(kinds)
    assert kinds["folder"]["scope_policy"] == "optional"
    assert all(item["title"] and item["description"] and item["fields"] for item in told["backends"])
    assert {item["identifier"] for item in told["destinations"]} >= {"archive"}
    assert told["disabled"] == []


def test_a_sound_form_gives_the_whole_configuration_and_a_name(run_job: Any, data: Path) -> None:
    found = run_job("validate", group="backend", identifier="folder", values={"root_directory": str(data)})
    assert found["errors"] == {}
    assert found["config"]["level"] == 1
    assert found["root"] == str(data)
    assert found["suggested_name"] == "fridge data"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({}, "root_directory", "is needed"),
        ({"root_directory": "data"}, "root_directory", "is not an absolute path"),
        ({"root_directory": "/no/such/place"}, "root_directory", "There is nothing at"),
        ({"root_directory": "/", "level": "99"}, "level", "not possible"),
        ({"root_directory": "/", "level": "two"}, "level", "not a whole number"),
        ({"root_directory": "/", "settle_time": "soon"}, "settle_time", "not a duration"),
        ({"root_directory": "/", "ignore": ["#"]}, "ignore", "says nothing"),
    ],
)
def test_each_wrong_field_has_its_sentence(run_job: Any, values: dict[str, Any], field: str, words: str) -> None:
    found = run_job("validate", group="backend", identifier="folder", values=values)
    assert found["config"] is None
    assert words in found["errors"][field]


def test_a_folder_inside_a_source_or_an_archive_is_refused_at_its_field(
    run_job: Any, cli: CommandLineRunner, data: Path, tmp_path: Path
) -> None:
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}")
    asked = {"group": "backend", "identifier": "folder"}
    inside = run_job("validate", **asked, values={"root_directory": str(data / "run 0")})
    assert "lies inside the source lab" in inside["errors"]["root_directory"]
    around = run_job("validate", **asked, values={"root_directory": str(tmp_path)})
    assert "holds the" in around["errors"]["root_directory"]
    archived = run_job("validate", **asked, values={"root_directory": str(tmp_path / "archive")})
    assert "the archive would archive itself" in archived["errors"]["root_directory"]
    itself = run_job("validate", **asked, values={"root_directory": str(data)}, name="lab")
    assert itself["errors"] == {}
    destination = run_job("validate", group="destination", identifier="archive", values={"path": str(data / "archive")})
    assert "nothing is ever written into a source" in destination["errors"]["path"]


def test_an_unknown_group_is_refused(run_job: Any) -> None:
    with pytest.raises(UsageError, match="no group"):
        run_job("validate", group="converter", identifier="folder", values={})
