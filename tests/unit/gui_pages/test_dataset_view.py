"""Where a dataset can be looked at: its browsable folder, its records where there is no tree, a reason when away."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import UsageError
from etiket_gui.settings.home import Home
from etiket_gui.worker.desk.dataset_view import dataset_view
from etiket_gui.worker.desk.job import DeskJob
from tests.support.page_lab import archived_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    driver = archived_lab(tmp_path_factory.mktemp("view lab"), 2)
    return driver.home, driver.archives[0]


def _view(home: Home, **parameters: Any) -> dict[str, Any]:
    return dataset_view(DeskJob(1, "dataset_view", parameters, home, lambda _: None))


def test_the_browsable_folder_and_its_preview_are_found(lab: tuple[Home, Path]) -> None:
    home, archive = lab
    result = _view(home, dataset=1)
    folder = Path(result["views"][0]["address"])
    assert folder.is_relative_to(archive / "browse")
    assert result["preview"] == ""
    (folder / "preview.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    assert _view(home, dataset=1)["preview"]
    (folder / "preview.png").write_bytes(b"<svg>")
    assert _view(home, dataset=1)["preview"] == ""
    (folder / "preview.png").unlink()


def test_without_a_tree_the_folder_of_its_records_is_shown(lab: tuple[Home, Path], tmp_path: Path) -> None:
    home, archive = lab
    tree = archive / "browse"
    tree.rename(archive / "browse away")
    try:
        folder = Path(_view(home, dataset=1)["views"][0]["address"])
        assert (folder / "blobs").is_dir()
    finally:
        (archive / "browse away").rename(tree)


def test_a_folder_of_somebody_else_in_its_place_is_not_shown_as_the_dataset(lab: tuple[Home, Path]) -> None:
    home = lab[0]
    folder = Path(_view(home, dataset=1)["views"][0]["address"])
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    try:
        assert (Path(_view(home, dataset=1)["views"][0]["address"]) / "blobs").is_dir()
    finally:
        folder.rmdir()
        aside.rename(folder)


def test_an_archive_that_is_away_gives_a_reason(lab: tuple[Home, Path]) -> None:
    home, archive = lab
    moved = archive.with_name("moved")
    shutil.move(archive, moved)
    try:
        view = _view(home, dataset=1)["views"][0]
        assert view["address"] == ""
        assert view["reason"]
    finally:
        shutil.move(moved, archive)


def test_a_dataset_that_is_not_stored_has_no_view(lab: tuple[Home, Path], tmp_path: Path) -> None:
    assert _view(lab[0], dataset=99) == {"views": [], "preview": ""}
    assert _view(Home(tmp_path), dataset=1) == {"views": [], "preview": ""}
    with pytest.raises(UsageError):
        _view(lab[0])
