"""A picture of a dataset for the browsable tree, drawn from its converted measurement when everything else is done."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.stopping import StopToken

log = logging.getLogger(__name__)

#: The file of a dataset that a picture can be drawn from, whatever its source is.
MEASUREMENT = "measurement.h5"
#: What is larger takes longer to draw than a picture is worth (bytes).
LARGEST_BYTES = 2 * 1024**3


def drawn_preview(measurement: str, size_bytes: int, stop: StopToken) -> bytes | None:
    """The picture of a stored measurement as PNG; None where there is nothing to draw or it cannot be drawn.

    A picture that fails is no problem of the dataset: it is archived and verified already. Raises Stopped.
    """
    if size_bytes > LARGEST_BYTES:
        return None
    from etiket_gui.converters.preview import draw_preview

    with tempfile.TemporaryDirectory(prefix="etiket-preview-") as folder:
        target = Path(folder) / "preview.png"
        try:
            if not draw_preview(Path(measurement), target, stop):
                return None
            return target.read_bytes()
        except (EtiketError, OSError, ValueError, KeyError, RuntimeError) as error:
            stop.check()
            log.info("No preview of %s could be drawn: %s", measurement, error)
            return None
