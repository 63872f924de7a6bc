"""What the bases of generated backends do with what a person filled in, and with what is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from pydantic import Field

from etiket_gui.backends import plugin_bases
from etiket_gui.backends.api import BackendContext, DiscoveryRequest, SourceConfig
from etiket_gui.backends.plugin_bases import (
    DatasetDetails,
    DatasetRow,
    FileSource,
    FileSourceConfig,
    TableSource,
)
from etiket_gui.backends.recognise import recognise
from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import KnownInMemory


class _Demanding(FileSourceConfig):
    station: str = Field(title="Station", description="It has no default.")


class _FileBackend(FileSource):
    identifier = "demanding"
    title = "Demanding folders"
    config_class = _Demanding


class _TableBackend(TableSource):
    identifier = "tables"
    title = "Tables"
    config_class = _Demanding

    def list_datasets(self) -> Iterable[DatasetRow]:
        raise ConnectionError("nobody answers")

    def write_files(self, identifier: str, folder: Path) -> DatasetDetails | None:
        return None


def test_options_without_a_default_make_no_noise_when_a_path_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.dat").write_text("1")
    for path in (tmp_path, tmp_path / "run" / "a.dat"):
        answer = recognise(path, [_FileBackend, _TableBackend], StopToken())
        assert (answer.recognitions, answer.notes) == ((), ())


class _AddressConfig(SourceConfig):
    database_path: str = Field(default="lab-server", title="Database", description="Its address.")


class _Running(TableSource):
    identifier = "running"
    title = "Running"
    config_class = _AddressConfig
    version = 1

    def list_datasets(self) -> Iterable[DatasetRow]:
        yield DatasetRow("run", "run", self.version, is_complete=False)

    def write_files(self, identifier: str, folder: Path) -> DatasetDetails | None:
        return None


def test_unfinished_dataset_becomes_interrupted_however_often_the_process_that_looks_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = 1_800_000_000_000_000_000
    monkeypatch.setattr(plugin_bases.time, "time_ns", lambda: now_ns)
    summary = DiscoverySummary(0)

    def state() -> RunState:
        nonlocal summary
        found: list[Found] = []
        backend = _Running(_AddressConfig(), BackendContext("", tmp_path))
        request = DiscoveryRequest(cursor=summary.cursor)
        summary = backend.discover(request, KnownInMemory(), found.append, StopToken())
        return found[0].run_state

    states = []
    for _ in range(4):
        states.append(state())
        now_ns += 700 * 1_000_000_000
    assert states == [RunState.LIVE, RunState.LIVE, RunState.LIVE, RunState.INTERRUPTED]
    monkeypatch.setattr(_Running, "version", 2)
    assert state() is RunState.LIVE, "content appeared"
