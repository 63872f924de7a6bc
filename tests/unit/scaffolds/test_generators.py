"""The two generators: the layout their users know, and nothing written where something is wrong."""

from __future__ import annotations

import os
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.scaffolds.generators import generate_converter_scaffold, generate_sync_agent_scaffold

COMMANDS = {
    "generate_sync_agent_scaffold": generate_sync_agent_scaffold,
    "generate_converter_scaffold": generate_converter_scaffold,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def run(line: str) -> int:
    """A command line, word for word."""
    command, *arguments = shlex.split(line)
    return COMMANDS[command](arguments)


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def project(folder: Path, name: str) -> dict[str, Any]:
    return tomllib.loads((folder / name / "pyproject.toml").read_text(encoding="utf-8"))


def test_first_example(folder: Path) -> None:
    assert run(
        'generate_sync_agent_scaffold my-backend --base database --dependency "sqlalchemy>=2.0" '
        "--default-scope REQUIRED"
    ) == 0  # fmt: skip
    package = "etiket-sync-agent-my-backend/etiket_sync_agent_my_backend"
    assert written(folder) == {
        "etiket-sync-agent-my-backend/pyproject.toml",
        f"{package}/__init__.py",
        f"{package}/my_backend_config_class.py",
        f"{package}/my_backend_sync_class.py",
    }
    told = project(folder, "etiket-sync-agent-my-backend")["project"]
    assert told["version"] == "0.0.1"
    assert "sqlalchemy>=2.0" in told["dependencies"]
    assert told["entry-points"] == {
        "etiket_gui.backends": {"my_backend": "etiket_sync_agent_my_backend.my_backend_sync_class:MyBackendSyncClass"}
    }
    code = (folder / package / "my_backend_sync_class.py").read_text()
    assert "scope_policy = ScopePolicy.REQUIRED" in code
    assert "live_sync = False" in code


def test_second_example(folder: Path) -> None:
    assert run("generate_sync_agent_scaffold lab-data --base file --level 2 --live-sync") == 0
    code = (folder / "etiket-sync-agent-lab-data/etiket_sync_agent_lab_data/lab_data_sync_class.py").read_text()
    assert "level = 2" in code
    assert "live_sync = True" in code


def test_third_example(folder: Path) -> None:
    assert run("generate_converter_scaffold csv-to-hdf5 --dependency h5py --dependency pandas") == 0
    package = "etiket-sync-agent-csv-to-hdf5-converters/etiket_sync_agent_csv_to_hdf5_converters"
    assert written(folder) == {
        "etiket-sync-agent-csv-to-hdf5-converters/pyproject.toml",
        f"{package}/__init__.py",
        f"{package}/csv_to_hdf5_converter.py",
    }
    told = project(folder, "etiket-sync-agent-csv-to-hdf5-converters")["project"]
    assert set(told["dependencies"]) > {"h5py", "pandas"}
    assert list(told["entry-points"]["etiket_gui.converters"]) == ["csv_to_hdf5"]
    code = (folder / package / "csv_to_hdf5_converter.py").read_text()
    assert 'input_type = "csv"' in code
    assert 'output_type = "hdf5"' in code


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("generate_sync_agent_scaffold qcodes", "etiket-sync-agent-qcodes"),
        ("generate_sync_agent_scaffold labber --base file", "etiket-sync-agent-labber"),
        ("generate_sync_agent_scaffold my-instrument --live-sync False", "etiket-sync-agent-my-instrument"),
        ("generate_sync_agent_scaffold My_Instrument2 --version 1.2", "etiket-sync-agent-my-instrument2"),
        ("generate_converter_scaffold mat-to-zarr", "etiket-sync-agent-mat-to-zarr-converters"),
        ("generate_converter_scaffold csv-to-hdf5 --entry-name ours", "etiket-sync-agent-csv-to-hdf5-converters"),
    ],
)
def test_names_that_must_generate(folder: Path, line: str, made: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 0
    assert [path.name for path in folder.iterdir()] == [made]
    assert made in capsys.readouterr().out
    for path in folder.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), path, "exec")
    project(folder, made)


def test_defaults_are_the_known_ones(folder: Path) -> None:
    run("generate_sync_agent_scaffold a --base file")
    code = (folder / "etiket-sync-agent-a/etiket_sync_agent_a/a_sync_class.py").read_text()
    assert "level = -1" in code
    assert "ScopePolicy.REQUIRED" in code
    run("generate_sync_agent_scaffold b")
    assert "TableSource" in (folder / "etiket-sync-agent-b/etiket_sync_agent_b/b_sync_class.py").read_text()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("generate_sync_agent_scaffold 9lives", "no name for a plug-in"),
        ("generate_sync_agent_scaffold ''", "no name for a plug-in"),
        ("generate_sync_agent_scaffold ../out", "no name for a plug-in"),
        ("generate_sync_agent_scaffold a/b", "no name for a plug-in"),
        ("generate_sync_agent_scaffold µscope", "no name for a plug-in"),
        ("generate_sync_agent_scaffold class", "word of the Python language"),
        ("generate_sync_agent_scaffold etiket-sync-agent-x", "give what comes after it"),
        (f"generate_sync_agent_scaffold {'x' * 60}", "longer than"),
        ("generate_sync_agent_scaffold x --level 2", "for --base file only"),
        ("generate_sync_agent_scaffold x --base database --level -1", "for --base file only"),
        ("generate_sync_agent_scaffold x --base file --level 99", "level 99 is not possible"),
        ("generate_sync_agent_scaffold x --base file --level two", "invalid int"),
        ("generate_sync_agent_scaffold x --base tape", "invalid choice"),
        ("generate_sync_agent_scaffold x --default-scope MAYBE", "none of REQUIRED"),
        ("generate_sync_agent_scaffold x --live-sync perhaps", "neither True nor False"),
        ("generate_sync_agent_scaffold x --version latest", "is no version"),
        *(
            (f"generate_sync_agent_scaffold x --dependency {shlex.quote(nonsense)}", sentence)
            for nonsense, sentence in (
                ('a b"', "no dependency"),
                ("a;b=", "no dependency"),
                ("", "no dependency"),
                ("a>=", "no dependency"),
                ("a==1.0, ,", "no dependency"),
                ("a[b", "no dependency"),
                ("a>1<2", "no dependency"),
                ("a; python_version <", "no dependency"),
                ("a; colour == 'red'", "no dependency"),
                ("-r requirements.txt", "no dependency"),
                ("--index-url=x", "xpected one argument"),
                ("a\nb", "line break"),
                ("../a", "no dependency"),
                ("a @ file:///tmp/a", "names an address"),
            )
        ),
        ("generate_converter_scaffold csv-to-hdf5 --dependency h5py --dependency 'a;b='", "no dependency"),
        ("generate_sync_agent_scaffold x --colour red", "nrecognized arguments"),
        ("generate_sync_agent_scaffold", "required"),
        ("generate_converter_scaffold csv", "what is turned into what"),
        ("generate_converter_scaffold csv-to-hdf5 --entry-name 1", "no name for a plug-in"),
    ],
)
def test_nonsense_gets_a_sentence_and_writes_nothing(
    folder: Path, line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Nothing was written" in told
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "dead link"])
def test_what_is_there_already_is_left_as_it_is(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder / "etiket-sync-agent-mine"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to("nowhere")
    assert run("generate_sync_agent_scaffold mine") == 2
    assert "is there already" in capsys.readouterr().err
    assert os.listdir(folder) == ["etiket-sync-agent-mine"]
