"""Previews are drawn from measurements, without a display, and the same file gives the same picture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from matplotlib.image import imread

from etiket_gui.converters.preview import HEIGHT_PX, WIDTH_PX, draw_preview, preview_from_images
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.stopping import StopToken


def write(path: Path, data: xarray.Dataset) -> Path:
    """A measurement file by a writer that shares no code with the program."""
    data.to_netcdf(path, engine="h5netcdf", invalid_netcdf=True)
    return path


def line(values: Any, **attributes: str) -> xarray.Dataset:
    """A measured quantity over a frequency."""
    count = len(values)
    return xarray.Dataset(
        {"y": ("x", values, {"units": "V", "long_name": "Signal", **attributes})},
        coords={"x": ("x", np.linspace(1e9, 2e9, count), {"units": "Hz"})},
    )


def grid(values: Any) -> xarray.Dataset:
    """A measured quantity over two axes."""
    rows, columns = np.shape(values)
    return xarray.Dataset(
        {"z": (("b", "a"), values, {"units": "V"})},
        coords={"a": ("a", np.arange(columns) * 1.0), "b": ("b", np.arange(rows) * 1.0)},
    )


def colours(path: Path) -> int:
    """How many different colours a picture has."""
    pixels = np.round(imread(path) * 255).astype(np.uint8)
    return len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0))


EXAMPLES: dict[str, xarray.Dataset] = {
    "line": line(np.sin(np.linspace(0, 6, 100))),
    "line with NaN and infinity": line(np.array([1.0, np.nan, np.inf, 2.0, -np.inf, 3.0])),
    "complex line": line(np.exp(1j * np.linspace(0, 6, 50))),
    "decades": line(np.logspace(-6, 0, 40)),
    "whole numbers": line(np.arange(30)),
    "flat line": line(np.ones(20)),
    "two points": line(np.array([0.0, 1.0])),
    "map": grid(np.random.default_rng(1).normal(size=(12, 20))),
    "complex map": grid(np.random.default_rng(1).normal(size=(12, 20)) * (1 + 2j)),
    "map with holes": grid(np.where(np.eye(12), np.nan, 1.0 + np.arange(12))),
    "map of decades": grid(np.logspace(-6, 0, 144).reshape(12, 12)),
    "flat map": grid(np.zeros((5, 5))),
    "million points": line(np.sin(np.linspace(0, 600, 1_000_000))),
    "awkward label": line(np.arange(5.0), long_name="$\\frac{a}{ % µ_0 ^^ {"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_is_drawn_twice_with_the_same_bytes(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "measurement.h5", EXAMPLES[name])
    assert draw_preview(path, tmp_path / "one.png", StopToken())
    assert draw_preview(path, tmp_path / "two.png", StopToken())
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert imread(tmp_path / "one.png").shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert colours(tmp_path / "one.png") > 10


def test_another_process_without_a_display_and_with_other_settings_draws_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "measurement.h5", EXAMPLES["map"])
    assert draw_preview(path, tmp_path / "here.png", StopToken())
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "matplotlibrc").write_text("font.size: 20\nimage.cmap: hot\nbackend: qtagg\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from etiket_gui.converters.preview import draw_preview\nfrom etiket_gui.domain.stopping import StopToken\n"
        "assert draw_preview(Path(sys.argv[1]), Path(sys.argv[2]), StopToken())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {**os.environ, "MPLCONFIGDIR": str(settings), "PYTHONHASHSEED": "3"}
    subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "there.png"],
        check=True,
        env=environment,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()


def test_map_shows_its_corners_where_the_axes_say(tmp_path: Path) -> None:
    """The axes may run downwards; the picture has low values left and below."""
    values = np.zeros((4, 4))
    values[0, 0] = 1.0
    data = grid(values).assign_coords(a=[3.0, 2.0, 1.0, 0.0], b=[3.0, 2.0, 1.0, 0.0])
    assert draw_preview(write(tmp_path / "m.h5", data), tmp_path / "p.png", StopToken())
    pixels = imread(tmp_path / "p.png")
    inside_x = [int(WIDTH_PX * (0.14 + 0.68 * part)) for part in (0.1, 0.9)]
    inside_y = [int(HEIGHT_PX * (1 - 0.14 - 0.76 * part)) for part in (0.1, 0.9)]
    bright = [[float(pixels[y, x, 0]) for x in inside_x] for y in inside_y]
    assert bright[1][1] > 0.9
    assert max(bright[0][0], bright[0][1], bright[1][0]) < 0.5


def test_quantities_of_another_unit_are_not_drawn_on_the_same_axis(tmp_path: Path) -> None:
    """Else a small one would be a flat line."""
    alone = line(np.sin(np.linspace(0, 6, 50)))
    both = alone.assign(phase=("x", np.linspace(0, 180, 50), {"units": "deg"}))
    for name, data in (("alone", alone), ("both", both)):
        assert draw_preview(write(tmp_path / "m.h5", data), tmp_path / f"{name}.png", StopToken())
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "both.png").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        xarray.Dataset(),
        line(np.full(5, np.nan)),
        xarray.Dataset({"text": ("x", np.array(["a", "b"], dtype=object))}),
        xarray.Dataset({"one": ((), 3.0)}),
        grid(np.full((4, 4), np.nan)),
    ],
    ids=["empty", "only NaN", "text", "single value", "map of NaN"],
)
def test_where_there_is_nothing_to_draw_nothing_is_left(tmp_path: Path, data: xarray.Dataset) -> None:
    path = write(tmp_path / "measurement.h5", data)
    assert not draw_preview(path, tmp_path / "preview.png", StopToken())
    assert not (tmp_path / "preview.png").exists()


def test_file_that_makes_no_sense_has_no_preview(tmp_path: Path) -> None:
    (tmp_path / "measurement.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert not draw_preview(tmp_path / "measurement.h5", tmp_path / "preview.png", StopToken())
    assert not draw_preview(tmp_path / "not there.h5", tmp_path / "preview.png", StopToken())


def test_stop_ends_the_drawing(tmp_path: Path) -> None:
    stop = StopToken()
    stop.stop()
    with pytest.raises(Stopped):
        draw_preview(write(tmp_path / "m.h5", EXAMPLES["line"]), tmp_path / "p.png", stop)


def test_first_thumbnail_that_is_a_picture_is_used_and_made_smaller(tmp_path: Path) -> None:
    from matplotlib.image import imsave

    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "notes.txt").write_text("no picture")
    imsave(tmp_path / "large.jpg", np.random.default_rng(1).random((3000, 2000, 3)))
    images = [tmp_path / name for name in ("gone.png", "broken.png", "notes.txt", "large.jpg")]
    assert preview_from_images(images, tmp_path / "preview.png", StopToken())
    shape = imread(tmp_path / "preview.png").shape
    assert shape[0] <= 2 * HEIGHT_PX
    assert shape[1] <= 2 * WIDTH_PX
    assert not preview_from_images(images[:3], tmp_path / "none.png", StopToken())
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("mode", ["grey", "see-through", "deep"])
def test_pictures_of_every_kind_become_red_green_and_blue(tmp_path: Path, mode: str) -> None:
    from PIL import Image

    pixels = {
        "grey": np.full((10, 20), 100, np.uint8),
        "see-through": np.dstack([np.full((10, 20, 3), 0, np.uint8), np.zeros((10, 20, 1), np.uint8)]),
        "deep": np.full((10, 20), 30_000, np.uint16),
    }[mode]
    Image.fromarray(pixels).save(tmp_path / "image.png")
    assert preview_from_images([tmp_path / "image.png"], tmp_path / "preview.png", StopToken())
    made = imread(tmp_path / "preview.png")
    assert made.shape == (10, 20, 3)
    assert np.ptp(made) < 0.01
    assert (made.mean() > 0.99) == (mode == "see-through")
