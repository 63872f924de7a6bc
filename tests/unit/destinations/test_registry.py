"""Which kinds of destination there are, and what becomes of bad ones."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from etiket_gui.destinations.archive.destination import ArchiveDestination
from etiket_gui.destinations.registry import GROUP, DestinationRegistry, canonical_name, load_destination
from etiket_gui.domain.errors import PluginFailed, UsageError

PLUGINS = {
    "raises": "raise RuntimeError('no licence')",
    "exits": "raise SystemExit(3)",
    "rubbish": "Kind = 7",
    "half": "from etiket_gui.destinations.api import Destination\nclass Kind(Destination): identifier = 'half'",
    "hangs": "import threading\nthreading.Event().wait(0.6)\nKind = 7",
    "renamed": "from etiket_gui.destinations.archive.destination import ArchiveDestination as Kind",
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DestinationRegistry:
    found = []
    for name, code in PLUGINS.items():
        (tmp_path / f"plugin_{name}.py").write_text(code)
        found.append(EntryPoint(name, f"plugin_{name}:Kind", GROUP))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)
    for name in PLUGINS:
        monkeypatch.delitem(sys.modules, f"plugin_{name}", raising=False)
    return DestinationRegistry(import_limit_s=0.2)


def test_archive_is_there_under_its_names() -> None:
    for name in ("archive", "Archive", " folder-archive ", "filesystem"):
        assert load_destination(name) is ArchiveDestination


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="archive"):
        load_destination("ftp")


@pytest.mark.parametrize(
    ("name", "why"),
    [("raises", "no licence"), ("exits", "SystemExit"), ("rubbish", "not a destination class"),
     ("half", "does not say"), ("hangs", "longer than"), ("renamed", "calls itself 'archive'")],
)  # fmt: skip
def test_bad_plug_in_is_disabled_with_a_reason_and_the_rest_works(
    installed: DestinationRegistry, name: str, why: str
) -> None:
    with pytest.raises(PluginFailed, match=why):
        installed.get(name)
    reasons = {plugin.name: plugin.disabled_because for plugin in installed.plugins()}
    assert why in reasons[name]
    assert installed.get("archive") is ArchiveDestination
    assert installed.usable() == (ArchiveDestination,)


def test_names_are_known_without_importing_anything(installed: DestinationRegistry) -> None:
    assert installed.names() == tuple(sorted([*PLUGINS, "archive"]))


def test_canonical_names() -> None:
    assert canonical_name("Folder") == "archive"
    assert canonical_name("Sci-Cat") == "sci_cat"
