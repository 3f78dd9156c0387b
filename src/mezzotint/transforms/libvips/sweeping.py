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
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Layer

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
Take = Callable[[int, int, Any], None]
"""is given a strip of pixels in memory: of which layer, which row of tiles it is"""


class Halving:
    """Strips of the full size in, of all layers out. Four pixels are one of the next layer; where a side is odd the
    last is there twice."""

    def __init__(self, layers: list[Layer], take: Take) -> None:
        self._layers, self._take = layers, take
        self._rows = [0] * len(layers)
        self._above: list[Any] = [None] * len(layers)

    def push(self, strip: Any, number: int = 0) -> None:
        row, self._rows[number] = self._rows[number], self._rows[number] + 1
        self._take(number, row, strip)
        if number + 1 == len(self._layers):
            return
        half, above = halved(strip), self._above[number]
        if above is None and row + 1 < self._layers[number].down:
            self._above[number] = half
            return
        self._above[number] = None
        self.push(half if above is None else above.join(half, "vertical").copy_memory(), number + 1)


def halved(image: Any) -> Any:
    """The one direction rounds up, the other down, so that nothing gets lighter from layer to layer."""
    if image.hasalpha():
        half = image.premultiply().shrink(2, 2, ceil=True).unpremultiply()
        return half.rint().cast("uchar").copy(interpretation=image.interpretation).copy_memory()
    return image.shrinkv(2, ceil=True).invert().shrinkh(2, ceil=True).invert().copy_memory()


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


def _strips(image: Any, stop: Stop) -> Iterator[Any]:
    for top in range(0, image.height, TILE):
        strip = image.crop(0, top, image.width, min(TILE, image.height - top))
        with stop.while_stopping(lambda strip=strip: strip.set_kill(True)):  # type: ignore[misc]
            whole = strip.copy_memory()
        yield whole


def _on_disk(image: Any, scratch: Path, stop: Stop) -> Any:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as stream:
        for strip in _strips(image, stop):
            stream.write(strip.write_to_memory())
        stream.flush()
        pixels = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    lying = pyvips.Image.new_from_memory(memoryview(pixels), image.width, image.height, image.bands, image.format)
    return lying.copy(interpretation=image.interpretation)


class Strip:
    """One in memory, to take tiles from. JPEG by Pillow's encoder, which takes half the time of libvips's for the same
    number of bytes: 1.6 ms where that takes 3.3."""

    def __init__(self, image: Any) -> None:
        mode, size = _MODES[image.bands], (image.width, image.height)
        self._image = Image.frombytes(mode, size, image.write_to_memory())

    def jpeg(self, column: int) -> bytes:
        buffer = io.BytesIO()
        self._tile(column).save(buffer, "JPEG", quality=OUTPUTS[Format.JPG].quality, optimize=True)
        return buffer.getvalue()

    def rows(self, column: int) -> bytes:
        """The pixels themselves, one row after the other."""
        return self._tile(column).tobytes()

    def _tile(self, column: int) -> Image.Image:
        left, (width, height) = column * TILE, self._image.size
        return self._image.crop((left, 0, min(left + TILE, width), height))


def joined(tiles: list[Any], across: int) -> Any:
    """Tiles in memory, row by row, so many in a row, as one picture. Those at the right and below may be smaller."""
    return tiles[0] if len(tiles) == 1 else pyvips.Image.arrayjoin(tiles, across=across).copy_memory()


def of_jpeg(tile: bytes) -> Any:
    return pyvips.Image.jpegload_buffer(tile)
