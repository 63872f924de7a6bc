"""What every converter promises, as tests: derive a Test class and give it a ``bench`` fixture.

The suite knows nothing of formats: it asks a :class:`ConverterBench` for an input and for something that is none.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from etiket_gui.converters.api import Converter, type_matches, why_not_a_converter
from etiket_gui.domain.errors import Stopped
from etiket_gui.testing.manifest import UNTOUCHED, differences, take_manifest


class ConverterBench(ABC):
    """Inputs of one converter in a temporary folder."""

    converter_class: type[Converter]

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "inputs"
        self.inputs.mkdir()
        self.outputs = folder / "outputs"

    @abstractmethod
    def make(self, path: Path) -> None:
        """Write an input that can be converted at ``path``; the same every time."""

    @abstractmethod
    def make_nonsense(self, path: Path) -> None:
        """Write something there that has the right name and makes no sense."""

    @property
    def input_path(self) -> Path:
        """Where an input lies, under a name with the ending of its type."""
        return self.inputs / f"an input µ.{self.converter_class.input_type}"

    def output_folder(self, name: str = "one") -> Path:
        """A new, empty folder for a result."""
        folder = self.outputs / name
        folder.mkdir(parents=True)
        return folder

    def convert(self, name: str = "one") -> Path:
        """Convert the input with a fresh converter."""
        return self.converter_class().convert(self.input_path, self.output_folder(name))


def content_of(path: Path) -> dict[str, str]:
    """Relative name to SHA-256 of a file, or of every file in a folder."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    return {os.path.relpath(item, path): hashlib.sha256(item.read_bytes()).hexdigest() for item in files}


class ConverterContract:
    """The promises. A derived class has a fixture ``bench`` that gives a :class:`ConverterBench`."""

    def test_plugin_is_complete(self, bench: ConverterBench) -> None:
        """The registry would take it."""
        assert why_not_a_converter(bench.converter_class) == ""

    def test_upper_and_lower_case_endings_are_one(self, bench: ConverterBench) -> None:
        """As instruments on Windows write them."""
        kind = bench.converter_class.input_type
        for name in (f"a.{kind}", f"A.{kind.upper()}", f"a.b.{kind.title()}"):
            assert type_matches(name, kind)
        assert not type_matches(kind, kind)
        assert not type_matches(f".{kind}", kind)

    def test_result_lies_in_the_output_folder_alone(self, bench: ConverterBench) -> None:
        """With nothing beside it, and the input as it was."""
        bench.make(bench.input_path)
        before = take_manifest(bench.inputs)
        result = bench.convert()
        assert [item.name for item in (bench.outputs / "one").iterdir()] == [result.name]
        assert result.parent == bench.outputs / "one"
        assert content_of(result)
        assert differences(before, take_manifest(bench.inputs), parts=UNTOUCHED) == []

    def test_same_input_gives_the_same_bytes_in_every_process(self, bench: ConverterBench) -> None:
        """Also when it is read another day."""
        bench.make(bench.input_path)
        first = bench.convert("first")
        for path in [bench.input_path, *bench.input_path.rglob("*")]:
            os.utime(path, ns=(1_000_000_000, 1_000_000_000))
        kind, folder = bench.converter_class, bench.output_folder("second")
        script = (
            "import sys\nfrom pathlib import Path\n"
            f"from {kind.__module__} import {kind.__qualname__} as Kind\n"
            "print(Kind().convert(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, bench.input_path, folder],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONUTF8": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stderr
        assert content_of(Path(done.stdout.strip())) == content_of(first)

    def test_nonsense_is_an_error_and_not_a_result(self, bench: ConverterBench) -> None:
        """The caller tells a person; the input is sent as it is."""
        bench.make_nonsense(bench.input_path)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whichever: every exception of a converter is fenced
            bench.convert()

    def test_stop_ends_the_work(self, bench: ConverterBench) -> None:
        """At once."""
        bench.make(bench.input_path)
        converter = bench.converter_class()
        converter.stop.stop()
        with pytest.raises(Stopped):
            converter.convert(bench.input_path, bench.output_folder())
