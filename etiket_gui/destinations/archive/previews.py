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
from etiket_gui.domain.stopping import StopToken

log = logging.getLogger(__name__)

#: The file of a dataset that a picture can be drawn from, whatever its source is.
MEASUREMENT = "measurement.h5"
#: What is larger takes longer to draw than a picture is worth (bytes).
LARGEST_BYTES = 2 * 1024**3
LARGEST_IMAGE_BYTES = 30 * 1024**2
#: So many pictures of a dataset are tried.
_MOST_TRIED = 5
_IMAGE = re.compile(r"\.(png|jpe?g|gif|bmp|webp|tiff?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a dataset by its portable name, and where its content lies (a name without ending). Size in bytes."""

    name: str
    path: str
    size_bytes: int


def preview_of(files: Sequence[StoredFile], thumbnails: Sequence[str], stop: StopToken) -> bytes | None:
    """The picture of a dataset as PNG; None where there is nothing to show or it cannot be drawn.

    First what its description names in ``thumbnails``, then its measurement, then pictures that lie beside the data.
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
    return picture or _first_image(others, stop)


def _drawn(measurement: StoredFile, stop: StopToken) -> bytes | None:
    from etiket_gui.converters.preview import draw_preview

    return _made(measurement, lambda target: draw_preview(Path(measurement.path), target, stop), stop)


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
