"""Makes homes with archives and folder sources, and runs the real program on them: in processes that can be killed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.cli.main import main
from tests.support import leaks
from tests.support.archive_reader import read_archive
from tests.support.invariants import EndState, end_state
from tests.support.patience import patient_s
from tests.support.store_reader import StoreContent, read_store

PROJECT = Path(__file__).resolve().parents[2]
#: Names as a lab gives them; every dataset of :func:`write_datasets` has a file of each.
AWKWARD_NAMES = ("trace 1.csv", "µ-wave (a+b) 100%.txt", "sub folder/n%20otes.md", "empty.dat")
RUN_TIMEOUT_S = 100.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """What it printed for scripts."""
        return json.loads(self.stdout)


def program(*arguments: str | Path) -> list[str]:
    """The command line of the program under test."""
    return [sys.executable, "-m", "etiket_gui", *map(str, arguments)]


@dataclass(slots=True)
class Lab:
    """One home of the program in ``folder``; archives and sources are added to it by the command line."""

    folder: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = self.folder / "home"

    def command(self, *arguments: str | Path) -> list[str]:
        """A command of this home."""
        return program("--home", self.home, *arguments)

    def ask(
        self,
        *arguments: str | Path,
        codes: Sequence[int] = (0,),
        environment: Mapping[str, str] | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
    ) -> Done:
        """Run a command to its end; an exit code that is not in ``codes`` is an error of the test."""
        ended = subprocess.run(
            self.command(*arguments), cwd=PROJECT, env={**os.environ, **(environment or {})},
            timeout=patient_s(timeout_s), stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8",
            check=False,
        )  # fmt: skip
        done = Done(ended.returncode, ended.stdout, ended.stderr)
        if done.code not in codes:
            raise AssertionError(f"{arguments} ended with {done.code}, not one of {tuple(codes)}:\n{self.tell(done)}")
        return done

    def tell(self, done: Done | None = None) -> str:
        """What a failed command printed and logged."""
        parts = [done.stdout[-3000:], done.stderr[-3000:]] if done else []
        for log in sorted((self.home / "logs").glob("*.log")):
            parts.append(f"--- {log.name}\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
        return "\n".join(parts)

    def json(self, *arguments: str | Path, codes: Sequence[int] = (0,)) -> Any:
        """What a command prints with --json."""
        return self.ask("--json", *arguments, codes=codes).json()

    def run_once(self, *, codes: Sequence[int] = (0,), environment: Mapping[str, str] | None = None) -> Done:
        """``run --once`` to its end."""
        return self.ask("run", "--once", codes=codes, environment=environment)

    def start(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command as a session of its own; the caller ends it."""
        with open(self.folder / "output.log", "ab") as output:
            return subprocess.Popen(
                self.command(*arguments), cwd=PROJECT, env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def set_up(self, *arguments: str | Path) -> None:
        """Run a command that only prepares what is tested: in this process, which costs a tenth of starting another."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["--home", *map(str, (self.home, *arguments))])
        printed = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        if code:
            raise AssertionError(f"{arguments} ended with {code}:\n{self.tell(Done(code, *printed))}")

    def add_archive(self, path: Path, name: str = "lab-archive") -> Path:
        """Add a folder archive; returns its path."""
        self.set_up("add-destination", "archive", name, f"path={path}")
        return path

    def add_folder(
        self, root: Path, *, level: int = 2, settle_s: float = 0.2, name: str = "fridge", to: Sequence[str] = (),
        options: Sequence[str] = (), is_converting: bool = False,
    ) -> str:  # fmt: skip
        """Add a folder source, to all named destinations; returns its uuid. What is sent is only what is there."""
        routes = [part for destination in to for part in ("--to", destination)]
        self.set_up(
            "add-source", "folder", name, f"root_directory={root}", f"level={level}", f"settle_time={settle_s}",
            *(() if is_converting else ("converters.all=off",)), *routes, *options,
        )  # fmt: skip
        return str(next(row["uuid"] for row in self.store().sources if row["name"] == name))

    def store(self) -> StoreContent:
        """All rows of the store, read without the program's code."""
        return read_store(self.home)

    def uuids(self) -> dict[str, str]:
        """Identifier to uuid of every dataset that is not gone."""
        return {row["identifier"]: row["uuid"] for row in self.store().datasets if not row["is_gone"]}


def configured_lab(
    folder: Path, root: Path, *, archive: Path | None = None, source_uuid: str, level: int = 2, settle_s: float = 0.0
) -> tuple[Lab, Path]:
    """A home with one archive and one folder source of a chosen uuid, so that two homes can give equal uuids.

    Returns the home and the archive's path.
    """
    from etiket_gui.destinations.api import DestinationContext
    from etiket_gui.destinations.registry import load_destination
    from etiket_gui.settings.home import Home
    from etiket_gui.store.health import open_store

    lab = Lab(folder)
    path = archive or folder / "archive"
    home = Home.locate(lab.home)
    home.prepare()
    kind = load_destination("archive")
    context = DestinationContext(home.agent_uuid(), "host", folder / "unused")
    kind(kind.config_class.model_validate({"path": str(path)}), context).create()
    writer = open_store(home).writer
    try:
        destination = writer.add_destination(str(uuid.uuid4()), "lab-archive", "archive", {"path": str(path)})
        config = {"root_directory": str(root), "level": level, "settle_time": settle_s, "converters": {"all": "off"}}
        writer.add_source(source_uuid, "fridge", "folder", config, [(destination.id, "")])
    finally:
        writer.close()
    return lab, path


# ------------------------------------------------------------------------------------------------ sources


def write_dataset(folder: Path, seed: str, *, size_bytes: int = 4000) -> Path:
    """A dataset with awkward names, appearing at once under its final name; the same seed gives the same bytes."""
    draft = folder.parent / f".{folder.name}.part"
    chance = random.Random(seed)
    for number, name in enumerate(AWKWARD_NAMES):
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name.startswith("empty") else chance.randbytes(size_bytes + number))
    os.rename(draft, folder)
    return folder


