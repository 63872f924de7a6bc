"""Files that are looked at: which source a change belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from etiket_gui.domain.tasks import SourceTraits
from etiket_gui.engine.watching import Watching, watched_folders


def _traits(folder: Path, name: str) -> SourceTraits:
    files = tuple(str(folder / f"{name}{ending}") for ending in ("", "-wal"))
    return SourceTraits("local", str(folder / name), 1.0, True, (str(folder),), None, is_recursive=False, files=files)


def test_two_databases_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    told: list[tuple[int, list[str]]] = []
    watching = Watching(
        lambda action: None,
        changed=lambda source_id, paths: told.append((source_id, paths)),
        limited=lambda sentence, needed: None,
        lost=lambda source_id, reason: None,
        stderr_path=os.devnull,
    )
    folders = [*watched_folders(1, _traits(tmp_path, "a.db")), *watched_folders(2, _traits(tmp_path, "a.db2"))]
    assert all(folder.is_file for folder in folders)
    try:
        watching.watch(folders, ())
        watching._take({"event": "changed", "paths": [str(tmp_path / "a.db-wal"), str(tmp_path / "a.db2")]})
    finally:
        watching.stop(10.0)
    assert told == [(1, [str(tmp_path / "a.db-wal")]), (2, [str(tmp_path / "a.db2")])]


def test_traits_keep_their_files_on_the_way_from_a_worker(tmp_path: Path) -> None:
    traits = _traits(tmp_path, "a.db")
    assert SourceTraits.from_json(traits.to_json()) == traits
