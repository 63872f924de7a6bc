"""The file operations an archive is made of, below open folders and by paths."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.osys import atomic, durability
from etiket_gui.osys.files import FileLayer, Folder, LinkOnTheWay, open_source

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="the file system of Windows has no such thing")


@pytest.fixture(params=["below open folders", "by paths"])
def files(request: pytest.FixtureRequest) -> FileLayer:
    return FileLayer(has_dir_fd=request.param != "by paths" and sys.platform != "win32")


@pytest.fixture
def top(files: FileLayer, tmp_path: Path) -> Iterator[Folder]:
    folder = files.open_root(str(tmp_path))
    yield folder
    files.close_folder(folder)


def _write(files: FileLayer, folder: Folder, name: str, data: bytes) -> None:
    fd = files.create(folder, name)
    files.write(fd, data)
    files.close_file(fd)


def test_file_gets_its_name_only_where_it_is_free(files: FileLayer, top: Folder, tmp_path: Path) -> None:
    _write(files, top, "one", b"1")
    _write(files, top, "two", b"2")
    files.publish_file(top, "one", top, "final")
    with pytest.raises(FileExistsError):
        files.publish_file(top, "two", top, "final")
    assert (tmp_path / "final").read_bytes() == b"1"
    assert sorted(files.names(top)) == ["final", "two"]


@pytest.mark.parametrize("there", ["full folder", "file"])
def test_folder_gets_its_name_only_where_it_is_free(files: FileLayer, top: Folder, tmp_path: Path, there: str) -> None:
    files.make_folder(top, "new")
    if there == "file":
        (tmp_path / "taken").write_bytes(b"")
    else:
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "x").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.publish_folder(top, "new", top, "taken")
    files.publish_folder(top, "new", top, "free")
    assert (tmp_path / "free").is_dir()


@POSIX_ONLY
def test_no_folder_is_entered_through_a_link(files: FileLayer, top: Folder, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(LinkOnTheWay):
        files.open_folder(top, "link")
    with pytest.raises(LinkOnTheWay):
        files.open_below(top, "link/deeper", make=True)
    assert list((tmp_path / "real").iterdir()) == []
    (tmp_path / "file").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="link") as caught:
        files.open_file(top, "file")
    assert caught.value.errno == errno.ELOOP


def test_tree_is_removed_without_following_links(files: FileLayer, top: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    (tmp_path / "tree" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_bytes(b"")
    if sys.platform != "win32":
        (tmp_path / "tree" / "deep" / "link").symlink_to(outside)
    files.remove_tree(top, "tree")
    assert sorted(files.names(top)) == ["outside"]
    assert (outside / "precious").exists()


def test_small_file_is_read_up_to_a_limit(files: FileLayer, top: Folder) -> None:
    _write(files, top, "a", b"x" * 100)
    assert files.read_file(top, "a", 100) == b"x" * 100
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        files.read_file(top, "a", 99)
    with pytest.raises(FileNotFoundError):
        files.read_file(top, "b", 99)


def test_everything_can_be_made_durable(files: FileLayer, top: Folder) -> None:
    files.make_folder(top, "sub")
    _write(files, top, "sub/a", b"x")
    files.sync_each([(top, "sub/a")], [(top, "sub"), (top, "")])
    if top.fd >= 0:
        assert files.sync_all(top) is durability.has_whole_sync()


class _HeldByScanner(OSError):
    winerror = 32


@pytest.mark.parametrize(("held", "works"), [(4, True), (5, False)])
def test_file_held_by_a_scanner_is_tried_again_for_a_while(held: int, works: bool) -> None:
    delays_s: list[float] = []
    files = FileLayer(sleep=delays_s.append)
    tries = 0

    def action() -> None:
        nonlocal tries
        tries += 1
        if tries <= held:
            raise _HeldByScanner(errno.EACCES, "in use")

    if works:
        files._patiently(action)
    else:
        with pytest.raises(_HeldByScanner):
            files._patiently(action)
    assert tries == 5
    assert delays_s == [0.05, 0.1, 0.2, 0.4]


def test_other_errors_are_not_tried_again() -> None:
    tries = []

    def action() -> None:
        tries.append(1)
        raise PermissionError(errno.EACCES, "no right")

    with pytest.raises(PermissionError):
        FileLayer(sleep=lambda _: None)._patiently(action)
    assert len(tries) == 1


@POSIX_ONLY
def test_reading_a_source_moves_no_access_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.utime(path, ns=(10**18, 2 * 10**18))
    before = path.stat()
    fd = open_source(str(path))
    assert os.read(fd, 10) == b"x"
    os.close(fd)
    if sys.platform == "linux":
        assert path.stat().st_atime_ns == before.st_atime_ns


def test_atomic_write_replaces_whole_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    atomic.write_atomically(path, b"one")
    atomic.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["settings.json"]


def test_failed_atomic_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    atomic.write_atomically(path, b"one")

    def refuse(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durability, "sync_file", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        atomic.write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["settings.json"]


def test_gentle_syncs_come_one_at_a_time_and_leave_the_disk_to_others_in_between(tmp_path: Path) -> None:
    done: list[str] = []

    class Watched(FileLayer):
        def sync_file(self, fd: int) -> None:
            done.append("file")
            super().sync_file(fd)

    def rest(seconds: float) -> None:
        assert 0 <= seconds <= 0.02
        done.append("rest")

    files = Watched(sleep=rest)
    top = files.open_root(str(tmp_path))
    try:
        _write(files, top, "a", b"x")
        _write(files, top, "b", b"y")
        files.sync_gently([(top, "a"), (top, "b")], [(top, "")], lambda: done.append("asked"))
    finally:
        files.close_folder(top)
    assert done == ["file", "asked", "rest", "file", "asked", "rest", "asked", "rest"]
