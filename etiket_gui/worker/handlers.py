"""What a worker does for each kind of task: builds backends and destinations and runs them."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from etiket_gui.backends.api import Backend, BackendContext, DiscoveryRequest
from etiket_gui.backends.registry import load_backend
from etiket_gui.destinations.api import Destination, DestinationContext, StoredSource
from etiket_gui.destinations.registry import load_destination
from etiket_gui.domain import guards
from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import EtiketError, PluginFailed, SignInNeeded, UsageError
from etiket_gui.domain.failpoints import fail_here
from etiket_gui.domain.states import Provisional
from etiket_gui.domain.tasks import DestinationSpec, SourceSpec, SourceTraits, StoredCopy, TaskKind, TransferItem
from etiket_gui.osys.hostname import host_name
from etiket_gui.osys.remote import share_of
from etiket_gui.store.quick import KnownDatasetsReader
from etiket_gui.worker.checkpoints import FileCheckpoint
from etiket_gui.worker.lanes import Handler, Task
from etiket_gui.worker.leisure import Leisure
from etiket_gui.worker.live import Sent, follow, send_provisional
from etiket_gui.worker.pace import Pace, PacedProgress
from etiket_gui.worker.scratch import scratch_folder
from etiket_gui.worker.secrets import SecretDesk
from etiket_gui.worker.transferring import transfer

_FOUND_PER_MESSAGE = 200
#: Pictures take a while each; what is to be sent must not wait for more than a few of them (seconds).
_LONGEST_VIEWS_S = 0.5
_STORED_PER_MESSAGE = 50


@dataclass(frozen=True, slots=True)
class WorkerHome:
    """What a worker is told of the home it works for."""

    store_path: Path
    work_folder: Path
    agent: str

    @property
    def plugin_folder(self) -> Path:
        """Where a person may have put plug-ins: beside the work folder."""
        return self.work_folder.parent / "plugins"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WorkerHome:
        """From the engine's first message."""
        return cls(Path(value["store_path"]), Path(value["work_folder"]), str(value["agent"]))


