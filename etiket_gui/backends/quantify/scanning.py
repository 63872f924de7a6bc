"""Looks through a Quantify data directory: what is new, what moved, what runs; opens only what changed."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterable

from etiket_gui.backends.api import KnownDatasets
from etiket_gui.backends.directories import parts_below, signed_64
from etiket_gui.backends.directory_scan import DirectoryScan
from etiket_gui.backends.folder.ignoring import IgnoreRules
from etiket_gui.backends.folder.levels import unreadable
from etiket_gui.backends.folder.survey import Survey, Surveyor
from etiket_gui.backends.quantify.state import RunStates
from etiket_gui.backends.quantify.tuids import SECOND, Walk, collected_ns, folder_of, name_in, tuid_of, walk, walk_day
from etiket_gui.domain import guards
from etiket_gui.domain.content import Found
from etiket_gui.domain.names import from_portable, to_portable
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken

PRIMARY = "dataset.hdf5"


def primary_of(survey: Survey) -> os.stat_result | None:
    """The directory entry of the dataset file, or None where the measurement has none."""
    return next((item.status for item in survey.entries if item.name == PRIMARY), None)


def fingerprint_with_name(fingerprint: int, path: str) -> int:
    """A folder's fingerprint in which its name counts: the name is the measurement's name."""
    return signed_64(fingerprint + zlib.crc32(os.fsencode(os.path.basename(path))))


class QuantifyScan(DirectoryScan):
    """One look at a data directory."""

    def __init__(
        self,
        root: str,
        rules: IgnoreRules,
        surveyor: Surveyor,
        states: RunStates,
        known: KnownDatasets,
        report: Callable[[Found], None],
        stop: StopToken,
    ) -> None:
        super().__init__(root, surveyor, known, report, stop)
        self._rules = rules
        self._states = states
        self._walk = Walk()

    @property
    def walked(self) -> Walk:
        """What was met so far."""
        return self._walk

    def _everything(self) -> set[str]:
        fingerprints = self._known.fingerprints()
        self._walk = walk(self._root, self._rules, self._stop)
        unseen = set(fingerprints)
        for tuid, path in self._walk.folders.items():
            before = fingerprints.get(tuid)
            if before is not None and self._quick(path) == before:
                self._seen_count += 1
                unseen.discard(tuid)
            elif self._look(tuid, path, before):
                unseen.discard(tuid)
        return self._surely(unseen)

    def _identifiers(self, tuids: Iterable[str]) -> set[str]:
        missing = set()
        for tuid in dict.fromkeys(tuids):
            path = folder_of(self._root, tuid, self._stop) if tuid_of(tuid) == tuid else None
            if path is None or not self._look(tuid, path, None, is_asked=True):
                missing.add(tuid)
        return missing

    def _paths(self, paths: Iterable[str]) -> set[str]:
        days: set[str] = set()
        for path in paths:
            parts = parts_below(self._root, path)
            if parts is not None:
                days.add(to_portable(parts[0]) if parts else "")
        if not days:
            return set()
        fingerprints = self._known.fingerprints()
        if "" in days:
            self._walk = walk(self._root, self._rules, self._stop)
            expected = set(fingerprints)
        else:
            expected = {tuid for tuid in fingerprints if any(tuid.startswith(day) for day in days)}
            for day in sorted(days):
                path = os.path.join(self._root, from_portable(day))
                if os.path.isdir(path) and not self._rules.matches_level_folder(day):
                    walk_day(day, path, self._rules, self._walk, self._stop)
        for tuid, path in self._walk.folders.items():
            if "" not in days and os.path.basename(os.path.dirname(path)) != tuid[:8]:
                # Beside the days lie copies as well: the one that is read is the one that counts.
                counts = folder_of(self._root, tuid, self._stop)
                if counts not in {None, path}:
                    self._walk.skip(SECOND)
                    continue
            before = fingerprints.get(tuid)
            if self._look(tuid, path, before):
                expected.discard(tuid)
        if "" in days:
            return self._surely(expected)
        # A folder that was moved to another day is still there.
        return {tuid for tuid in self._surely(expected) if folder_of(self._root, tuid, self._stop) is None}

    def _surely(self, unseen: set[str]) -> set[str]:
        """Without those that may lie in a day which could not be listed."""
        if not guards.is_on("unreadable-is-not-missing"):
            return unseen
        return {tuid for tuid in unseen if not self._walk.is_hidden(tuid)}

    def _quick(self, path: str) -> int | None:
        found = self._surveyor.fingerprint(path, self._stop)
        return None if found is None else fingerprint_with_name(found, path)

    def _look(self, tuid: str, path: str, before: int | None, *, is_asked: bool = False) -> bool:
        """Survey one measurement and report it where that is due; returns whether it is there."""
        looked_at_ns = time.time_ns()
        try:
            status = os.stat(path)
            survey = self._surveyor.survey(path, self._rules, self._stop)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._walk.unreadable.append(unreadable(tuid, path, error))
            return True
        self._walk.unreadable.extend(unreadable(tuid, part, why) for part, why in survey.unreadable)
        if survey.is_empty and not survey.unreadable:
            return False
        self._seen_count += 1
        fingerprint = fingerprint_with_name(survey.fingerprint, path)
        if fingerprint == before and not is_asked:
            return True
        state, has_mark = RunState.COMPLETE, False
        primary = primary_of(survey)
        if primary is not None:
            data_path = os.path.join(path, PRIMARY)
            state, has_mark = self._states.judge(data_path, (primary.st_size, primary.st_mtime_ns), self._stop)
        self._report(
            Found(
                identifier=tuid,
                name=name_in(to_portable(os.path.basename(path))),
                fingerprint=fingerprint,
                run_state=state,
                newest_change_ns=survey.newest_ns,
                looked_at_ns=looked_at_ns,
                size_bytes=survey.size_bytes,
                file_count=survey.file_count,
                place=self._surveyor.place(status),
                collected_ns=collected_ns(tuid),
                has_completion_mark=has_mark,
            )
        )
        return True
