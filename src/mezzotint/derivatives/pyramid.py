"""The file of a pyramid: whole tiles, one after the other, then where each of them lies.

```
MZP1, kind, tile's side, width, height, bands                        head
tile, tile, ...
offset, length, sha256 of each, layer by layer and row by row        index
offset of the index                                                  the last 8 bytes
```

Its digest is looked at as it is opened, as that of any file in the cache; each tile has its own for its ETag.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import zstandard

from mezzotint.cache import CachedFile
from mezzotint.names import Facts, Ident
from mezzotint.names.iiif import TILE
from mezzotint.transforms import libvips, tiles
from mezzotint.transforms.tiles import Detail, Kind, Tile

_HEAD = struct.Struct("<4s8sHIIB")
_ENTRY = struct.Struct("<QI32s")
_END = struct.Struct("<Q")
_MAGIC = b"MZP1"


def name_of(ident: Ident, kind: Kind) -> str:
    """In the cache. No door gives it out: it is no name of a rendition."""
    return f"{ident}-pyramid-{kind}.tiles"


def bands_of(facts: Facts, kind: Kind) -> int:
    return (1 if facts.gray else 3) + (facts.alpha and kind is Kind.EXACT)


@dataclass(frozen=True, slots=True)
class Kept:
    """A tile's bytes, and the sha256 of them, as hexadecimal digits."""

    data: bytes
    digest: str

    @classmethod
    def of(cls, data: bytes) -> Kept:
        return cls(data, hashlib.sha256(data).hexdigest())


def encoded(strip: libvips.Strip, column: int, kind: Kind) -> bytes:
    return strip.jpeg(column) if kind is Kind.JPEG else zstandard.compress(strip.rows(column), 1)


def picture(found: Detail, kept: Iterable[Kept], facts: Facts) -> Any:
    """What these tiles show, in memory. Raises ValueError where they are damaged."""
    layer, bands = tiles.layers(facts)[found.layer], bands_of(facts, found.kind)
    images = []
    for tile, one in zip(found.tiles, kept, strict=True):
        place = tiles.region_of(tile, layer)
        if found.kind is Kind.JPEG:
            images.append(libvips.of_jpeg(one.data))
        else:
            pixels = zstandard.decompress(one.data, place.width * place.height * bands)
            images.append(libvips.pixels_of(pixels, place.width, place.height, bands))
    return libvips.joined(images, found.area.width // TILE)


class PyramidFile:
    """Open, to read tiles from. It stays readable when the cleaner takes its name away."""

    def __init__(self, file: CachedFile, facts: Facts, kind: Kind) -> None:
        """Takes the file over. Raises ValueError, struct.error where it is no pyramid of such a base."""
        self._descriptor = file.descriptor
        self.name = file.name
        head = _HEAD.unpack(os.pread(self._descriptor, _HEAD.size, 0))
        if head != _head(facts, kind):
            raise ValueError("it is of something else")
        (at,) = _END.unpack(os.pread(self._descriptor, _END.size, file.size - _END.size))
        self._index = os.pread(self._descriptor, file.size - _END.size - at, at)
        self._numbers = _numbers(facts)
        if len(self._index) != len(self._numbers) * _ENTRY.size:
            raise ValueError("its index is cut off")

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def weight(self) -> int:
        return len(self._index) * 4

    @property
    def is_there(self) -> bool:
        """Whether it still has a name."""
        return os.fstat(self._descriptor).st_nlink > 0

    def read(self, tile: Tile) -> Kept:
        return _kept(self._descriptor, self._index, self._numbers[tile] * _ENTRY.size)


class Writing:
    """A pyramid on its way to `stream`. Tiles may come in any order; those that are in can be read meanwhile."""

    def __init__(self, stream: BinaryIO, facts: Facts, kind: Kind) -> None:
        self._stream = stream
        self._numbers = _numbers(facts)
        self._entries: list[bytes] = [b""] * len(self._numbers)
        self._hash, self.size = hashlib.sha256(), 0
        self._write(_HEAD.pack(*_head(facts, kind)))

    @property
    def count(self) -> int:
        """How many tiles are in."""
        return len(self._entries) - self._entries.count(b"")

    def add(self, tile: Tile, kept: Kept) -> None:
        entry = _ENTRY.pack(self.size, len(kept.data), bytes.fromhex(kept.digest))
        self._write(kept.data)
        self._stream.flush()
        self._entries[self._numbers[tile]] = entry

    def read(self, tile: Tile, descriptor: int) -> Kept | None:
        """One that is in, by a descriptor to read with."""
        entry = self._entries[self._numbers[tile]]
        return _kept(descriptor, entry, 0) if entry else None

    def end(self) -> str:
        """The digest of all of it."""
        assert all(self._entries)
        at = self.size
        self._write(b"".join(self._entries) + _END.pack(at))
        self._stream.flush()
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._hash.update(data)
        self.size += len(data)


def _kept(descriptor: int, index: bytes, at: int) -> Kept:
    offset, length, digest = _ENTRY.unpack_from(index, at)
    return Kept(os.pread(descriptor, length, offset), digest.hex())


def _head(facts: Facts, kind: Kind) -> tuple[bytes, bytes, int, int, int, int]:
    return _MAGIC, kind.encode().ljust(8, b"\0"), TILE, facts.width, facts.height, bands_of(facts, kind)


def _numbers(facts: Facts) -> dict[Tile, int]:
    return {tile: number for number, tile in enumerate(tiles.tiles(facts))}
