"""The store answers a backend's question about a part of a source without reading all of it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from etiket_gui.backends.api import IndexedKnownDatasets
from etiket_gui.store.quick import KnownDatasetsReader


def test_datasets_of_one_folder_are_told_by_the_index(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    names = ["a", "a b/1", "a-1", "a/1", "a/1/x", "a/ü", "a0", "b/a/1", "a/gone", "A/1"]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE datasets (source_id, identifier, fingerprint, is_gone, UNIQUE (source_id, identifier))"
        )
        connection.executemany(
            "INSERT INTO datasets VALUES (1, ?, ?, ?)", [(name, n, name == "a/gone") for n, name in enumerate(names)]
        )
        connection.execute("INSERT INTO datasets VALUES (2, 'a/other source', 0, 0)")
    with KnownDatasetsReader(path, 1) as known:
        assert isinstance(known, IndexedKnownDatasets)
        assert sorted(known.fingerprints_below("a")) == ["a", "a/1", "a/1/x", "a/ü"]
        assert dict(known.fingerprints_below("a/1")) == {"a/1": 3, "a/1/x": 4}
        assert dict(known.fingerprints_below("none")) == {}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT identifier, fingerprint FROM datasets WHERE source_id = ?1 AND is_gone = 0 AND"
            " (identifier = ?2 OR (identifier > ?2 || '/' AND identifier < ?2 || '0'))",
            (1, "a"),
        ).fetchall()
    assert not any("SCAN" in row[3] for row in plan)
