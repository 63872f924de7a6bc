"""Folder archives and the real, unmodified rmellipse 0.4.5: each reads what the other wrote."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.destinations.api import RestoreMethod
from etiket_gui.destinations.archive.restoring import fetch
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.stored_archive import StoredArchive, tree_of

WORKSPACE = "Global Public Workspace"
PEER = Path(__file__).with_name("rmellipse_peer.py")
PYTHON = os.environ.get("ETIKET_GUI_RMELLIPSE_PYTHON", "")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not PYTHON, reason="no rmellipse here: run packaging/test.sh --servers"),
]

Ask = Callable[..., Any]


@pytest.fixture
def archive(tmp_path: Path) -> StoredArchive:
    """An empty archive of ours."""
    return StoredArchive(tmp_path / "archive")


@pytest.fixture
def ask(archive: StoredArchive, tmp_path: Path) -> Ask:
    """Let the real rmellipse do something with the archive."""

    def ask_peer(action: str, **request: Any) -> Any:
        asked = {"action": action, "archive": str(archive.root), "workspace": WORKSPACE, **request}
        done = subprocess.run(
            [PYTHON, str(PEER), json.dumps(asked)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return ask_peer


FILES = {
    "a.txt": b"1", "µ b%.dat": b"22", "sub/deep/日本😀.bin": b"333", "empty": b"", "same": b"1",
    "it's \"quoted\"": b"4", "key: [value], {x} # no": b"5", "\x85next\u2028line": b"6", "- dash": b"7", "null": b"8",
    "1.0": b"9", "\ufeffbom": b"10",
}  # fmt: skip


def test_rmellipse_lists_and_downloads_what_we_archived(archive: StoredArchive, ask: Ask, tmp_path: Path) -> None:
    remote = archive.add("run", {"a.txt": b"old"})
    archive.add("run", FILES, links={"link": "a.txt", "sub/up": "../../x"}, folders=("hollow/inner",), version="1.1.0",
                text="free: text\n# with 'everything' \u2028 \x07", keywords=("a", "b"))  # fmt: skip
    archive.add("run", {"a.txt": b"half"}, version="1.2.0-live.1")
    archive.browse().derive(remote, "", StopToken())
    title = remote.partition("/")[2]
    assert ask("list", title=title) == ["1.0.0", "1.1.0", "1.2.0-live.1"]
    target = tmp_path / "downloaded"
    ask("download", title=title, version="1.1.0", target=str(target))
    found = {name: content for name, content in tree_of(target).items() if not name.startswith(b".rme/")}
    assert found == {name.encode(): content for name, content in FILES.items()} | {b"hollow/inner": b"/"}
    ask("download", title=title, version="1.0.0", target=str(tmp_path / "old"))
    assert (tmp_path / "old" / "a.txt").read_bytes() == b"old"


def test_we_list_verify_and_restore_what_rmellipse_released(archive: StoredArchive, ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "notes µ.txt").write_bytes(b"first")
    (folder / "sub" / "copy.txt").write_bytes(b"first")
    (folder / "empty").write_bytes(b"")
    ask("hdf5", path=str(folder / "data.h5"))
    expected = tree_of(folder)
    ask("release", title="demo-run", version="0.9.0", folder=str(folder))
    (folder / "sub" / "copy.txt").write_bytes(b"second")
    ask("release", title="demo-run", version="0.10.0", folder=str(folder), without_empty=True)

    (dataset,) = archive.reader.datasets(StopToken())
    assert (dataset.newest.version, dataset.newest.file_count) == ("0.10.0", 4)
    remote = dataset.newest.remote
    assert [stored.version for stored in archive.reader.versions(remote)] == ["0.9.0", "0.10.0"]
    assert archive.reader.resolve("demo-run", StopToken()) == (dataset,)
    for version, wanted in (("0.9.0", expected), ("0.10.0", expected | {b"sub/copy.txt": b"second"})):
        assert archive.reader.verify(remote, version, "", StopToken()).is_good
        target = tmp_path / version
        fetch(archive.reader, remote, version, target, RestoreMethod.COPY, NoProgress(), StopToken())
        assert tree_of(target) == wanted
    assert archive.damages == []


def test_both_live_in_one_archive(archive: StoredArchive, ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    ask("release", title="demo-run", version="1.0.0", folder=str(folder))
    remote = archive.add("run", {"a": b"1"})
    assert ask("list", title="demo-run") == ["1.0.0"]
    assert ask("list", title=remote.partition("/")[2]) == ["1.0.0"]
    names = sorted(dataset.description.name for dataset in archive.reader.datasets(StopToken()))
    assert names == ["demo-run", "run"]
