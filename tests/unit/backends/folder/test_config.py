"""The options of a folder source."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from etiket_gui.backends.directories import NETWORK_POLL_INTERVAL_S
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.folder.config import FolderConfig
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE
from etiket_gui.osys.remote import Volume, volumes_from
from tests.support.folder_source import FolderSource


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"root_directory": ""}, "is empty"),
        ({"root_directory": "data/run"}, "not an absolute path"),
        ({"root_directory": "/a\x00b"}, "NUL"),
        ({"root_directory": "/data", "level": -2}, "level -2 is not possible"),
        ({"root_directory": "/data", "converters": {"csv": "off"}}, "'csv' is no conversion"),
        ({"root_directory": "/data", "converters": {"csv_to_hdf5": " "}}, "says nothing"),
        ({"root_directory": "/data", "converters": {"all": "mine"}}, "says nothing"),
        ({"root_directory": "/data", "level": 65}, "1 to 64"),
        ({"root_directory": "/data", "ignore": ["*.tmp", "[z-a]"]}, "cannot be understood"),
        ({"root_directory": "/data", "ignore": [""]}, "says nothing"),
        ({"root_directory": "/data", "settle_time": -1}, "0 s to 7 days"),
        ({"root_directory": "/data", "settle_time": "nan"}, "0 s to 7 days"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        FolderConfig(**options)


def test_defaults_are_visible_values() -> None:
    config = FolderConfig(root_directory="/data/./x/")
    assert config.model_dump() == {
        "root_directory": "/data/x",
        "level": 1,
        "ignore": list(DEFAULT_IGNORE),
        "settle_time": None,
        "is_network_folder": None,
        "converters": {},
    }


def test_network_folder_is_polled_and_settles_later(tmp_path: Any) -> None:
    source = FolderSource(tmp_path, tmp_path)
    unsaid = FolderConfig(root_directory=str(tmp_path))
    assert FolderBackend.settle_time_s(unsaid) == 10
    with volumes_from(lambda path: Volume("/mnt", "cifs", is_remote=True, share="//nas/lab")):
        assert FolderBackend.settle_time_s(unsaid) == 60
        assert FolderBackend.settle_time_s(FolderConfig(root_directory=str(tmp_path), is_network_folder=False)) == 10
        assert FolderBackend.settle_time_s(FolderConfig(root_directory=str(tmp_path), settle_time=3)) == 3
        plan = FolderBackend(unsaid, source.backend.context).watch_plan()
    assert (plan.folders, plan.poll_interval_s) == ((), NETWORK_POLL_INTERVAL_S)
    assert source.backend.watch_plan().folders == (str(tmp_path),)


def test_places_on_a_share_outlive_a_mount(tmp_path: Any) -> None:
    source = FolderSource(tmp_path, tmp_path)
    source.write("run/trace.csv")
    with volumes_from(lambda path: Volume("/mnt", "cifs", is_remote=True, share="//nas/lab", renames_move_ctime=False)):
        found = source.look()["run"]
        assert found.place == f"//nas/lab:{(tmp_path / 'run').stat().st_ino}"
        assert source.summary.root_place.startswith("//nas/lab:")


def test_names_enter_the_fingerprint_where_a_rename_leaves_no_other_trace(tmp_path: Any) -> None:
    coarse = Volume("/mnt", "exfat", is_remote=False, has_stable_inodes=False, renames_move_ctime=False)
    source = FolderSource(tmp_path, tmp_path)
    path = source.write("run/trace.csv")
    with volumes_from(lambda path: coarse):
        found = source.look()["run"]
        assert found.place == ""
        assert source.read("run").files[0].entry.inode == 0
        assert source.backend.fingerprint("run") == found.fingerprint
        path.rename(path.with_name("other.csv"))
        assert source.look()["run"].is_unchanged is False
