"""Files that end the process which opens them, as HDF5 does for some damaged ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_DIES = """
import os, sys
from pathlib import Path
from etiket_gui.converters.dangerous_files import keep_notes_in, opening
keep_notes_in(Path(sys.argv[1]))
with opening(sys.argv[2], sys.argv[3]):
    os._exit(11)
"""


def die_over(notes: Path, path: Path, work: str = "") -> None:
    """A process opens the file and ends. ``work`` is what it was doing with it, where that counts."""
    done = subprocess.run([sys.executable, "-c", _DIES, str(notes), str(path), work], timeout=60)
    assert done.returncode == 11