def write_datasets(root: Path, numbers: range, *, size_bytes: int = 4000) -> None:
    """Datasets at depth 2, twenty to a day."""
    for number in numbers:
        day = root / f"2026-03-{number // 20 + 1:02d}"
        day.mkdir(parents=True, exist_ok=True)
        write_dataset(day / f"{number:03d} räumlich µ", f"dataset {number}", size_bytes=size_bytes)


# ------------------------------------------------------------------------------------------------ what came of it


def complete_state(lab: Lab, archive: Path, *, is_hashed: bool = True) -> tuple[EndState, dict[str, Any]]:
    """The end state and, by identifier, what else two runs must have in common: uuid, title, browse folder, digests."""
    content = read_archive(archive, is_hashed=is_hashed)
    facts: dict[str, Any] = {}
    for record in content.records:
        facts.setdefault(record.identifier, []).append(
            (record.uuid, record.workspace, record.title, record.version, record.digest, record.browse)
        )
    stored = {identifier: sorted(rows) for identifier, rows in facts.items()}
    known = {row["identifier"]: (row["uuid"], row["birth_ordinal"]) for row in lab.store().datasets}
    return end_state(lab.home, archive, is_hashed=False), {"stored": stored, "known": known}


def browse_tree(archive: Path) -> dict[str, str]:
    """Every entry of the browsable tree with its digest; pages are named only, for they tell the time."""
    found = {}
    top = archive / "browse"
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            relative = os.path.relpath(path, top)
            if os.path.islink(path):
                found[relative] = f"-> {os.readlink(path)}"
            elif name == "index.html":
                found[relative] = ""
            else:
                with open(path, "rb") as file:
                    found[relative] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def blob_identities(archive: Path) -> dict[str, tuple[int, int]]:
    """Inode and size of every blob and record: nothing was written again when they stay the same."""
    found = {}
    for path in [*archive.glob("*/*/blobs/*/*"), *archive.glob("*/*/*.yml")]:
        seen = path.stat()
        found[str(path.relative_to(archive))] = (seen.st_ino, seen.st_size)
    return found


# ------------------------------------------------------------------------------------------------ killing


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the process and its group, without a warning."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


@contextlib.contextmanager
def no_orphans(within_s: float = 5.0) -> Iterator[None]:
    """Afterwards every process that was started inside, directly or not, must have ended within that time."""
    before = leaks.running_children()
    yield
    wait_until(lambda: not leaks.running_children() - before, within_s, "every worker has ended with its engine")


def wait_until(is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Look every 10 ms until something is so; AssertionError naming it when it does not become so in time."""
    end_s = time.monotonic() + patient_s(timeout_s)
    while not is_so():
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.01)
