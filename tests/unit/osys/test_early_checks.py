"""A machine that cannot carry the program hears it before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etiket_gui.domain.errors import PermissionRefused, UsageError
from etiket_gui.osys.early_checks import check_machine, check_writable


def test_this_machine_is_good_enough() -> None:
    check_machine()


def test_old_python_and_old_sqlite_are_refused_with_both_numbers() -> None:
    with pytest.raises(UsageError, match=r"Python 3\.11 or newer; this is 3\.10\.9"):
        check_machine(python=(3, 10, 9))
    with pytest.raises(UsageError, match=r"SQLite 3\.35\.0 or newer; .* 3\.31\.1"):
        check_machine(sqlite=(3, 31, 1))


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_folder_that_cannot_be_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionRefused, match="file") as refused:
        check_writable(tmp_path / "file" / "home")
    assert "--home" in refused.value.advice
