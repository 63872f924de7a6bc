"""A file layer that logs every change with its sync barriers, and replays what a power cut may leave of it.

The rules are harsher than ext4's: of what no sync covered, any subset may be on the disk, a write may be torn, and
only a rename is all or nothing.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etiket_gui.osys.files import FileLayer, Folder


@dataclass(frozen=True, slots=True)
class Operation:
    """One change or barrier. ``node`` is a file or folder, ``names`` the (folder, name) pairs it gives or takes."""

    kind: str
    node: int = 0
    parent: int = 0
    name: str = ""
    target: int = 0
    target_name: str = ""
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """What is on a disk: folders with names, files with bytes, both by node number."""

    folders: dict[int, dict[str, int]] = field(default_factory=dict)
    files: dict[int, bytearray] = field(default_factory=dict)

    def walk(self, root: int, prefix: str = "") -> Iterator[tuple[str, int]]:
        """(path, node) of everything that can be reached."""
        for name, node in sorted(self.folders.get(root, {}).items()):
            path = f"{prefix}/{name}" if prefix else name
            yield path, node
            if node in self.folders:
                yield from self.walk(node, path)

    def tree(self, root: int) -> dict[str, bytes | None]:
        """Path to content, None for a folder."""
        return {
            path: None if node in self.folders else bytes(self.files.get(node, b"")) for path, node in self.walk(root)
        }


def write_tree(tree: dict[str, bytes | None], root: Path) -> None:
    """Make the tree real."""
    root.mkdir(parents=True)
    for path, data in tree.items():
        if data is None:
            (root / path).mkdir(exist_ok=True)
        else:
            (root / path).write_bytes(data)
            if "/blobs/" in path:
                (root / path).chmod(0o444)


class RecordingFiles(FileLayer):
    """Does everything for real, and remembers it. ``root`` must be an empty folder."""

    def __init__(self, root: Path, *, has_whole_sync: bool = True) -> None:
        super().__init__()
        self.log: list[Operation] = []
        self._lock = threading.RLock()
        self._nodes: dict[int, int] = {}
        self._count = 0
        self._has_whole_sync = has_whole_sync
        self.root = self._new(os.stat(root).st_ino)

    # ------------------------------------------------------------------ recording

    def _new(self, inode: int) -> int:
        with self._lock:
            self._count += 1
            self._nodes[inode] = self._count
            return self._count

    def _node(self, status: os.stat_result) -> int:
        return self._nodes[status.st_ino]

    def _parent(self, folder: Folder, name: str) -> tuple[int, str]:
        above, _, last = name.rpartition("/")
        status = os.stat(above, dir_fd=folder.fd) if above else os.fstat(folder.fd)
        return self._node(status), last

    def _add(self, operation: Operation) -> None:
        with self._lock:
            self.log.append(operation)

    def make_folder(self, parent: Folder, name: str) -> None:
        super().make_folder(parent, name)
        above, last = self._parent(parent, name)
        node = self._new(self.status(parent, name).st_ino)
        self._add(Operation("make", node, above, last, data=b"folder"))

    def create(self, parent: Folder, name: str, mode: int = 0o444) -> int:
        fd = super().create(parent, name, mode)
        above, last = self._parent(parent, name)
        self._add(Operation("make", self._new(os.fstat(fd).st_ino), above, last, data=b"file"))
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> None:
        offset = os.lseek(fd, 0, os.SEEK_CUR)
        super().write(fd, data)
        self._add(Operation("write", self._node(os.fstat(fd)), offset=offset, data=bytes(data)))

    def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
        count = super().copy_range(source_fd, fd, offset, length_bytes)
        self._add(Operation("write", self._node(os.fstat(fd)), offset=offset, data=os.pread(fd, count, offset)))
        return count

    def truncate(self, fd: int, size_bytes: int) -> None:
        super().truncate(fd, size_bytes)
        self._add(Operation("truncate", self._node(os.fstat(fd)), offset=size_bytes))

    def _renamed(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        above, last = self._parent(parent, name)
        there, final = self._parent(target, target_name)
        node = self._node(self.status(target, target_name))
        self._add(Operation("rename", node, above, last, there, final))

    def rename(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        super().rename(parent, name, target, target_name)
        self._renamed(parent, name, target, target_name)

    def publish_folder(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        super().publish_folder(parent, name, target, target_name)
        self._renamed(parent, name, target, target_name)

    def publish_file(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        super().publish_file(parent, name, target, target_name)
        self._renamed(parent, name, target, target_name)

    def link(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        super().link(parent, name, target, target_name)
        there, final = self._parent(target, target_name)
        self._add(Operation("link", self._node(self.status(parent, name)), target=there, target_name=final))

    def unlink(self, parent: Folder, name: str) -> None:
        above, last = self._parent(parent, name)
        super().unlink(parent, name)
        self._add(Operation("remove", 0, above, last))

    def remove_folder(self, parent: Folder, name: str) -> None:
        above, last = self._parent(parent, name)
        super().remove_folder(parent, name)
        self._add(Operation("remove", 0, above, last))

    def sync_file(self, fd: int) -> None:
        self._add(Operation("sync file", self._node(os.fstat(fd))))

    def sync_folder(self, folder: Folder) -> None:
        self._add(Operation("sync folder", self._node(os.fstat(folder.fd))))

    def sync_all(self, folder: Folder) -> bool:
        if not self._has_whole_sync:
            return False
        self._add(Operation("sync all"))
        return True

    # ------------------------------------------------------------------ replaying

    def durable(self, length: int) -> list[bool]:
        """Which of the first ``length`` operations a sync among them covers."""
        covered = [False] * length
        everything = False
        files: set[int] = set()
        folders: set[int] = set()
        for index in range(length - 1, -1, -1):
            operation = self.log[index]
            if operation.kind == "sync all":
                everything = True
            elif operation.kind == "sync file":
                files.add(operation.node)
            elif operation.kind == "sync folder":
                folders.add(operation.node)
            if operation.kind in {"write", "truncate"}:
                covered[index] = everything or operation.node in files
            elif operation.kind == "rename":
                covered[index] = everything or operation.target in folders or operation.parent in folders
            else:
                covered[index] = everything or operation.parent in folders or operation.target in folders
        return covered

    def after_power_cut(self, length: int, chance: random.Random | None) -> Disk:
        """The disk when the power went after ``length`` operations.

        Without ``chance`` nothing that no sync covered is there; with it any subset is.
        """
        disk = Disk(folders={self.root: {}})
        covered = self.durable(length)
        for operation, is_durable in zip(self.log[:length], covered, strict=True):
            data = operation.data
            if not is_durable:
                if chance is None or chance.random() < 0.5:
                    _know(disk, operation)
                    continue
                if operation.kind == "write" and chance.random() < 0.3:
                    data = data[: chance.randrange(len(data) + 1)]
            _apply(disk, operation, data)
        return disk


def _know(disk: Disk, operation: Operation) -> None:
    """A file or folder exists as a thing even where its name was lost; a later rename may still name it."""
    if operation.kind == "make":
        if operation.data == b"folder":
            disk.folders.setdefault(operation.node, {})
        else:
            disk.files.setdefault(operation.node, bytearray())


def _apply(disk: Disk, operation: Operation, data: bytes) -> None:
    _know(disk, operation)
    match operation.kind:
        case "make":
            disk.folders[operation.parent][operation.name] = operation.node
        case "write":
            content = disk.files[operation.node]
            if len(content) < operation.offset:
                content.extend(bytes(operation.offset - len(content)))
            content[operation.offset : operation.offset + len(data)] = data
        case "truncate":
            content = disk.files[operation.node]
            del content[operation.offset :]
            content.extend(bytes(operation.offset - len(content)))
        case "rename":
            disk.folders[operation.parent].pop(operation.name, None)
            disk.folders[operation.target][operation.target_name] = operation.node
        case "link":
            disk.folders[operation.target][operation.target_name] = operation.node
        case "remove":
            disk.folders[operation.parent].pop(operation.name, None)
