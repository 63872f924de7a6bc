"""The home folder of one installation: where its store, settings, logs and work files lie, and its own uuid."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from etiket_gui.domain.errors import StoreProblem
from etiket_gui.osys.atomic import write_atomically

VARIABLE = "ETIKET_GUI_HOME"
_ADVICE = f"Give this account the right to write there, or name another folder with --home or {VARIABLE}."


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below one home folder. Making one touches no disk; :meth:`prepare` makes the folders."""

    root: Path

    @classmethod
    def locate(cls, explicit: str | Path | None = None) -> Home:
        """The home that was asked for: ``explicit``, else ETIKET_GUI_HOME, else the account's data folder."""
        asked = explicit or os.environ.get(VARIABLE)
        if asked:
            return cls(Path(asked).expanduser().absolute())
        from platformdirs import user_data_path

        return cls(user_data_path("etiket-gui", appauthor=False))

    @property
    def store(self) -> Path:
        """The tracking store."""
        return self.root / "store.sqlite"

    @property
    def settings(self) -> Path:
        """What a person has set."""
        return self.root / "settings.json"

    @property
    def configuration(self) -> Path:
        """Mirror of sources, destinations and routes, from which a lost store is built anew."""
        return self.root / "configuration.json"

    @property
    def rebuild_mark(self) -> Path:
        """An empty file: the store was lost, and what it knew is not brought back yet."""
        return self.root / "store-is-rebuilt"

    @property
    def agent(self) -> Path:
        """The uuid of this installation."""
        return self.root / "agent.json"

    @property
    def logs(self) -> Path:
        """Folder of log files."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Folder of the lock and the control socket."""
        return self.root / "run"

    @property
    def work(self) -> Path:
        """Folder of scratch files; may be emptied whenever no engine runs."""
        return self.root / "work"

    @property
    def live(self) -> Path:
        """Folder of the newest points of running measurements; may be emptied at any time."""
        return self.root / "live"

    @property
    def plugins(self) -> Path:
        """Folder in which a person may put plug-ins (pip install --target); theirs alone to write."""
        return self.root / "plugins"

    @property
    def backups(self) -> Path:
        """Folder of copies of the store."""
        return self.root / "backups"

    def prepare(self) -> None:
        """Make the folders, for this account only. Raises StoreProblem when they cannot be made or written."""
        try:
            for folder in (self.root, self.logs, self.run, self.work, self.plugins, self.backups):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreProblem(
                f"The folder {self.root} cannot be used: {error.strerror or error}.",
                advice=_ADVICE,
                path=str(self.root),
            ) from error

    def agent_uuid(self) -> str:
        """The uuid of this installation, made at the first call and kept in ``agent.json``.

        A file that cannot be understood is replaced: the uuid only names this installation's own temporaries. Raises
        StoreProblem when it cannot be written.
        """
        try:
            return str(uuid.UUID(json.loads(self.agent.read_text("utf-8"))["uuid"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        made = str(uuid.uuid4())
        try:
            write_atomically(self.agent, json.dumps({"uuid": made}).encode() + b"\n")
        except OSError as error:
            raise StoreProblem(
                f"{self.agent} cannot be written: {error.strerror or error}.", advice=_ADVICE, path=str(self.agent)
            ) from error
        return made
