"""A destination is tested before it is added: what would be made, what is free, what keeps it from being used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import UsageError
from etiket_gui.osys.hostname import host_name
from tests.support.command_line import CommandLineRunner
from tests.support.unprivileged import permissions_count


def _test(run_job: Any, path: Path) -> dict[str, Any]:
    return dict(run_job("test_destination", kind="archive", config={"path": str(path)}))


def test_a_new_folder_is_told_and_not_made(run_job: Any, tmp_path: Path) -> None:
    found = _test(run_job, tmp_path / "a" / "archive")
    assert found["is_usable"]
    assert found["will_create"].endswith("is made when you add it.")
    assert found["free_bytes"] > 0
    assert list(tmp_path.iterdir()) == []


def test_making_it_ready_makes_an_archive_that_then_tests_well(run_job: Any, tmp_path: Path) -> None:
    made = run_job("create_destination", kind="archive", config={"path": str(tmp_path / "archive")})
    assert made["is_usable"]
    assert (tmp_path / "archive" / ".rmearchive").exists()
    again = _test(run_job, tmp_path / "archive")
    assert (again["is_usable"], again["identity"], again["will_create"]) == (True, made["identity"], "")


def test_a_folder_with_other_things_in_it_is_no_archive(run_job: Any, data: Path) -> None:
    found = _test(run_job, data)
    assert not found["is_usable"]
    assert found["problems"][0]["reason"]


def test_a_folder_below_one_that_may_not_be_written_is_told(run_job: Any, tmp_path: Path) -> None:
    above = tmp_path / "closed"
    above.mkdir(mode=0o500)
    with permissions_count():
        found = _test(run_job, above / "archive")
    assert not found["is_usable"]
    assert "may not be written by this account" in found["problems"][0]["reason"]


def test_a_file_is_no_archive(run_job: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in _test(run_job, tmp_path / "file")["problems"][0]["reason"]


def test_the_same_archive_by_another_path_is_not_added_twice(
    run_job: Any, cli: CommandLineRunner, tmp_path: Path
) -> None:
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    with pytest.raises(UsageError, match="is already the destination arch"):
        _test(run_job, tmp_path / "archive")
    assert run_job("test_destination", name="arch")["is_usable"]


def test_a_source_that_went_there_before_is_known(
    run_job: Any, cli: CommandLineRunner, data: Path, tmp_path: Path
) -> None:
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0s")
    cli.ok("run", "--once")
    (uuid,) = [row["uuid"] for row in cli.ok("sources", "--json").json]
    config = cli.ok("sources", "--json").json[0]["config"]
    asked = {"backend": "folder", "config": config, "names": ["arch"]}
    assert run_job("known_sources", **asked)["same"] is None
    cli.ok("remove-source", "lab")
    found = run_job("known_sources", **asked)
    assert found["same"] == {"uuid": uuid, "name": "lab", "host": host_name(), "root": str(data)}
    assert found["maybe"] is None
