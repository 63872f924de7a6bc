"""The store's health: opened, checked, migrated, moved aside when damaged, restored from a copy, copied every day."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etiket_gui.domain import guards
from etiket_gui.domain.errors import StoreDamaged, StoreProblem
from etiket_gui.settings.home import Home
from etiket_gui.store.copying import copy_store
from etiket_gui.store.failures import known_failures
from etiket_gui.store.mirroring import restore_from_mirror
from etiket_gui.store.schema import HEAD, make_store, migrate, read_only, refuse_newer, revision_of
from etiket_gui.store.writer import StoreWriter

log = logging.getLogger(__name__)

#: How many daily copies are kept.
KEPT_BACKUPS = 5

_DAILY = re.compile(r"store-(\d{4}-\d{2}-\d{2})\.sqlite")
_SIDE_FILES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that was opened, and what happened on the way.

    ``moved_aside`` is the damaged store, ``restored_from`` the copy that took its place, ``migrated_from`` the older
    revision. ``is_fresh`` means it was made just now. ``needs_rebuild`` means another one was lost: sources,
    destinations and routes are back already, the datasets are to be found again by a scan and asked of the
    destinations. ``sentence`` tells a person.
    """

    writer: StoreWriter
    is_fresh: bool = False
    needs_rebuild: bool = False
    moved_aside: Path | None = None
    restored_from: Path | None = None
    migrated_from: str | None = None
    sentence: str = ""


def check(path: Path, *, is_thorough: bool = True) -> tuple[str, ...]:
    """What is wrong with the store at ``path``, in SQLite's words; empty when it is sound. Writes nothing.

    ``is_thorough`` reads every page (quick_check); else only the first pages are. Raises StoreProblem when it cannot
    be read at all just now.
    """
    try:
        if path.stat().st_size == 0:
            return ("it is empty",)
        if revision_of(path) is None:
            return ("it has no tables",)
        if not is_thorough:
            return ()
        with (
            known_failures(path),
            contextlib.closing(read_only(path)) as connection,
        ):
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except FileNotFoundError:
        return ("it is not there",)
    except StoreDamaged as error:
        return (error.reason,)
    return () if found == ["ok"] else tuple(found)


def open_store(
    home: Home,
    *,
    now_ns: Callable[[], int] = time.time_ns,
    is_thorough: bool = True,
) -> Opened:
    """Open the store of a home for writing, whatever state it is in; the caller owns the home's lock.

    A missing store is made. An older one is copied to ``backups`` and migrated. A damaged one is moved aside as
    ``store-corrupt-<time>.sqlite`` and the newest sound copy takes its place, else a fresh one. ``is_thorough``
    reads every page first (a second for a store of a million files), which the engine does at its start.

    Raises StoreTooNew for a store of a newer version (nothing is touched), StoreProblem when the disk is full or the
    account may not write.
    """
    home.prepare()
    path = home.store
    _finish_interrupted(path)
    moved_aside: Path | None = None
    restored_from: Path | None = None
    if path.exists():
        with contextlib.suppress(StoreDamaged):
            refuse_newer(path, revision_of(path) or "")
        wrong = check(path, is_thorough=is_thorough)
        if wrong and guards.is_on("damaged-store-is-moved-aside"):
            _mark_rebuild(home)
            moved_aside = _move_aside(path, now_ns())
            log.error("the store was damaged (%s) and is kept as %s", "; ".join(wrong), moved_aside)
            restored_from = _restore(path, home.backups)
    is_fresh = not path.exists()
    migrated_from: str | None = None
    if is_fresh:
        if home.configuration.exists():
            _mark_rebuild(home)
        make_store(path)
    else:
        revision = revision_of(path) or ""
        if revision < HEAD:
            migrate(path, home.backups)
            migrated_from = revision
    writer = StoreWriter(path, now_ns, configuration_path=home.configuration)
    # The mark stays until everything is brought back: a start that was to do so may be killed in the middle.
    needs_rebuild = home.rebuild_mark.exists()
    sentences = [_sentence(moved_aside, restored_from, migrated_from)]
    try:
        if needs_rebuild:
            sentences.append(restore_from_mirror(writer, home.configuration))
        writer.refresh_mirror()
    except BaseException:
        writer.close()
        raise
    return Opened(
        writer=writer,
        is_fresh=is_fresh,
        needs_rebuild=needs_rebuild,
        moved_aside=moved_aside,
        restored_from=restored_from,
        migrated_from=migrated_from,
        sentence=" ".join(filter(None, sentences)),
    )


def _sentence(moved_aside: Path | None, restored_from: Path | None, migrated_from: str | None) -> str:
    if moved_aside is not None:
        first = f"The tracking store was damaged and is kept as {moved_aside.name}. "
        if restored_from is not None:
            return first + (
                f"The copy {restored_from.name} took its place; what happened since is found again by looking at the"
                " sources and asking the destinations. Nothing archived is sent twice."
            )
        return first + (
            "It is built anew from the sources and the destinations; nothing archived is lost or sent twice."
        )
    if migrated_from is not None:
        return "The tracking store was brought to this version; a copy of the old one is in the backups folder."
    return ""


def _mark_rebuild(home: Home) -> None:
    try:
        home.rebuild_mark.touch()
    except OSError as error:
        raise StoreProblem(
            f"{home.root} cannot be written: {error.strerror or error}.",
            advice="Give this account the right to write there, or make room on its disk.",
            path=str(home.root),
        ) from error


def _finish_interrupted(path: Path) -> None:
    """Remove what a migration or a copy that died left behind: never the store itself."""
    with known_failures(path):
        for left in path.parent.glob(f".{path.name}.*"):
            left.unlink(missing_ok=True)


def _move_aside(path: Path, now_ns: int) -> Path:
    moment = dt.datetime.fromtimestamp(now_ns / 1e9, dt.UTC).strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"store-corrupt-{moment}.sqlite")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"store-corrupt-{moment}-{number}.sqlite")
    with known_failures(path):
        # The side files first: a journal that stays behind would be played into the next store.
        for ending in _SIDE_FILES:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{ending}", f"{target}{ending}")
        path.replace(target)
    return target


def _restore(path: Path, backups: Path) -> Path | None:
    for copy in stored_copies(backups):
        if check(copy):
            continue
        revision = revision_of(copy) or ""
        if revision <= HEAD:
            copy_store(copy, path)
            return copy
    return None


def stored_copies(backups: Path) -> list[Path]:
    """The copies of the store in a folder, newest first."""
    with known_failures(backups):
        copies = [(copy.stat().st_mtime_ns, copy) for copy in backups.glob("store-*.sqlite")]
    return [copy for _, copy in sorted(copies, reverse=True)]


def back_up(home: Home, now: dt.datetime) -> Path | None:
    """Make today's copy of the store unless there is one, and keep the newest five; returns the new copy.

    ``now`` has a zone. Any thread may call this while the store is written. A store that is not sound is not copied
    over good copies. Raises StoreProblem, StoreDamaged.
    """
    target = home.backups / f"store-{now:%Y-%m-%d}.sqlite"
    if target.exists():
        return None
    home.prepare()
    wrong = check(home.store)
    if wrong:
        raise StoreDamaged(f"{home.store} is damaged: {'; '.join(wrong)}.", path=str(home.store))
    copy_store(home.store, target)
    with known_failures(home.backups):
        daily = sorted(copy for copy in home.backups.iterdir() if _DAILY.fullmatch(copy.name))
        for old in daily[:-KEPT_BACKUPS]:
            old.unlink(missing_ok=True)
    return target
