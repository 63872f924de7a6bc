"""Homes and desks for the pages: a real engine archived once what each test gets a store of its own for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from etiket_gui.gui.desk import Desk
from etiket_gui.settings.home import Home
from tests.support.page_desk import page_desk
from tests.support.page_lab import archived_lab, rich_lab

ShowPage = Callable[..., QWidget]


@pytest.fixture(scope="session")
def _rich_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rich_lab(tmp_path_factory.mktemp("rich lab")).home.root


@pytest.fixture(scope="session")
def _archived_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived_lab(tmp_path_factory.mktemp("archived lab"), 12).home.root


@pytest.fixture
def rich_home(_rich_home: Path, tmp_path: Path) -> Home:
    """A home with datasets in every state, a question and a destination that is away; its store is this test's own."""
    return Home(Path(shutil.copytree(_rich_home, tmp_path / "rich home", ignore=shutil.ignore_patterns("run"))))


@pytest.fixture
def archived_home(_archived_home: Path, tmp_path: Path) -> Home:
    """A home whose twelve datasets are archived; its store is this test's own, the archive is everybody's."""
    return Home(Path(shutil.copytree(_archived_home, tmp_path / "archived home", ignore=shutil.ignore_patterns("run"))))


@pytest.fixture
def new_home(tmp_path: Path) -> Home:
    """A home in which nothing is configured yet, with its store."""
    from etiket_gui.store.health import open_store

    home = Home(tmp_path / "new home")
    open_store(home).writer.close()
    return home


@pytest.fixture
def desk_on(qtbot: QtBot) -> Iterator[Callable[[Home], Desk]]:
    """Makes a desk on a home; everything of it has ended after the test."""
    with ExitStack() as stack:
        yield lambda home: stack.enter_context(page_desk(home))


@pytest.fixture
def show_page(qtbot: QtBot) -> Iterator[ShowPage]:
    """Shows a page in a size, and closes it after the test before anything else ends."""
    pages: list[QWidget] = []

    def show(page: QWidget, width: int = 1200, height: int = 800) -> QWidget:
        pages.append(page)
        page.resize(width, height)
        page.show()
        qtbot.waitExposed(page)
        return page

    yield show
    for page in pages:
        page.close()
        page.deleteLater()
