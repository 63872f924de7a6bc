"""Generated packages in a fresh environment: installed, found, and held to the public conformance suites."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.scaffolds.generators import generate_converter_scaffold, generate_sync_agent_scaffold

#: What a person fills in: the rows of a table, and one file for each.
LIST_DATASETS = """
        with closing(sqlite3.connect(f"file:{self.config.database_path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT id, name, value, changed_ns FROM runs ORDER BY id").fetchall()
        for number, name, value, changed_ns in rows:
            yield DatasetRow(str(number), name, version=(name, value), changed_ns=changed_ns)
"""
WRITE_FILES = """
        with closing(sqlite3.connect(f"file:{self.config.database_path}?mode=ro", uri=True)) as database:
            query = "SELECT value, sample FROM runs WHERE id = ?"
            value, sample = database.execute(query, (int(identifier),)).fetchone()
        (folder / "value.txt").write_text(f"{value}\\n")
        return DatasetDetails(attributes={"sample": sample})
"""
CONVERT = """
        with open(input_path, encoding="utf-8", opener=quietly) as file:
            text = file.read()
        if not text.startswith("a,b"):
            raise ConversionFailed(f"{input_path.name} is no table of ours.")
        self.stop.check()
        target = output_dir / f"{input_path.stem}.{self.output_type}"
        target.write_text(text.replace(",", "\\t"), encoding="utf-8")
        return target
"""

DATABASE_TEST = """
import sqlite3
from contextlib import closing
import pytest
from etiket_gui.backends.registry import load_backend
from etiket_gui.testing.backend_suite import BackendContract, SourceBench

class Bench(SourceBench):
    backend_class = load_backend("my-backend")
    keeps_access_times = False

    def __init__(self, folder):
        super().__init__(folder)
        self.path = self.root / "runs.sqlite"
        self._execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name, value, sample, changed_ns)")

    def _execute(self, *statement):
        with closing(sqlite3.connect(self.path)) as database:
            database.execute(*statement)
            database.commit()

    def options(self):
        return {"database_path": str(self.path)}

    def make(self, name):
        row = (name, 1.5, "SQ22", 1767348245 * 10**9)
        self._execute("INSERT INTO runs (name, value, sample, changed_ns) VALUES (?, ?, ?, ?)", row)

    def change(self, name):
        self._execute("UPDATE runs SET value = 2.5 WHERE name = ?", (name,))

    def remove(self, name):
        self._execute("DELETE FROM runs WHERE name = ?", (name,))

    def take_away(self):
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name):
        return {"one": "1", "two": "2"}[name]

class TestGeneratedDatabaseBackend(BackendContract):
    @pytest.fixture
    def bench(self, tmp_path):
        return Bench(tmp_path)
"""

FILE_TEST = """
import shutil
import pytest
from etiket_gui.backends.registry import load_backend
from etiket_gui.testing.backend_suite import BackendContract, SourceBench

class Bench(SourceBench):
    backend_class = load_backend("lab-data")

    def options(self):
        return {"root_directory": str(self.root), "is_network_folder": False}

    def _folder(self, name):
        return self.root / "2026-01-02" / name

    def make(self, name):
        self._folder(name).mkdir(parents=True)
        (self._folder(name) / "data.csv").write_text("1,2")

    def change(self, name):
        (self._folder(name) / "data.csv").write_text("1,2,3")

    def remove(self, name):
        shutil.rmtree(self._folder(name))

    def take_away(self):
        self.root.rename(self.root.with_name("unplugged"))

    def identifier_of(self, name):
        return f"2026-01-02/{name}"

class TestGeneratedFileBackend(BackendContract):
    @pytest.fixture
    def bench(self, tmp_path):
        return Bench(tmp_path)
"""

CONVERTER_TEST = """
import pytest
from etiket_gui.converters.registry import load_converter
from etiket_gui.testing.converter_suite import ConverterBench, ConverterContract

class Bench(ConverterBench):
    converter_class = load_converter("csv-to-tsv")

    def make(self, path):
        path.write_text("a,b\\n1,2\\n")

    def make_nonsense(self, path):
        path.write_bytes(b"\\x00")

class TestGeneratedConverter(ConverterContract):
    @pytest.fixture
    def bench(self, tmp_path):
        return Bench(tmp_path)
