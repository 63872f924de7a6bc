"""Several copies stand in for each other, and secrets go to the password store and nowhere else."""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from etiket_gui.destinations import registry
from etiket_gui.destinations.api import Capabilities, Destination, Probe
from etiket_gui.destinations.archive.destination import ArchiveDestination
from etiket_gui.domain import guards
from etiket_gui.domain.errors import SignInNeeded
from tests.support.command_line import CommandLineRunner
from tests.support.keyring_in_memory import MemoryKeyring


@pytest.fixture
def two_copies(configured: CommandLineRunner, tmp_path: Path) -> CommandLineRunner:
    """Everything of ``lab`` is archived in ``arch`` and in ``second``."""
    configured.ok("add-destination", "archive", "second", f"path={tmp_path / 'second'}")
    configured.ok("edit-source", "lab", "--to", "arch", "--to", "second")
    configured.ok("run", "--once")
    return configured


def _damage(archive: Path, content: bytes) -> None:
    for path in archive.rglob("blobs/*/*"):
        if path.is_file() and path.read_bytes() == content:
            path.chmod(0o600)
            path.write_bytes(content.swapcase())


def test_a_damaged_copy_is_replaced_by_the_next_one_and_said(two_copies: CommandLineRunner, tmp_path: Path) -> None:
    _damage(tmp_path / "archive", b"data of run 1\n")
    ended = two_copies.ok("restore", "run 1", "--to", tmp_path / "back", "--json")
    assert ended.json["destination"] == "second"
    assert "Not from arch" in ended.err
    assert Path(ended.json["folder"], "data.txt").read_bytes() == b"data of run 1\n"
    ended = two_copies("restore", "run 1", "--to", tmp_path / "other", "--from", "arch")
    assert ended.code == 4
    assert not (tmp_path / "other" / "run 1").exists()


