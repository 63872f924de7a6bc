"""Where the real quantify-core is: ETIKET_GUI_QUANTIFY_PYTHON, the interpreter of an environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).resolve().parent
_VARIABLE = "ETIKET_GUI_QUANTIFY_PYTHON"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in here is an oracle test; without the interpreter it is skipped, saying why."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.oracles)
            item.add_marker(pytest.mark.timeout(600))
            if not os.environ.get(_VARIABLE):
                item.add_marker(pytest.mark.skip(reason=f"no quantify-core: set {_VARIABLE} (test.sh --oracles does)"))


@pytest.fixture(scope="session")
def quantify_command() -> Callable[..., list[str]]:
    """The command line of the script that runs with the real quantify-core."""
    return lambda *arguments: [os.environ[_VARIABLE], str(_HERE / "with_quantify.py"), *map(str, arguments)]


@pytest.fixture(scope="session")
def with_quantify(
    quantify_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """Run the script to its end; what it prints last is JSON."""
    home = tmp_path_factory.mktemp("account of quantify")

    def run(*arguments: Any) -> Any:
        done = subprocess.run(
            quantify_command(*arguments), capture_output=True, text=True, timeout=500, check=False, cwd=home,
            env={**os.environ, "HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def produced(with_quantify: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as the real MeasurementControl writes it."""
    folder = tmp_path_factory.mktemp("produced")
    assert with_quantify("make", folder)["made"] >= 6
    return folder
