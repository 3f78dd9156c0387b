"""What a render takes of memory is never more than was reckoned: measured at the peak of a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pyjpegxl
import pytest
import pyvips
from PIL import Image
from pyjpegxl import pillow as jxl_plugin

pillow_heif.register_heif_opener()
jxl_plugin.register()
WIDTH, HEIGHT = 2000, 1500
SLACK = 2 << 20
CHILD = """
import sys
from pathlib import Path
from mezzotint.names import Largest, canonical
from mezzotint.names.grammar import parse_rendition
from mezzotint.transforms import geometry, libvips
from mezzotint.transforms.children import Crew, work
from mezzotint.transforms.libvips import loading
from mezzotint.transforms.rendering import Renderer

def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))

path, asked = Path(sys.argv[1]), sys.argv[2]
renderer = Renderer(Crew(1), 1 << 33, 60)
facts = renderer.header(path, max_pixels=10**9).facts
plan = geometry.plan(canonical(parse_rendition(asked), facts, Largest()), facts, geometry.stored(facts))
source = libvips.Source(path, geometry.stored(facts), facts.format, True)
reckoned = libvips.memory(source, plan, facts.frames)
before = peak()
apart = path.suffix in {".bmp", ".jp2", ".heic", ".jxl"}
libvips.render(source, plan, opener=work.judged if apart else loading.open_image)
print(peak() - before, reckoned)
"""


def frames(image: Any) -> Any:
    """40 of 300 x 200, which move."""
    strip = pyvips.Image.arrayjoin([image.crop(i, i, 300, 200) for i in range(40)], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", 200)
    return strip


SOURCES: dict[str, Callable[[Any, str], Any]] = {
    "baseline.jpg": lambda image, path: image.jpegsave(path, Q=90),
    "progressive.jpg": lambda image, path: image.jpegsave(path, Q=95, interlace=True, subsample_mode="off"),
    "lines.png": lambda image, path: image.pngsave(path, compression=1),
    "interlaced.png": lambda image, path: (
        image.addalpha().colourspace("rgb16").pngsave(path, compression=1, interlace=True)
    ),
    "lossy.webp": lambda image, path: image.webpsave(path, effort=0),
    "lossless.webp": lambda image, path: image.webpsave(path, effort=0, lossless=True),
    "one.avif": lambda image, path: image.heifsave(path, compression="av1", effort=0),
    "strips.tif": lambda image, path: image.tiffsave(path, compression="deflate"),
    "one-tile.tif": lambda image, path: image.tiffsave(path, tile=True, tile_width=2000, tile_height=1504),
    "float.tif": lambda image, path: image.cast("float").copy(interpretation="rgb").tiffsave(path),
    "still.gif": lambda image, path: image.gifsave(path, effort=1),
    "moving.gif": lambda image, path: frames(image).gifsave(path, effort=1),
    "moving.webp": lambda image, path: frames(image).webpsave(path, effort=0),
    "one.bmp": lambda image, path: pillow_save(image, path),
    "one.jp2": lambda image, path: pillow_save(image, path),
    "one.heic": lambda image, path: pillow_save(image, path),
    "one.jxl": lambda image, path: pillow_save(image, path),
    "lossless.jxl": lambda image, path: Path(path).write_bytes(
        pyjpegxl.encode_from_numpy(image.numpy(), lossless=True)
    ),
}
OUTPUTS = ("jpg", "png", "webp", "avif", "gif", "tif", "bmp", "jxl")


def pillow_save(image: Any, path: str) -> None:
    Image.fromarray(image.numpy()).save(path, **({"format": "HEIF"} if path.endswith("heic") else {}))


@pytest.fixture(scope="module")
def picture() -> Any:
    noise = pyvips.Image.gaussnoise(WIDTH, HEIGHT, mean=128, sigma=30, seed=1)
    return (
        noise.fliphor()
        .bandjoin(noise)
        .bandjoin(noise.flipver())
        .cast("uchar")
        .copy(interpretation="srgb")
        .copy_memory()
    )


def measured(path: Path, *asked: str) -> list[tuple[str, int, int]]:
    """What each took and what was reckoned, in bytes."""
    found = []
    for one in asked:
        command = [sys.executable, "-c", CHILD, str(path), one]
        taken, reckoned = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
        found.append((one, int(taken), int(reckoned)))
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_takes_no_more_than_was_reckoned(tmp_path: Path, picture: Any, name: str) -> None:
    SOURCES[name](picture, str(tmp_path / name))
    asked = ("-fit400x400.jpg", "-fit100x100.webp") if name.startswith("moving") else ("-fit400x400.jpg",)
    for rendition, taken, reckoned in measured(tmp_path / name, *asked):
        assert taken <= reckoned + SLACK, rendition


@pytest.mark.parametrize("image_format", OUTPUTS)
def test_what_comes_out_takes_no_more_than_was_reckoned(tmp_path: Path, picture: Any, image_format: str) -> None:
    picture.addalpha().pngsave(str(tmp_path / "clear.png"), compression=1)
    for rendition, taken, reckoned in measured(
        tmp_path / "clear.png", f".{image_format}", f"-1400x1050-rotate45.{image_format}"
    ):
        assert taken <= reckoned + SLACK, rendition


def test_what_comes_line_by_line_is_not_charged_for_all_its_pixels(tmp_path: Path, picture: Any) -> None:
    for name in ("baseline.jpg", "lines.png", "strips.tif"):
        SOURCES[name](picture, str(tmp_path / name))
        assert measured(tmp_path / name, "-fit400x400.jpg")[0][2] < 60 << 20
