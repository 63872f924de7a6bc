"""Looks through a folder source and says what is new, what moved and what is no longer there; opens no data file."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping

from etiket_gui.backends.api import DiscoveryRequest, IndexedKnownDatasets, KnownDatasets
from etiket_gui.backends.folder.dataset import look_at
from etiket_gui.backends.folder.description import FILE_NAME
from etiket_gui.backends.folder.levels import (
    MARKED,
    ROOT_IDENTIFIER,
    Levels,
    Tally,
    identifiers_above,
    is_at_or_below,
    unreadable,
)
from etiket_gui.backends.folder.survey import Survey, Surveyor, is_same_manifest
from etiket_gui.domain import guards
from etiket_gui.domain.content import DiscoverySummary, FileEntry, Found
from etiket_gui.domain.errors import EtiketError, PermissionRefused, SourceOffline, UnsafeName
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken

Report = Callable[[Found], None]


class FolderScan:
    """One look at a source, from the request to the summary. Used once."""

    def __init__(
        self, levels: Levels, surveyor: Surveyor, known: KnownDatasets, report: Report, stop: StopToken
    ) -> None:
        self._levels = levels
        self._surveyor = surveyor
        self._known = known
        self._report = report
        self._stop = stop
        self._tally = Tally()
        self._all_known: Mapping[str, int] | None = None
        self._seen_count = 0
        self._root_status = _root_status(levels.root)

    def run(self, request: DiscoveryRequest) -> DiscoverySummary:
        """Raises SourceOffline when the root is away, or was replaced while it was being looked through."""
        begun = time.perf_counter()
        if request.is_everything:
            missing = self._everything()
        else:
            missing = self._identifiers(request.identifiers or ())
            missing.update(self._paths(request.paths or ()))
        self._check_root()
        return DiscoverySummary(
            seen_count=self._seen_count,
            missing=tuple(sorted(missing)),
            unreadable=tuple(self._tally.unreadable),
            stray_files=self._tally.stray_files,
            root_place=self._surveyor.place(self._root_status, self._surveyor.traits.device),
            duration_s=time.perf_counter() - begun,
            is_complete_scan=request.is_everything,
            skipped=self._tally.skipped,
        )

    def _check_root(self) -> None:
        """Nothing below a root that went away meanwhile is missing: it was never looked for."""
        before, after = self._root_status, _root_status(self._levels.root)
        if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino) and guards.is_on("root-looked-at-twice"):
            raise SourceOffline(
                f"{self._levels.root} was replaced by another folder while it was being looked through.",
                path=self._levels.root,
            )

    def _everything(self) -> set[str]:
        fingerprints = self._known.fingerprints()
        unseen = set(fingerprints)
        known_fingerprint = fingerprints.get
        see = unseen.discard
        fingerprint_of = self._surveyor.fingerprint
        stop = self._stop
        unchanged = 0
        try:
            for identifier, path in self._levels.below(ROOT_IDENTIFIER, self._tally, stop):
                before = known_fingerprint(identifier)
                if before is not None and fingerprint_of(path, stop) == before:
                    unchanged += 1
                    see(identifier)
                elif self._look(identifier, path, before):
                    see(identifier)
        except OSError as error:
            raise _root_error(error, self._levels.root) from error
        self._seen_count += unchanged
        return self._surely_missing(unseen)

    def _identifiers(self, identifiers: Iterable[str]) -> set[str]:
        missing: set[str] = set()
        for identifier in dict.fromkeys(identifiers):
            self._stop.check()
            try:
                path = self._levels.path_of(identifier)
                is_there = self._levels.is_level_folder(identifier)
            except UnsafeName:
                missing.add(identifier)
                continue
            except OSError as error:
                self._tally.unreadable.append(unreadable(identifier, self._levels.root, error))
                continue
            if not is_there or not self._look(identifier, path, None, is_asked=True):
                missing.add(identifier)
        return self._surely_missing(missing)

    def _paths(self, paths: Iterable[str]) -> set[str]:
        bases: set[str] = set()
        for path in dict.fromkeys(paths):
            try:
                base = self._levels.base_of(path)
            except OSError:
                base = ROOT_IDENTIFIER
            if base is not None:
                bases.add(base)
        bases = {base for base in bases if not any(above in bases for above in identifiers_above(base))}
        missing: set[str] = set()
        for base in sorted(bases):
            fingerprints = self._fingerprints_near(base)
            is_one_dataset = base != ROOT_IDENTIFIER and base.count("/") + 1 == self._levels.level
            unseen = {
                identifier
                for identifier in ({base} & fingerprints.keys() if is_one_dataset else fingerprints)
                if is_at_or_below(identifier, base)
                or (self._levels.level == MARKED and is_at_or_below(base, identifier))
            }
            try:
                for identifier, path in self._levels.below(base, self._tally, self._stop):
                    if self._look(identifier, path, fingerprints.get(identifier)):
                        unseen.discard(identifier)
            except OSError as error:
                raise _root_error(error, self._levels.root) from error
            missing |= unseen
        return self._surely_missing(missing)

    def _fingerprints_near(self, base: str) -> Mapping[str, int]:
        """Of the datasets at or below ``base`` and, where marks decide, of those above it."""
        known = self._known
        if base == ROOT_IDENTIFIER or not isinstance(known, IndexedKnownDatasets):
            if self._all_known is None:
                self._all_known = known.fingerprints()
            return self._all_known
        found = dict(known.fingerprints_below(base))
        if self._levels.level == MARKED:
            for above in identifiers_above(base):
                found.update(item for item in known.fingerprints_below(above).items() if item[0] == above)
        return found

    def _surely_missing(self, unseen: set[str]) -> set[str]:
        """Without those that lie below a part which could not be read."""
        hidden = [item.path for item in self._tally.unreadable]
        if not hidden or not guards.is_on("unreadable-is-not-missing"):
            return unseen
        return {
            identifier
            for identifier in unseen
            if not any(is_at_or_below(identifier, path) or is_at_or_below(path, identifier) for path in hidden)
        }

    def _look(self, identifier: str, path: str, before: int | None, *, is_asked: bool = False) -> bool:
        """Survey one dataset folder and report it where that is due; returns whether a dataset is there."""
        levels, tally = self._levels, self._tally
        if levels.is_left_out(identifier, path, tally):
            return False
        looked_at_ns = time.time_ns()
        try:
            folder_status = os.stat(path)
            look = look_at(self._surveyor, path, self._stop)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if path == levels.root:
                raise
            tally.unreadable.append(unreadable(identifier, path, error))
            return True
        survey = look.survey
        for name, count in survey.skipped.items():
            tally.skip(name, count)
        tally.unreadable.extend(unreadable(identifier, part, why) for part, why in survey.unreadable)
        if survey.is_empty and not survey.unreadable:
            return False
        self._seen_count += 1
        if survey.fingerprint == before and not is_asked:
            return True
        self._report(
            Found(
                identifier=identifier,
                name=dataset_name(identifier, path),
                fingerprint=survey.fingerprint,
                newest_change_ns=survey.newest_ns if guards.is_on("newest-change") else 0,
                looked_at_ns=looked_at_ns,
                size_bytes=survey.size_bytes,
                file_count=survey.file_count,
                place=self._place(folder_status),
                is_unchanged=look.problem is None and self._is_unchanged(identifier, survey),
            )
        )
        return True

    def _is_unchanged(self, identifier: str, survey: Survey) -> bool:
        is_description_sent = any(item.name == FILE_NAME for item in survey.entries)
        is_description_left_out = self._surveyor.rules.matches(FILE_NAME) or survey.described_by is not None
        if survey.unreadable or (is_description_left_out and not is_description_sent):
            # What the manifest does not hold cannot be compared with it.
            return False
        # Files that were made from the dataset's own have no time of change: they are not part of the source.
        before = [entry for entry in self._known.manifest(identifier) if not is_made(entry)]
        return bool(before) and is_same_manifest(before, [self._surveyor.file_entry(item) for item in survey.entries])

    def _place(self, status: os.stat_result) -> str:
        same_volume = status.st_dev == self._root_status.st_dev
        return self._surveyor.place(status, self._surveyor.traits.device if same_volume else "")


def is_made(entry: FileEntry) -> bool:
    """Whether an entry of a manifest is a converted file and lies in no folder of the source."""
    return entry.kind is EntryKind.FILE and not entry.ctime_ns and not entry.inode


def dataset_name(identifier: str, path: str) -> str:
    """The name of a dataset's folder as portable text."""
    return to_portable(os.path.basename(path)) if identifier == ROOT_IDENTIFIER else identifier.rpartition("/")[2]


def _root_status(root: str) -> os.stat_result:
    try:
        status = os.stat(root)
    except OSError as error:
        raise _root_error(error, root) from error
    if not stat.S_ISDIR(status.st_mode):
        raise SourceOffline(f"{root} is not a folder any more.", path=root)
    return status


def _root_error(error: OSError, root: str) -> EtiketError:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionRefused(f"{root} may not be looked into by this account.", path=root)
    return SourceOffline(f"{root} cannot be reached: {error.strerror or error}.", path=root)
