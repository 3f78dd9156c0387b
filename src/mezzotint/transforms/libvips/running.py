"""Runs plans. This package is the only importer of pyvips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyvips

from mezzotint.errors import DamagedImage
from mezzotint.transforms.geometry import SHRINK_OVERSAMPLE, Plan, Stored
from mezzotint.transforms.libvips.loading import first_line, open_image, open_reduced
from mezzotint.transforms.libvips.meaning import PROFILE, usable
from mezzotint.transforms.libvips.pixels import transform
from mezzotint.transforms.libvips.saving import encode
from mezzotint.transforms.stopping import Stop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """What a rendition is made from: a base's file, or a level's pixels."""

    data: Path | pyvips.Image
    stored: Stored
    format: str
    is_base: bool = False


def render(source: Source, plan: Plan, stop: Stop | None = None, opener: Any = open_image) -> bytes:
    """The bytes of the derivative that `plan` describes. Raises DamagedImage, and GivenUp where it is asked to stop."""
    stop = stop or Stop()

    def work(with_profile: bool) -> bytes:
        image = run(source, plan, with_profile, stop, opener)
        with stop.while_stopping(lambda: image.set_kill(True)):
            return encode(image, plan)

    return decoding(work, stop, alone=opener is not open_image)


def is_plain(source: Source) -> bool:
    """Whether a base's pixels, as they are stored, are what is shown: 8 bits, sRGB or gray."""
    assert isinstance(source.data, Path)
    try:
        image = open_image(source.data, source.format)
    except pyvips.Error:  # only a child reads it
        return False
    profile = image.get(PROFILE) if image.get_typeof(PROFILE) else None
    said = profile is not None and usable(profile, image)
    return image.format == "uchar" and image.interpretation in {"srgb", "b-w"} and not said


def reduce(
    source: Source, plan: Plan, stop: Stop | None = None, opener: Any = open_image, oversample: float = 1.0
) -> Any:
    """The pixels that `plan` describes, oriented, 8-bit, sRGB or gray, in memory. Raises DamagedImage.

    Where they are there to derive from they are reduced again, so the decoder may reduce all the way.
    """
    stop = stop or Stop()

    def work(with_profile: bool) -> Any:
        return _in_memory(run(source, plan, with_profile, stop, opener, oversample), stop)

    return decoding(work, stop, alone=opener is not open_image)


def _in_memory(image: Any, stop: Stop) -> Any:
    with stop.while_stopping(lambda: image.set_kill(True)):
        return image.copy_memory()


def decoding(work: Callable[[bool], T], stop: Stop, *, alone: bool) -> T:
    """Do `work` with the source's own colour profile; where that profile is broken, without it.

    Only a process that is `alone` with its picture can tell: libvips has one buffer of errors for all threads.
    """
    try:
        return work(True)
    except pyvips.Error as error:
        if stop.error is not None:
            raise stop.error from None
        if not alone or ("profile" not in str(error) and "icc" not in str(error)):
            raise DamagedImage("image", "cannot be decoded", first_line(error)) from error
    try:
        return work(False)
    except pyvips.Error as error:
        if stop.error is not None:
            raise stop.error from None
        raise DamagedImage("image", "cannot be decoded", first_line(error)) from error


def run(
    source: Source,
    plan: Plan,
    with_profile: bool,
    stop: Stop,
    opener: Any,
    oversample: float = SHRINK_OVERSAMPLE,
    held: Callable[[Any], Any] | None = None,
) -> Any:
    """The finished pixels, 8-bit sRGB or gray, with alpha where the plan keeps it. `held` has an image somewhere to be
    read in any order; in memory, where nothing else is said."""
    held = held or partial(_in_memory, stop=stop)

    if not isinstance(source.data, Path):
        return transform(source.data, 1.0, plan, with_profile, held)
    if not plan.animated:
        reduced = open_reduced(source.data, source.format, source.stored, plan, oversample, opener)
        return transform(*reduced, plan, with_profile, held)
    strip = held(opener(source.data, source.format, n=-1))
    height, count = strip.get_page_height(), strip.get_n_pages()
    frames = [
        transform(strip.crop(0, i * height, strip.width, height), 1.0, plan, with_profile, held) for i in range(count)
    ]
    frames = [frame if frame.hasalpha() else frame.addalpha() for frame in frames]
    joined = pyvips.Image.arrayjoin(frames, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    for field in ("delay", "loop"):
        if strip.get_typeof(field):
            kind = pyvips.GValue.array_int_type if field == "delay" else pyvips.GValue.gint_type
            joined.set_type(kind, field, strip.get(field))
    return joined


def pixels_of(data: bytes, width: int, height: int, bands: int) -> Any:
    """An image of 8-bit rows, sRGB or gray."""
    image = pyvips.Image.new_from_memory(data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands <= 2 else "srgb")


def rows_of(image: Any) -> bytes:
    """The same again."""
    return bytes(image.write_to_memory())
