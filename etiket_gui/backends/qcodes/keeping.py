"""The whole database as a dataset of its own: a consistent, checked copy, at most once a day."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from etiket_gui.backends.derived_files import DerivedFiles
from etiket_gui.backends.sqlite_access import DatabaseBroken, copy_consistently, opened
from etiket_gui.backends.sqlite_signature import Signature
from etiket_gui.domain.content import Content, Description, Found
from etiket_gui.domain.stopping import StopToken

LARGEST_BYTES = 2 << 30
_DAY_NS = 86_400_000_000_000


def identifier_of(source_uuid: str) -> str:
    """The identifier of a source's own database."""
    return f"database-{source_uuid}"


def is_small_enough(signature: Signature) -> bool:
    """Whether a copy of the database is kept at all."""
    return signature.database[1] + (signature.wal[1] if signature.wal else 0) <= LARGEST_BYTES


def fingerprint_of(signature: Signature, now_ns: int) -> int:
    """Changes at most once a day: on the day of a change, and once more when that day is over."""
    day = signature.newest_ns // _DAY_NS
    text = f"{signature.database[0]} {day} {now_ns // _DAY_NS > day}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def found_database(path: str, source_uuid: str, signature: Signature, now_ns: int) -> Found:
    """The find for the database itself."""
    return Found(
        identifier=identifier_of(source_uuid),
        name=os.path.basename(path),
        fingerprint=fingerprint_of(signature, now_ns),
        newest_change_ns=max(min(signature.newest_ns, now_ns), 1),
        looked_at_ns=now_ns,
        has_completion_mark=True,
    )


def read_database(path: str, source_uuid: str, files: DerivedFiles, now_ns: int, stop: StopToken) -> Content:
    """Copy the database piece by piece, fold its -wal into the copy and check that.

    Raises SourceChanged while it is written all the time, and DatabaseBroken when the copy is not intact.
    """
    target = files.path(os.path.basename(path))
    signature = copy_consistently(path, target, stop)
    _fold_in(target, path)
    name = os.path.basename(path)
    return Content(
        description=Description(
            name=name,
            identifier=identifier_of(source_uuid),
            text=f"The whole QCoDeS database {name}, as it was at one moment.",
            keywords=("database",),
        ),
        files=files.files(signature.newest_ns),
        fingerprint=fingerprint_of(signature, now_ns),
    )


def _fold_in(target: Path, path: str) -> None:
    with opened(os.fspath(target), "mode=rw") as connection:
        connection.execute("PRAGMA query_only=0")
        ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        ((told,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if told != "ok" or busy:
        raise DatabaseBroken(f"{path} is damaged: {told}.", path=path)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
