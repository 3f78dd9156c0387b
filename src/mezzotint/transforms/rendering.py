"""Files and plans into headers, pixels and bytes: here, or in a child where the decoder or the encoder is not trusted.

What libvips refuses here is looked at again in a child, where what is in a strict decoder's way is mended, where rarer
kinds are read, and where a decoder's words are about this picture and no other.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mezzotint.errors import DamagedImage
from mezzotint.names import FORMATS, Facts, Format
from mezzotint.transforms import libvips
from mezzotint.transforms.children.crew import Crew, Order, Reply
from mezzotint.transforms.geometry import SHRINK_OVERSAMPLE, Plan
from mezzotint.transforms.libvips import Header, Source
from mezzotint.transforms.sniff import HEAD, sniff
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.structure import BARE, bare, is_confined

ENCODED_APART = {Format.JXL, Format.JP2, Format.PPM, Format.ICO, Format.PDF}
_SLACK = 64 << 20
"""bytes that a child may take beyond what was reckoned: its allocator's, and libraries that it loads"""
_HEADER_SECONDS = 30.0
_MOST_OF_A_SECOND_LOOK = 256 << 20
"""bytes of a file that is read into memory to be looked at again"""


class Renderer:
    """`memory`: bytes that one decoding may take; `seconds` of a processor that one order may."""

    def __init__(self, crew: Crew, memory: int, seconds: float) -> None:
        self._crew, self._memory, self._seconds = crew, memory, seconds

    def close(self) -> None:
        self._crew.close()

    def header(self, path: Path, *, max_pixels: int, accepted: Collection[str] = FORMATS) -> Header:
        """What the file at `path` is. Raises NotAnImage, DamagedImage, TooManyPixels."""
        with open(path, "rb") as stream:
            image_format = sniff(stream.read(HEAD), accepted)
        header = self._header(path, image_format)
        libvips.check_pixels(header.facts, max_pixels)
        return header

    def prove(self, path: Path, facts: Facts) -> None:
        """Decode all of it, to see that it is there. Raises DamagedImage."""
        with _of_a_file():
            self._child("prove", {"image_format": facts.format}, path)

    def render(self, source: Source, plan: Plan, stop: Stop | None = None) -> bytes:
        """The bytes of the derivative that `plan` describes. Raises DamagedImage, and GivenUp where it is asked to
        stop."""
        stop = stop or Stop()

        def here() -> bytes:
            if plan.format not in ENCODED_APART:
                return libvips.render(source, plan, stop)
            return self._encoded(libvips.reduce(source, plan, stop, oversample=SHRINK_OVERSAMPLE), plan, stop)

        made: bytes = self._here_or_apart(source, stop, here, lambda: self._ordered("render", source, plan, stop).data)
        return self._no_larger(made, source, plan)

    @staticmethod
    def _no_larger(made: bytes, source: Source, plan: Plan) -> bytes:
        """Where a base is asked for as it is, its own picture without its metadata, if that is smaller."""
        if source.format not in BARE or not isinstance(source.data, Path):
            return made
        if not plan.changes_nothing(source.stored, source.format) or not libvips.is_plain(source):
            return made
        if source.data.stat().st_size > _MOST_OF_A_SECOND_LOOK:
            return made
        own = bare(source.data.read_bytes(), source.format)
        return own if own is not None and len(own) < len(made) else made

    def reduce(self, source: Source, plan: Plan, stop: Stop | None = None) -> Any:
        """The pixels that `plan` describes, oriented, 8-bit, sRGB or gray, in memory to derive from."""
        stop = stop or Stop()

        def apart() -> Any:
            reply = self._ordered("reduce", source, plan, stop)
            return libvips.pixels_of(reply.data, reply.said["width"], reply.said["height"], reply.said["bands"])

        return self._here_or_apart(source, stop, lambda: libvips.reduce(source, plan, stop), apart)

    def sweep(
        self, source: Source, plan: Plan, begin: Callable[[], libvips.Halving], scratch: Path, stop: Stop
    ) -> None:
        """Through all that `plan` describes, strip by strip. `begin` gives where they go to; where a picture is looked
        at a second time, another. Raises DamagedImage, GivenUp."""

        def apart() -> None:
            reply = self._ordered("reduce", source, plan, stop)
            pixels = libvips.pixels_of(reply.data, reply.said["width"], reply.said["height"], reply.said["bands"])
            libvips.sweep_pixels(pixels, begin(), stop)

        self._here_or_apart(source, stop, lambda: libvips.sweep(source, plan, begin(), scratch, stop), apart)

    def _header(self, path: Path, image_format: str) -> Header:
        if not is_confined(path, image_format):
            try:
                return libvips.read_header(path, image_format)
            except DamagedImage:
                if path.stat().st_size > _MOST_OF_A_SECOND_LOOK:
                    raise
        with _of_a_file():
            said = self._child("header", {"image_format": image_format}, path).said
        exif = base64.b64decode(said["exif"]) if said["exif"] else None
        return Header(Facts(**said["facts"]), exif)

    def _is_apart(self, source: Source) -> bool:
        return isinstance(source.data, Path) and is_confined(source.data, source.format)

    def _here_or_apart(self, source: Source, stop: Stop, here: Callable[[], Any], apart: Callable[[], Any]) -> Any:
        if self._is_apart(source):
            return apart()
        try:
            return here()
        except DamagedImage:
            if not isinstance(source.data, Path) or source.data.stat().st_size > _MOST_OF_A_SECOND_LOOK:
                raise
        stop.check()
        return apart()

    def _encoded(self, image: Any, plan: Plan, stop: Stop) -> bytes:
        given = {"width": image.width, "height": image.height, "bands": image.bands, "plan": plan}
        descriptor = os.memfd_create("pixels", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(libvips.rows_of(image))
            order = Order("encode", given, self._memory + _SLACK, self._seconds)
            return self._crew.do(order, descriptor, stop).data
        finally:
            os.close(descriptor)

    def _ordered(self, do: str, source: Source, plan: Plan, stop: Stop) -> Reply:
        assert isinstance(source.data, Path)
        given = {"stored": source.stored, "image_format": source.format, "plan": plan}
        return self._child(do, given, source.data, stop)

    def _child(self, do: str, given: dict[str, Any], path: Path, stop: Stop | None = None) -> Reply:
        seconds = _HEADER_SECONDS if do == "header" else self._seconds
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._crew.do(Order(do, given, self._memory + _SLACK, seconds), descriptor, stop or Stop())
        finally:
            os.close(descriptor)


@contextmanager
def _of_a_file() -> Iterator[None]:
    """What is wrong is wrong with what was sent."""
    try:
        yield
    except DamagedImage as error:
        raise DamagedImage("file", error.detail, error.limit) from None
