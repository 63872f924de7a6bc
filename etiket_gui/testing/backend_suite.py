"""What every backend promises, as tests: derive a Test class, give it a ``bench`` fixture, and a new backend is done.

The suite knows nothing of folders or databases: it asks a :class:`SourceBench` to make, change and remove datasets.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import Backend, BackendContext, DiscoveryRequest, SourceConfig
from etiket_gui.backends.registry import why_not_a_backend
from etiket_gui.domain.content import Content, DiscoverySummary, Found, snapshot_digest
from etiket_gui.domain.errors import EtiketError, SourceGone, SourceOffline, Stopped
from etiket_gui.domain.names import check_relative
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory
from etiket_gui.testing.manifest import UNTOUCHED, differences, sha256_of, take_manifest


class SourceBench(ABC):
    """One real source in a temporary folder, which the suite may change as a measuring program would."""

    backend_class: type[Backend]
    #: Not so for a database that is opened by a library which does not leave access times alone.
    keeps_access_times: bool = True

    def __init__(self, folder: Path) -> None:
        self.root = folder / "source"
        self.root.mkdir()
        self.work_folder = folder / "work"
        self.work_folder.mkdir()

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The configuration of the source."""

    @abstractmethod
    def make(self, name: str) -> None:
        """Write a finished dataset."""

    @abstractmethod
    def change(self, name: str) -> None:
        """Change its content."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete it."""

    @abstractmethod
    def take_away(self) -> None:
        """The whole source is unplugged."""

    @abstractmethod
    def identifier_of(self, name: str) -> str:
        """The identifier of a dataset that was made."""

    def config(self) -> SourceConfig:
        """The options as the backend takes them."""
        return self.backend_class.config_class(**self.options())

    def backend(self) -> Backend:
        """A fresh backend, as after a restart."""
        return self.backend_class(self.config(), BackendContext(SOURCE_UUID, self.work_folder))

    def look(self, known: KnownInMemory, **request: Any) -> tuple[DiscoverySummary, dict[str, Found]]:
        """One look with a fresh backend; what it found is known afterwards."""
        found: dict[str, Found] = {}
        summary = self.backend().discover(
            DiscoveryRequest(**request), known, lambda item: found.__setitem__(item.identifier, item), StopToken()
        )
        known.known.update({name: item.fingerprint for name, item in found.items()})
        for name in summary.missing:
            known.known.pop(name, None)
        return summary, found


def _opened_files(root: Path, script: str) -> list[str]:
    """The files below ``root`` that a Python script opens, by an audit hook in a process of its own.

    SQLite databases do not count: in them a backend looks for what changed.
    """
    prelude = (
        "import os, sys\n"
        "opened = []\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and isinstance(arguments[0], (str, bytes)):\n"
        "        opened.append(os.fsdecode(arguments[0]))\n"
        "sys.addaudithook(hook)\n"
    )
    code = f"{prelude}{script}\nprint('\\n'.join(name for name in opened if name.startswith({str(root)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return [name for name in done.stdout.splitlines() if name and not _is_database(name)]


