"""What every destination promises, as tests: derive a Test class, give it a ``bench`` fixture, and a new one is done.

The suite knows nothing of folders or servers: it asks a :class:`DestinationBench` for the destination.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from etiket_gui.destinations.api import (
    Destination,
    DestinationConfig,
    NoCheckpoint,
    Receipt,
    RestoreMethod,
    StoredSource,
)
from etiket_gui.domain.content import FileEntry, Outgoing, RemoteVersion, snapshot_digest
from etiket_gui.domain.errors import (
    DestinationOffline,
    DestinationRefused,
    EtiketError,
    SourceChanged,
    Stopped,
    UnsafeName,
    UsageError,
)
from etiket_gui.domain.states import EntryKind, Provisional
from etiket_gui.domain.stopping import NoProgress, StopToken
from etiket_gui.testing.manifest import changes_since, sha256_of, take_manifest
from etiket_gui.testing.outgoing import AGENT, OTHER_AGENT, SOURCE_UUID, outgoing, reference, write_files

MIB = 1024 * 1024


class DestinationBench(ABC):
    """One real destination with nothing in it yet, and a folder for measurements."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "measurements"
        self.source.mkdir()

    @abstractmethod
    def connect(self, agent: str = AGENT) -> Destination:
        """The destination, as the program of one computer sees it; every call sees the same one."""

    @abstractmethod
    def take_away(self) -> None:
        """Make it unreachable."""

    @abstractmethod
    def bring_back(self) -> None:
        """Make it reachable again."""

    def measured(self, name: str = "run 1", **files: bytes) -> Path:
        """A measurement's folder."""
        given = {key.replace("__", "/").replace("_dot_", "."): data for key, data in files.items()}
        return write_files(self.source / name, given or {"data.bin": b"0123" * 300, "sub/notes.txt": b"a note"})


def push(destination: Destination, item: Outgoing, stop: StopToken | None = None) -> Receipt:
    """Push one dataset."""
    return destination.push(item, NoCheckpoint(), NoProgress(), stop or StopToken())


def push_all(destination: Destination, batch: list[Outgoing]) -> dict[int, Receipt | EtiketError]:
    """Push a batch; every index must come exactly once."""
    found: dict[int, Receipt | EtiketError] = {}
    for index, result in destination.push_many(batch, NoCheckpoint(), NoProgress(), StopToken()):
        assert index not in found
        found[index] = result
    return found


