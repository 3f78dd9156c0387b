"""What is taken in as a base: a whole picture of an accepted format that can be rendered here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mezzotint.errors import NotAnImage, TooManyBytes, TooManyPixels
from mezzotint.host.files import full_is_told
from mezzotint.names import Ident
from mezzotint.transforms import libvips, structure
from mezzotint.transforms.geometry import stored
from mezzotint.transforms.rendering import Renderer

THUMBNAIL = 24 << 20
"""bytes of memory that a picture of 800 pixels takes to make, in any format: what is taken in can be shown"""


class Spool:
    """A base on its way in: written aside and hashed as its bytes arrive."""

    def __init__(self, path: Path, stream: BinaryIO, max_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._stream, self._hash, self._max_bytes = stream, hashlib.sha256(), max_bytes

    def write(self, chunk: bytes) -> None:
        """Raises TooManyBytes, StorageFull."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise TooManyBytes("file", "is too large", f"{self._max_bytes} bytes, MEZZOTINT_MAX_UPLOAD")
        self._hash.update(chunk)
        with full_is_told("a picture"):
            self._stream.write(chunk)

    def opened(self) -> int:
        """A descriptor to read it by, whatever becomes of its name. Raises StorageFull."""
        with full_is_told("a picture"):
            self._stream.flush()
        return os.open(f"/proc/self/fd/{self._stream.fileno()}", os.O_RDONLY | os.O_CLOEXEC)

    def digest(self) -> str:
        """Of what was written so far."""
        return self._hash.hexdigest()

    def finish(self) -> Ident:
        """No more is coming. Raises StorageFull."""
        with full_is_told("a picture"):
            self._stream.close()
        return Ident(self._hash.hexdigest())


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes, and the setting that they come from."""

    size: int
    setting: str

    def __str__(self) -> str:
        return f"{self.size >> 20} MB, {self.setting}"


@dataclass(frozen=True, slots=True)
class Intake:
    """`memory`: what decoding may take."""

    max_bytes: int
    max_pixels: int
    max_frames: int
    memory: MemoryLimit
    formats: Collection[str]
    renderer: Renderer

    def header(self, path: Path) -> libvips.Header:
        """What a base says of itself. Raises NotAnImage, DamagedImage, TooManyPixels."""
        return self.renderer.header(path, max_pixels=self.max_pixels)

    def verified(self, spool: Spool) -> tuple[Ident, libvips.Header]:
        """What was spooled, seen to be a whole picture. Raises NotAnImage, DamagedImage, TooManyPixels."""
        ident = spool.finish()
        if spool.size == 0:
            raise NotAnImage("file", "is empty", "a picture")
        header = self.renderer.header(spool.path, max_pixels=self.max_pixels, accepted=self.formats)
        facts = header.facts
        if facts.frames > self.max_frames:
            raise TooManyPixels("file", f"has {facts.frames} frames", f"{self.max_frames} frames, MEZZOTINT_MAX_FRAMES")
        verdict = structure.check(spool.path, facts.format)
        memory = libvips.decoding(spool.path, stored(facts), facts.format) + THUMBNAIL
        if memory > self.memory.size:
            raise TooManyPixels("file", f"may take {memory >> 20} MB of memory to decode", str(self.memory))
        if verdict is structure.Verdict.DOUBTFUL:
            self.renderer.prove(spool.path, facts)
        return ident, header
