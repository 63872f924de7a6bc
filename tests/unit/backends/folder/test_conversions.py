"""Converters run on the files of a dataset folder, beside the originals, and what fails is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import zarr
from zarr.core.sync import cleanup_resources

from etiket_gui.backends.folder import conversions
from etiket_gui.converters.api import Converter
from etiket_gui.converters.registry import ConverterRegistry
from etiket_gui.domain.content import Content
from etiket_gui.domain.errors import PluginFailed, Stopped, UsageError
from etiket_gui.domain.stopping import StopToken
from tests.support.folder_source import FolderSource

TABLE = "a,b\n1,2\n3,4\n"


@pytest.fixture(autouse=True)
def _no_zarr_threads() -> Iterator[None]:
    yield
    cleanup_resources()


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    """A source in which every installed converter runs."""
    return FolderSource(tmp_path / "source", tmp_path / "work", converters={})


def made(content: Content) -> list[str]:
    """The names of the converted files."""
    return [file.entry.name for file in content.files if file.is_derived]


class Upper(Converter):
    """Another converter for the same pair."""

    input_type: ClassVar[str] = "CSV"
    output_type: ClassVar[str] = "hdf5"
    version: ClassVar[str] = "2.0"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """The text in capitals."""
        target = output_dir / f"{input_path.stem}.hdf5"
        target.write_text(input_path.read_text().upper())
        return target


class ManyFiles(Upper):
    """A folder as result."""

    output_type: ClassVar[str] = "pages"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """A file for each line."""
        folder = output_dir / f"{input_path.stem}.pages"
        (folder / "all").mkdir(parents=True)
        for number, line in enumerate(input_path.read_text().splitlines()):
            (folder / "all" / f"{number}.txt").write_text(line)
        return folder


class Failing(Upper):
    """Raises whatever it is told."""

    raises: ClassVar[Callable[[], BaseException]] = lambda: RuntimeError("no licence")

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """Nothing good."""
        (output_dir / "half.hdf5").write_text("half")
        raise type(self).raises()


class Outside(Upper):
    """Writes where it should not."""

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """The input itself as its result."""
        return input_path


class Above(Upper):
    """Names a way out of its folder."""

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """The input by a detour."""
        return output_dir / ".." / ".." / ".." / ".." / "source" / "run" / input_path.name


class Nothing(Upper):
    """Forgets to return anything."""

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """None, which is no path."""
        return None  # type: ignore[return-value]


class Promised(Upper):
    """Returns what it did not make."""

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """A path of nothing."""
        return output_dir / "trace.hdf5"


class Linked(Upper):
    """Returns a link."""

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """A link beside a file."""
        (output_dir / "real.hdf5").write_text("real")
        target = output_dir / "trace.hdf5"
        target.symlink_to(output_dir / "real.hdf5")
        return target


def install(monkeypatch: pytest.MonkeyPatch, **kinds: type[Converter]) -> None:
    """Only these converters are installed."""

    class Registry:
        def names(self) -> tuple[str, ...]:
            return tuple(sorted(kinds))

        def built_in_input_type(self, name: str) -> None:
            return None

        def get(self, name: str) -> type[Converter]:
            plain = name.removesuffix("_converter")
            if plain == "broken":
                raise PluginFailed("The plug-in broken is disabled: it raises.")
            if plain not in kinds:
                raise UsageError(f"There is no converter {name!r}.")
            return kinds[plain]

    monkeypatch.setattr(conversions, "registry", Registry)


def test_every_matching_file_is_converted_beside_the_original_whatever_its_case(source: FolderSource) -> None:
    source.write("run/trace.csv", TABLE)
    source.write("run/raw/Second.CSV", TABLE)
    source.write("run/notes.txt", "text")
    source.look()
    content = source.read("run")
    assert made(content) == ["raw/Second.hdf5", "trace.hdf5"]
    assert [file.entry.name for file in content.files if not file.is_derived] == [
        "notes.txt", "raw/Second.CSV", "trace.csv",
    ]  # fmt: skip
    assert content.problems == ()
    assert content.description.details["conversions"] == [
        {"output": "raw/Second.hdf5", "input": "raw/Second.CSV", "converter": "csv_to_hdf5", "version": "1"},
        {"output": "trace.hdf5", "input": "trace.csv", "converter": "csv_to_hdf5", "version": "1"},
    ]
    for file in content.files:
        assert Path(file.path).is_relative_to(source.backend.context.work_folder) == file.is_derived


def test_zarr_folder_is_one_input_and_its_parts_are_none(source: FolderSource) -> None:
    folder = source.root / "run" / "data" / "Sweep.zarr"
    folder.parent.mkdir(parents=True)
    group = zarr.open_group(str(folder), mode="w", zarr_format=3)
    group.create_array("signal", shape=(3,), dtype="f8")[:] = [1.0, 2.0, 3.0]
    source.write("run/data/Sweep.zarr/notes.csv", TABLE)
    content = source.read("run")
    assert made(content) == ["data/Sweep.nc", "data/Sweep.zarr.zip"]
    assert content.problems == ()


def test_names_that_are_taken_are_left_to_their_owners(source: FolderSource) -> None:
    source.write("run/trace.csv", TABLE)
    source.write("run/Trace.HDF5", "somebody's own")
    source.write("run/x.csv", TABLE)
    source.write("run/x.hdf5", "own")
    source.write("run/x.csv.hdf5", "own")
    assert made(source.read("run")) == ["trace.csv.hdf5", "x.csv_to_hdf5.hdf5"]


def test_failing_conversion_is_a_problem_and_the_rest_goes(source: FolderSource) -> None:
    source.write("run/bad.csv", b"\x00\x01")
    source.write("run/good.csv", TABLE)
    content = source.read("run")
    assert made(content) == ["good.hdf5"]
    assert len(content.files) == 3
    (problem,) = content.problems
    assert problem.kind == "ConversionFailed"
    assert "bad.csv" in problem.reason
    assert "csv_to_hdf5 1" in problem.reason


@pytest.mark.parametrize(
    ("kind", "error", "why"),
    [
        (Failing, lambda: RuntimeError("no licence"), "RuntimeError: no licence"),
        (Failing, lambda: MemoryError("much too large"), "MemoryError: much too large"),
        (Failing, lambda: SystemExit(3), "SystemExit: 3"),
        (Outside, lambda: None, "does not lie in the folder"),
        (Above, lambda: None, "does not lie in the folder"),
        (Nothing, lambda: None, "TypeError"),
        (Promised, lambda: None, "is not there"),
        (Linked, lambda: None, "is not there"),
    ],
)
@pytest.mark.allows_log("The converter mine raised")
def test_whatever_a_converter_does_wrong_is_told_with_its_name(
    source: FolderSource, monkeypatch: pytest.MonkeyPatch, kind: type[Converter], error: Any, why: str
) -> None:
    install(monkeypatch, mine=kind)
    monkeypatch.setattr(Failing, "raises", error)
    source.write("run/trace.csv", TABLE)
    content = source.read("run")
    assert made(content) == []
    (problem,) = content.problems
    assert why in problem.reason
    assert "mine 2.0" in problem.reason


def test_stop_ends_the_conversion_and_not_only_that(source: FolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mine=Failing)
    monkeypatch.setattr(Failing, "raises", lambda: Stopped("The work was cancelled."))
    source.write("run/trace.csv", TABLE)
    with pytest.raises(Stopped):
        source.backend.read("run", StopToken())


def test_folder_as_result_becomes_many_files(source: FolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, pages=ManyFiles)
    source.write("run/raw/trace.csv", TABLE)
    content = source.read("run")
    assert made(content) == [f"raw/trace.pages/all/{number}.txt" for number in range(3)]
    (note,) = content.description.details["conversions"]
    assert (note["output"], note["version"]) == ("raw/trace.pages", "2.0")


def test_two_converters_for_one_pair_both_run_until_one_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5

    install(monkeypatch, csv_to_hdf5=CsvToHdf5, upper=Upper)
    source = FolderSource(tmp_path / "source", tmp_path / "work", converters={})
    source.write("run/trace.csv", TABLE)
    assert made(source.read("run")) == ["trace.csv.hdf5", "trace.hdf5"]
    for choice, version in (("upper", "2.0"), ("csv-to-hdf5", "1")):
        chosen = FolderSource(source.root, tmp_path / choice, converters={"csv_to_hdf5": choice})
        (note,) = chosen.read("run").description.details["conversions"]
        assert (note["output"], note["version"]) == ("trace.hdf5", version)


def test_conversions_that_are_off_are_not_made(tmp_path: Path) -> None:
    for choices in ({"all": "off"}, {"ALL": "OFF"}, {"csv_to_hdf5": "off"}, {"CSV_to_HDF5": "OFF"}):
        source = FolderSource(tmp_path / "source", tmp_path / "work", converters=choices)
        source.write("run/trace.csv", TABLE)
        content = source.read("run")
        assert made(content) == []
        assert content.problems == ()
        assert "conversions" not in content.description.details


def test_chosen_converter_that_is_not_installed_is_told(tmp_path: Path) -> None:
    source = FolderSource(tmp_path / "source", tmp_path / "work", converters={"csv_to_hdf5": "nobody"})
    source.write("run/trace.csv", TABLE)
    content = source.read("run")
    assert made(content) == []
    assert "'nobody'" in content.problems[0].reason


def description(*lines: str) -> str:
    """A description file that asks for converters."""
    return "converters:\n" + "".join(f"  {line}\n" for line in lines)


def test_description_decides_alone_which_converters_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5

    install(monkeypatch, csv_to_hdf5=CsvToHdf5, mine=Upper)
    source = FolderSource(tmp_path / "source", tmp_path / "work", converters={"all": "off"})
    source.write("run/trace.csv", TABLE)
    place = "{module: %s, class: %s}"
    for text, version in (
        (description("csv_to_hdf5_converter: {}"), "1"),
        (description(f"csv_to_hdf5_converter: {place % (Upper.__module__, 'Upper')}"), "2.0"),
        (description("csv_to_hdf5_converter: {module: not.installed, class: Thing}"), "1"),
    ):
        source.write("run/_QH_dataset_info.yaml", text)
        content = source.read("run")
        assert [note["version"] for note in content.description.details["conversions"]] == [version], text
        assert content.problems == ()


def test_description_that_names_what_is_not_installed_loads_nothing(
    source: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap_of_a_data_file.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source.write("run/trace.csv", TABLE)
    text = description("csv_to_xlsx_converter: {module: trap_of_a_data_file, class: Thing}")
    source.write("run/_QH_dataset_info.yaml", text)
    content = source.read("run")
    assert made(content) == []
    assert "csv_to_xlsx_converter" in content.problems[0].reason
    assert not (tmp_path / "sprung").exists()


def test_upgrade_of_a_converter_makes_no_dataset_new(source: FolderSource, monkeypatch: pytest.MonkeyPatch) -> None:
    source.write("run/trace.csv", TABLE)
    source.look()
    before = source.read("run")
    install(monkeypatch, csv_to_hdf5=Upper)
    assert source.look() == {}
    after = source.read("run")
    assert after.fingerprint == before.fingerprint
    assert after.description.details["conversions"][0]["version"] == "2.0"


def test_converted_files_in_the_manifest_do_not_make_a_dataset_look_changed(source: FolderSource) -> None:
    path = source.write("run/trace.csv", TABLE)
    source.look()
    source.read("run")
    path.parent.joinpath("junk.part").write_text("left out")
    found = source.look()
    assert found["run"].is_unchanged


def test_describing_converts_nothing(source: FolderSource) -> None:
    source.write("run/trace.csv", TABLE)
    assert source.backend.describe("run", StopToken()).name == "run"
    assert not list(source.backend.context.work_folder.rglob("*.hdf5"))


def test_installed_converters_are_the_built_in_ones() -> None:
    assert {"csv_to_hdf5", "zarr_to_netcdf4", "zarr_to_zip"} <= set(ConverterRegistry().names())
    assert all(kind is not None for kind in ConverterRegistry().usable())


_READS = """
import sys
from pathlib import Path
from tests.support.folder_source import FolderSource
folder, chosen = Path(sys.argv[1]), {"csv_to_hdf5": "csv_to_hdf5"}
source = FolderSource(folder / "source", folder / "work", converters=chosen)
source.write("run/data.bin", "1")
content = source.read("run")
assert not content.problems, content.problems
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numpy", "h5py", "zarr"}))
"""


def test_datasets_that_nothing_converts_cost_no_import(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _READS, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
