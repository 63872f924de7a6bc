"""The jobs about a destination: test it, make it ready, and ask which sources it knows already."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend
from etiket_gui.backends.registry import load_backend
from etiket_gui.credentials.keyring_store import KeyringStore
from etiket_gui.destinations.api import Destination, Probe, StoredSource
from etiket_gui.domain.errors import EtiketError, SignInNeeded, UsageError
from etiket_gui.domain.names import display, from_portable, to_portable
from etiket_gui.osys.hostname import host_name
from etiket_gui.osys.remote import share_of
from etiket_gui.settings.configuration_rules import Kinship, check_places_apart, kinship, places_of
from etiket_gui.worker.desk.configured import built_destination, destination_named, present_places, present_rows
from etiket_gui.worker.desk.job import DeskJob


@contextlib.contextmanager
def _destination(job: DeskJob) -> Iterator[Destination]:
    """The destination that the parameters mean: a configured one by ``name``, or one of ``kind`` and ``config``."""
    keyring = KeyringStore()
    try:
        if job.parameters.get("kind"):
            account = str(job.parameters.get("account") or "")
            yield built_destination(job.home, job.text("kind"), account, job.mapping("config"), keyring)
        else:
            row = destination_named(job.home, job.text("name"))
            yield built_destination(job.home, row.kind, row.uuid, row.config, keyring)
    finally:
        keyring.close()


def test_destination(job: DeskJob) -> dict[str, Any]:
    """Whether a destination can be used, without making anything.

    Returns ``is_usable``, ``problems``, ``identity``, ``free_bytes``, ``total_bytes``, ``notes``, ``address``,
    ``will_create`` (a sentence about what adding it would make, empty when it is there), and ``same_as`` (the name of
    a configured destination that is the same one).
    """
    with _destination(job) as destination:
        address = destination.address(destination.config)
        made = _would_make(destination, job)
        probe = destination.probe()
        if made and not _is_refused(made):
            # It is not there yet, which a probe calls a problem; what counts is whether it can be made.
            free, total = _space_above(address)
            return _told(Probe(free_bytes=free, total_bytes=total), address, will_create=made["sentence"])
        if made:
            refused = UsageError(made["refusal"])
            return _told(Probe(problems=(refused,)), address)
    same = _same_as(job, probe)
    return _told(probe, address, same_as=same)


def _would_make(destination: Destination, job: DeskJob) -> dict[str, str]:
    """What adding a destination in a folder would make; empty for one that is there, or that is no folder."""
    config = destination.config.model_dump(mode="json")
    places = places_of("destination", str(job.parameters.get("name") or ""), config)
    check_places_apart(
        places,
        present_places(job.home, without_destination=str(job.parameters.get("name") or "")),
        follows_links=True,
    )
    if not destination.capabilities.is_local or len(places) != 1:
        return {}
    path = places[0].path
    shown = display(to_portable(path))
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            if next(entries, None) is not None:
                return {}
        return {"sentence": f"{shown} is empty; the archive is made in it."} if _may_write(path) else {}
    if os.path.lexists(path):
        return {"refusal": f"{shown} is not a folder."}
    above = _nearest(path)
    if not _may_write(above):
        where = display(to_portable(above))
        return {"refusal": f"{where} may not be written by this account, so {shown} cannot be made there."}
    return {"sentence": f"{shown} is made when you add it."}


def _may_write(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_refused(made: dict[str, str]) -> bool:
    return "refusal" in made


def _nearest(path: str) -> str:
    """The lowest folder above a path that exists."""
    while not os.path.isdir(path):
        above = os.path.dirname(path)
        if above == path:
            break
        path = above
    return path


def _space_above(address: str) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(_nearest(address))
    except OSError:
        return None, None
    return usage.free, usage.total


def _same_as(job: DeskJob, probe: Probe) -> str:
    own = str(job.parameters.get("name") or "")
    _, destinations = present_rows(job.home)
    for row in destinations:
        if probe.identity and probe.identity in {row.identity, row.uuid} and row.name != own:
            return row.name
    return ""


def _told(probe: Probe, address: str, *, will_create: str = "", same_as: str = "") -> dict[str, Any]:
    return {
        "is_usable": probe.is_usable,
        "problems": [problem.to_json() for problem in probe.problems],
        "needs_sign_in": any(isinstance(problem, SignInNeeded) for problem in probe.problems),
        "identity": probe.identity,
        "free_bytes": probe.free_bytes,
        "total_bytes": probe.total_bytes,
        "notes": list(probe.notes),
        "address": address,
        "will_create": will_create,
        "same_as": same_as,
    }


def create_destination(job: DeskJob) -> dict[str, Any]:
    """Make a destination ready for its first dataset, because a person adds it; then as "test_destination" says.

    Raises UsageError where that cannot be done, except for a missing sign-in, which comes later.
    """
    with _destination(job) as destination:
        address = destination.address(destination.config)
        _would_make(destination, job)
        try:
            destination.create()
            probe = destination.probe()
        except SignInNeeded as error:
            probe = Probe(problems=(error,))
        except EtiketError as error:
            raise UsageError(error.reason, advice=error.advice, path=error.path) from error
    same = _same_as(job, probe)
    if same:
        raise UsageError(f"That is the destination {same}, reached by another path. It is not added twice.")
    return _told(probe, address)


# -- sources that a destination knows --------------------------------------------------------------------------------


def known_sources(job: DeskJob) -> dict[str, Any]:
    """Whether a source that is to be added is known at these destinations.

    Parameters: backend, config, ``names`` of destinations. Returns ``same`` (the source this very machine sent from
    there, to be continued) and ``maybe`` (the same place from another machine: a person says which), each None or an
    object with uuid, name, host, root; and ``notes`` on destinations that could not be asked.
    """
    kind = load_backend(job.text("backend"))
    config = job.mapping("config")
    new = _candidate(kind, config)
    stored: dict[str, StoredSource] = {}
    notes: list[str] = []
    for name in job.parameters.get("names") or ():
        job.stop.check()
        row = destination_named(job.home, str(name))
        keyring = KeyringStore()
        try:
            for item in built_destination(job.home, row.kind, row.uuid, row.config, keyring).sources():
                before = stored.get(item.uuid)
                if before is None or before.written_at_ns < item.written_at_ns:
                    stored[item.uuid] = item
        except EtiketError as error:
            notes.append(f"{row.name} cannot be asked whether it knows this source from elsewhere: {error.reason}")
        finally:
            keyring.close()
    configured = {row.uuid for row in present_rows(job.home)[0]}
    by_kinship: dict[Kinship, list[StoredSource]] = {}
    for item in stored.values():
        if item.uuid not in configured:
            by_kinship.setdefault(kinship(item, **new), []).append(item)
    return {
        "same": _newest(by_kinship.get(Kinship.SAME, [])),
        "maybe": _newest(by_kinship.get(Kinship.MAYBE, [])),
        "notes": notes,
    }


def _candidate(kind: type[Backend], config: dict[str, Any]) -> dict[str, str]:
    root = kind.root(kind.config_class.model_validate(config))
    share, place = "", ""
    if os.path.isabs(root):
        share = share_of(root) or ""
        try:
            status = os.stat(root)
            place = f"{status.st_dev}:{status.st_ino}" if status.st_ino else ""
        except OSError:
            place = ""
    return {"backend": kind.identifier, "host": host_name(), "root": root, "share": share, "root_place": place}


def _newest(found: list[StoredSource]) -> dict[str, Any] | None:
    if not found:
        return None
    newest = max(found, key=lambda item: item.written_at_ns)
    where = newest.share or newest.root
    return {
        "uuid": newest.uuid,
        "name": newest.name,
        "host": newest.host,
        "root": display(to_portable(from_portable(where))),
    }


def default_archive_folder() -> Path:
    """Where an archive is suggested: a folder of its own below the account's documents, else its home."""
    home = Path.home()
    documents = home / "Documents"
    return (documents if documents.is_dir() else home) / "Measurement archive"
