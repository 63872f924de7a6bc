"""The home folder: where it is, what is made in it, who this installation is."""

from __future__ import annotations

import os
import stat
import sys
import uuid
from pathlib import Path

import pytest

from etiket_gui.domain.errors import StoreProblem
from etiket_gui.settings.home import VARIABLE, Home
from tests.support.unprivileged import permissions_count


def test_home_is_the_one_named_then_the_variables_then_the_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "by variable"))
    assert Home.locate(tmp_path / "named").root == tmp_path / "named"
    assert Home.locate().root == tmp_path / "by variable"
    monkeypatch.delenv(VARIABLE)
    assert Home.locate().root.name == "etiket-gui"
    assert not Home.locate().root.exists()


def test_relative_home_does_not_move_with_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home.locate("here")
    monkeypatch.chdir("/")
    assert home.root == tmp_path / "here"


def test_everything_lies_below_the_root_and_is_for_this_account_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.prepare()
    for folder in (home.root, home.logs, home.run, home.work, home.backups):
        assert folder.is_dir()
        assert sys.platform == "win32" or stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (home.store, home.settings, home.configuration, home.agent):
        assert file.parent == home.root


def test_installation_keeps_its_uuid(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.agent_uuid()
    assert uuid.UUID(first)
    assert home.agent_uuid() == first


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"uuid": 5}', b'{"uuid": "no"}', b"null"])
def test_broken_uuid_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path)
    home.agent.write_bytes(content)
    assert home.agent_uuid() == home.agent_uuid()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders mean something else there")
def test_home_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    with permissions_count():
        with pytest.raises(StoreProblem, match="cannot be used"):
            Home(closed / "home").prepare()
        with pytest.raises(StoreProblem, match=r"agent\.json cannot be written"):
            Home(closed).agent_uuid()
    assert os.listdir(closed) == []
