"""Prints what a folder source should yield, as JSON; a stand-alone script that shares no code with the program.

    python expected_listing.py ROOT LEVEL

LEVEL: -1 the outermost folders that hold ``_QH_dataset_info.yaml``, 0 ROOT itself, 1 each sub-folder, n the folders at
that depth. One object for each dataset: identifier (path below ROOT), name, files with size and SHA-256, links with
their target, empty folders. Names that are not UTF-8 are printed with their bytes as ``\\udcXX``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any

import yaml

MARK = "_QH_dataset_info.yaml"
IGNORED_FOLDERS = (".git", "__pycache__", ".ipynb_checkpoints")
IGNORED_NAMES = (
    ".DS_Store", "Thumbs.db", "desktop.ini", "~$*", ".~lock.*", "*.part", "*.crdownload", ".nfs*", "*-shm",
)  # fmt: skip


def matches(name: str, relative: str, is_folder: bool, patterns: tuple[str, ...]) -> bool:
    """Whether a plain pattern fits the last name, or a pattern with a slash the whole path."""
    for pattern in patterns:
        wanted = pattern.rstrip("/")
        if pattern.endswith("/") and not is_folder:
            continue
        if "/" in wanted:
            if fnmatch.fnmatchcase(relative, wanted.lstrip("/")):
                return True
        elif fnmatch.fnmatchcase(name, wanted):
            return True
    return False


def is_ignored(name: str, relative: str, is_folder: bool, skip: tuple[str, ...]) -> bool:
    """Whether the program leaves this out of a dataset."""
    if is_folder and name in IGNORED_FOLDERS:
        return True
    return matches(name, relative, is_folder, IGNORED_NAMES) or matches(name, relative, is_folder, skip)


def folders_at(root: str, depth: int) -> Iterator[str]:
    """Real folders exactly that far below the root; links are not followed, ignored folders not entered."""
    if depth == 0:
        yield root
        return
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False) and not is_ignored(entry.name, entry.name, True, ()):
            yield from folders_at(entry.path, depth - 1)


def marked_folders(root: str) -> Iterator[str]:
    """The outermost folders that hold a description."""
    if os.path.isfile(os.path.join(root, MARK)):
        yield root
        return
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False) and not is_ignored(entry.name, entry.name, True, ()):
            yield from marked_folders(entry.path)


def description_of(folder: str) -> dict[str, Any]:
    """The dataset's own description, empty where there is none."""
    path = os.path.join(folder, MARK)
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as file:
        value = yaml.safe_load(file)
    return value if isinstance(value, dict) else {}


def content_of(folder: str, skip: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[dict[str, str]], list[str]]:
    """Files, links and empty folders of one dataset."""
    files, links, empty = [], [], []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        kept = 0
        for name in os.listdir(here):
            path = os.path.join(here, name)
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            seen = os.lstat(path)
            is_folder = stat.S_ISDIR(seen.st_mode)
            if is_ignored(name, relative, is_folder, skip):
                continue
            if is_folder:
                waiting.append(path)
            elif stat.S_ISLNK(seen.st_mode):
                links.append({"name": relative, "target": os.readlink(path)})
            elif stat.S_ISREG(seen.st_mode):
                with open(path, "rb") as file:
                    sha256 = hashlib.sha256(file.read()).hexdigest()
                files.append({"name": relative, "size_bytes": seen.st_size, "sha256": sha256})
            else:
                continue
            kept += 1
        if not kept and here != folder:
            empty.append(os.path.relpath(here, folder).replace(os.sep, "/"))
    files.sort(key=lambda row: str(row["name"]))
    links.sort(key=lambda row: row["name"])
    return files, links, sorted(empty)


def expected_datasets(root: str, level: int) -> list[dict[str, Any]]:
    """Every dataset below the root at that level, by identifier."""
    found = []
    for folder in marked_folders(root) if level < 0 else folders_at(root, level):
        description = description_of(folder)
        skip = description.get("skip") or ()
        files, links, empty = content_of(folder, tuple([skip] if isinstance(skip, str) else map(str, skip)))
        if not files and not links:
            continue
        identifier = os.path.relpath(folder, root).replace(os.sep, "/")
        found.append(
            {
                "identifier": identifier,
                "name": str(description.get("dataset_name") or os.path.basename(os.path.abspath(folder))),
                "files": files,
                "links": links,
                "empty_folders": empty,
                "file_count": len(files),
                "size_bytes": sum(row["size_bytes"] for row in files),
            }
        )
    return sorted(found, key=lambda row: row["identifier"])


def main(arguments: list[str]) -> int:
    """Print the listing of a root at a level."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root, level = os.path.abspath(arguments[0]), int(arguments[1])
    print(json.dumps(expected_datasets(root, level), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
