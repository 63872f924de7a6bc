"""A picture of a dataset for the browsable tree, made when everything else is done: drawn, or taken from its files."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.stopping import Deadline, StopToken

log = logging.getLogger(__name__)

#: The file of a dataset that a picture can be drawn from, whatever its source is.
MEASUREMENT = "measurement.h5"
#: What is larger takes longer to draw than a picture is worth (bytes).
LARGEST_BYTES = 2 * 1024**3
LARGEST_IMAGE_BYTES = 30 * 1024**2
#: So many pictures of a dataset are tried.
_MOST_TRIED = 5
#: Of a file that another program made: how large it may be, how much of it is read (bytes), and for how long (seconds).
LARGEST_DATA_BYTES = 64 * 1024**3
MOST_DATA_BYTES = 32 * 1024**2
LONGEST_DATA_S = 5.0
_MOST_DATA_TRIED = 3
#: A table is converted to be drawn: no more of it than this (bytes).
_LARGEST_TABLE_BYTES = 2 * 1024**2
_DATA = re.compile(r"\.(h5|hdf5|hdf|nc|nc4)$", re.IGNORECASE)
_TABLE = re.compile(r"\.(csv|tsv)$", re.IGNORECASE)
_IMAGE = re.compile(r"\.(png|jpe?g|gif|bmp|webp|tiff?)$", re.IGNORECASE)


_Draw = Callable[["StoredFile", Path, StopToken], bool]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a dataset by its portable name, and where its content lies (a name without ending). Size in bytes."""

    name: str
    path: str
    size_bytes: int


def preview_of(files: Sequence[StoredFile], thumbnails: Sequence[str], stop: StopToken) -> bytes | None:
    """The picture of a dataset as PNG; None where there is nothing to show or it cannot be drawn.

    First what its description names in ``thumbnails``, then its measurement, then pictures that lie beside the data,
    then numbers in files of other programs: of these only a bounded beginning is read, for a bounded time.
    A picture that fails is no problem of the dataset: it is archived and verified already. Raises Stopped.
    """
    by_name = {file.name: file for file in files}
    images = [file for file in files if _IMAGE.search(file.name) and file.size_bytes <= LARGEST_IMAGE_BYTES]
    named = [by_name[name] for name in thumbnails if name in by_name and by_name[name] in images]
    others = sorted(images, key=lambda file: (file.name.count("/"), file.name))
    measurement = by_name.get(MEASUREMENT)
    picture = _first_image(named, stop)
    if picture is None and measurement is not None and measurement.size_bytes <= LARGEST_BYTES:
        picture = _drawn(measurement, stop)
    return picture or _first_image(others, stop) or _first_drawn(files, stop)


def _drawn(measurement: StoredFile, stop: StopToken) -> bytes | None:
    from etiket_gui.converters.preview import draw_preview

    return _made(measurement, lambda target: draw_preview(Path(measurement.path), target, stop), stop)


def _first_drawn(files: Sequence[StoredFile], stop: StopToken) -> bytes | None:
    """A picture of the first files with numbers: those nearest to the top, the ones with the most in them first."""
    others = [file for file in files if file.name != MEASUREMENT]
    data = [file for file in others if _DATA.search(file.name) and file.size_bytes <= LARGEST_DATA_BYTES]
    tables = [file for file in files if _TABLE.search(file.name)]
    candidates = [
        *sorted(data, key=lambda file: (file.name.count("/"), -file.size_bytes, file.name)),
        *sorted(tables, key=lambda file: (file.name.count("/"), -file.size_bytes, file.name)),
    ]
    for file in candidates[:_MOST_DATA_TRIED]:
        limited = Deadline(stop, LONGEST_DATA_S)
        make = _draw_table if file in tables else _draw_data

        def draw(target: Path, file: StoredFile = file, make: _Draw = make, limited: StopToken = limited) -> bool:
            return make(file, target, limited)

        picture = _made(file, draw, stop)
        if picture is not None:
            return picture
    return None


def _draw_data(file: StoredFile, target: Path, stop: StopToken) -> bool:
    from etiket_gui.converters.preview import draw_preview

    title = file.name.rpartition("/")[2]
    return draw_preview(Path(file.path), target, stop, title=title, most_bytes=MOST_DATA_BYTES)


def _draw_table(file: StoredFile, target: Path, stop: StopToken) -> bool:
    from etiket_gui.converters.csv_to_hdf5 import CsvToHdf5

    beginning = target.with_name("table.csv")
    with open(file.path, "rb") as stored:
        content = stored.read(_LARGEST_TABLE_BYTES)
    if file.size_bytes > len(content):
        # The last line may be cut off.
        content = content[: content.rfind(b"\n") + 1]
    beginning.write_bytes(content)
    converter = CsvToHdf5()
    converter.stop = stop
    made = converter.convert(beginning, target.parent)
    return _draw_data(StoredFile(file.name, str(made), file.size_bytes), target, stop)


def _first_image(images: Sequence[StoredFile], stop: StopToken) -> bytes | None:
    if not images:
        return None
    from etiket_gui.converters.preview import preview_from_images

    for image in images[:_MOST_TRIED]:

        def make(target: Path, image: StoredFile = image) -> bool:
            # What a picture is of is read from the ending of its name, which stored content does not have.
            copy = target.with_name(f"image.{image.name.rpartition('.')[2]}")
            shutil.copyfile(image.path, copy)
            return preview_from_images([copy], target, stop)

        picture = _made(image, make, stop)
        if picture is not None:
            return picture
    return None


def _made(file: StoredFile, make: Callable[[Path], bool], stop: StopToken) -> bytes | None:
    stop.check()
    with tempfile.TemporaryDirectory(prefix="etiket-preview-") as folder:
        target = Path(folder) / "preview.png"
        try:
            return target.read_bytes() if make(target) else None
        except (EtiketError, OSError, ValueError, KeyError, RuntimeError) as error:
            stop.check()
            log.info("No preview could be made of %s: %s", file.name, error)
            return None
