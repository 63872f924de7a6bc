"""Copies one large file while two threads hash the source and the copy; constant memory, resumable, soon stopped."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from etiket_gui.destinations.api import Checkpoint
from etiket_gui.destinations.archive.layout import staging_name, staging_owner
from etiket_gui.destinations.archive.session import WriteSession, archive_error, archive_errors
from etiket_gui.destinations.archive.sourcefiles import (
    HASH_CHUNK_BYTES,
    check_expected,
    check_unchanged_since_look,
    check_unchanged_while_read,
)
from etiket_gui.domain import guards
from etiket_gui.domain.content import SourceFile
from etiket_gui.domain.errors import DestinationFull, EtiketError, SourceChanged, Stopped, source_error
from etiket_gui.domain.stopping import Progress, StopToken
from etiket_gui.osys.durability import NotSupported
from etiket_gui.osys.files import FileLayer, Folder, let_read_ahead, open_source, read_at

_CHUNK_BYTES = 64 * 1024 * 1024
# The first one is small: in the kernel nobody can stop it, and on a slow share it takes as long as it takes.
_FIRST_CHUNK_BYTES = 1024 * 1024
# While something is measured: what a measurement's own write may find before it in the disk's queue.
_GENTLE_CHUNK_BYTES = 64 * 1024
# A chunk is made larger below, smaller above: a stop is asked for between two of them.
_QUICK_S, _SLOW_S = 0.2, 0.6
_SAVE_EVERY_S = 5.0
_POLL_S = 0.1
_KEEP_S = 1.0
_COPY = "copy"
_TARGET_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True, slots=True)
class LargeResult:
    """A finished copy in its own temporary folder ``place``: what the source hashed to, and what the copy did."""

    sha256: str
    copy_sha256: str
    size_bytes: int
    place: str


class _Follower(threading.Thread):
    """Hashes an open file up to where the copy has come, and stays behind it until the end."""

    def __init__(self, fd: int, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._fd = fd
        self._changed = threading.Condition()
        self._available_bytes = 0
        self._is_complete = False
        self._is_cancelled = False
        self.failure: OSError | None = None
        self.digest = hashlib.sha256()
        self.hashed_bytes = 0

    def advance(self, available_bytes: int, *, is_complete: bool = False) -> None:
        """That many bytes from the start are there now."""
        with self._changed:
            self._available_bytes = available_bytes
            self._is_complete = is_complete
            self._changed.notify()

    def cancel(self) -> None:
        """End soon, with whatever was hashed."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify()

    def run(self) -> None:
        buffer = bytearray(HASH_CHUNK_BYTES)
        view = memoryview(buffer)
        try:
            while self._wait():
                wanted = min(len(buffer), self._available_bytes - self.hashed_bytes)
                count = read_at(self._fd, view[:wanted], self.hashed_bytes)
                if count == 0:
                    return
                self.digest.update(view[:count])
                self.hashed_bytes += count
        except OSError as error:
            self.failure = error

    def _wait(self) -> bool:
        with self._changed:
            while self.hashed_bytes >= self._available_bytes and not self._is_complete and not self._is_cancelled:
                self._changed.wait()
            return not self._is_cancelled and self.hashed_bytes < self._available_bytes


class _FileSync(threading.Thread):
    """Makes a copy durable so far; has a descriptor of its own, so that nobody has to wait for a slow disk."""

    def __init__(self, files: FileLayer, run: _Run) -> None:
        super().__init__(name="sync of a large copy", daemon=True)
        self._files = files
        self._fd = os.dup(run.fd)
        self.is_done = False
        self.failure: OSError | None = None

    def run(self) -> None:
        try:
            self._files.sync_file(self._fd)
            self.is_done = True
        except OSError as error:
            self.failure = error
        finally:
            os.close(self._fd)


