"""Looks at files: every change is told, nothing else is, and the end is the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.osys.file_looks import FileLooks
from tests.support.engine_runs import wait_until

Told = list[tuple[str, bool]]


@pytest.fixture
def told() -> Told:
    """What was told: path, and whether no more is expected."""
    return []


@pytest.fixture
def looks(told: Told) -> Iterator[FileLooks]:
    """Looks every 20 ms."""
    made = FileLooks(lambda path, *, is_final: told.append((path, is_final)), every_s=0.02)
    yield made
    made.stop()


def test_a_file_that_grows_is_told_and_more_of_it_is_expected(tmp_path: Path, looks: FileLooks, told: Told) -> None:
    path = tmp_path / "experiments.db"
    path.write_bytes(b"1")
    looks.look_at([str(path)])
    path.write_bytes(b"12")
    wait_until(lambda: (str(path), False) in told, 5, "it is told")


def test_a_file_of_the_same_size_that_was_written_again_is_told(tmp_path: Path, looks: FileLooks, told: Told) -> None:
    path = tmp_path / "experiments.db-wal"
    path.write_bytes(b"1")
    looks.look_at([str(path)])
    os.utime(path, ns=(1, 1))
    wait_until(lambda: (str(path), False) in told, 5, "it is told")


def test_a_file_that_comes_and_one_that_goes_are_told_at_once(tmp_path: Path, looks: FileLooks, told: Told) -> None:
    path = tmp_path / "experiments.db-journal"
    looks.look_at([str(path)])
    path.write_bytes(b"1")
    wait_until(lambda: (str(path), True) in told, 5, "it is told")
    told.clear()
    path.unlink()
    wait_until(lambda: (str(path), True) in told, 5, "it is told")


def test_what_is_no_longer_wanted_is_not_told(tmp_path: Path, looks: FileLooks, told: Told) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    looks.look_at([str(old), str(new)])
    looks.look_at([str(new)])
    old.write_bytes(b"1")
    new.write_bytes(b"1")
    wait_until(lambda: (str(new), True) in told, 5, "it is told")
    assert str(old) not in {path for path, _ in told}


def test_a_known_file_keeps_what_was_seen_of_it_when_others_join(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "experiments.db"
    looks = FileLooks(lambda path, *, is_final: told.append((path, is_final)), every_s=0.2)
    looks.look_at([str(path)])
    path.write_bytes(b"1")
    looks.look_at([str(path), str(tmp_path / "other")])
    wait_until(lambda: (str(path), True) in told, 5, "it is told")
    looks.stop()