class Workshop:
    """Builds and keeps the plug-in objects of one lane; used by that lane's thread alone."""

    def __init__(
        self, home: WorkerHome, pace: Pace, options: Mapping[str, Any], lane: str, secrets: SecretDesk
    ) -> None:
        self._secrets = secrets
        self._home = home
        self._scratch = scratch_folder(home.work_folder, lane)
        self._pace = pace
        self._options = options
        self._backends: dict[str, Backend] = {}
        self._destinations: dict[str, Destination] = {}

    def handlers(self) -> dict[str, Handler]:
        """The handler of every kind of task."""
        handlers: dict[str, Handler] = {
            TaskKind.DESCRIBE_SOURCE: self.describe_source,
            TaskKind.DISCOVER: self.discover,
            TaskKind.TRANSFER: self.transfer,
            TaskKind.DERIVE: self.derive,
            TaskKind.VERIFY: self.verify,
            TaskKind.PROBE: self.probe,
            TaskKind.REMEMBER: self.remember,
            TaskKind.RECOVER: self.recover,
            TaskKind.SWEEP: self.sweep,
            TaskKind.LIVE: self.live,
            TaskKind.PROVISIONAL: self.provisional,
        }
        return {kind: self._noting_refusals(handler) for kind, handler in handlers.items()}

    def _noting_refusals(self, handler: Handler) -> Handler:
        """The handler; a secret that a source refused is asked for anew the next time."""

        def handle(task: Task) -> dict[str, Any]:
            try:
                return handler(task)
            except SignInNeeded:
                source = task.body.get("source")
                if source is not None:
                    self._secrets.refuse(str(source["uuid"]))
                raise

        return handle

    def _backend(self, task: Task) -> tuple[SourceSpec, Backend]:
        spec = SourceSpec(**task.body["source"])
        key = json.dumps(task.body["source"], sort_keys=True)
        if key not in self._backends:
            kind = load_backend(spec.backend)
            work_folder = self._scratch / spec.uuid
            work_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            config = _configured(spec.name, kind.config_class, spec.config)
            secret = partial(self._secrets.get, spec.uuid) if kind.sign_in_title else None
            self._backends[key] = kind(config, BackendContext(spec.uuid, work_folder, secret))
        return spec, self._backends[key]

    def _destination(self, task: Task) -> tuple[DestinationSpec, Destination]:
        spec = DestinationSpec(**task.body["destination"])
        key = json.dumps(task.body["destination"], sort_keys=True)
        if key not in self._destinations:
            kind = load_destination(spec.kind)
            context = DestinationContext(
                agent=self._home.agent,
                host=host_name(),
                work_folder=self._home.work_folder / "destinations" / spec.uuid,
                options=self._options,
            )
            self._destinations[key] = kind(_configured(spec.name, kind.config_class, spec.config), context)
        return spec, self._destinations[key]

    def describe_source(self, task: Task) -> dict[str, Any]:
        """What the engine must know of a source to steer it."""
        _, backend = self._backend(task)
        plan = backend.watch_plan()
        root = backend.root(backend.config)
        share = share_of(root) if Path(root).is_absolute() else None
        traits = SourceTraits(
            realm=backend.realm.value,
            root=root,
            settle_time_s=backend.settle_time_s(backend.config),
            live_sync=backend.live_sync,
            folders=plan.folders,
            poll_interval_s=plan.poll_interval_s,
            share=share or "",
            is_recursive=plan.is_recursive,
            files=plan.files,
            may_rest=backend.may_rest,
        )
        return {"traits": traits.to_json()}

    def discover(self, task: Task) -> dict[str, Any]:
        """Look at a source; tells "found" in rows and returns the summary."""
        spec, backend = self._backend(task)
        asked = task.body["request"]
        request = DiscoveryRequest(
            cursor=asked.get("cursor") or {},
            identifiers=_tuple_or_none(asked.get("identifiers")),
            paths=_tuple_or_none(asked.get("paths")),
        )
        rows: list[list[Any]] = []
        leisure = Leisure() if task.body.get("is_leisurely") else None
        # What a look finds that takes its time does not wait for the end of that look.
        most_rows = _FOUND_PER_MESSAGE if leisure is None else 1

        def report(found: Found) -> None:
            rows.append(found.to_row())
            if len(rows) >= most_rows:
                task.tell("found", rows=list(rows))
                rows.clear()

        if leisure is not None:
            task.stop.take_leisure(leisure)
        with KnownDatasetsReader(self._home.store_path, spec.id) as known:
            summary = backend.discover(request, known, report, task.stop)
        if rows:
            task.tell("found", rows=rows)
        if leisure is not None:
            # What the look took, from which the next one is planned; rests are no work.
            worked_s = max(0.0, summary.duration_s - leisure.rested_s)
            summary = dataclasses.replace(summary, duration_s=worked_s)
        return {"summary": summary.to_json()}

    def transfer(self, task: Task) -> dict[str, Any]:
        """Send a batch of datasets of one source to one destination."""
        _, backend = self._backend(task)
        destination_spec, destination = self._destination(task)
        items = [TransferItem.from_json(item) for item in task.body["items"]]
        checkpoint = FileCheckpoint(self._home.work_folder / "checkpoints", destination_spec.uuid)
        progress = PacedProgress(self._pace, task.stop, lambda rows: task.tell("progress", rows=rows))
        return transfer(task, backend, destination, items, checkpoint, progress)

    def live(self, task: Task) -> dict[str, Any]:
        """Keep the newest points of running measurements of one source."""
        _, backend = self._backend(task)
        runs = [(str(uuid), str(identifier)) for uuid, identifier in task.body["runs"]]
        return follow(task, backend, runs, Path(task.body["folder"]))

    def provisional(self, task: Task) -> dict[str, Any]:
        """Send what there is of a running measurement to one destination."""
        _, backend = self._backend(task)
        destination_spec, destination = self._destination(task)
        checkpoint = FileCheckpoint(self._home.work_folder / "checkpoints", destination_spec.uuid)
        progress = PacedProgress(self._pace, task.stop, lambda rows: None)
        item = TransferItem.from_json(task.body["item"])
        asked = task.body
        before = Sent(
            int(asked["sent_bytes"]), int(asked["told_bytes"]), bool(asked["has_files"]), Path(asked["folder"])
        )
        return send_provisional(task, backend, destination, item, before, checkpoint, progress)

    def derive(self, task: Task) -> dict[str, Any]:
        """Make the browsable views of datasets that are archived already."""
        _, destination = self._destination(task)

        def derive_one(copy: StoredCopy) -> dict[str, Any]:
            destination.derive(copy.remote, copy.scope, task.stop)
            fail_here("after_derive")
            return {}

        return self._each_copy(task, derive_one, longest_s=_LONGEST_VIEWS_S)

    def verify(self, task: Task) -> dict[str, Any]:
        """Re-read stored versions and compare them with their records."""
        _, destination = self._destination(task)

        def verify_one(copy: StoredCopy) -> dict[str, Any]:
            verification = destination.verify(copy.remote, copy.version, copy.scope, task.stop)
            return {
                "verified_at_ns": verification.verified_at_ns,
                "is_proven": verification.is_proven,
                "differences": [f"{item.name}: {item.problem}" for item in verification.differences],
            }

        return self._each_copy(task, verify_one)

    def _each_copy(
        self, task: Task, work: Callable[[StoredCopy], dict[str, Any]], *, longest_s: float | None = None
    ) -> dict[str, Any]:
        """Run ``work`` for each stored copy of the task; tells "checked" or "failed" for each.

        Ends between two copies after ``longest_s``; the result says whether all had their turn.
        """
        begun_s = time.monotonic()
        for place, row in enumerate(task.body["copies"]):
            task.stop.check()
            is_late = longest_s is not None and time.monotonic() - begun_s > longest_s
            if is_late and guards.is_on("views-make-way"):
                return {"is_whole": False}
            try:
                told = work(StoredCopy(*row))
            except EtiketError as error:
                if error.concerns_all:
                    raise
                task.tell("failed", place=place, error=error.to_json())
            else:
                task.tell("checked", place=place, **told)
        return {}

    def probe(self, task: Task) -> dict[str, Any]:
        """Look whether a destination can be used, what it can do, and which of the "known" copies it lacks."""
        _, destination = self._destination(task)
        if task.body.get("create"):
            destination.create()
        probe = destination.probe()
        capabilities = destination.capabilities
        return {
            "problems": [problem.to_json() for problem in probe.problems],
            "identity": probe.identity,
            "free_bytes": probe.free_bytes,
            "total_bytes": probe.total_bytes,
            "batch_size": capabilities.batch_size,
            "replaces": capabilities.provisional is Provisional.REPLACEABLE,
            "address": destination.address(destination.config),
            "is_local": capabilities.is_local,
            "missing": [] if probe.problems else _missing(destination, task),
        }

    def remember(self, task: Task) -> dict[str, Any]:
        """Write down at the destination which source sends there; returns whether it knew that source already."""
        _, destination = self._destination(task)
        source = StoredSource.from_json({**task.body["stored_source"], "host": host_name()})
        known = [stored for stored in destination.sources() if stored.uuid == source.uuid]
        if not any(dataclasses.replace(stored, written_at_ns=source.written_at_ns) == source for stored in known):
            destination.remember_source(source)
        return {"was_known": bool(known)}

    def recover(self, task: Task) -> dict[str, Any]:
        """Tell everything a destination knows of a source's datasets, for a store that was lost."""
        _, destination = self._destination(task)
        rows: list[dict[str, Any]] = []
        for stored in destination.datasets(task.stop, source_uuid=task.body["source_uuid"]):
            rows.append(
                {
                    "reference": stored.reference.to_json(),
                    "scope": stored.scope,
                    "description": stored.description.to_json(),
                    "remote": stored.newest.remote,
                    "version": stored.newest.version,
                    "digest": stored.newest.digest,
                    "size_bytes": stored.newest.size_bytes,
                    "file_count": stored.newest.file_count,
                }
            )
            if len(rows) >= _STORED_PER_MESSAGE:
                task.tell("stored", rows=rows)
                rows = []
        if rows:
            task.tell("stored", rows=rows)
        return {}

    def sweep(self, task: Task) -> dict[str, Any]:
        """Remove our own stale temporaries at a destination."""
        _, destination = self._destination(task)
        return {"removed": destination.sweep(task.stop)}


def _missing(destination: Destination, task: Task) -> list[int]:
    """The transfers of those "known" copies that are not at the destination, by its lists alone."""
    missing = []
    for row in task.body.get("known") or ():
        task.stop.check()
        copy = StoredCopy(*row)
        if not destination.holds(copy.remote, copy.version, copy.scope):
            missing.append(copy.transfer_id)
    return missing


def _tuple_or_none(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _configured(name: str, config_class: Any, values: Mapping[str, Any]) -> Any:
    try:
        return config_class(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{name}: the option {field!r} is wrong: {first['msg']}.") from error
    except TypeError as error:
        raise PluginFailed(f"{name}: its options cannot be read: {error}.") from error
