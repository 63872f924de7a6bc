"""Showing a file in the file manager: which command on which system, and what when the file is gone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from etiket_gui.domain.errors import UsageError
from etiket_gui.osys.reveal import reveal


class Started:
    """Remembers what was started; each fails but the last ``good`` ones."""

    def __init__(self, *codes: int) -> None:
        self.commands: list[list[str]] = []
        self._codes = list(codes)

    def __call__(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        return self._codes.pop(0) if self._codes else 0


@pytest.mark.parametrize(
    ("platform", "of_file", "of_folder"),
    [
        ("win32", ["explorer", "/select,{file}"], ["explorer", "{folder}"]),
        ("darwin", ["open", "-R", "{file}"], ["open", "{folder}"]),
        ("linux", ["xdg-open", "{folder}"], ["xdg-open", "{folder}"]),
    ],
)
def test_file_is_marked_in_its_folder_and_a_folder_is_opened(
    tmp_path: Path, platform: str, of_file: list[str], of_folder: list[str]
) -> None:
    file = tmp_path / "a b.dat"
    file.write_bytes(b"x")
    for path, expected in ((file, of_file), (tmp_path, of_folder)):
        started = Started()
        assert reveal(path, platform=platform, start=started) == path
        assert started.commands == [[word.format(file=file, folder=tmp_path) for word in expected]]


def test_where_the_file_is_gone_the_nearest_folder_is_shown(tmp_path: Path) -> None:
    started = Started()
    assert reveal(tmp_path / "gone" / "deeper" / "x.dat", platform="linux", start=started) == tmp_path
    assert started.commands == [["xdg-open", str(tmp_path)]]


def test_without_any_file_manager_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No file manager"):
        reveal(tmp_path, platform="linux", start=Started(1, 1))


def test_a_link_is_shown_itself_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    started = Started()
    assert reveal(link, platform="linux", start=started) == link
    assert started.commands == [["xdg-open", str(tmp_path)]]
