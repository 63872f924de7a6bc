"""HDF5's locks are off in every worker whatever the person's environment says, and the person's own stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_VARIABLE = "HDF5_USE_FILE_LOCKING"
_IMPORTS = """
import importlib, os, pkgutil, etiket_gui.backends, etiket_gui.converters, etiket_gui.record, etiket_gui.run
for package in (etiket_gui.backends, etiket_gui.converters, etiket_gui.record):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(os.environ.get("HDF5_USE_FILE_LOCKING"))
"""
_WORKER = """
import os, sys
from etiket_gui.worker import process
def told(*arguments):
    assert "h5py" not in sys.modules
    print(os.environ["HDF5_USE_FILE_LOCKING"], file=sys.stderr)
    return 0
process._serve = told
sys.exit(process.main())
"""


def _run(code: str, setting: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != _VARIABLE}
    if setting is not None:
        environment[_VARIABLE] = setting
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, input=""
    )


@pytest.mark.parametrize("setting", [None, "TRUE", "BEST_EFFORT"])
def test_importing_the_program_changes_nothing(setting: str | None) -> None:
    done = _run(_IMPORTS, setting)
    assert (done.returncode, done.stdout.strip()) == (0, str(setting)), done.stderr


@pytest.mark.parametrize("setting", [None, "TRUE", "BEST_EFFORT"])
def test_worker_locks_nothing_before_the_library_is_loaded(setting: str | None) -> None:
    """The variable wins over every argument, so a setting of the person's would lock the measurement out."""
    done = _run(_WORKER, setting)
    assert (done.returncode, done.stderr.strip()) == (0, "FALSE")
