"""The invariants I1 to I10 as checks that any test can make after any fault; independent of the program's code.

Take what is to stay as it is before the fault, and ask afterwards::

    source_before = take_manifest(source)
    ...
    check_invariants(home=home, sources=[source_before], archives=[archive])
"""

from __future__ import annotations

import base64
import os
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.archive_reader import (
    ArchiveContent,
    browse_differences,
    doubles,
    read_archive,
    read_receipt_files,
    version_order,
)
from tests.support.manifest import Manifest, changes_since, sha256_of
from tests.support.store_reader import Row, StoreContent, miscounts, read_store

VERIFIED_LEVELS = ("re_read", "server_digest")


class InvariantBroken(AssertionError):
    """One or more invariants do not hold; the text names each with its number."""


def check_sources_untouched(sources: Iterable[Manifest]) -> list[str]:
    """I1: the trees hold the same names, bytes, times and permissions as when the manifests were taken."""
    return [f"I1 {before.root}: {sentence}" for before in sources for sentence in changes_since(before)]


def check_archived_means_received(store: StoreContent, archives: Mapping[Path, ArchiveContent]) -> list[str]:
    """I2: every archived transfer has a receipt whose digests are those of the record and of the stored bytes."""
    broken = []
    datasets = store.datasets_by_id()
    receipts_of: dict[int, list[Row]] = {}
    for row in store.receipts:
        receipts_of.setdefault(row["transfer_id"], []).append(row)
    for transfer in store.transfers:
        if transfer["state"] != "archived":
            continue
        dataset = datasets[transfer["dataset_id"]]
        what = f"I2 dataset {dataset['identifier']!r}"
        receipts = [row for row in receipts_of.get(transfer["id"], ()) if row["version"] == transfer["version"]]
        if not receipts:
            broken.append(f"{what} is archived as {transfer['version']} without a receipt")
            continue
        receipt = receipts[-1]
        if receipt["digest"] != transfer["digest"]:
            broken.append(f"{what}: the receipt's digest is not the transfer's")
        if receipt["level"] not in VERIFIED_LEVELS or not transfer["verified_at_ns"]:
            broken.append(f"{what} is archived although it was not verified ({receipt['level']})")
        if transfer["sent_fingerprint"] != dataset["fingerprint"] and not dataset["is_gone"]:
            broken.append(f"{what} is archived although its source is no longer what was sent")
        broken += _compare_with_record(what, store, dataset, receipt, archives)
    return broken


def _compare_with_record(
    what: str,
    store: StoreContent,
    dataset: Row,
    receipt: Row,
    archives: Mapping[Path, ArchiveContent],
) -> list[str]:
    root = store.archive_of(receipt["destination_id"])
    content = archives.get(root.resolve()) if root else None
    if content is None:
        return []
    records = [r for r in content.versions_of(dataset["uuid"]) if r.version == receipt["version"]]
    if not records:
        return [f"{what}: its receipt names version {receipt['version']}, which the archive does not hold"]
    record = records[0]
    received = {name: sha256 for name, _, sha256 in read_receipt_files(receipt["files"]) if sha256}
    stored = {name: sha256 for name, (sha256, _) in record.files.items()}
    broken = []
    if received != stored:
        broken.append(f"{what}: receipt and record {record.path.name} list different files")
    if record.digest != receipt["digest"]:
        broken.append(f"{what}: receipt and record {record.path.name} have different digests")
    return broken


def check_sent_bytes_are_the_sources(
    source: Path, content: ArchiveContent, *, ignored: Iterable[str] = ()
) -> list[str]:
    """I2, the other way round: every dataset folder's files, read now, are those of the newest stored version.

    For folder sources at rest whose identifiers are relative paths and whose names are plain; ``ignored`` are file
    names that the source leaves out.
    """
    left_out = set(ignored)
    broken = []
    for record in content.newest().values():
        folder = source / record.identifier
        if not folder.is_dir():
            continue
        now = {}
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                if name not in left_out and os.path.isfile(path) and not os.path.islink(path):
                    now[os.path.relpath(path, folder).replace(os.sep, "/")] = sha256_of(path)
        stored = {name: sha256 for name, (sha256, _) in record.files.items()}
        for name in sorted(set(now) | set(stored)):
            if now.get(name) != stored.get(name):
                broken.append(f"I2 {record.identifier}: {name} is {now.get(name)} here and {stored.get(name)} there")
    return broken