class DestinationContract:
    """The obligations of :class:`~etiket_gui.destinations.api.Destination`."""

    @pytest.fixture
    def destination(self, bench: DestinationBench) -> Destination:
        made = bench.connect()
        made.create()
        return made

    # ------------------------------------------------------------------ itself

    def test_options_have_words_for_a_form(self, bench: DestinationBench) -> None:
        config_class = type(bench.connect()).config_class
        assert issubclass(config_class, DestinationConfig)
        for name, field in config_class.model_fields.items():
            assert field.title, name
            assert field.description, name

    def test_create_makes_it_usable_and_is_harmless_later(self, bench: DestinationBench) -> None:
        destination = bench.connect()
        destination.create()
        probe = destination.probe()
        assert probe.is_usable, probe.problems
        assert probe.identity
        push(destination, outgoing(bench.measured()))
        destination.create()
        assert destination.probe().identity == probe.identity
        assert len(list(destination.datasets(StopToken()))) == 1

    def test_probe_leaves_nothing_behind(self, destination: Destination, bench: DestinationBench) -> None:
        before = list(destination.datasets(StopToken()))
        destination.probe()
        assert list(destination.datasets(StopToken())) == before
        assert destination.sweep(StopToken(), minimum_age_s=0) == 0

    def test_unreachable_is_said_as_a_state_of_the_destination(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        item = outgoing(bench.measured())
        receipt = push(destination, item)
        bench.take_away()
        probe = destination.probe()
        assert [type(problem) for problem in probe.problems] == [DestinationOffline]
        with pytest.raises(DestinationOffline):
            push(destination, item)
        with pytest.raises(DestinationOffline):
            destination.find(item.reference.uuid, "")
        with pytest.raises(DestinationOffline):
            list(destination.datasets(StopToken()))
        bench.bring_back()
        assert destination.find(item.reference.uuid, "") == RemoteVersion(
            receipt.remote, receipt.version, receipt.digest
        )

    def test_sources_are_remembered_and_overwritten_by_newer_words(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        first = StoredSource(SOURCE_UUID, "Fridge", "folder", "PC-12", "/data/fridge")
        moved = StoredSource(SOURCE_UUID, "Fridge", "folder", "PC-13", "/mnt/fridge", share="nas:fridge")
        destination.remember_source(first)
        destination.remember_source(first)
        assert bench.connect(OTHER_AGENT).sources() == (first,)
        destination.remember_source(moved)
        assert destination.sources() == (moved,)

    # ------------------------------------------------------------------ sending

    def test_receipt_states_what_was_read_and_stored(self, destination: Destination, bench: DestinationBench) -> None:
        folder = bench.measured()
        item = outgoing(folder, attributes={"sample": "SQ22", "n": 3}, keywords=("rabi",))
        receipt = push(destination, item)
        hashes = {entry.name: entry.sha256 for entry in receipt.files}
        assert hashes == {
            "data.bin": sha256_of(folder / "data.bin"), "sub/notes.txt": sha256_of(folder / "sub/notes.txt"),
        }  # fmt: skip
        assert receipt.uuid == item.reference.uuid
        assert receipt.digest == snapshot_digest(item.description, receipt.files)
        assert receipt.level.counts_as_verified
        assert receipt.is_new
        assert not receipt.is_provisional
        assert receipt.description == item.description
        assert receipt.new_bytes > 0

    def test_source_is_never_changed(self, destination: Destination, bench: DestinationBench) -> None:
        folder = bench.measured(small=b"x", large=os.urandom(3 * MIB))
        before = take_manifest(bench.source)
        push(destination, outgoing(folder))
        assert not changes_since(before)

    def test_sending_the_same_twice_stores_it_once(self, destination: Destination, bench: DestinationBench) -> None:
        item = outgoing(bench.measured())
        first = push(destination, item)
        again = push(bench.connect(OTHER_AGENT), item)
        assert again.is_new is False
        assert again.new_bytes == 0
        assert (again.remote, again.version, again.digest) == (first.remote, first.version, first.digest)
        assert len(destination.versions(first.remote, "")) == 1

    def test_changed_dataset_becomes_a_newer_version(self, destination: Destination, bench: DestinationBench) -> None:
        folder = bench.measured()
        first = push(destination, outgoing(folder))
        (folder / "data.bin").write_bytes(b"other content")
        second = push(destination, outgoing(folder))
        third = push(destination, outgoing(folder, text="described later"))
        assert second.remote == first.remote == third.remote
        stored = destination.versions(first.remote, "")
        assert [version.version for version in stored] == [first.version, second.version, third.version]
        assert len({version.digest for version in stored}) == 3
        assert destination.find(third.uuid, "") == RemoteVersion(third.remote, third.version, third.digest)
        for version in stored:
            assert destination.verify(first.remote, version.version, "", StopToken()).is_good

    def test_empty_files_equal_files_and_large_files_arrive(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        folder = bench.measured(empty=b"", one=b"same", two=b"same", large=os.urandom(5 * MIB + 17))
        receipt = push(destination, outgoing(folder))
        checked = destination.verify(receipt.remote, receipt.version, "", StopToken())
        assert checked.is_good
        assert {entry.name: entry.sha256 for entry in receipt.files} == {
            name: sha256_of(folder / name) for name in ("empty", "one", "two", "large")
        }

    def test_nothing_is_published_when_the_last_look_says_changed(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        def confirm() -> None:
            raise SourceChanged("It changed.")

        item = outgoing(bench.measured(), confirm=confirm)
        with pytest.raises(SourceChanged):
            push(destination, item)
        assert destination.find(item.reference.uuid, "") is None
        assert list(destination.datasets(StopToken())) == []

    def test_one_bad_dataset_holds_up_no_other(self, destination: Destination, bench: DestinationBench) -> None:
        batch = [outgoing(bench.measured(f"run {number}", data=bytes([number]) * 50)) for number in range(5)]
        (bench.source / "run 2" / "data").unlink()
        (bench.source / "run 3" / "data").write_bytes(b"still growing")
        results = push_all(destination, batch)
        assert sorted(results) == [0, 1, 2, 3, 4]
        kinds = ["good" if isinstance(results[index], Receipt) else "bad" for index in range(5)]
        assert kinds == ["good", "good", "bad", "bad", "good"]

    def test_stop_ends_the_work_and_publishes_no_half(self, destination: Destination, bench: DestinationBench) -> None:
        stop = StopToken()
        stop.stop()
        item = outgoing(bench.measured())
        with pytest.raises(Stopped):
            push(destination, item, stop)
        assert destination.find(item.reference.uuid, "") is None

    @pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "..\\out", "C:\\out", "a//b", "."])
    def test_name_that_would_leave_the_dataset_is_refused(
        self, destination: Destination, bench: DestinationBench, name: str
    ) -> None:
        item = outgoing(bench.measured())
        file = item.files[0]
        entry = file.entry
        bad = FileEntry(name, EntryKind.FILE, entry.size_bytes, entry.mtime_ns, entry.ctime_ns, entry.inode)
        evil = Outgoing(item.reference, "", item.description, (type(file)(bad, file.path),), None, item.confirm)
        with pytest.raises(UnsafeName):
            push(destination, evil)
        assert destination.find(item.reference.uuid, "") is None

    # ------------------------------------------------------------------ still running

    def test_provisional_version_makes_room_for_the_final_one(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        if type(destination).capabilities.provisional is not Provisional.REPLACEABLE:
            pytest.skip("this destination cannot replace a running measurement")
        folder = bench.measured()
        live = push(destination, outgoing(folder, is_provisional=True))
        assert live.is_provisional
        assert destination.find(live.uuid, "") is None
        (folder / "data.bin").write_bytes(b"more points")
        newer = push(destination, outgoing(folder, is_provisional=True))
        assert [stored.version for stored in destination.versions(live.remote, "")] == [newer.version]
        final = push(destination, outgoing(folder))
        stored = destination.versions(live.remote, "")
        assert [(version.version, version.is_provisional) for version in stored] == [(final.version, False)]
        assert destination.verify(final.remote, final.version, "", StopToken()).is_good

    def test_only_a_provisional_version_of_ours_can_be_withdrawn(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        final = push(destination, outgoing(bench.measured()))
        with pytest.raises((DestinationRefused, UsageError)):
            destination.withdraw(final.remote, final.version, "")
        assert destination.verify(final.remote, final.version, "", StopToken()).is_good
        if type(destination).capabilities.provisional is not Provisional.REPLACEABLE:
            return
        live = push(destination, outgoing(bench.measured("run 2"), is_provisional=True))
        with pytest.raises(DestinationRefused):
            bench.connect(OTHER_AGENT).withdraw(live.remote, live.version, "")
        destination.withdraw(live.remote, live.version, "")
        with pytest.raises(UsageError):
            destination.versions(live.remote, "")

    # ------------------------------------------------------------------ getting it back

    def test_lists_what_a_lost_store_needs(self, destination: Destination, bench: DestinationBench) -> None:
        item = outgoing(bench.measured(), collected="2026-05-04T10:00:00")
        receipt = push(destination, item)
        other = outgoing(bench.measured("run 2"), source_uuid="22222222-2222-4222-8222-222222222222")
        push(destination, other)
        found = list(destination.datasets(StopToken(), source_uuid=SOURCE_UUID))
        assert [dataset.reference for dataset in found] == [item.reference]
        assert found[0].description == item.description
        assert found[0].newest.digest == receipt.digest
        assert found[0].newest.remote == receipt.remote
        assert len(list(destination.datasets(StopToken()))) == 2

    def test_resolves_every_way_a_person_names_a_dataset(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        receipt = push(destination, outgoing(bench.measured("run 1"), title="Rabi of qubit 3"))
        push(destination, outgoing(bench.measured("run 2"), title="Ramsey"))
        for query in (receipt.uuid, receipt.uuid[:8], "run 1", receipt.remote, "Rabi of qubit 3"):
            found = destination.resolve(query, StopToken())
            assert [dataset.reference.uuid for dataset in found] == [receipt.uuid], query
        assert destination.resolve("nothing like this", StopToken()) == ()

    def test_finds_by_every_word(self, destination: Destination, bench: DestinationBench) -> None:
        push(destination, outgoing(bench.measured("run 1"), title="Rabi", attributes={"sample": "SQ22"}))
        push(destination, outgoing(bench.measured("run 2"), title="Rabi", attributes={"sample": "SQ23"}))
        found = list(destination.search("rabi sq22", StopToken()))
        assert [dataset.reference.identifier for dataset in found] == ["run 1"]

    def test_restores_names_bytes_times_and_the_executable_bit(
        self, destination: Destination, bench: DestinationBench
    ) -> None:
        folder = bench.measured(data=b"bytes", sub__deep__script=b"#!/bin/sh\n", empty=b"")
        (folder / "sub/deep/script").chmod(0o755)
        os.utime(folder / "data", ns=(10**18, 10**18 + 123_456_700))
        receipt = push(destination, outgoing(folder))
        target = bench.folder / "restored"
        report = destination.fetch(
            receipt.remote, receipt.version, "", target, RestoreMethod.COPY, NoProgress(), StopToken()
        )
        assert report.file_count == 3
        for name in ("data", "sub/deep/script", "empty"):
            assert (target / name).read_bytes() == (folder / name).read_bytes()
            assert (target / name).stat().st_mtime_ns == (folder / name).stat().st_mtime_ns
        if os.name != "nt":
            assert (target / "sub/deep/script").stat().st_mode & 0o100

    def test_unknown_dataset_is_not_found(self, destination: Destination) -> None:
        assert destination.find(reference("never sent").uuid, "") is None
