"""Faults of the tracking store and the settings: full disks, locks, damage, other versions, power cuts, clocks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etiket_gui.domain.errors import StoreProblem, StoreTooNew
from etiket_gui.domain.states import TransferState
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, load_settings
from etiket_gui.store import schema
from etiket_gui.store.health import back_up, check, open_store
from etiket_gui.store.reader import StoreReader
from tests.support.clock import SECOND_NS
from tests.support.store_bench import StoreBench, entries

HOUR_NS = 3600 * SECOND_NS


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that nothing was done in."""
    return Home(tmp_path / "home")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB that holds nothing yet."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if mounted:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"x" * block)
            except OSError:
                continue
    return ballast


@pytest.mark.fault("F78", guard="store-failures-are-known")
def test_full_disk_is_a_sentence_and_the_same_call_succeeds_when_there_is_room(small_disk: Path) -> None:
    bench = StoreBench(small_disk / "store.sqlite")
    archived, waiting = bench.settle(bench.item("a"), bench.item("b"))
    first, second = bench.claim()
    bench.send(first)
    ballast = _fill(small_disk)
    sent = bench.sent(second, files=entries(3000))
    with pytest.raises(StoreProblem, match="the disk that holds it is full"):
        bench.writer.record_sent([sent])
    assert {bench.state(archived), bench.state(waiting)} == {TransferState.ARCHIVED, TransferState.SENDING}
    ballast.unlink()
    bench.writer.record_sent([bench.sent(second)])
    assert bench.reader.counts().by_state == {TransferState.ARCHIVED: 2}
    bench.close()
    assert check(small_disk / "store.sqlite") == ()


@pytest.mark.fault("F78", guard="store-failures-are-known")
def test_store_that_may_not_grow_keeps_what_it_had(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    bench.settle(bench.item("a"))
    (claim,) = bench.claim()
    with bench.writer._reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreProblem, match="full"):
        bench.writer.record_sent([bench.sent(claim, files=entries(3000))])
    assert bench.state(claim.dataset_id) is TransferState.SENDING
    with bench.writer._reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    bench.writer.record_sent([bench.sent(claim, files=entries(3000))])
    assert bench.state(claim.dataset_id) is TransferState.ARCHIVED
    assert len(bench.reader.files(claim.dataset_id)) == 3000
    bench.close()


