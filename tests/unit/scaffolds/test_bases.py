"""What the bases of generated backends do with what a person filled in, and with what is still missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from etiket_gui.backends.plugin_bases import (
    DatasetDetails,
    DatasetRow,
    FileSource,
    FileSourceConfig,
    TableSource,
)
from etiket_gui.backends.recognise import recognise
from etiket_gui.domain.stopping import StopToken


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
