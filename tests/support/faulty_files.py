"""File layers that do everything for real until a test lets something happen in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from etiket_gui.osys.durability import NotSupported
from etiket_gui.osys.files import FileLayer, Folder


class FlippingFiles(FileLayer):
    """Writes one wrong bit into the first content that holds ``needle``."""

    def __init__(self, needle: bytes) -> None:
        super().__init__()
        self._needle = needle
        self.has_flipped = False

    def write(self, fd: int, data: bytes | memoryview) -> None:
        if not self.has_flipped and self._needle in bytes(data) and not bytes(data).startswith(b"{"):
            self.has_flipped = True
            data = bytes([data[0] ^ 1]) + bytes(data[1:])
        super().write(fd, data)


class FullFiles(FileLayer):
    """The disk is full after so many bytes of content."""

    def __init__(self, room_bytes: int) -> None:
        super().__init__()
        self.room_bytes = room_bytes

    def write(self, fd: int, data: bytes | memoryview) -> None:
        self._use(len(data))
        super().write(fd, data)

    def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
        self._use(length_bytes)
        return super().copy_range(source_fd, fd, offset, length_bytes)

    def _use(self, size_bytes: int) -> None:
        if size_bytes > self.room_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room_bytes -= size_bytes


class RivalFiles(FileLayer):
    """Another writer acts just before a record (or a title folder) gets its name."""

    def __init__(self, rival: Callable[[], None], *, before: str) -> None:
        super().__init__()
        self._rival: Callable[[], None] | None = rival
        self._before = before

    def _let_rival(self, kind: str, name: str) -> None:
        if kind == self._before and self._rival is not None and not name.startswith("pointer"):
            rival, self._rival = self._rival, None
            rival()

    def publish_folder(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        self._let_rival("folder", name)
        super().publish_folder(parent, name, target, target_name)

    def publish_file(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        if "record" in name:
            self._let_rival("record", name)
        super().publish_file(parent, name, target, target_name)

    def rename(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        if "record" in name:
            self._let_rival("record", name)
        super().rename(parent, name, target, target_name)


class PlainFiles(FileLayer):
    """A file system without copies in the kernel, exclusive renames or links, such as an old network share."""

    def copy_range(self, source_fd: int, fd: int, offset: int, length_bytes: int) -> int:
        raise NotSupported(errno.EXDEV, os.strerror(errno.EXDEV))

    def publish_file(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        raise NotSupported(errno.EINVAL, os.strerror(errno.EINVAL))

    def sync_all(self, folder: Folder) -> bool:
        return False


class RefusingFiles(FileLayer):
    """One kind of call is refused for good."""

    def __init__(self, call: str, code: int = errno.EACCES) -> None:
        super().__init__()
        self._call = call
        self._code = code

    def _ask(self, call: str) -> None:
        if call == self._call:
            raise OSError(self._code, os.strerror(self._code))

    def make_folder(self, parent: Folder, name: str) -> None:
        self._ask("make_folder")
        super().make_folder(parent, name)

    def create(self, parent: Folder, name: str, mode: int = 0o444) -> int:
        self._ask("create")
        return super().create(parent, name, mode)

    def publish_folder(self, parent: Folder, name: str, target: Folder, target_name: str) -> None:
        self._ask("publish_folder")
        super().publish_folder(parent, name, target, target_name)

    def unlink(self, parent: Folder, name: str) -> None:
        self._ask("delete")
        super().unlink(parent, name)

    def remove_folder(self, parent: Folder, name: str) -> None:
        self._ask("delete")
        super().remove_folder(parent, name)
