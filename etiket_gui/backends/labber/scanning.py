"""Looks through a log directory: which logs are new, which files moved, what runs; opens only what changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etiket_gui.backends.api import KnownDatasets
from etiket_gui.backends.directories import parts_below
from etiket_gui.backends.directory_scan import DirectoryScan, Walk
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.backends.folder.survey import Surveyor
from etiket_gui.backends.labber.describing import name_of
from etiket_gui.backends.labber.index import LogFile, LogIndex, log_files, names_file
from etiket_gui.backends.labber.logfile import FileKey, LogHead, NotALog
from etiket_gui.domain import guards
from etiket_gui.domain.content import Found, Unreadable
from etiket_gui.domain.errors import (
    EtiketError,
    PermissionRefused,
    SourceChanged,
    SourceGone,
    SourceOffline,
    UnsafeName,
)
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

_NS = 1_000_000_000
_COPY = "second copy of the same log"
#: A file that makes no sense may be in the middle of being written; after so long without a change it is damaged.
_DAMAGED_AFTER_S = 60.0
_DAMAGED = "It is left as it is and tried again when it changes. Look whether Labber still opens it."


class QuietTimes:
    """How long files have been as they are, by this machine's clock where they were seen to change."""

    def __init__(self, interrupted_after_s: float) -> None:
        self._interrupted_after_s = interrupted_after_s
        self._seen: dict[str, tuple[FileKey, float | None]] = {}

    def state_of(self, file: LogFile, head: LogHead) -> RunState:
        """Whether a log is running, finished or was broken off."""
        now_s = time.monotonic()
        key, seen = file.key, self._seen.get(file.name)
        if seen is None:
            is_ahead = file.status.st_mtime_ns / _NS > time.time()
            self._seen[file.name] = seen = (key, now_s if is_ahead else None)
        elif seen[0] != key:
            self._seen[file.name] = seen = (key, now_s)
        if head.is_completed is None or head.is_completed:
            return RunState.COMPLETE
        quiet_s = time.time() - file.status.st_mtime_ns / _NS if seen[1] is None else now_s - seen[1]
        return RunState.INTERRUPTED if quiet_s >= self._interrupted_after_s else RunState.LIVE


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One log in one file; ``head`` is None while the file is as it was and so need not be opened."""

    file: LogFile
    head: LogHead | None


class LabberScan(DirectoryScan):
    """One look at a log directory."""

    def __init__(
        self,
        index: LogIndex,
        rules: IgnoreRules,
        surveyor: Surveyor,
        quiet: QuietTimes,
        known: KnownDatasets,
        report: Callable[[Found], None],
        stop: StopToken,
    ) -> None:
        super().__init__(index.root, surveyor, known, report, stop)
        self._index = index
        self._rules = rules
        self._quiet = quiet
        self._walk = Walk()
        self._torn: set[str] = set()

    @property
    def walked(self) -> Walk:
        """What was met so far."""
        return self._walk

    def _everything(self) -> set[str]:
        fingerprints = self._known.fingerprints()
        files = log_files(self._root, self._rules, self._walk, self._stop)
        seen = self._take(files, {fingerprint: name for name, fingerprint in fingerprints.items()})
        return self._surely(set(fingerprints) - seen)

    def _take(self, files: Iterable[LogFile], unchanged: dict[int, str], *, is_whole: bool = True) -> set[str]:
        """Look at files and report what is new or moved; returns the identifiers that are there.

        ``is_whole``: these are all files there are; if not, another copy of a log may lie elsewhere.
        """
        best: dict[str, _Candidate] = {}
        for file in files:
            self._stop.check()
            for identifier, candidate in self._logs_of(file, unchanged):
                other = best.get(identifier)
                if other is None:
                    best[identifier] = candidate
                else:
                    # The same log in two files is one dataset: the file with more in it counts.
                    self._walk.skip(_COPY)
                    if file.status.st_size > other.file.status.st_size:
                        best[identifier] = candidate
        for identifier, candidate in best.items():
            if not is_whole and self._is_more_elsewhere(identifier, candidate.file):
                self._walk.skip(_COPY)
                continue
            self._index.places[identifier] = candidate.file.name
            self._seen_count += 1
            if candidate.head is None:
                continue
            if unchanged.get(self._fingerprint(candidate.file, candidate.head)) != identifier:
                self._tell(identifier, candidate.file, candidate.head)
        return set(best)

    def _is_more_elsewhere(self, identifier: str, file: LogFile) -> bool:
        """Whether the log is known from another file, which is still there and has no less in it."""
        name = self._index.places.get(identifier, "")
        other = self._index.file_at(name) if name and name != file.name else None
        return (
            other is not None
            and other.status.st_size >= file.status.st_size
            and (any(self._index.identifier(name, head) == identifier for head in self._heads_or_none(other)))
        )

    def _heads_or_none(self, file: LogFile) -> list[LogHead]:
        try:
            return self._index.heads(file, self._stop)
        except (NotALog, SourceChanged, SourceGone):
            return []

    def _logs_of(self, file: LogFile, unchanged: dict[int, str]) -> list[tuple[str, _Candidate]]:
        for has_own_name in (True, False):
            found: list[tuple[str, _Candidate]] = []
            while True:
                fingerprint = self._index.fingerprint(file, len(found) + 1, has_own_name=has_own_name)
                identifier = unchanged.get(fingerprint)
                if identifier is None or not (has_own_name or names_file(identifier, file.name)):
                    break
                found.append((identifier, _Candidate(file, None)))
            if found:
                return found
        try:
            heads = self._index.heads(file, self._stop)
        except NotALog as error:
            self._walk.skip(error.rule)
            if error.is_broken:
                self._note_torn(file, error)
            return []
        except SourceGone:
            return []
        except SourceChanged as error:
            self._note_torn(file, error)
            return []
        except SourceOffline:
            raise
        except EtiketError as error:
            advice = "" if isinstance(error, PermissionRefused) else error.advice
            self._walk.unreadable.append(Unreadable(file.name, error.reason, advice))
            self._walk.unlisted.append(file.name)
            return []
        return [(self._index.identifier(file.name, head), _Candidate(file, head)) for head in heads]

    def _note_torn(self, file: LogFile, error: EtiketError) -> None:
        """Nothing that may lie in the file is missing; and a file that stays like that is told."""
        self._torn.add(file.name)
        newest_ns = max(file.status.st_mtime_ns, file.status.st_ctime_ns)
        if time.time_ns() - newest_ns >= _DAMAGED_AFTER_S * _NS:
            self._walk.unreadable.append(Unreadable(file.name, f"it makes no sense as HDF5 ({error.reason})", _DAMAGED))

    def _identifiers(self, identifiers: Iterable[str]) -> set[str]:
        missing = set()
        for identifier in dict.fromkeys(identifiers):
            try:
                file, head = self._index.find(identifier, self._stop)
            except (SourceGone, UnsafeName):
                missing.add(identifier)
            except SourceChanged:
                # It is there, and it is being written: the next look tells more.
                continue
            else:
                self._seen_count += 1
                self._tell(identifier, file, head)
        return missing

    def _paths(self, paths: Iterable[str]) -> set[str]:
        names: set[str] = set()
        for path in paths:
            parts = parts_below(self._root, path)
            if parts is not None:
                names.add(to_portable("/".join(parts)))
        if not names:
            return set()
        fingerprints = self._known.fingerprints()
        unchanged = {fingerprint: name for name, fingerprint in fingerprints.items()}
        before = dict(self._index.places)
        seen: set[str] = set()
        for name in sorted(names):
            seen |= self._take(self._files_at(name), unchanged, is_whole=not name)
        suspects = {
            identifier
            for identifier in fingerprints
            if identifier not in seen and any(_is_at_or_below(before.get(identifier, ""), name) for name in names)
        }
        return {identifier for identifier in self._surely(suspects) if not self._is_anywhere(identifier)}

    def _files_at(self, name: str) -> list[LogFile]:
        if not name:
            return list(log_files(self._root, self._rules, self._walk, self._stop))
        file = self._index.file_at(name)
        if file is not None:
            is_log_name = name.lower().endswith(".hdf5") and not self._rules.matches(name.rpartition("/")[2])
            return [file] if is_log_name else []
        return list(log_files(self._root, self._rules, self._walk, self._stop, name))

    def _is_anywhere(self, identifier: str) -> bool:
        try:
            self._index.find(identifier, self._stop)
        except (SourceGone, UnsafeName):
            return False
        except SourceChanged:
            return True
        return True

    def _surely(self, unseen: set[str]) -> set[str]:
        """Without those that may lie in a part which could not be read."""
        hidden = [*self._walk.unlisted, *self._torn]
        if not hidden or not guards.is_on("unreadable-is-not-missing"):
            return unseen
        places = self._index.places
        return {
            identifier
            for identifier in unseen
            # Of a log that was never seen in this process nobody knows whether it lies there.
            if identifier in places and not any(_is_at_or_below(places[identifier], part) for part in hidden)
        }

    def _fingerprint(self, file: LogFile, head: LogHead) -> int:
        return self._index.fingerprint(file, head.position, has_own_name=head.identifier is not None)

    def _tell(self, identifier: str, file: LogFile, head: LogHead) -> None:
        status = file.status
        has_own_name = head.identifier is not None
        self._report(
            Found(
                identifier=identifier,
                name=name_of(head, file.name),
                fingerprint=self._fingerprint(file, head),
                run_state=self._quiet.state_of(file, head),
                newest_change_ns=max(status.st_mtime_ns, status.st_ctime_ns),
                looked_at_ns=time.time_ns(),
                size_bytes=status.st_size,
                file_count=1,
                place="" if has_own_name or head.number != 1 else self._surveyor.place(status),
                collected_ns=None if head.created_s is None else round(head.created_s * 1000) * 1_000_000,
                has_completion_mark=bool(head.is_completed),
            )
        )


def _is_at_or_below(name: str, base: str) -> bool:
    return base in {"", name} or name.startswith(f"{base}/")