def _is_database(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False


def _comparable(content: Content) -> dict[str, Any]:
    return {
        "description": content.description.to_json(),
        "files": [(file.entry.to_row(), file.is_derived) for file in content.files],
        "fingerprint": content.fingerprint,
    }


class BackendContract:
    """The promises. A derived class has a fixture ``bench`` that gives a :class:`SourceBench`."""

    @pytest.fixture
    def known(self) -> KnownInMemory:
        """What a store knows at first: nothing."""
        return KnownInMemory()

    def test_plugin_is_complete(self, bench: SourceBench) -> None:
        """The registry would take it."""
        assert why_not_a_backend(bench.backend_class) == ""

    def test_every_option_has_a_title_and_a_description(self, bench: SourceBench) -> None:
        """Forms and the command line show them."""
        for name, option in bench.backend_class.config_class.model_fields.items():
            assert option.title, name
            assert option.description, name
            assert re.search(r"[.?]$", option.description), name

    def test_unknown_options_are_refused(self, bench: SourceBench) -> None:
        """A misspelt option is never silently the default."""
        with pytest.raises(ValueError, match="colour"):
            bench.backend_class.config_class(**{**bench.options(), "colour": "red"})

    def test_looking_and_reading_leave_the_source_as_it_was(self, bench: SourceBench, known: KnownInMemory) -> None:
        """Same bytes, names, times and permissions, nothing beside them, and no access time moved."""
        bench.make("one")
        bench.make("two")
        before = take_manifest(bench.root)
        for path in bench.root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                # Older than the file itself: any reading that moves access times moves this one.
                os.utime(path, ns=(1_000_000_000, path.stat().st_mtime_ns))
        times = _times(bench.root, with_access=bench.keeps_access_times)
        _, found = bench.look(known)
        backend = bench.backend()
        for identifier in found:
            backend.read(identifier, StopToken())
            backend.fingerprint(identifier)
        backend.recognise(bench.root, StopToken())
        bench.look(known, identifiers=tuple(found))
        bench.look(known, paths=(str(bench.root),))
        assert _times(bench.root, with_access=bench.keeps_access_times) == times
        assert differences(before, take_manifest(bench.root), parts=set(UNTOUCHED) - {"ctime_ns"}) == []

    def test_unchanged_datasets_are_not_reported_and_no_file_is_opened_for_that(
        self, bench: SourceBench, known: KnownInMemory
    ) -> None:
        """Discovery costs what changed."""
        bench.make("one")
        bench.make("two")
        _, found = bench.look(known)
        assert len(found) == 2
        summary, again = bench.look(known)
        assert again == {}
        assert summary.seen_count == 2
        assert not summary.missing
        assert summary.is_complete_scan
        kind = bench.backend_class
        script = (
            f"from {kind.__module__} import {kind.__name__} as Kind\n"
            "from pathlib import Path\n"
            "from etiket_gui.backends.api import BackendContext, DiscoveryRequest\n"
            "from etiket_gui.domain.stopping import StopToken\n"
            "class Known:\n"
            f"    def fingerprints(self): return {known.known!r}\n"
            "    def manifest(self, identifier): return ()\n"
            f"context = BackendContext('u', Path({str(bench.work_folder)!r}))\n"
            f"backend = Kind(Kind.config_class(**{bench.options()!r}), context)\n"
            "opened.clear()\n"
            "found = []\n"
            "backend.discover(DiscoveryRequest(), Known(), found.append, StopToken())\n"
            "assert not found, found\n"
        )
        assert _opened_files(bench.root, script) == []

    def test_changed_dataset_is_reported_alone(self, bench: SourceBench, known: KnownInMemory) -> None:
        """And not called unchanged."""
        bench.make("one")
        bench.make("two")
        _, first = bench.look(known)
        bench.change("two")
        _, found = bench.look(known)
        identifier = bench.identifier_of("two")
        assert list(found) == [identifier]
        assert found[identifier].fingerprint != first[identifier].fingerprint
        assert not found[identifier].is_unchanged

    def test_look_says_what_it_saw(self, bench: SourceBench, known: KnownInMemory) -> None:
        """Sizes, counts and times of a find fit what is read."""
        bench.make("one")
        begun_ns = time.time_ns()
        summary, found = bench.look(known)
        item = found[bench.identifier_of("one")]
        assert begun_ns <= item.looked_at_ns <= time.time_ns()
        assert 0 < item.newest_change_ns <= time.time_ns()
        assert -(2**63) <= item.fingerprint < 2**63
        content = bench.backend().read(item.identifier, StopToken())
        sent = [file.entry for file in content.files if not file.is_derived and file.entry.kind is EntryKind.FILE]
        if sent:
            assert item.file_count == len(sent)
            assert item.size_bytes == sum(entry.size_bytes for entry in sent)
        else:
            # Everything is made while it is read, as from a database: what a look says is an estimate.
            assert item.file_count >= 0
            assert item.size_bytes >= 0
        assert summary.root_place
        assert Found.from_row(item.to_row()) == item
        assert DiscoverySummary.from_json(summary.to_json()) == dataclasses.replace(summary)

    def test_same_input_gives_the_same_content(self, bench: SourceBench, known: KnownInMemory) -> None:
        """In another process life too: identifier, description, files, digests."""
        bench.make("one")
        _, found = bench.look(known)
        (identifier,) = found
        first, second = (bench.backend().read(identifier, StopToken()) for _ in range(2))
        assert _comparable(first) == _comparable(second)
        digests = [
            snapshot_digest(
                content.description,
                [
                    dataclasses.replace(
                        file.entry, sha256=sha256_of(file.path) if file.entry.kind is EntryKind.FILE else None
                    )
                    for file in content.files
                ],
            )
            for content in (first, second)
        ]
        assert digests[0] == digests[1]
        assert bench.look(KnownInMemory())[1].keys() == found.keys()

    def test_content_carries_the_fingerprint_of_its_state(self, bench: SourceBench, known: KnownInMemory) -> None:
        """Looking, reading and asking agree while nothing changes, and disagree when something did."""
        bench.make("one")
        _, found = bench.look(known)
        (item,) = found.values()
        backend = bench.backend()
        assert backend.read(item.identifier, StopToken()).fingerprint == item.fingerprint
        assert backend.fingerprint(item.identifier) == item.fingerprint
        bench.change("one")
        assert backend.fingerprint(item.identifier) != item.fingerprint

    def test_files_have_safe_relative_names_in_order_and_lie_where_they_say(self, bench: SourceBench) -> None:
        """Names are portable and unique."""
        bench.make("one")
        content = bench.backend().read(bench.identifier_of("one"), StopToken())
        names = [file.entry.name for file in content.files]
        assert names == sorted(set(names))
        for file in content.files:
            check_relative(file.entry.name)
            file.entry.name.encode("utf-8")
            assert os.path.isabs(file.path)
            assert os.path.lexists(file.path)

    def test_deleted_dataset_is_missing_and_gone(self, bench: SourceBench, known: KnownInMemory) -> None:
        """And only that one."""
        bench.make("one")
        bench.make("two")
        bench.look(known)
        bench.remove("one")
        identifier = bench.identifier_of("one")
        summary, found = bench.look(known)
        assert found == {}
        assert summary.missing == (identifier,)
        with pytest.raises(SourceGone):
            bench.backend().read(identifier, StopToken())
        with pytest.raises(SourceGone):
            bench.backend().fingerprint(identifier)

    def test_asked_for_by_identifier_it_is_reported_even_unchanged(
        self, bench: SourceBench, known: KnownInMemory
    ) -> None:
        """That is how the engine looks a second time at what is not settled."""
        bench.make("one")
        bench.make("two")
        bench.look(known)
        identifier = bench.identifier_of("one")
        summary, found = bench.look(known, identifiers=(identifier,))
        assert list(found) == [identifier]
        assert not summary.missing
        assert not summary.is_complete_scan
        bench.remove("one")
        summary, found = bench.look(known, identifiers=(identifier,))
        assert found == {}
        assert summary.missing == (identifier,)

    def test_source_that_is_away_is_offline_and_nothing_is_missing(
        self, bench: SourceBench, known: KnownInMemory
    ) -> None:
        """Never a deletion."""
        bench.make("one")
        _, found = bench.look(known)
        bench.take_away()
        with pytest.raises(SourceOffline):
            bench.look(known)
        for identifier in found:
            with pytest.raises(EtiketError):
                bench.backend().read(identifier, StopToken())

    def test_stop_token_ends_looking_and_reading(self, bench: SourceBench, known: KnownInMemory) -> None:
        """At once."""
        bench.make("one")
        stop = StopToken()
        stop.stop()
        with pytest.raises(Stopped):
            bench.backend().discover(DiscoveryRequest(), known, lambda _: None, stop)
        with pytest.raises(Stopped):
            bench.backend().read(bench.identifier_of("one"), stop)

    def test_recognises_its_own_source(self, bench: SourceBench) -> None:
        """With options that make a source which finds the datasets."""
        bench.make("one")
        bench.make("two")
        recognition = bench.backend_class.recognise(bench.root, StopToken())
        assert recognition is not None
        assert recognition.backend == bench.backend_class.identifier
        assert recognition.confidence > 0
        assert recognition.dataset_count == 2
        assert recognition.sentence.endswith(".")
        backend = bench.backend_class(
            bench.backend_class.config_class(**recognition.options), BackendContext(SOURCE_UUID, bench.work_folder)
        )
        found: list[Found] = []
        backend.discover(DiscoveryRequest(), KnownInMemory(), found.append, StopToken())
        assert len(found) == 2

    def test_tells_where_it_is_and_how_to_watch_it(self, bench: SourceBench) -> None:
        """Watch or poll, one of them."""
        kind = bench.backend_class
        assert kind.root(bench.config())
        assert kind.settle_time_s(bench.config()) >= 0
        plan = bench.backend().watch_plan()
        assert bool(plan.folders) != (plan.poll_interval_s is not None)


def _times(root: Path, *, with_access: bool) -> dict[str, tuple[int, int, int]]:
    """Modification, change and, of files where the system lets a reader leave it alone, access times."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        is_file = with_access and sys.platform == "linux" and stat.S_ISREG(status.st_mode)
        found[str(path)] = (status.st_mtime_ns, status.st_ctime_ns, status.st_atime_ns if is_file else 0)
    return found
