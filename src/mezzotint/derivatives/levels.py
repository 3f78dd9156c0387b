"""Levels: a large base decoded once, for many sizes.

Every pixel of a level is a function of the base alone, and nothing is lost as it is kept: what is derived from one that
was made just now, from one in memory and from one that was read back is the same, on every host.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import zstandard

from mezzotint.cache import Cache
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.names import Ident
from mezzotint.transforms.geometry import Level
from mezzotint.transforms.rendering import in_memory, pixels_of

log = logging.getLogger(__name__)
_HEAD = struct.Struct("<4sIIB")
_MAGIC = b"MZL1"
_IN_MEMORY = 48 << 20
_REMEMBERED = 10_000


@dataclass(slots=True)
class Pixels:
    """`image` is in memory, 8-bit, sRGB or gray; `kept`: whether it is in the cache as well, or on its way there."""

    image: Any
    kept: bool

    @property
    def weight(self) -> int:
        return int(self.image.width * self.image.height * self.image.bands)


class Levels:
    """A level is in memory after it was made, and in the cache when it is wanted a second time."""

    def __init__(self, cache: Cache, keep: Callable[[Ident, str, bytes, bytes], object]) -> None:
        """`keep` puts bytes into the cache: of an ident, under a name, made in a generation."""
        self._cache, self._keep = cache, keep
        self._memory: MemoryCache[Pixels] = MemoryCache(cache.generation, _IN_MEMORY, share=1)
        self._wanted: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="levels")

    def close(self) -> None:
        self._writer.shutdown(wait=True, cancel_futures=True)

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
            self._write_soon(ident, name, pixels, generation)
        return pixels.image

    def made(self, ident: Ident, level: Level, image: Any, generation: bytes) -> None:
        """Remember what was made while the generation was that."""
        name = name_of(ident, level)
        pixels = Pixels(image, kept=False)
        with self._lock:
            again = name in self._wanted
            self._wanted[name] = None
            if len(self._wanted) > _REMEMBERED:
                self._wanted.popitem(last=False)
        self._memory.put(name, pixels, generation)
        if again:
            self._write_soon(ident, name, pixels, generation)

    def keep_now(self, ident: Ident, level: Level, image: Any, generation: bytes) -> None:
        """Ahead of who may want it."""
        self._keep(ident, name_of(ident, level), packed(image), generation)

    def _write_soon(self, ident: Ident, name: str, pixels: Pixels, generation: bytes) -> None:
        with self._lock:
            if pixels.kept:
                return
            pixels.kept = True
        self._writer.submit(self._write, ident, name, pixels, generation)

    def _write(self, ident: Ident, name: str, pixels: Pixels, generation: bytes) -> None:
        try:
            self._keep(ident, name, packed(pixels.image), generation)
        except Exception as error:  # nobody waits for it; it is made again
            log.warning("a level was not kept: %s", error)

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
    return head + zstandard.compress(in_memory(image), 1)


def unpacked(data: bytes) -> Any:
    """Raises ValueError, zstandard.ZstdError, struct.error."""
    magic, width, height, bands = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("no level")
    pixels = zstandard.decompress(memoryview(data)[_HEAD.size :], width * height * bands)
    if len(pixels) != width * height * bands:
        raise ValueError("cut off")
    return pixels_of(pixels, width, height, bands)
