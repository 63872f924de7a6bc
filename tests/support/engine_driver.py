"""An engine inside the test's process, with real workers, folders and archives, turned by the test's own hand."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from etiket_gui.destinations.api import DestinationContext
from etiket_gui.destinations.registry import load_destination
from etiket_gui.domain.commands import Command, Reply
from etiket_gui.domain.events import Event
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.engine.coordinator import Coordinator
from etiket_gui.engine.desk import Clock
from etiket_gui.engine.service import Engine
from etiket_gui.engine.workers import RunningTask
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings
from etiket_gui.store.health import open_store
from tests.support.archive_reader import ArchiveContent, StoredRecord, read_archive, version_order
from tests.support.invariants import check_invariants
from tests.support.manifest import Manifest
from tests.support.patience import patient_s
from tests.support.store_reader import Row

SETTLE_S = 0.3
PATIENCE_S = 12.0
#: What a dataset's row and its transfer say, side by side.
_DATASETS = """
SELECT d.identifier, d.uuid, d.is_gone, d.previous_identifiers, t.state, t.reason, t.retry_class, t.problem_kind,
       t.attempts, t.due_ns, t.version
FROM datasets d JOIN transfers t ON t.dataset_id = d.id
"""


class EngineDriver:
    """One home with its engine. ``events`` are those of all engines it ran, in order."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, **settings: Any) -> None:
        self.folder = folder
        self.home = Home.locate(folder / "home")
        self.home.prepare()
        self.settings = Settings(**{"worker_count": 1, **settings})
        #: As in the program when true; tests go on as fast as the machine can.
        self.has_low_priority = False
        self.archives: list[Path] = []
        self.events: list[Event] = []
        self._clock = clock
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None

    # --- configuring ----------------------------------------------------------------------------------------

    def add_archive(self, path: Path | None = None, *, name: str = "lab-archive", **options: Any) -> Path:
        """Make an archive and add it as a destination; without an engine."""
        path = path or self.folder / name
        kind = load_destination("archive")
        context = DestinationContext(self.home.agent_uuid(), "host", self.folder / "unused")
        kind(kind.config_class(path=str(path)), context).create()
        with closing(open_store(self.home).writer) as writer:
            writer.add_destination(str(uuid.uuid4()), name, "archive", {"path": str(path), **options})
        self.archives.append(path)
        return path

    def add_folder(
        self,
        root: Path,
        *,
        name: str = "fridge",
        level: int = 1,
        settle_s: float = SETTLE_S,
        to: Sequence[str] = ("lab-archive",),
        source_uuid: str = "",
        **options: Any,
    ) -> Path:
        """Add a folder source, without an engine; the folder is made when it is not there."""
        root.mkdir(parents=True, exist_ok=True)
        # What is sent is compared with what is there; tests of conversions switch them on with converters={}.
        config = {
            "root_directory": str(root), "level": level, "settle_time": settle_s, "converters": {"all": "off"},
            **options,
        }  # fmt: skip
        return self.add_source("folder", name, config, to=to, source_uuid=source_uuid) or root

    def add_source(
        self, backend: str, name: str, config: Mapping[str, Any], *, to: Sequence[str] = ("lab-archive",),
        source_uuid: str = "",
    ) -> None:  # fmt: skip
        """Add a source of any backend, without an engine."""
        with closing(open_store(self.home).writer) as writer:
            ids = {row.name: row.id for row in writer.destinations()}
            routes = [(ids[destination], "") for destination in to]
            writer.add_source(source_uuid or str(uuid.uuid4()), name, backend, dict(config), routes)

    # --- running --------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine that was started."""
        assert self._engine is not None, "the engine was not started"
        return self._engine

    @property
    def coordinator(self) -> Coordinator:
        """What decides in the running engine."""
        return self.engine.coordinator

    def start(self) -> EngineDriver:
        """Start an engine on the home; its turns are the test's."""
        self._engine = Engine(
            self.home,
            self.settings,
            listeners=[self.events.append],
            clock=self._clock,
            has_low_priority=self.has_low_priority,
        )
        self._engine.start()
        return self

    def stop(self) -> float:
        """Stop the engine, the thread it runs on included; returns how many seconds that took."""
        begun_s = time.monotonic()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.request_stop()
            if self._thread is not None:
                self._thread.join(30)
                assert not self._thread.is_alive(), "the engine does not end"
                self._thread = None
            engine.stop()
        return time.monotonic() - begun_s

    def restart(self) -> EngineDriver:
        """Stop, and start anew on the same home."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()

    def run_on_a_thread(self) -> None:
        """From now on the engine turns by itself, as in the program; ``until`` then only looks."""
        self._thread = threading.Thread(target=self.engine.run, name="engine under test")
        self._thread.start()

    def turn(self, longest_wait_s: float = 0.02) -> None:
        """One turn."""
        self.engine._turn(longest_wait_s)

    def until(self, is_so: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Turn until something is so; AssertionError that names it when it does not become so in time."""
        end_s = time.monotonic() + patient_s(timeout_s)
        while not is_so():
            if time.monotonic() > end_s:
                raise AssertionError(f"not within {timeout_s:g} s: {what}\n{self.tell()}")
            if self._thread is None:
                self.turn()
            else:
                time.sleep(0.02)

    def for_a_while(self, seconds: float) -> None:
        """Turn for that long, whatever happens."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.turn()

    def until_archived(self, *identifiers: str, timeout_s: float = PATIENCE_S) -> None:
        """Turn until these datasets, or all that are known, are archived and nothing more is to be done."""

        def is_so() -> bool:
            found = {name: state for name, state in self.states().items() if state != "gone"}
            wanted = identifiers or tuple(found)
            return bool(wanted) and all(found.get(name) == "archived" for name in wanted)

        self.until(is_so, f"archived: {identifiers or 'everything'}", timeout_s)
        self.until(lambda: self.coordinator.is_drained, "nothing more to do", timeout_s)

    def until_scanned(self, timeout_s: float = PATIENCE_S) -> None:
        """Ask for a scan of every source and turn until each is finished or failed, and nothing is to be done."""
        sources = list(self.coordinator.sources.values())
        before = {source.row.id: (source.finished_scans, source.circuit.failures) for source in sources}
        for source in sources:
            source.request_scan()
        self.until(
            lambda: all(
                (source.finished_scans, source.circuit.failures) != before[source.row.id] for source in sources
            ),
            "every source was looked through",
            timeout_s,
        )
        self.until(lambda: self.coordinator.is_drained, "nothing more to do", timeout_s)

    def ask(self, command: Command) -> Reply:
        """Have a command carried out by the engine, as over the control channel."""
        if self._thread is not None:
            return self.engine.ask(command)
        reply = self.engine._obey(command)
        assert reply.is_ok, reply
        return reply

    # --- what came of it ------------------------------------------------------------------------------------

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Rows of the store, read beside the engine."""
        with closing(sqlite3.connect(f"{self.home.store.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def datasets(self) -> dict[str, Row]:
        """Identifier to what the store says of the dataset and its (last) transfer."""
        return {row["identifier"]: row for row in self.rows(_DATASETS)}

    def states(self) -> dict[str, str]:
        """Identifier to its state, or "gone"."""
        return {name: "gone" if row["is_gone"] else row["state"] for name, row in self.datasets().items()}

    def problems(self) -> list[Row]:
        """The open problems."""
        return self.rows("SELECT * FROM problems WHERE is_open = 1 ORDER BY id")

    def source(self, name: str = "fridge") -> Row:
        """A source's row."""
        return self.rows("SELECT * FROM sources WHERE name = ?", name)[0]

    def destination(self, name: str = "lab-archive") -> Row:
        """A destination's row."""
        return self.rows("SELECT * FROM destinations WHERE name = ?", name)[0]

    def told(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if type(event) is kind]

    def archive(self, number: int = 0) -> ArchiveContent:
        """What an archive holds now."""
        return read_archive(self.archives[number])

    def versions(self, identifier: str, number: int = 0) -> list[StoredRecord]:
        """A dataset's stored versions, oldest first."""
        found = [record for record in self.archive(number).records if record.identifier == identifier]
        return sorted(found, key=lambda record: version_order(record.version))

    def check(self, *sources: Manifest, outside: Sequence[Manifest] = ()) -> None:
        """The invariants hold; call it when nothing is under way."""
        archives = [path for path in self.archives if path.exists()]
        check_invariants(home=self.home.root, sources=sources, archives=archives, outside=outside)

    def tell(self) -> str:
        """What went on, for a failed test."""
        lines = [json.dumps(row, default=str) for row in (*self.datasets().values(), *self.problems())][:40]
        log = self.home.logs / "workers.log"
        if log.exists():
            lines.append(log.read_text(encoding="utf-8", errors="replace")[-3000:])
        return "\n".join(lines)

    def worker_ids(self) -> tuple[int, ...]:
        """The process ids of the workers."""
        return self.coordinator.desk.pool.process_ids

    # --- faults ---------------------------------------------------------------------------------------------

    def before_task(self, kind: TaskKind, act: Callable[[Mapping[str, Any]], object], *, times: int = 1) -> None:
        """Run ``act`` just before the next task of that kind goes to a worker, ``times`` times."""
        pool = self.coordinator.desk.pool
        start_task = pool.start_task
        rest = [times]

        def start(task_kind: TaskKind, body: Mapping[str, Any], *more: Any, **options: Any) -> RunningTask | None:
            if task_kind is kind and rest[0] > 0 and pool.can_take(kind):
                rest[0] -= 1
                act(body)
            return start_task(task_kind, body, *more, **options)

        pool.start_task = start  # type: ignore[method-assign]


def patch_workers(folder: Path, code: str, monkeypatch: Any) -> None:
    """Have every child process that is started from now on run ``code`` before it begins."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    present = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), present))))


def write_dataset(root: Path, name: str, **files: bytes) -> Path:
    """A dataset folder that appears at once; ``files`` are name (without .dat) and bytes."""
    draft = root.parent / f".{root.name}.{name.replace('/', '.')}"
    draft.mkdir(parents=True)
    for file, content in (files or {"trace": name.encode()}).items():
        (draft / f"{file}.dat").write_bytes(content)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    draft.rename(root / name)
    return root / name


@contextlib.contextmanager
def steps(every_s: float, step: Callable[[int], object]) -> Iterator[threading.Event]:
    """Inside, another thread runs ``step(0)``, ``step(1)``… at that pace until the event is set or the block ends."""
    is_over = threading.Event()

    def run() -> None:
        number = 0
        while not is_over.wait(every_s):
            step(number)
            number += 1

    thread = threading.Thread(target=run, name="steps")
    thread.start()
    try:
        yield is_over
    finally:
        is_over.set()
        thread.join()


_OPENING_FAILS = """
import json, os
_real_open, _list = os.open, {list!r}

def _open(path, *arguments, **options):
    number = json.loads(open(_list).read()).get(path) if isinstance(path, str) else None
    if number is not None:
        with open(_list + ".tries", "a") as tries:
            tries.write(path + chr(10))
        raise OSError(number, os.strerror(number), path)
    return _real_open(path, *arguments, **options)

os.open = _open
os.supports_dir_fd.add(_open)
"""

_ROOT_IS_NOBODY_SPECIAL = """
import sys
sys.path.insert(0, {project!r})
from tests.support.unprivileged import permissions_count
from tests.support.patience import patient_s
_kept = permissions_count()
_kept.__enter__()
sys.path.remove({project!r})
"""


class FailingFiles:
    """Files that the workers cannot open; made before the engine starts."""

    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        self._list = folder / "failing.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.fail({})
        patch_workers(folder, _OPENING_FAILS.format(list=str(self._list)), monkeypatch)

    def fail(self, numbers: Mapping[Path, int]) -> None:
        """From now on opening these paths fails with these errno, and only these."""
        draft = self._list.with_suffix(".new")
        draft.write_text(json.dumps({str(path): number for path, number in numbers.items()}), encoding="utf-8")
        draft.replace(self._list)

    @property
    def tries(self) -> int:
        """How often a worker has tried to open one of them."""
        tries = Path(f"{self._list}.tries")
        return len(tries.read_text(encoding="utf-8").splitlines()) if tries.exists() else 0


def permissions_count_for_workers(folder: Path, monkeypatch: Any) -> None:
    """Workers that are started from now on may not pass by permissions, although the tests run as root."""
    project = str(Path(__file__).resolve().parents[2])
    patch_workers(folder, _ROOT_IS_NOBODY_SPECIAL.format(project=project), monkeypatch)