@pytest.mark.fault("F80", guard="store-waits-for-its-lock")
def test_store_locked_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    other = sqlite3.connect(bench.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    try:
        bench.settle(bench.item("a"))
    finally:
        release.join()
        other.close()
        bench.close()
    assert StoreReader(bench.path).counts().total == 1


@pytest.mark.fault("F80", guard="store-failures-are-known")
def test_store_locked_for_long_is_a_sentence_and_nothing_is_half_written(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    with bench.writer._reading() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreProblem, match="another program holds it"):
            bench.settle(bench.item("a"))
        assert bench.reader.counts().total == 0
        assert bench.writer.open_problem_count() == 0
        other.execute("ROLLBACK")
    bench.settle(bench.item("a"))
    assert bench.reader.counts().total == 1
    bench.close()


def _archived_home(home: Home, *, count: int = 40) -> None:
    open_store(home).writer.close()
    bench = StoreBench(home.store)
    bench.archive(*(bench.item(f"d{number}", number + 1) for number in range(count)))
    bench.close()


def _flip_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(content)


def _damage(path: Path, how: str) -> None:
    match how:
        case "flipped pages":
            _flip_a_page(path)
        case "zero length":
            path.write_bytes(b"")
        case "not a database":
            path.write_bytes(b"This is a text, and long enough to be mistaken for a header of a file.\n" * 200)
        case "cut off":
            with path.open("rb+") as file:
                file.truncate(path.stat().st_size // 2)
        case "another program's database":
            path.unlink()
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE notes (text)")


DAMAGES = ("flipped pages", "zero length", "not a database", "cut off", "another program's database")


@pytest.mark.allows_log("the store was damaged")
@pytest.mark.fault("F81", guard="damaged-store-is-moved-aside")
@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_store_is_replaced_by_its_last_copy(home: Home, how: str) -> None:
    _archived_home(home)
    assert back_up(home, dt.datetime(2026, 3, 1, tzinfo=dt.UTC)) is not None
    _damage(home.store, how)
    damaged = home.store.read_bytes()
    opened = open_store(home)
    try:
        assert opened.moved_aside is not None
        assert opened.moved_aside.read_bytes() == damaged
        assert opened.moved_aside.name.startswith("store-corrupt-")
        assert opened.restored_from is not None
        assert opened.needs_rebuild
        assert opened.moved_aside.name in opened.sentence
        assert StoreReader(home.store).counts().by_state == {TransferState.ARCHIVED: 40}
        assert opened.writer.recover_claims() == 0
    finally:
        opened.writer.close()
    again = open_store(home)
    again.writer.close()
    assert again.sentence == ""


@pytest.mark.allows_log("the store was damaged")
@pytest.mark.fault("F81", guard="damaged-store-is-moved-aside")
@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_store_without_a_sound_copy_is_made_anew(home: Home, how: str) -> None:
    _archived_home(home)
    (home.backups / "store-2026-01-01.sqlite").write_bytes(b"not a store either")
    _damage(home.store, how)
    opened = open_store(home)
    assert (opened.is_fresh, opened.needs_rebuild, opened.restored_from) == (True, True, None)
    assert opened.writer.sources() == []
    opened.writer.close()


@pytest.mark.allows_log("the store was damaged")
@pytest.mark.fault("F81", guard="damaged-store-is-moved-aside")
def test_journal_of_the_damaged_store_is_not_played_into_the_next_one(home: Home) -> None:
    _archived_home(home)
    bench = StoreBench(home.store)
    bench.settle(bench.item("late"))
    shutil.copyfile(f"{home.store}-wal", home.root / "kept-wal")
    bench.close()
    _damage(home.store, "not a database")
    shutil.move(home.root / "kept-wal", f"{home.store}-wal")
    opened = open_store(home)
    assert opened.writer.sources() == []
    assert opened.moved_aside is not None
    assert Path(f"{opened.moved_aside}-wal").exists()
    opened.writer.close()


@pytest.mark.fault("F82", guard="newer-store-is-refused")
def test_store_of_a_newer_version_is_left_alone_and_its_version_is_named(home: Home) -> None:
    _archived_home(home)
    with closing(sqlite3.connect(home.store)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
        connection.execute("UPDATE meta SET value = '\"7.5.0\"' WHERE key = 'written_by'")
    before = home.store.read_bytes()
    names = sorted(path.name for path in home.root.iterdir())
    with pytest.raises(StoreTooNew, match=r"version 7\.5\.0"):
        open_store(home).writer.close()
    assert home.store.read_bytes() == before
    assert sorted(path.name for path in home.root.iterdir()) == names


_DYING_MIGRATION = """
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    import os, pathlib
    op.execute("CREATE TABLE extra (id INTEGER PRIMARY KEY)")
    op.execute("DELETE FROM datasets")
    marker = pathlib.Path({marker!r})
    if marker.exists():
        marker.unlink()
        op.execute("COMMIT")
        os.kill(os.getpid(), 9)
"""


def _migrations_with_a_dying_one(folder: Path, marker: Path, newest: str) -> Path:
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "rev_9999_dies.py").write_text(
        _DYING_MIGRATION.format(marker=str(marker), newest=newest), "utf-8"
    )
    return folder


@pytest.mark.fault("F83", guard="migration-runs-on-a-copy")
def test_migration_that_dies_midway_leaves_the_store_as_it_was(home: Home, tmp_path: Path) -> None:
    _archived_home(home)
    marker = tmp_path / "die"
    marker.touch()
    newest = schema.revision_of(home.store)
    assert newest is not None
    folder = _migrations_with_a_dying_one(tmp_path / "migrations", marker, newest)
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from etiket_gui.store import schema
        schema.migrate(Path({str(home.store)!r}), Path({str(home.backups)!r}), migrations=Path({str(folder)!r}))
        """
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert died.returncode != 0
    assert not marker.exists()
    assert schema.revision_of(home.store) == newest
    assert check(home.store) == ()
    assert StoreReader(home.store).counts().total == 40
    with closing(sqlite3.connect(home.store)) as connection:
        assert connection.execute("SELECT count(*) FROM datasets").fetchone() == (40,)
    repeated = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert repeated.returncode == 0, repeated.stderr
    assert schema.revision_of(home.store) == "9999"
    kept = home.backups / f"store-before-migration-from-{newest}.sqlite"
    assert check(kept) == ()
    assert schema.revision_of(kept) == newest


@pytest.mark.fault("F85", guard="store-keeps-a-journal")
@pytest.mark.parametrize("kept_share", [0.0, 0.1, 0.35, 0.5, 0.77, 0.99])
def test_power_cut_loses_at_most_the_newest_and_never_claims_more_than_it_holds(home: Home, kept_share: float) -> None:
    open_store(home).writer.close()
    synced = home.store.read_bytes()
    bench = StoreBench(home.store)
    bench.settle(*(bench.item(f"d{number}", number + 1) for number in range(30)))
    for _ in range(30):
        bench.send(*bench.claim(limit=1))
    cut = Home(home.root.parent / "after the cut")
    cut.prepare()
    _keep_share_of_what_was_not_synced(home.store, synced, cut.store, kept_share)
    bench.close()
    opened = open_store(cut)
    assert opened.moved_aside is None
    opened.writer.recover_claims()
    opened.writer.close()
    _check_archived_means_received(cut.store)


def _keep_share_of_what_was_not_synced(store: Path, synced: bytes, target: Path, share: float) -> None:
    """What a disk may hold after a power cut: of every file that was written to, only the first part got there."""
    now = store.read_bytes()
    pages = int(len(now) / 4096 * share)
    target.write_bytes(now[: pages * 4096] + synced[pages * 4096 :])
    wal = Path(f"{store}-wal")
    if wal.exists():
        content = wal.read_bytes()
        Path(f"{target}-wal").write_bytes(content[: int(len(content) * share)])


def _check_archived_means_received(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        unproven = connection.execute(
            "SELECT count(*) FROM transfers t WHERE state = 'archived' AND NOT EXISTS"
            " (SELECT 1 FROM receipts r WHERE r.transfer_id = t.id AND r.version = t.version AND r.digest = t.digest)"
        ).fetchone()
        assert unproven == (0,)
        assert connection.execute("SELECT count(*) FROM transfers WHERE state = 'sending'").fetchone() == (0,)


@pytest.mark.fault("F85", guard="archived-needs-a-receipt")
def test_transfer_whose_receipt_is_missing_is_not_called_archived(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    (dataset_id,) = bench.archive(bench.item("d"))
    with bench.writer._transaction() as connection:
        connection.exec_driver_sql("DELETE FROM receipts")
    bench.writer.mark_settled([(dataset_id, 1)])
    assert bench.state(dataset_id) is TransferState.WAITING
    bench.close()


@pytest.mark.fault("F86", guard="due-times-have-a-horizon")
@pytest.mark.parametrize("jump_s", [-86_400, -10 * 365 * 86_400])
def test_due_time_of_a_clock_that_was_ahead_is_not_waited_for(tmp_path: Path, jump_s: int) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    (dataset_id,) = bench.settle(bench.item("d"))
    bench.fail(bench.claim()[0], due_ns=bench.clock.now_ns() + 60 * SECOND_NS)
    after_jump_ns = bench.clock.now_ns() + jump_s * SECOND_NS
    bench.writer.release_due(after_jump_ns, HOUR_NS)
    assert bench.state(dataset_id) is TransferState.WAITING
    bench.close()


def test_due_time_moves_with_a_clock_that_was_set(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    (dataset_id,) = bench.settle(bench.item("d"))
    due_ns = bench.clock.now_ns() + 60 * SECOND_NS
    bench.fail(bench.claim()[0], due_ns=due_ns)
    ten_years_ns = 10 * 365 * 86_400 * SECOND_NS
    bench.writer.shift_due(ten_years_ns)
    assert bench.writer.next_due_ns() == due_ns + ten_years_ns
    assert bench.reader.problems()[0].due_ns == due_ns + ten_years_ns
    assert bench.writer.release_due(bench.clock.now_ns() + ten_years_ns, HOUR_NS) == 0
    assert bench.state(dataset_id) is TransferState.FAILED
    bench.close()


@pytest.mark.fault("F88", guard="times-fit-the-store")
@pytest.mark.parametrize("time_ns", [0, -1, -(2**62), 4_354_819_199 * SECOND_NS, 2**63, 2**70])
def test_odd_modification_times_are_no_crash(tmp_path: Path, time_ns: int) -> None:
    bench = StoreBench(tmp_path / "store.sqlite")
    (dataset_id,) = bench.settle(bench.item("d", newest_change_ns=time_ns))
    (claim,) = bench.claim()
    odd = dataclasses.replace(entries(1)[0], mtime_ns=time_ns, ctime_ns=time_ns)
    bench.writer.record_sent([bench.sent(claim, files=[odd])])
    assert bench.state(dataset_id) is TransferState.ARCHIVED
    stored = bench.reader.files(dataset_id)[0].mtime_ns
    assert stored == max(-(2**63), min(time_ns, 2**63 - 1))
    bench.close()


BROKEN_SETTINGS = (b"", b"{", b"[]", b"\xff\xfe\x00", b'{"version": 1, "worker_count": "many"}', b'{"worker_count": 2}',
                   b'{"version": 1, "worker_count": 999}', b"null", b'{"version": true}', b"[" * 100_000)  # fmt: skip


@pytest.mark.fault("F89", guard="broken-settings-are-kept")
@pytest.mark.parametrize("content", BROKEN_SETTINGS, ids=range(len(BROKEN_SETTINGS)))
def test_broken_settings_give_the_defaults_and_are_kept_and_told_once(home: Home, content: bytes) -> None:
    home.prepare()
    home.settings.write_bytes(content)
    told: list[str] = []
    assert load_settings(home, told.append) == Settings()
    (kept,) = home.root.glob("settings-broken-*.json")
    assert kept.read_bytes() == content
    assert len(told) == 1
    assert kept.name in told[0]
    assert load_settings(home, told.append) == Settings()
    assert len(told) == 1


@pytest.mark.fault("F89", guard="unknown-settings-are-told")
def test_unknown_settings_are_left_out_kept_and_told_once(home: Home) -> None:
    home.prepare()
    content = {"version": 1, "worker_count": 1, "wroker_count": 5}
    home.settings.write_text(json.dumps(content), "utf-8")
    told: list[str] = []
    assert load_settings(home, told.append) == Settings(worker_count=1)
    (kept,) = home.root.glob("settings-broken-*.json")
    assert json.loads(kept.read_text("utf-8")) == content
    assert [sentence for sentence in told if "wroker_count" in sentence] == told
    assert load_settings(home, told.append) == Settings(worker_count=1)
    assert len(told) == 1
