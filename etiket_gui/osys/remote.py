"""On what kind of volume a path lies: on this machine or on a network share, and which share that is."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MOUNT_TABLE = "/proc/self/mountinfo"
_NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "acfs",
        "afp",
        "afpfs",
        "afs",
        "autofs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fhgfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "pvfs2",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "vmhgfs",
        "webdav",
    ]
)
_NETWORK_FUSE = re.compile(
    r"fuse\.(sshfs|.*s3.*|rclone|davfs2?|glusterfs|gvfsd-fuse|cephfs?|gcsfuse|curlftpfs|smbnetfs|onedriver|vmhgfs-fuse|"
    r"prl_fsd|portal|juicefs|seadrive|google-drive-ocamlfuse|mfs|moosefs|lizardfs)"
)
#: File systems that make up inode numbers at each mount.
_UNSTABLE_INODES = frozenset(
    {"vfat", "msdos", "exfat", "fuse.sshfs", "fuse.rclone", "davfs", "9p", "fuseblk", "vboxsf"}
)
#: File systems that give a renamed file a new change time.
_MOVES_CTIME = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "bcachefs", "nilfs2", "overlay", "apfs", "hfs",
     "nfs", "nfs4")
)  # fmt: skip
_MACOS_LOCAL = 0x00001000
_DRIVE_REMOTE = 4


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a path lies. ``share`` is "//server/share/sub", equal on every machine, and None on a local disk.

    ``has_stable_inodes`` and ``renames_move_ctime`` say what its directory entries can be trusted for.
    """

    mount_point: str
    file_system: str
    is_remote: bool
    share: str | None = None
    has_stable_inodes: bool = True
    renames_move_ctime: bool = True


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of Linux's mount table."""

    mount_point: str
    root: str
    file_system: str
    device: str


_reader: Callable[[str], Volume] | None = None


@contextmanager
def volumes_from(reader: Callable[[str], Volume]) -> Iterator[None]:
    """For tests: ``reader`` answers for the operating system."""
    global _reader
    before, _reader = _reader, reader
    try:
        yield
    finally:
        _reader = before