class LargeCopier:
    """Copies the large files of one session. Steps stay small while ``is_gentle`` says that something is measured."""

    def __init__(
        self,
        session: WriteSession,
        checkpoint: Checkpoint,
        progress: Progress,
        stop: StopToken,
        *,
        is_gentle: Callable[[], bool],
    ) -> None:
        self._session = session
        self._files = session.files
        self._checkpoint = checkpoint
        self._progress = progress
        self._stop = stop
        self._is_gentle = is_gentle

    def hash_only(self, uuid: str, file: SourceFile) -> str:
        """SHA-256 of a source file whose content is probably stored already. Raises SourceChanged and Stopped.

        Its bytes count as moved; :meth:`take_back` says that they have to be copied after all.
        """
        buffer = memoryview(bytearray(HASH_CHUNK_BYTES))
        digest, done, was_gentle = hashlib.sha256(), 0, False
        try:
            fd = open_source(file.path)
            try:
                before = os.fstat(fd)
                check_unchanged_since_look(file, before)
                while True:
                    self._stop.check()
                    is_gentle = self._is_gentle()
                    if is_gentle is not was_gentle:
                        let_read_ahead(fd, is_wanted=not is_gentle)
                        was_gentle = is_gentle
                    count = read_at(fd, buffer[: _GENTLE_CHUNK_BYTES if is_gentle else len(buffer)], done)
                    if not count:
                        break
                    digest.update(buffer[:count])
                    done += count
                    self._progress.advance(uuid, file.entry.name, count, before.st_size)
                check_unchanged_while_read(file, before, os.fstat(fd))
            finally:
                os.close(fd)
        except OSError as error:
            raise source_error(error, file.path) from error
        check_expected(file, digest.hexdigest())
        return digest.hexdigest()

    def take_back(self, uuid: str, file: SourceFile) -> None:
        """What was hashed only is not stored, so nothing of it has moved yet."""
        self._progress.advance(uuid, file.entry.name, -file.entry.size_bytes, file.entry.size_bytes)

    def copy(self, uuid: str, file: SourceFile) -> LargeResult:
        """Copy and hash; the copy then lies in a temporary folder of its own until it is placed or discarded.

        Raises SourceChanged, the known failures of both sides, and Stopped, after which it can be resumed.
        """
        try:
            source_fd = open_source(file.path)
        except OSError as error:
            raise source_error(error, file.path) from error
        try:
            before = os.fstat(source_fd)
            check_unchanged_since_look(file, before)
            place, offset = self._resume(uuid, file, before)
            if not place:
                place, offset = self._new_place(), 0
            try:
                return self._copy_from(uuid, file, source_fd, before, place, offset)
            except (SourceChanged, DestinationFull):
                self._remove(place)
                raise
        except OSError as error:
            raise source_error(error, file.path) from error
        finally:
            os.close(source_fd)

    def place_at(self, result: LargeResult, target: Folder, name: str) -> None:
        """Move a finished copy to its blob name. Raises OSError."""
        with self._files.folder(self._session.temporaries, result.place) as folder:
            fd = self._files.open_file(folder, _COPY)
            try:
                self._files.set_mode(folder, _COPY, fd, 0o444)
            finally:
                self._files.close_file(fd)
            self._files.rename(folder, _COPY, target, name)
        self._remove(result.place)

    def discard(self, result: LargeResult) -> None:
        """Remove a finished copy nobody needs."""
        self._remove(result.place)

    # ------------------------------------------------------------------ inside

    def _new_place(self) -> str:
        with archive_errors(self._session.layout.root):
            while True:
                place = staging_name(self._session.agent, secrets.randbits(48))
                with suppress(FileExistsError):
                    self._files.make_folder(self._session.temporaries, place)
                    self._session.note_folder(self._session.temporaries)
                    return place

    def _resume(self, uuid: str, file: SourceFile, status: os.stat_result) -> tuple[str, int]:
        """(place, durable bytes there) of an earlier try at the very same source file; ("", 0) without one."""
        state = self._checkpoint.load(uuid, file.entry.name)
        if not state:
            return "", 0
        place, offset = state.get("place"), state.get("offset_bytes")
        if not isinstance(place, str) or not isinstance(offset, int) or staging_owner(place) != self._session.agent:
            return "", 0
        if state.get("source") != _source_key(status):
            self._remove(place)
            return "", 0
        try:
            with self._files.folder(self._session.temporaries, place) as folder:
                there = self._files.status(folder, _COPY)
        except OSError:
            return "", 0
        if not stat.S_ISREG(there.st_mode) or there.st_size < offset:
            self._remove(place)
            return "", 0
        return place, offset

    def _copy_from(
        self, uuid: str, file: SourceFile, source_fd: int, before: os.stat_result, place: str, offset: int
    ) -> LargeResult:
        root = self._session.layout.root
        with archive_errors(root):
            folder = self._files.open_folder(self._session.temporaries, place)
            try:
                if offset:
                    fd = self._files.open_file(folder, _COPY, writable=True)
                    self._files.truncate(fd, offset)
                else:
                    with suppress(FileNotFoundError):
                        self._files.unlink(folder, _COPY)
                    fd = self._files.create(folder, _COPY, 0o600)
            except BaseException:
                self._files.close_folder(folder)
                raise
        followers = (_Follower(source_fd, "hash-source"), _Follower(fd, "hash-copy"))
        run = _Run(uuid, file, source_fd, fd, folder, place, before, followers)
        try:
            for follower in followers:
                follower.start()
            try:
                run.offset = offset
                self._copy_chunks(run)
                self._wait_for_hashes(run)
            except Stopped:
                self._keep(run)
                raise
            return self._judge(run)
        finally:
            for follower in followers:
                follower.cancel()
            for follower in followers:
                if follower.ident is not None:
                    follower.join()
            self._files.close_file(fd)
            self._files.close_folder(folder)

    def _copy_chunks(self, run: _Run) -> None:
        size_bytes, name = run.before.st_size, run.file.entry.name
        chunk = _FIRST_CHUNK_BYTES
        is_sparse = getattr(run.before, "st_blocks", size_bytes) * 512 < size_bytes
        saved_s = time.monotonic()
        was_gentle = False
        run.tell(run.offset)
        while run.offset < size_bytes:
            self._stop.check()
            start_s = time.monotonic()
            is_gentle = self._is_gentle()
            if is_gentle is not was_gentle:
                let_read_ahead(run.source_fd, is_wanted=not is_gentle)
                was_gentle = is_gentle
            if is_sparse and (hole := self._hole(run)):
                count = hole
            else:
                wanted = _GENTLE_CHUNK_BYTES if is_gentle else chunk
                count = self._copy_chunk(run, min(wanted, size_bytes - run.offset))
                if count == 0:
                    break
                self._files.start_writeback(run.fd, run.offset, count)
            run.offset += count
            run.tell(run.offset)
            now_s = time.monotonic()
            if not is_gentle:
                chunk = _next_chunk(chunk, now_s - start_s)
            self._progress.advance(run.uuid, name, count, size_bytes)
            if now_s - saved_s >= _SAVE_EVERY_S:
                self._save(run)
                saved_s = time.monotonic()
        with archive_errors(self._session.layout.root):
            if is_sparse:
                self._files.truncate(run.fd, run.offset)
        run.tell(run.offset, is_complete=True)

    def _hole(self, run: _Run) -> int:
        """Bytes of the hole that starts at the offset; 0 where there is data."""
        if sys.platform == "win32" or sys.platform == "darwin":
            return 0
        try:
            data_at = os.lseek(run.source_fd, run.offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                return 0
            data_at = run.before.st_size
        hole = min(data_at, run.before.st_size) - run.offset
        if hole > 0:
            with archive_errors(self._session.layout.root):
                self._files.truncate(run.fd, run.offset + hole)
        return max(hole, 0)

    def _copy_chunk(self, run: _Run, wanted_bytes: int) -> int:
        if run.is_kernel_copy:
            try:
                return self._files.copy_range(run.source_fd, run.fd, run.offset, wanted_bytes)
            except NotSupported:
                run.is_kernel_copy = False
            except OSError as error:
                if error.errno in _TARGET_ERRORS or _is_readable(run.source_fd, run.offset):
                    raise archive_error(error, self._session.layout.root) from error
                raise
        view = memoryview(run.buffer)[: min(wanted_bytes, len(run.buffer))]
        count = read_at(run.source_fd, view, run.offset)
        with archive_errors(self._session.layout.root):
            self._files.write_at(run.fd, view[:count], run.offset)
        return count

    def _wait_for_hashes(self, run: _Run) -> None:
        for follower in run.followers:
            while follower.is_alive():
                follower.join(_POLL_S)
                self._stop.check()

    def _judge(self, run: _Run) -> LargeResult:
        of_source, of_copy = run.followers
        if of_source.failure is not None:
            raise of_source.failure
        if of_copy.failure is not None:
            raise archive_error(of_copy.failure, self._session.layout.root) from of_copy.failure
        check_unchanged_while_read(run.file, run.before, os.fstat(run.source_fd))
        if of_source.hashed_bytes != run.before.st_size and guards.is_on("restat-after-read"):
            raise SourceChanged(f"{run.file.path} has other bytes than its size says.", path=run.file.path)
        sha256 = of_source.digest.hexdigest()
        check_expected(run.file, sha256)
        return LargeResult(sha256, of_copy.digest.hexdigest(), run.offset, run.place)

    def _keep(self, run: _Run) -> None:
        """After a stop: what was copied is kept for the next try, where somebody remembers it."""
        sync = _FileSync(self._files, run)
        sync.start()
        sync.join(_KEEP_S)
        if sync.is_done:
            with suppress(OSError, EtiketError):
                self._remember(run)
        # Where the disk was too slow for that, the last state that was remembered still holds.
        if self._checkpoint.load(run.uuid, run.file.entry.name) is None:
            self._remove(run.place)

    def _save(self, run: _Run) -> None:
        """Make durable what is there and remember how much it is. Raises Stopped while the disk is slow."""
        sync = _FileSync(self._files, run)
        sync.start()
        while sync.is_alive():
            sync.join(_POLL_S)
            self._stop.check()
        if sync.failure is not None:
            raise archive_error(sync.failure, self._session.layout.root) from sync.failure
        self._remember(run)

    def _remember(self, run: _Run) -> None:
        if not run.is_place_durable:
            with archive_errors(self._session.layout.root):
                self._files.sync_folder(run.folder)
                self._files.sync_folder(self._session.temporaries)
            run.is_place_durable = True
        state: Mapping[str, Any] = {
            "place": run.place,
            "offset_bytes": run.offset,
            "source": _source_key(run.before),
        }
        self._checkpoint.save(run.uuid, run.file.entry.name, state)

    def _remove(self, place: str) -> None:
        with suppress(OSError):
            self._files.remove_tree(self._session.temporaries, place)


class _Run:
    """The moving parts of one copy."""

    def __init__(
        self,
        uuid: str,
        file: SourceFile,
        source_fd: int,
        fd: int,
        folder: Folder,
        place: str,
        before: os.stat_result,
        followers: tuple[_Follower, _Follower],
    ) -> None:
        self.uuid = uuid
        self.file = file
        self.source_fd = source_fd
        self.fd = fd
        self.folder = folder
        self.place = place
        self.before = before
        self.followers = followers
        self.offset = 0
        self.is_kernel_copy = True
        self.is_place_durable = False
        self._buffer: bytearray | None = None

    @property
    def buffer(self) -> bytearray:
        """For copies the kernel cannot make."""
        if self._buffer is None:
            self._buffer = bytearray(HASH_CHUNK_BYTES)
        return self._buffer

    def tell(self, available_bytes: int, *, is_complete: bool = False) -> None:
        """Let both hash threads go on to there."""
        for follower in self.followers:
            follower.advance(available_bytes, is_complete=is_complete)


def _source_key(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _next_chunk(chunk_bytes: int, took_s: float) -> int:
    if took_s < _QUICK_S:
        return min(chunk_bytes * 2, _CHUNK_BYTES)
    return max(chunk_bytes // 2, _FIRST_CHUNK_BYTES) if took_s > _SLOW_S else chunk_bytes


def _is_readable(fd: int, offset: int) -> bool:
    try:
        read_at(fd, memoryview(bytearray(1)), offset)
    except OSError:
        return False
    return True