"""


class Environment:
    """A virtual environment with this program's libraries, and nothing else until it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        command = [str(self.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        own = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        Path(own, "libraries.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        self._wheels = folder / "wheels"

    def install(self, package: Path) -> None:
        """Build a wheel of a package and install it, without a network."""
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(self._wheels)]
        done = subprocess.run(build, cwd=package, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        wheel = next(path for path in self._wheels.iterdir() if path.name.startswith(package.name.replace("-", "_")))
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-deps", "--no-index", "-q"]
        done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        return subprocess.run(
            [str(self.python), *arguments],
            capture_output=True, text=True, timeout=300, cwd=self.folder, env=environment | variables,
        )  # fmt: skip


def _fill(path: Path, ending: str, code: str, *, imports: str = "") -> None:
    """Put a few lines of one's own in place of the last statement of a method."""
    text = path.read_text(encoding="utf-8")
    assert text.count(ending) == 1
    text = text.replace(ending, code.lstrip("\n"))
    path.write_text(
        text.replace("from pathlib import Path\n", f"from pathlib import Path\n{imports}", 1), encoding="utf-8"
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with a file backend as it was generated, and a database backend and a converter filled in."""
    folder = tmp_path_factory.mktemp("generated")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert generate_sync_agent_scaffold(["lab-data", "--base", "file", "--level", "2", "--live-sync"]) == 0
        assert generate_sync_agent_scaffold(["my-backend", "--default-scope", "OPTIONAL"]) == 0
        assert generate_converter_scaffold(["csv-to-tsv"]) == 0
        assert generate_sync_agent_scaffold(["qcodes", "--base", "file"]) == 0
    finally:
        os.chdir(before)
    sync = folder / "etiket-sync-agent-my-backend/etiket_sync_agent_my_backend/my_backend_sync_class.py"
    _fill(sync, "        return ()\n", LIST_DATASETS, imports="import sqlite3\nfrom contextlib import closing\n")
    _fill(sync, "        return None\n", WRITE_FILES)
    _fill(sync, "endings = ()", 'endings = (".sqlite",)')
    converter = folder / "etiket-sync-agent-csv-to-tsv-converters/etiket_sync_agent_csv_to_tsv_converters"
    text = (converter / "csv_to_tsv_converter.py").read_text(encoding="utf-8")
    last = text.index("        raise ConversionFailed(")
    text = (text[:last] + CONVERT.lstrip("\n")).replace("import Converter\n", "import Converter, quietly\n")
    (converter / "csv_to_tsv_converter.py").write_text(text, encoding="utf-8")
    made = Environment(folder / "environment")
    for package in sorted(folder.glob("etiket-sync-agent-*")):
        made.install(package)
    return made


@pytest.mark.parametrize(
    ("name", "code"), [("file", FILE_TEST), ("database", DATABASE_TEST), ("converter", CONVERTER_TEST)]
)
def test_generated_plug_in_passes_the_public_conformance_suite(environment: Environment, name: str, code: str) -> None:
    test = environment.folder / f"test_{name}.py"
    test.write_text(code)
    pytest_there = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(environment.folder))
    done = environment.run(*pytest_there, str(test))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_generated_plug_ins_are_listed_and_one_with_a_built_in_name_is_used_in_its_place(
    environment: Environment, tmp_path: Path
) -> None:
    listed = {item["name"]: item for item in _json(environment, tmp_path)}
    assert listed["my_backend"]["origin"] == "etiket-sync-agent-my-backend 0.0.1"
    assert listed["lab_data"]["is_usable"]
    assert listed["csv_to_tsv"]["group"] == "converter"
    assert listed["qcodes"]["origin"] == "etiket-sync-agent-qcodes 0.0.1"
    assert listed["qcodes"]["shadows"] == ["built-in"]


def test_generated_database_backend_syncs(environment: Environment, tmp_path: Path) -> None:
    setup = (
        "import sqlite3\n"
        f"database = sqlite3.connect({str(tmp_path / 'runs.sqlite')!r})\n"
        "database.execute('CREATE TABLE runs (id INTEGER PRIMARY KEY, name, value, sample, changed_ns)')\n"
        "database.execute('INSERT INTO runs VALUES (1, ?, 1.5, ?, 1767348245000000000)', ('Rabi', 'SQ22'))\n"
        "database.commit()\n"
    )
    assert environment.run("-c", setup).returncode == 0
    commands = (
        ["add-destination", "archive", "nas", f"path={tmp_path / 'archive'}"],
        ["add-source", "my-backend", "lab", f"database_path={tmp_path / 'runs.sqlite'}", "--to", "nas"],
        ["run", "--once"],
    )
    for command in commands:
        done = _command(environment, tmp_path, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    (dataset,) = json.loads(_command(environment, tmp_path, "--json", "datasets", "--files").stdout)
    assert (dataset["name"], dataset["state"]) == ("Rabi", "archived")
    assert [file["name"] for file in dataset["files"]] == ["value.txt"]


def _command(environment: Environment, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from etiket_gui.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return environment.run("-c", code, *arguments, ETIKET_GUI_HOME=str(tmp_path / "home"))


def _json(environment: Environment, tmp_path: Path) -> Any:
    return json.loads(_command(environment, tmp_path, "--json", "plugins").stdout)
