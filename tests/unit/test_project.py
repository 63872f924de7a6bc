"""The project as a whole: what the wheel holds, and the rules of the house that a machine can check."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import etiket_gui

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA = PYPROJECT["project"]
SKIPPED_FOLDERS = {"__pycache__", "build", "dist"}
#: Classes that may have more than 25 public methods, and why.
LARGE_CLASSES = {"FileLayer": "one face for the file calls of an archive, one method for each call"}
ICON_STATES = {"idle", "syncing", "waiting", "paused", "attention", "error", "offline"}


def _name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0]


def _project_files() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = [
            name for name in folders if name not in SKIPPED_FOLDERS and (name == ".ci" or not name.startswith("."))
        ]
        found += [Path(folder, name) for name in names if not name.startswith(".coverage")]
    return found


FILES = _project_files()
MODULES = [path for path in FILES if path.suffix == ".py"]


def _below(folder: str) -> list[Path]:
    return [path for path in MODULES if (PROJECT / folder) in path.parents]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of this tree, as anybody's pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, copy / name)
    for name in ("etiket_gui", "resources"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was unpacked, as pip does for a pure-Python wheel."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_wheel_holds_every_module_and_every_resource(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {
        path.relative_to(PROJECT).as_posix()
        for path in FILES
        if (PROJECT / "etiket_gui") in path.parents and path.suffix != ".pyc"
    }
    wanted |= {f"etiket_gui/{p.relative_to(PROJECT).as_posix()}" for p in FILES if (PROJECT / "resources") in p.parents}
    assert wanted - packed == set()
    assert {name for name in packed if ".dist-info/" not in name} - wanted == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)


def test_installed_wheel_finds_its_resources_and_plug_ins(installed: Path, tmp_path: Path) -> None:
    program = (
        "import importlib.resources, importlib.metadata, etiket_gui, sys\n"
        f"assert etiket_gui.__file__.startswith({str(installed)!r}), etiket_gui.__file__\n"
        "icons = importlib.resources.files('etiket_gui') / 'resources' / 'icons'\n"
        "print(sorted(item.name for item in (icons / 'mask').iterdir()))\n"
        "assert (icons / 'app.svg').read_text(encoding='utf-8').startswith('<svg')\n"
        "entries = importlib.metadata.distribution('etiket-gui').entry_points\n"
        "assert {entry.group for entry in entries} >= {'etiket_gui.backends', 'etiket_gui.destinations'}\n"
        "[entry.load() for entry in entries]\n"
    )
    # Coverage would count this copy beside the checkout.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path, env=variables | {"PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(f"{state}.svg" for state in ICON_STATES))


def test_icons_are_the_drawn_ones_in_three_variants() -> None:
    drawn = runpy.run_path(str(PROJECT / "packaging" / "draw_icons.py"))["pictures"]()
    folder = PROJECT / "resources" / "icons"
    kept = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.svg")}
    assert {name: text for name, text in kept.items() if not name.startswith(("lucide/", "controls/"))} == drawn
    assert set(drawn) == {"app.svg"} | {f"{kind}/{s}.svg" for kind in ("light", "dark", "mask") for s in ICON_STATES}
    for text in drawn.values():
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    shapes = {re.findall(r' d="([^"]*)"', drawn[f"mask/{state}.svg"])[-1] for state in ICON_STATES}
    assert len(shapes) == len(ICON_STATES), "two states differ in colour only"


def test_no_file_names_a_place_of_one_machine_or_leaves_work_undone() -> None:
    forbidden = [
        re.compile(pattern)
        for pattern in (
            "/" + "work/", r"(?<![\w.])/" + "root/", r"shared/" + "(samples|reference|peers|spikes|DESIGN)",
            r"\b" + "TO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bNot" + "ImplementedError",
            r"deb\." + r"debian\.org", "pypi" + r"\.org",
        )
    ]  # fmt: skip
    found = []
    for path in FILES:
        if path.suffix in {".pyc", ".png"} or path == PROJECT / "tests" / "corpus" / "conftest.py":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(PROJECT)}: {pattern.pattern}" for pattern in forbidden if pattern.search(text)]
    assert found == []


def test_no_module_is_longer_than_500_lines() -> None:
    lengths = {path.relative_to(PROJECT).as_posix(): len(path.read_bytes().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > 500} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = re.compile(r"(^|.*_)(utils?|helpers?|misc|common|manager)$")
    assert [str(path.relative_to(PROJECT)) for path in MODULES if drawers.match(path.stem)] == []


def test_every_module_says_what_it_owns_and_no_class_does_everything() -> None:
    silent, large = [], []
    for path in _below("etiket_gui") + _below("packaging"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(path.relative_to(PROJECT)))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                public = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name[0] != "_"]
                if len(public) > 25 and node.name not in LARGE_CLASSES:
                    large.append(f"{path.relative_to(PROJECT)}: {node.name}")
    assert silent == []
    assert large == []


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    modules_of = {name: set(dists) for name, dists in importlib.metadata.packages_distributions().items()}
    imported: set[str] = set()
    for path in _below("etiket_gui"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    imported.discard("pydantic_core")  # pydantic's own second half, always of the fitting version
    imported.discard("shiboken6")  # PySide6's own, always of the same version
    imported.discard("pytest")  # the public test suites are imported by pytest itself, never by the program
    foreign = imported - set(sys.stdlib_module_names) - {"etiket_gui"}
    used = {dist.lower().replace("_", "-") for module in foreign for dist in modules_of.get(module, {module})}
    declared = {_name_of(requirement).lower() for requirement in METADATA["dependencies"]}
    assert used - declared == set()
    assert declared - used == set()


def test_every_dependency_is_explained_with_a_licence_that_fits_ours() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| ([^|]+) \|", text, re.MULTILINE))
    needed = list(METADATA["dependencies"]) + list(PYPROJECT["build-system"]["requires"])
    needed += [requirement for extra in METADATA["optional-dependencies"].values() for requirement in extra]
    assert {_name_of(requirement) for requirement in needed} - set(rows) == set()
    assert METADATA["license"] == "BSD-3-Clause"
    fitting = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0", "LGPL-3.0", "PSF-like"}
    run_time = {_name_of(requirement) for requirement in METADATA["dependencies"]}
    assert {
        name: licence for name, licence in rows.items() if name in run_time and licence.strip() not in fitting
    } == {}


def test_version_is_in_the_changelog() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(etiket_gui.__version__)}\b", text, re.MULTILINE)


def test_readme_names_the_two_commands() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert "sh packaging/run.sh" in text
    assert "sh packaging/test.sh" in text


def test_every_invariant_says_where_it_is_checked() -> None:
    text = (PROJECT / "docs" / "invariants.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (I\d+)\b", text, re.MULTILINE) == [f"I{number}" for number in range(1, 11)]
    named = set(re.findall(r"`(tests/[\w/.]+)`", text))
    assert named
    assert {name for name in named if not (PROJECT / name).exists()} == set()


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_heavy_environments_are_pinned_exactly() -> None:
    pins = sorted((PROJECT / "packaging" / "environments").glob("*/*.txt"))
    assert pins
    for path in pins:
        for line in path.read_text(encoding="utf-8").splitlines():
            requirement = line.partition("#")[0].strip()
            assert not requirement or re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.+!-]+", requirement), f"{path.name}: {line}"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX shell; run.ps1 and test.ps1 are its twins")
@pytest.mark.parametrize("name", ["packaging/run.sh", "packaging/test.sh", "packaging/lib/find_python.sh", ".ci/run"])
def test_shell_scripts_parse(name: str) -> None:
    shell = "bash" if name == ".ci/run" else "sh"
    done = subprocess.run([shell, "-n", str(PROJECT / name)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