def volume_of(path: str) -> Volume:
    """The volume of a path, existing or not. Never raises: what cannot be told counts as a local disk."""
    if _reader is not None:
        return _reader(path)
    if sys.platform == "win32":
        return _windows_volume(path)
    if sys.platform == "darwin":
        return _macos_volume(path)
    try:
        with open(_MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            mounts = parse_mount_table(table.read())
    except OSError:
        return Volume("/", "", is_remote=False)
    return linux_volume(os.path.realpath(path), mounts)


def share_of(path: str) -> str | None:
    """ "//server/share/sub" for a path on a network share, None for a local one."""
    return volume_of(path).share


def is_remote(path: str) -> bool:
    """Whether a path is on another machine, so that file events cannot be trusted."""
    return volume_of(path).is_remote


def parse_mount_table(text: str) -> tuple[Mount, ...]:
    """The mounts of a text in the format of /proc/self/mountinfo; lines that make no sense are left out."""
    mounts = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if separator and len(fields) >= 6 and len(tail) >= 2:
            mounts.append(Mount(_unescaped(fields[4]), _unescaped(fields[3]), tail[0], _unescaped(tail[1])))
    return tuple(mounts)


def linux_volume(path: str, mounts: Iterable[Mount]) -> Volume:
    """The volume of an absolute path with all links resolved; of mounts over each other the last one counts."""
    best: Mount | None = None
    for mount in mounts:
        if _is_below(path, mount.mount_point) and (best is None or len(mount.mount_point) >= len(best.mount_point)):
            best = mount
    if best is None:
        return Volume("/", "", is_remote=False)
    kind = best.file_system
    remote = kind in _NETWORK_FILE_SYSTEMS or _NETWORK_FUSE.fullmatch(kind) is not None
    return Volume(
        mount_point=best.mount_point,
        file_system=kind,
        is_remote=remote,
        share=_linux_share(path, best) if remote else None,
        has_stable_inodes=kind not in _UNSTABLE_INODES,
        renames_move_ctime=kind in _MOVES_CTIME,
    )


def _linux_share(path: str, mount: Mount) -> str | None:
    below = [part for part in os.path.relpath(path, mount.mount_point).split("/") if part != "."]
    root = [part for part in mount.root.split("/") if part]
    if mount.file_system == "fuse.gvfsd-fuse" and below:
        match = re.fullmatch(r"smb-share:(?:.*,)?server=([^,]+),share=([^,]+).*", below[0])
        return None if match is None else _joined(match[1], [match[2], *below[1:]])
    if mount.device.startswith("//"):
        server, _, exported = mount.device[2:].partition("/")
        return _joined(server, [*exported.split("/"), *_without(root, exported), *below])
    server, separator, exported = mount.device.partition(":/")
    if not separator:
        return None
    server = server.rpartition("@")[2].strip("[]")
    return _joined(server, [*exported.split("/"), *_without(root, exported), *below])


def _without(root: list[str], exported: str) -> list[str]:
    """What a bind mount adds to the exported path; some systems repeat that path in the mount's root."""
    parts = [part for part in exported.split("/") if part]
    return [] if root == parts[-len(root) :] else root


def _joined(server: str, parts: Iterable[str]) -> str:
    return "/".join([f"//{server.lower()}", *(part for part in parts if part)])


def _is_below(path: str, mount_point: str) -> bool:
    return mount_point == "/" or path == mount_point or path.startswith(f"{mount_point}/")


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def unc_share(path: str) -> str | None:
    r"""The share identity of a Windows UNC path (``\\server\share\sub``, also with ``\\?\UNC\``), else None."""
    plain = path.replace("/", "\\")
    if plain.upper().startswith("\\\\?\\UNC\\"):
        plain = "\\\\" + plain[8:]
    if not plain.startswith("\\\\") or plain.startswith(("\\\\?\\", "\\\\.\\")):
        return None
    server, *parts = plain[2:].split("\\")
    return _joined(server, parts) if server and parts and parts[0] else None


def _windows_volume(path: str) -> Volume:
    share = unc_share(path)
    if share is not None:
        return _windows_share(path, share)
    if sys.platform == "win32":
        drive = os.path.splitdrive(os.path.abspath(path).removeprefix("\\\\?\\"))[0]
        if ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == _DRIVE_REMOTE:
            size = ctypes.c_ulong(1024)
            buffer = ctypes.create_unicode_buffer(size.value)
            if ctypes.windll.mpr.WNetGetConnectionW(drive, buffer, ctypes.byref(size)) == 0:
                share = unc_share(buffer.value + os.path.splitdrive(os.path.abspath(path))[1])
            return _windows_share(drive, share)
        return Volume(drive, "", is_remote=False, renames_move_ctime=False)
    return Volume("", "", is_remote=False)


def _windows_share(mount_point: str, share: str | None) -> Volume:
    return Volume(mount_point, "", is_remote=True, share=share, renames_move_ctime=False)


class _MacStatfs(ctypes.Structure):
    _fields_ = (
        ("f_bsize", ctypes.c_uint32),
        ("f_iosize", ctypes.c_int32),
        ("f_counts", ctypes.c_uint64 * 5),
        ("f_fsid", ctypes.c_int32 * 2),
        ("f_owner", ctypes.c_uint32),
        ("f_type", ctypes.c_uint32),
        ("f_flags", ctypes.c_uint32),
        ("f_fssubtype", ctypes.c_uint32),
        ("f_fstypename", ctypes.c_char * 16),
        ("f_mntonname", ctypes.c_char * 1024),
        ("f_mntfromname", ctypes.c_char * 1024),
        ("f_reserved", ctypes.c_uint32 * 8),
    )


def _macos_volume(path: str) -> Volume:
    library = ctypes.CDLL(None, use_errno=True)
    statfs = getattr(library, "statfs$INODE64", None) or library.statfs
    status = _MacStatfs()
    place = path
    while statfs(os.fsencode(place), ctypes.byref(status)) != 0:
        if place == (place := os.path.dirname(place)):
            return Volume("/", "", is_remote=False)
    mount_point = os.fsdecode(status.f_mntonname)
    kind = status.f_fstypename.decode("ascii", "replace")
    remote = not status.f_flags & _MACOS_LOCAL
    below = os.path.relpath(os.path.realpath(path), mount_point)
    return Volume(
        mount_point=mount_point,
        file_system=kind,
        is_remote=remote,
        share=macos_share(os.fsdecode(status.f_mntfromname), "" if below == "." else below) if remote else None,
        has_stable_inodes=kind in {"apfs", "hfs", "nfs", "smbfs"},
        renames_move_ctime=kind in _MOVES_CTIME,
    )


def macos_share(device: str, below: str) -> str | None:
    """The share identity of a macOS mount (``//user@server/share`` or ``server:/export``) and a path below it."""
    match = re.fullmatch(r"//(?:[^@/]*@)?([^/]+)/(.*)|([^/:]+):/(.*)", device)
    if match is None:
        return None
    return _joined(match[1] or match[3], [*(match[2] or match[4] or "").split("/"), *below.split("/")])
