"""Levels: a large base decoded once, for many sizes.

Every pixel of a level is a function of the base alone, and nothing is lost as it is kept: what is derived from one that
was made just now, from one in memory and from one that was read back is the same, on every host.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import zstandard

from mezzotint.cache import Cache
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.names import Ident
from mezzotint.transforms.geometry import Level
from mezzotint.transforms.libvips import pixels_of, rows_of

log = logging.getLogger(__name__)
_HEAD = struct.Struct("<4sIIB")
_MAGIC = b"MZL1"
_IN_MEMORY = 48 << 20
_MOST_WAITING = 8
"""levels on their way into the cache: each is pixels in memory"""
_LOOK_AGAIN = 0.05


@dataclass(slots=True)
class Pixels:
    """`image` is in memory, 8-bit, sRGB or gray; `kept`: whether it is in the cache as well."""

    image: Any
    kept: bool
    wanted_again: bool = False

    @property
    def weight(self) -> int:
        return int(self.image.width * self.image.height * self.image.bands)


class Levels:
    """A level is in memory after it was made. It comes into the cache when it is wanted again, or nobody wants
    anything."""

    def __init__(
        self, cache: Cache, keep: Callable[[Ident, str, bytes, bytes], object], idle: Callable[[], bool]
    ) -> None:
        """`keep` puts bytes into the cache: of an ident, under a name, made in a generation."""
        self._cache, self._keep, self._idle = cache, keep, idle
        self._memory: MemoryCache[Pixels] = MemoryCache(cache.generation, _IN_MEMORY, share=1)
        self._waiting = 0
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="levels")

    def close(self) -> None:
        self._closing.set()
        self._writer.shutdown(wait=True, cancel_futures=True)

    def keep(self, ident: Ident, level: Level, image: Any, generation: bytes) -> None:
        """At once, ahead of who may want it."""
        self._keep(ident, name_of(ident, level), packed(image), generation)

    def settle(self) -> None:
        """Wait until what is on its way into the cache is there."""
        self._writer.submit(lambda: None).result()

    def forget(self) -> None:
        """What is in memory."""
        self._memory.clear()

    def has(self, ident: Ident, level: Level) -> bool:
        name = name_of(ident, level)
        return self._memory.get(name) is not None or self._cache.has(name)

    def find(self, ident: Ident, level: Level) -> Any | None:
        """Its pixels, from memory or from the cache."""
        name, generation = name_of(ident, level), self._cache.generation.now()
        if (pixels := self._memory.get(name)) is None:
            if (image := self._read(name)) is None:
                return None
            pixels = Pixels(image, kept=True)
            self._memory.put(name, pixels, generation)
        elif not pixels.kept:
            pixels.wanted_again = True
        return pixels.image

    def made(self, ident: Ident, level: Level, image: Any, generation: bytes) -> None:
        """Remember what was made while the generation was that."""
        name, pixels = name_of(ident, level), Pixels(image, kept=False)
        self._memory.put(name, pixels, generation)
        with self._lock:
            if self._waiting >= _MOST_WAITING:
                return  # it is made again
            self._waiting += 1
        self._writer.submit(self._write, ident, name, pixels, generation)

    def _write(self, ident: Ident, name: str, pixels: Pixels, generation: bytes) -> None:
        try:
            while not (pixels.wanted_again or self._idle() or self._closing.wait(_LOOK_AGAIN)):
                pass
            if not self._closing.is_set():
                self._keep(ident, name, packed(pixels.image), generation)
                pixels.kept = True
        except Exception as error:  # nobody waits for it; it is made again
            log.warning("a level was not kept: %s", error)
        finally:
            with self._lock:
                self._waiting -= 1

    def _read(self, name: str) -> Any | None:
        file = self._cache.open(name)
        if file is None:
            return None
        try:
            return unpacked(file.read())
        except (ValueError, struct.error, zstandard.ZstdError):
            log.warning("a level in the cache is damaged and made again: %s", name)
            self._cache.purge_file(name)
            return None


def name_of(ident: Ident, level: Level) -> str:
    """In the cache. No door gives it out: it is no name of a rendition."""
    return f"{ident}-level{level.side}.zst"


def packed(image: Any) -> bytes:
    head = _HEAD.pack(_MAGIC, image.width, image.height, image.bands)
    return head + zstandard.compress(rows_of(image), 1)


def unpacked(data: bytes) -> Any:
    """Raises ValueError, zstandard.ZstdError, struct.error."""
    magic, width, height, bands = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("no level")
    pixels = zstandard.decompress(memoryview(data)[_HEAD.size :], width * height * bands)
    if len(pixels) != width * height * bands:
        raise ValueError("cut off")
    return pixels_of(pixels, width, height, bands)
