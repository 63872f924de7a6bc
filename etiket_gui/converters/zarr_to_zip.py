"""A zarr folder as one zip file that zarr opens as it is: the same folder gives the same bytes."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import ClassVar

from etiket_gui.converters.api import Converter, quietly
from etiket_gui.domain.errors import ConversionFailed

_COPY_BYTES = 1 << 20
#: The first moment a zip file can tell; the files' own times would make two equal folders differ.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class ZarrToZip(Converter):
    """Chunks are compressed already, so they are stored as they are."""

    input_type: ClassVar[str] = "zarr"
    output_type: ClassVar[str] = "zip"
    version: ClassVar[str] = "1"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """``<name>.zarr.zip``. Raises ConversionFailed for what is no zarr folder."""
        check_zarr_folder(input_path)
        target = output_dir / f"{input_path.name}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, path in _files(input_path):
                self.stop.check()
                entry = zipfile.ZipInfo(name, _NO_TIME)
                entry.create_system = 3
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.file_size = os.stat(path).st_size
                with open(path, "rb", opener=quietly) as source, archive.open(entry, "w") as copy:
                    while data := source.read(_COPY_BYTES):
                        self.stop.check()
                        copy.write(data)
        return target


def check_zarr_folder(path: Path) -> None:
    """Raises ConversionFailed for what is no folder in one of zarr's formats."""
    if not path.is_dir():
        raise ConversionFailed(f"{path.name} is no folder, as zarr data is.", path=str(path))
    if not is_zarr_node(path):
        raise ConversionFailed(f"{path.name} is a folder, but holds no zarr data.", path=str(path))


def is_zarr_node(path: Path) -> bool:
    """Whether a folder is a group or an array in one of zarr's formats."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _raise(error: OSError) -> None:
    raise error


def _files(root: Path) -> list[tuple[str, str]]:
    """(name in the zip, path) of every regular file, in the order of names; links are left out."""
    found = []
    for place, folders, names in os.walk(root, onerror=_raise):
        folders.sort()
        for name in names:
            path = os.path.join(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                found.append((os.path.relpath(path, root).replace(os.sep, "/"), path))
    return sorted(found)
