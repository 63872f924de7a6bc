"""Datasets come back and are verified, secrets go to the password store alone, diagnostics are seen before saved."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.credentials.keyring_store import SERVICE, KeyringStore
from etiket_gui.domain.errors import SignInNeeded, UsageError
from tests.support.command_line import CommandLineRunner
from tests.support.keyring_in_memory import MemoryKeyring


@pytest.fixture
def archived(cli: CommandLineRunner, data: Path, tmp_path: Path) -> list[dict[str, Any]]:
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}", "settle_time=0s", "converters.all=off")
    cli.ok("run", "--once")
    return list(cli.ok("datasets", "--json").json)


def test_a_dataset_comes_back_whole(run_job: Any, archived: list[dict[str, Any]], data: Path, tmp_path: Path) -> None:
    dataset = archived[0]
    found = run_job("restore", dataset=dataset["uuid"], target=str(tmp_path / "back"), method="copy")
    folder = Path(found["folder"])
    assert folder == tmp_path / "back" / dataset["name"]
    assert (folder / "data.csv").read_bytes() == (data / dataset["name"] / "data.csv").read_bytes()
    assert (found["files"], found["bytes"]) == (1, 80)
    with pytest.raises(UsageError, match="nothing is overwritten"):
        run_job("restore", dataset=dataset["uuid"], target=str(tmp_path / "back"))


def test_what_is_not_there_cannot_be_restored(run_job: Any, archived: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no version"):
        run_job("restore", dataset=archived[0]["uuid"], target=str(tmp_path / "back"), version="9.9.9")
    with pytest.raises(UsageError, match="no dataset"):
        run_job("restore", dataset=4711, target=str(tmp_path / "back"))
    with pytest.raises(UsageError, match="not stored there"):
        run_job("restore", dataset=archived[0]["uuid"], target=str(tmp_path / "back"), destination=99)


def test_good_copies_are_verified_and_a_damaged_one_is_named(
    run_job: Any, archived: list[dict[str, Any]], tmp_path: Path
) -> None:
    found = run_job("verify", datasets=[1, 2, 3])
    assert (found["good"], found["differences"], len(found["results"])) == (3, [], 3)
    for blob in (tmp_path / "archive").rglob("blobs/*/*"):
        blob.chmod(0o600)
        blob.write_bytes(b"damaged")
    found = run_job("verify", datasets=[1])
    assert found["good"] == 0
    assert found["differences"][0]["files"]
    assert found["results"][0][3]


def test_a_secret_is_kept_and_removed(
    run_job: Any, memory_keyring: MemoryKeyring, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "etiket_gui.worker.desk.keyring.KeyringStore",
        lambda: KeyringStore(choose=lambda: memory_keyring, ask_locked=lambda _: memory_keyring.is_locked),
    )
    assert run_job("keyring_state", account="d-1") == {
        "state": "ready", "sentence": "The password store of this computer is ready.", "has_secret": False,
    }  # fmt: skip
    assert run_job("keyring_store", account="d-1", secret="geheim") == {"is_kept": True}
    assert memory_keyring.get_password(SERVICE, "d-1") == "geheim"
    assert run_job("keyring_state", account="d-1")["has_secret"]
    assert run_job("keyring_forget", account="d-1") == {"is_gone": True}
    assert memory_keyring.get_password(SERVICE, "d-1") is None
    assert told == []


def test_without_a_password_store_nothing_is_kept_anywhere(run_job: Any) -> None:
    assert run_job("keyring_state")["state"] == "missing"
    with pytest.raises(SignInNeeded, match="cannot be kept"):
        run_job("keyring_store", account="d-1", secret="geheim")


def test_the_diagnostics_that_were_seen_are_saved(run_job: Any, archived: list[dict[str, Any]], tmp_path: Path) -> None:
    seen = run_job("diagnostics_preview")
    names = {part["name"] for part in seen["parts"]}
    assert {"versions.json", "doctor.json", "store.json"} <= names
    target = tmp_path / "diagnostics.zip"
    run_job("diagnostics_save", path=str(target))
    with zipfile.ZipFile(target) as archive:
        assert set(archive.namelist()) == names
    with pytest.raises(UsageError, match="is there already"):
        run_job("diagnostics_save", path=str(target))