def test_of_a_dataset_that_is_damaged_everywhere_the_intact_files_come_back_when_asked_for(
    two_copies: CommandLineRunner, tmp_path: Path
) -> None:
    _damage(tmp_path / "archive", b"data of run 1\n")
    whole = two_copies.ok("restore", "run 1", "--to", tmp_path / "whole", "--intact", "--json")
    assert (whole.json["destination"], whole.json["left_out"]) == ("second", [])
    _damage(tmp_path / "second", b"data of run 1\n")
    refused = two_copies("restore", "run 1", "--to", tmp_path / "back")
    assert refused.code == 4
    assert "--intact" in refused.err
    assert not (tmp_path / "back" / "run 1").exists()
    ended = two_copies("restore", "run 1", "--to", tmp_path / "back", "--intact", "--json")
    assert ended.code == 4
    assert ended.json["left_out"] == ["data.txt"]
    folder = tmp_path / "back" / "run 1 (incomplete)"
    assert ended.json["folder"] == str(folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files
    assert "data.txt" not in files
    again = two_copies("restore", "run 1", "--to", tmp_path / "back", "--intact")
    assert again.code == 2
    assert "nothing is overwritten" in again.err


def test_a_destination_that_is_away_hides_nothing_of_the_others(two_copies: CommandLineRunner, tmp_path: Path) -> None:
    (tmp_path / "archive").rename(tmp_path / "unplugged")
    found = two_copies.ok("search", "run", "--json")
    assert {item["destination"] for item in found.json} == {"second"}
    assert "Left out:" in found.err
    assert [item["destination"] for item in two_copies.ok("versions", "run 1", "--json").json] == ["second"]
    verified = two_copies("verify", "--json")
    assert verified.code == 3
    assert verified.json["good"] == 3
    assert [item["what"] for item in verified.json["not_verified"]] == ["arch"]
    assert "Not verified: arch" in two_copies("verify").err
    assert two_copies("search", "run", "--from", "arch").code == 3


class VaultDestination(ArchiveDestination):
    """An archive that lets only those in who know the word."""

    identifier: ClassVar[str] = "vault"
    capabilities: ClassVar[Capabilities] = dataclasses.replace(ArchiveDestination.capabilities, needs_sign_in=True)

    def probe(self) -> Probe:
        """Refuses every secret but the right one."""
        credentials = self.context.credentials
        secret = None if credentials is None else credentials.get(str(self.context.options.get("account", "")))
        if secret != "open sesame":
            return Probe(problems=(SignInNeeded("The vault does not know you."),), identity="vault-identity")
        return super().probe()


@pytest.fixture
def vault(cli: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLineRunner]:
    """The destination ``safe``, which needs a sign-in."""

    def load(name: str) -> type[Destination]:
        return VaultDestination

    monkeypatch.setattr(registry, "load_destination", load)
    # The keyring of the tests is in memory; the program takes encrypted ones only.
    with guards.switched_off("keyring-encrypted-only"):
        ended = cli.ok("add-destination", "vault", "safe", f"path={tmp_path / 'vault'}")
        assert "etiket-sync login safe" in ended.out
        yield cli


def _type(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_sign_in_is_kept_in_the_password_store_and_forgotten_on_demand(
    vault: CommandLineRunner, monkeypatch: pytest.MonkeyPatch, memory_keyring: MemoryKeyring, home_folder: Path
) -> None:
    assert vault("test", "safe").code == 6
    _type(monkeypatch, "open sesame\n")
    assert "Signed in at safe." in vault.ok("login", "safe", "--password-stdin").out
    uuid = vault.ok("destinations", "--json").json[0]["uuid"]
    assert memory_keyring.secrets == {("etiket-gui", uuid): "open sesame"}
    vault.ok("test", "safe")
    for path in home_folder.rglob("*"):
        if path.is_file():
            assert b"open sesame" not in path.read_bytes()
    assert "Signed out of safe" in vault.ok("logout", "safe").out
    assert memory_keyring.secrets == {}
    assert vault("test", "safe").code == 6


def test_a_refused_password_ends_with_6(vault: CommandLineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    _type(monkeypatch, "wrong")
    ended = vault("login", "safe", "--password-stdin")
    assert ended.code == 6
    assert "does not know you" in ended.err
    assert "wrong" not in ended.err


@pytest.mark.allows_log("kept for this session only")
def test_without_a_password_store_a_sign_in_is_not_pretended(
    vault: CommandLineRunner, monkeypatch: pytest.MonkeyPatch, memory_keyring: MemoryKeyring
) -> None:
    memory_keyring.is_missing = True
    _type(monkeypatch, "open sesame")
    ended = vault("login", "safe", "--password-stdin")
    assert ended.code == 6
    assert "cannot be kept" in ended.err


@pytest.mark.parametrize(
    ("arguments", "text", "sentence"),
    [
        (("login", "safe", "--password-stdin"), "\n", "The password is empty"),
        (("login", "safe"), "", "--password-stdin"),
        (("login", "nothing"), "", "There are: safe"),
    ],
)
def test_a_sign_in_that_cannot_be_is_refused(
    vault: CommandLineRunner, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], text: str, sentence: str
) -> None:
    _type(monkeypatch, text)
    ended = vault(*arguments)
    assert ended.code == 2
    assert sentence in ended.err


def test_an_archive_needs_no_sign_in(configured: CommandLineRunner) -> None:
    assert "needs no sign-in" in configured.ok("login", "arch").out


def test_a_copy_that_is_not_there_any_more_is_a_difference_and_is_sent_again(
    two_copies: CommandLineRunner, tmp_path: Path
) -> None:
    [title] = [path.parent for path in (tmp_path / "second").rglob("*-v1.0.0.yml") if "run-1" in path.name]
    shutil.rmtree(title)
    ended = two_copies("verify", "--json")
    assert ended.code == 4
    [difference] = ended.json["differences"]
    assert (difference["name"], difference["destination"]) == ("run 1", "second")
    assert "not there any more" in difference["files"][0]["problem"]
    assert two_copies("status", "--json").json["not_archived"] == 1
    two_copies.ok("run", "--once")
    assert two_copies.ok("verify", "--json").json["good"] == 6


def test_older_versions_are_read_again_when_that_is_asked(configured: CommandLineRunner, tmp_path: Path) -> None:
    configured.ok("run", "--once")
    (tmp_path / "data" / "run 1" / "data.txt").write_bytes(b"other data of run 1\n")
    configured.ok("run", "--once")
    assert configured.ok("verify", "--all-versions", "--json").json["good"] == 4
    _damage(tmp_path / "archive", b"data of run 1\n")
    assert configured.ok("verify", "--json").json["good"] == 3
    ended = configured("verify", "--all-versions")
    assert ended.code == 4
    assert "DIFFERENT: run 1 1.0.0 at arch: data.txt" in ended.err
    assert "1 older version differs" in ended.out
    assert configured.ok("status", "--json").json["not_archived"] == 0
