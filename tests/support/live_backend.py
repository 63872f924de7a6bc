"""A plug-in that reads running measurements: a folder of files ``<name>.run`` of lines, finished by ``<name>.done``."""

from __future__ import annotations

from pathlib import Path

_CODE = """
import json, os, time, zlib
from array import array
from pathlib import Path
from pydantic import Field
from etiket_gui.backends.api import Backend, SourceConfig, WatchPlan
from etiket_gui.domain.content import Content, Description, DiscoverySummary, FileEntry, Found, SourceFile
from etiket_gui.domain.errors import SourceGone
from etiket_gui.domain.live import LiveColumn, LiveSlice
from etiket_gui.domain.states import EntryKind, RunState

class Config(SourceConfig):
    root_directory: Path
    settle_time: float = 0.3
    interrupted_after: float = 1800.0

class LinesBackend(Backend):
    identifier = "lines"
    title = "Lines"
    config_class = Config
    live_sync = True

    @classmethod
    def recognise(cls, path, stop):
        return None

    @classmethod
    def root(cls, config):
        return str(config.root_directory)

    @classmethod
    def settle_time_s(cls, config):
        return config.settle_time

    def _path(self, identifier):
        return self.config.root_directory / f"{identifier}.run"

    def _state(self, identifier):
        path = self._path(identifier)
        try:
            status = path.stat()
        except FileNotFoundError:
            raise SourceGone(f"{identifier} is gone.") from None
        if path.with_suffix(".done").exists():
            return status, RunState.COMPLETE
        quiet_s = time.time() - status.st_mtime
        return status, RunState.INTERRUPTED if quiet_s > self.config.interrupted_after else RunState.LIVE

    def fingerprint(self, identifier):
        status, state = self._state(identifier)
        return zlib.crc32(f"{status.st_size} {status.st_mtime_ns} {state}".encode())

    def discover(self, request, known, report, stop):
        names = request.identifiers
        if names is None:
            names = sorted(path.stem for path in self.config.root_directory.glob("*.run"))
        before, missing = known.fingerprints(), []
        for name in names:
            try:
                status, state = self._state(name)
            except SourceGone:
                missing.append(name)
                continue
            fingerprint = self.fingerprint(name)
            if request.identifiers is None and before.get(name) == fingerprint:
                continue
            report(Found(name, name, fingerprint, state, status.st_mtime_ns, time.time_ns(), status.st_size, 1,
                         has_completion_mark=state is RunState.COMPLETE))
        if request.identifiers is None:
            missing = [name for name in before if not self._path(name).exists()]
        return DiscoverySummary(len(names), tuple(missing), is_complete_scan=request.is_everything)

    def read(self, identifier, stop):
        fingerprint = self.fingerprint(identifier)
        status, state = self._state(identifier)
        times = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        entry = FileEntry("lines.txt", EntryKind.FILE, status.st_size, *times)
        description = Description(identifier, identifier, state, attributes={"lines": status.st_size})
        return Content(description, (SourceFile(entry, str(self._path(identifier))),), fingerprint)

    def live(self, identifier, since, stop):
        position = int(since.get("position", 0))
        with open(self._path(identifier), "rb") as stream:
            stream.seek(position)
            text = stream.read()
        text = text[: text.rfind(b"\\n") + 1]
        values = array("d", map(float, text.split()))
        first = int(since.get("points", 0))
        count = first + len(values)
        steps = LiveColumn("step", "Step", "", (), array("d", range(first, count)))
        value = LiveColumn("value", "Value", "V", ("step",), values)
        cursor = {"position": position + len(text), "points": count}
        return LiveSlice((steps, value), cursor, first, count, 100)

    def watch_plan(self):
        return WatchPlan((str(self.config.root_directory),))
"""


def install_lines_backend(folder: Path) -> None:
    """Put the plug-in "lines" where a Python with ``folder`` on its path finds it, as an installed distribution."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lines_backend.py").write_text(_CODE, encoding="utf-8")
    information = folder / "lines_backend-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lines-backend\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(
        "[etiket_gui.backends]\nlines = lines_backend:LinesBackend\n", encoding="utf-8"
    )