def check_secrets_stay_secret(places: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """I6: no secret, plain or encoded, in any file below these places nor in their names."""
    spelled = {}
    for secret in secrets:
        plain = secret.encode()
        for form, data in {
            "plain": plain,
            "as UTF-16": secret.encode("utf-16-le"),
            "as base64": base64.b64encode(plain).rstrip(b"="),
            "as hex": plain.hex().encode(),
            "quoted for a URL": urllib.parse.quote(secret, safe="").encode(),
        }.items():
            spelled[data] = f"{secret[:4]}… {form}"
    broken = []
    for place in places:
        for folder, _, names in os.walk(place):
            for name in names:
                path = os.path.join(folder, name)
                data = path.encode("utf-8", "surrogateescape")
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        data += file.read()
                broken += [f"I6 {path} holds the secret {how}" for text, how in spelled.items() if text in data]
    return broken


def check_nothing_deleted(before: ArchiveContent, after: ArchiveContent) -> list[str]:
    """I9: every blob and every final record that was there is there still, unchanged in its digest."""
    broken = []
    for key, path in before.blobs.items():
        only_provisional = all(
            record.is_provisional
            for record in before.records
            if (record.workspace, record.title) == key[:2]
            and any(sha256 == key[2] for sha256, _ in record.files.values())
        )
        if key not in after.blobs and not (only_provisional and path not in before.orphans):
            broken.append(f"I9 the stored bytes {path} were deleted")
    kept = {(record.workspace, record.title, record.version): record for record in after.records}
    for record in before.records:
        if record.is_provisional:
            continue
        same = kept.get((record.workspace, record.title, record.version))
        if same is None:
            broken.append(f"I9 the record {record.path} was deleted")
        elif (same.digest, same.files) != (record.digest, record.files):
            broken.append(f"I9 the record {record.path} was rewritten")
    return broken


def check_invariants(
    *,
    home: Path | None = None,
    sources: Iterable[Manifest] = (),
    archives: Sequence[Path] = (),
    outside: Iterable[Manifest] = (),
    archives_before: Iterable[ArchiveContent] = (),
    secrets: Iterable[str] = (),
    foreign_titles: bool = False,
) -> dict[Path, ArchiveContent]:
    """Everything that can be told from the outside, at once; returns what the archives hold.

    ``outside`` are manifests of places nothing may be written to (I9), ``archives_before`` what the archives held
    before (nothing of it may be missing). Raises InvariantBroken with every sentence.
    """
    contents = {path.resolve(): read_archive(path, foreign_titles=foreign_titles) for path in archives}
    broken = check_sources_untouched(sources)
    for content in contents.values():
        broken += [f"I3 {sentence}" for sentence in doubles(content)]
        broken += [f"I10 {sentence}" for sentence in content.wrong]
        broken += [f"I10 {sentence}" for sentence in browse_differences(content)]
    if home is not None:
        store = read_store(home)
        broken += [f"I4 {sentence}" for sentence in (*store.wrong, *miscounts(store))]
        broken += check_archived_means_received(store, contents)
        if secrets:
            broken += check_secrets_stay_secret([home, *archives], secrets)
    broken += [f"I9 {before.root}: {sentence}" for before in outside for sentence in changes_since(before)]
    for before in archives_before:
        broken += check_nothing_deleted(before, contents[before.root.resolve()])
    if broken:
        raise InvariantBroken("\n".join(broken))
    return contents


@dataclass(frozen=True, slots=True)
class EndState:
    """I5: what must be the same after any kill and restart as without one."""

    datasets: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, tuple[str, ...]]
    files: Mapping[str, Mapping[str, str]]


def end_state(home: Path, archive: Path, *, is_hashed: bool = True) -> EndState:
    """Identifiers with their states, versions, file names and digests; comparable between two runs."""
    store = read_store(home)
    content = read_archive(archive, is_hashed=is_hashed)
    found: dict[int, list[str]] = {}
    for transfer in store.transfers:
        found.setdefault(transfer["dataset_id"], []).append(transfer["state"])
    states = {
        dataset["identifier"]: (
            dataset["name"], dataset["run_state"], f"gone {dataset['is_gone']}", *sorted(found.get(dataset["id"], ())),
        )
        for dataset in store.datasets
    }  # fmt: skip
    versions: dict[str, list[str]] = {}
    for record in sorted(content.records, key=lambda record: version_order(record.version)):
        versions.setdefault(record.identifier, []).append(record.version)
    files = {
        record.identifier: {name: sha256 for name, (sha256, _) in record.files.items()}
        for record in content.newest().values()
    }
    return EndState(states, {name: tuple(found) for name, found in versions.items()}, files)
