"""PNG (third edition): chunks, and which of them decoders are given."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from mezzotint.transforms.colour.made import Chromaticities, of_code_points, of_gamma

Buffer = mmap.mmap | bytes
SIGNATURE = 8
_END = b"\0\0\0\0IEND\xaeB`\x82"
TEXT = {b"tEXt", b"zTXt", b"iTXt"}
"""may be deflated a thousandfold, and say nothing of the pixels"""
_SURVEYED = {b"IHDR", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"}
_MOST_OF_A_PROFILE = 4 << 20


class Chunk(NamedTuple):
    kind: bytes
    start: int
    """of its length"""
    end: int
    """after its checksum"""

    def body(self, data: Buffer) -> bytes:
        return bytes(data[self.start + 8 : self.end - 4])

    @property
    def needed(self) -> bool:
        """Critical (5.4), or transparency."""
        return not self.kind[0] & 0x20 or self.kind == b"tRNS"

    def sound(self, data: memoryview) -> bool:
        """Whether its checksum is right."""
        (checksum,) = struct.unpack_from(">I", data, self.end - 4)
        return bool(zlib.crc32(data[self.start + 4 : self.end - 4]) == checksum)


def chunks(data: Buffer) -> Iterator[Chunk]:
    """Up to IEND, or the end of the data where it ends between two. Raises where one overhangs."""
    at = SIGNATURE
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("a chunk overhangs")
        yield Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end


def check(data: Buffer) -> bool | None:
    """Whether every chunk that the pixels need is there, with its checksum; None where nothing but IEND is missing."""
    chunk, end, pixels = None, SIGNATURE, False
    with memoryview(data) as view:
        try:
            for chunk in chunks(data):
                end, pixels = chunk.end, pixels or chunk.kind == b"IDAT"
                if chunk.kind == b"IEND":
                    return pixels
                if chunk.needed and not chunk.sound(view):
                    return False
        except (struct.error, ValueError):
            if not _END.startswith(bytes(view[end:])):
                return False
    return None if pixels else False


@dataclass(frozen=True, slots=True)
class Survey:
    """`profile`: the ICC profile of its colours as far as its own chunks say, None for sRGB; `deflated`: whether
    something in it that is no pixels may become large as it is inflated."""

    profile: bytes | None
    deflated: bool


def survey(data: Buffer) -> Survey:
    """Where several chunks speak of colour the order is cICP, iCCP, sRGB, gAMA with cHRM (12.1); a profile that
    inflates beyond 4 MB is none."""
    found: dict[bytes, bytes] = {}
    deflated, profile = False, None
    try:
        for chunk in chunks(data):
            deflated = deflated or chunk.kind == b"zTXt" or (chunk.kind == b"iTXt" and _is_deflated(chunk.body(data)))
            if chunk.kind in _SURVEYED:
                found.setdefault(chunk.kind, chunk.body(data) if chunk.end - chunk.start < 1 << 23 else b"")
        profile = _colours(found, found[b"IHDR"][9] in {0, 4})
    except (struct.error, ValueError, IndexError, KeyError, ZeroDivisionError):
        pass  # whoever decodes it says what is wrong with it
    return Survey(profile, deflated or (b"iCCP" in found and _inflated(found[b"iCCP"]) is None))


def _is_deflated(text: bytes) -> bool:
    """Of an iTXt (11.3.3.4): a keyword, a zero, whether the rest is deflated."""
    return text[text.find(b"\0") + 1 : text.find(b"\0") + 2] == b"\1"


def _colours(found: dict[bytes, bytes], gray: bool) -> bytes | None:
    if b"cICP" in found:
        primaries, transfer, matrix, full = found[b"cICP"][:4]
        if matrix == 0 and full == 1:
            return of_code_points(primaries, transfer, gray=gray)
    if b"iCCP" in found and (profile := _inflated(found[b"iCCP"])) is not None:
        return profile
    if b"sRGB" in found or b"gAMA" not in found:
        return None
    gamma = struct.unpack(">I", found[b"gAMA"][:4])[0] / 100_000
    chromaticities = None
    if b"cHRM" in found:
        values = [value / 100_000 for value in struct.unpack(">8I", found[b"cHRM"][:32])]
        pairs = [(values[i], values[i + 1]) for i in range(0, 8, 2)]
        chromaticities = Chromaticities(*pairs) if all(y > 0 for _, y in pairs) else None
    return of_gamma(gamma, chromaticities, gray=gray) if 0.01 < gamma < 10 else None


def _inflated(body: bytes) -> bytes | None:
    try:
        name_end = body.index(b"\0")
        inflater = zlib.decompressobj()
        profile = inflater.decompress(body[name_end + 2 :], _MOST_OF_A_PROFILE)
    except (ValueError, zlib.error):
        return None
    return profile if inflater.eof else None


def bare(data: bytes) -> bytes:
    """The picture alone."""
    return _with(data, lambda chunk, view: chunk.needed)


def mended(data: Buffer) -> bytes:
    """Without text, without a profile (it was surveyed) and without what has a wrong checksum and is not needed, and
    with an end."""
    return _with(
        data,
        lambda chunk, view: chunk.kind not in TEXT and chunk.kind != b"iCCP" and (chunk.needed or chunk.sound(view)),
    )


def _with(data: Buffer, keeps: Callable[[Chunk, memoryview], bool]) -> bytes:
    """Of these chunks, and with an end: copied once."""
    with memoryview(data) as view:
        kept = [(0, SIGNATURE)]
        with suppress(struct.error, ValueError):  # a part of IEND
            for chunk in chunks(data):
                if chunk.kind != b"IEND" and keeps(chunk, view):
                    kept.append((chunk.start, chunk.end))
        return b"".join([*(view[start:end] for start, end in kept), _END])
