"""One pass over a large picture from its top to its bottom, and what comes of it: strips of its full size, and of
halves of it. What is held is some strips, however large it is."""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image

from mezzotint.names import OUTPUTS, Format
from mezzotint.names.iiif import TILE
from mezzotint.transforms.geometry import Plan
from mezzotint.transforms.libvips.loading import open_image
from mezzotint.transforms.libvips.running import Source, decoding, run
from mezzotint.transforms.libvips.saving import MODES
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Layer


class Strip:
    """A strip's pixels in memory. Pillow halves it in a third of the time that libvips takes, and encodes JPEG in half,
    for the same number of bytes."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    @classmethod
    def of(cls, image: Any) -> Strip:
        """The pixels that libvips gives."""
        mode, size = MODES[image.bands], (image.width, image.height)
        return cls(Image.frombytes(mode, size, image.write_to_memory()))

    def halved(self) -> Strip:
        """Four pixels are one, alpha premultiplied; at an odd edge two are, or one."""
        if "A" not in self._image.mode:
            return Strip(self._image.reduce(2))
        premultiplied = self._image.convert(self._image.mode.replace("A", "a"))
        return Strip(premultiplied.reduce(2).convert(self._image.mode))

    def above(self, other: Strip) -> Strip:
        """Both as one."""
        (width, height), below = self._image.size, other._image
        whole = Image.new(self._image.mode, (width, height + below.height))
        whole.paste(self._image, (0, 0))
        whole.paste(below, (0, height))
        return Strip(whole)

    def jpeg(self, column: int) -> bytes:
        buffer = io.BytesIO()
        self._tile(column).save(buffer, "JPEG", quality=OUTPUTS[Format.JPG].quality, optimize=True)
        return buffer.getvalue()

    def rows(self, column: int) -> bytes:
        """The pixels themselves, one row after the other."""
        return self._tile(column).tobytes()

    def pixels(self) -> bytes:
        return self._image.tobytes()

    def _tile(self, column: int) -> Image.Image:
        left, (width, height) = column * TILE, self._image.size
        return self._image.crop((left, 0, min(left + TILE, width), height))


Take = Callable[[int, int, Strip], None]
"""is given a strip: of which layer, which row of tiles it is"""


class Halving:
    """Strips of the full size in, of all layers out."""

    def __init__(self, layers: list[Layer], take: Take) -> None:
        self._layers, self._take = layers, take
        self._rows = [0] * len(layers)
        self._above: list[Strip | None] = [None] * len(layers)

    def push(self, strip: Strip, number: int = 0) -> None:
        row, self._rows[number] = self._rows[number], self._rows[number] + 1
        self._take(number, row, strip)
        if number + 1 == len(self._layers):
            return
        half, above = strip.halved(), self._above[number]
        if above is None and row + 1 < self._layers[number].down:
            self._above[number] = half
            return
        self._above[number] = None
        self.push(half if above is None else above.above(half), number + 1)


def sweep(source: Source, plan: Plan, halving: Halving, scratch: Path, stop: Stop) -> None:
    """Through all that `plan` describes. What is turned lies in a file in `scratch` meanwhile, as it is read from the
    side. Raises DamagedImage, GivenUp."""

    def held(image: Any) -> Any:
        return _on_disk(image, scratch, stop)

    def work(with_profile: bool) -> None:
        for strip in _strips(run(source, plan, with_profile, stop, open_image, held=held), stop):
            halving.push(strip)

    decoding(work, stop, alone=False)


def sweep_pixels(image: Any, halving: Halving, stop: Stop) -> None:
    """The same of pixels that are in memory."""
    for strip in _strips(image, stop):
        halving.push(strip)


def _strips(image: Any, stop: Stop) -> Iterator[Strip]:
    for top in range(0, image.height, TILE):
        strip = image.crop(0, top, image.width, min(TILE, image.height - top))
        with stop.while_stopping(lambda strip=strip: strip.set_kill(True)):  # type: ignore[misc]
            whole = Strip.of(strip)
        yield whole


def _on_disk(image: Any, scratch: Path, stop: Stop) -> Any:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as stream:
        for strip in _strips(image, stop):
            stream.write(strip.pixels())
        stream.flush()
        pixels = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    lying = pyvips.Image.new_from_memory(memoryview(pixels), image.width, image.height, image.bands, image.format)
    return lying.copy(interpretation=image.interpretation)


def joined(tiles: list[Any], across: int) -> Any:
    """Tiles in memory, row by row, so many in a row, as one picture. Those at the right and below may be smaller."""
    return tiles[0] if len(tiles) == 1 else pyvips.Image.arrayjoin(tiles, across=across).copy_memory()


def of_jpeg(tile: bytes) -> Any:
    return pyvips.Image.jpegload_buffer(tile)
