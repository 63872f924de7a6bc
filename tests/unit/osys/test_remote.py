"""Telling network shares from local disks, and which share it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etiket_gui.osys.remote import (
    Volume,
    is_remote,
    linux_volume,
    macos_share,
    parse_mount_table,
    share_of,
    unc_share,
    volume_of,
    volumes_from,
)

TABLE = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
40 22 0:40 / /mnt/lab rw,relatime shared:20 - cifs //NAS.lab.example/measurements/qubits rw,vers=3.1.1
41 22 0:41 / /mnt/with\040space rw - nfs4 filer:/export/home rw
42 22 0:42 /fridge /mnt/bound rw - nfs [fe80::1]:/export rw
43 22 0:43 / /mnt/ssh rw - fuse.sshfs me@host.example:/data rw
44 22 8:17 / /media/stick rw - vfat /dev/sdb1 rw
45 22 0:45 / /run/user/1000/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
46 22 0:46 / /mnt/tag rw - 9p hostshare rw
47 22 0:47 / /mnt/over rw - nfs a:/old rw
48 47 259:2 /somewhere /mnt/over rw - ext4 /dev/nvme0n1p2 rw
49 22 0:49 / /mnt/auto rw - autofs systemd-1 rw
50 22 0:50 /qubits /mnt/twice rw - cifs //nas/measurements/qubits rw
this line makes no sense
"""


@pytest.mark.parametrize(
    ("path", "file_system", "remote", "share"),
    [
        ("/home/me", "ext4", False, None),
        ("/mnt/lab", "cifs", True, "//nas.lab.example/measurements/qubits"),
        ("/mnt/lab/2026/01", "cifs", True, "//nas.lab.example/measurements/qubits/2026/01"),
        ("/mnt/laboratory", "ext4", False, None),
        ("/mnt/with space/me", "nfs4", True, "//filer/export/home/me"),
        ("/mnt/bound/x", "nfs", True, "//fe80::1/export/fridge/x"),
        ("/mnt/ssh/x", "fuse.sshfs", True, "//host.example/data/x"),
        ("/media/stick/x", "vfat", False, None),
        ("/run/user/1000/gvfs/smb-share:server=nas,share=lab/x", "fuse.gvfsd-fuse", True, "//nas/lab/x"),
        ("/run/user/1000/gvfs/sftp:host=h/x", "fuse.gvfsd-fuse", True, None),
        ("/mnt/tag/x", "9p", True, None),
        ("/mnt/over/x", "ext4", False, None),
        ("/mnt/auto/x", "autofs", True, None),
        ("/mnt/twice/x", "cifs", True, "//nas/measurements/qubits/x"),
    ],
)
def test_mount_table_of_linux(path: str, file_system: str, remote: bool, share: str | None) -> None:
    volume = linux_volume(path, parse_mount_table(TABLE))
    assert (volume.file_system, volume.is_remote, volume.share) == (file_system, remote, share)


def test_what_directory_entries_can_be_trusted_for() -> None:
    mounts = parse_mount_table(TABLE)
    assert linux_volume("/home", mounts).has_stable_inodes
    assert linux_volume("/home", mounts).renames_move_ctime
    assert not linux_volume("/media/stick", mounts).has_stable_inodes
    assert not linux_volume("/media/stick", mounts).renames_move_ctime
    assert not linux_volume("/mnt/lab", mounts).renames_move_ctime


def test_no_mount_table_means_a_local_disk() -> None:
    assert not linux_volume("/home", ()).is_remote


@pytest.mark.parametrize(
    ("path", "share"),
    [
        (r"\\NAS\lab", "//nas/lab"),
        (r"\\nas\lab\2026\x", "//nas/lab/2026/x"),
        ("//nas/lab/x", "//nas/lab/x"),
        (r"\\?\UNC\nas\lab\x", "//nas/lab/x"),
        (r"\\?\C:\data", None),
        (r"\\.\pipe\x", None),
        (r"C:\data", None),
        (r"\\nas", None),
    ],
)
def test_windows_paths_of_shares(path: str, share: str | None) -> None:
    assert unc_share(path) == share


@pytest.mark.parametrize(
    ("device", "below", "share"),
    [
        ("//me@nas/lab", "2026", "//nas/lab/2026"),
        ("//nas/lab", "", "//nas/lab"),
        ("filer:/export", "x/y", "//filer/export/x/y"),
        ("/dev/disk1s1", "x", None),
    ],
)
def test_macos_devices_of_shares(device: str, below: str, share: str | None) -> None:
    assert macos_share(device, below) == share


def test_this_machine_answers_for_any_path(tmp_path: Path) -> None:
    volume = volume_of(str(tmp_path / "not" / "there"))
    assert not volume.is_remote or volume.file_system
    if sys.platform == "linux":
        assert volume.mount_point.startswith("/")
        assert not is_remote("/proc/self")


def test_answers_can_be_replaced() -> None:
    with volumes_from(lambda path: Volume("/mnt", "nfs", is_remote=True, share="//a/b")):
        assert is_remote("/anything")
        assert share_of("/anything") == "//a/b"
