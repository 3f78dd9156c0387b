"""From a file's bytes and a rendition's text to a derivative, as the store manager goes about it."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

import numpy
from PIL import Image

from mezzotint.errors import InvalidInput
from mezzotint.names import FORMATS, Facts, Ident, Rendition, canonical, parse
from mezzotint.transforms import geometry, structure
from mezzotint.transforms.children import Crew
from mezzotint.transforms.libvips import Header, Source
from mezzotint.transforms.rendering import Renderer
from tests.pictures import opened

IDENT = Ident("ab" * 32)
PLENTY = 250_000_000


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "base"
    path.write_bytes(data)
    return path


RENDERER = Renderer(Crew(2), 1 << 30, 60)
"""whose children end with this process"""


def header(path: Path, max_pixels: int = PLENTY, accepted: Collection[str] = FORMATS) -> Header:
    return RENDERER.header(path, max_pixels=max_pixels, accepted=accepted)


def taken(path: Path) -> Facts:
    """Look at a file as a base on its way in is looked at."""
    facts = header(path).facts
    if structure.check(path, facts.format) is structure.Verdict.DOUBTFUL:
        RENDERER.prove(path, facts)
    return facts


def is_taken(tmp_path: Path, data: bytes) -> bool:
    try:
        taken(saved(tmp_path, data))
    except InvalidInput:
        return False
    return True


def rendition(text: str, facts: Facts) -> Rendition:
    """The canonical rendition of a name's part after the ident."""
    _, asked = parse(IDENT + text)
    assert asked is not None
    return canonical(asked, facts)


def made(path: Path, text: str) -> bytes:
    """The derivative that `text` names, made from the base itself."""
    facts = header(path).facts
    stored = geometry.stored(facts)
    source = Source(path, stored, facts.format, is_base=True)
    return RENDERER.render(source, geometry.plan(rendition(text, facts), facts, stored))


def derived(tmp_path: Path, data: bytes, text: str) -> Image.Image:
    return opened(made(saved(tmp_path, data), text))


def file_of(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def rgb(image: Image.Image) -> numpy.ndarray:
    return numpy.asarray(image.convert("RGB")).astype("float64")


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    """Its channels."""
    found = image.getpixel(place)
    assert isinstance(found, tuple)
    return found


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean absolute difference of two pictures of one size, in steps of 255."""
    assert one.size == other.size
    return float(numpy.abs(rgb(one) - rgb(other)).mean())


def quarters(width: int = 120, height: int = 80) -> Image.Image:
    """Red, green over blue, yellow: every turn and mirroring of it is another picture."""
    image = Image.new("RGB", (width, height), (220, 40, 40))
    image.paste((40, 180, 40), (width // 2, 0, width, height // 2))
    image.paste((40, 40, 220), (0, height // 2, width // 2, height))
    image.paste((230, 220, 40), (width // 2, height // 2, width, height))
    return image
