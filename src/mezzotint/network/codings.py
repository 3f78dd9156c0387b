"""What origins send compressed though they were asked not to: inflated within bounds (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from mezzotint.errors import OriginFailed

MOST_RATIO, UNTIL = 100, 1 << 20
"""so many times what came may be made of it, once that is more bytes than `UNTIL`"""
MOST_LAYERS, MOST_MEMBERS = 2, 16
_PIECE = 1 << 16
_GZIP = b"\x1f\x8b"
_KNOWN = {"gzip", "deflate"}


def layers(field: str) -> list[str]:
    """The codings of Content-Encoding that are to be undone, the last one first. All others (none, binary, utf-8,
    aws-chunked) are no codings of what comes, or show when the picture is looked at. Raises OriginFailed."""
    found = [name for part in field.split(",") if (name := part.strip().lower().removeprefix("x-")) in _KNOWN]
    if len(found) > MOST_LAYERS:
        raise OriginFailed(f"the origin has compressed it {len(found)} times")
    return found[::-1]


async def inflated(chunks: AsyncIterator[bytes], field: str) -> AsyncIterator[bytes]:
    """Raises OriginFailed for what is damaged, breaks off, or would be far too much."""
    wire = _Wire()
    undo = [_Layer(name, wire) for name in layers(field)]
    async for chunk in chunks:
        wire.came += len(chunk)
        for piece in _through(undo, chunk):
            yield piece
    for number, layer in enumerate(undo, start=1):
        for rest in layer.rest():
            for piece in _through(undo[number:], rest):
                yield piece


def _through(undo: list[_Layer], chunk: bytes) -> Iterator[bytes]:
    if not undo:
        yield chunk
        return
    for piece in undo[0].pieces(chunk):
        yield from _through(undo[1:], piece)


@dataclass(slots=True)
class _Wire:
    """What came in all, whatever the layers have made of it."""

    came: int = 0


class _Layer:
    """One coding. What is not coded as it says is passed on as it is."""

    def __init__(self, name: str, wire: _Wire) -> None:
        self._deflate, self._wire = name == "deflate", wire
        self._begun, self._plain, self._done, self._waiting = False, False, False, b""
        self._inflate = zlib.decompressobj(31)
        self._made, self._members = 0, 1

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        if not self._begun:
            self._waiting += chunk
            if len(self._waiting) < 2:
                return
            chunk = self._begin()
            self._waiting = b""
        if self._plain:
            yield chunk
            return
        while chunk and not self._done:
            if self._inflate.eof:
                chunk, self._waiting = self._waiting + chunk, b""
                if chunk == _GZIP[:1]:
                    self._waiting = chunk  # the next piece says whether it is another member
                    return
                if self._deflate or not chunk.startswith(_GZIP):
                    self._done = True
                    return  # what is behind its end is none of it
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise OriginFailed(f"the origin has compressed it in more than {MOST_MEMBERS} parts")
                self._inflate = zlib.decompressobj(31)
            if piece := self._more(chunk):
                yield piece
            chunk = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def rest(self) -> Iterator[bytes]:
        """Once all has come."""
        if not self._begun or self._plain:
            return
        while not self._inflate.eof:
            if not (piece := self._more(b"")):
                raise OriginFailed("what the origin has compressed breaks off", again=True)
            yield piece

    def _more(self, chunk: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(chunk, _PIECE)
        except zlib.error as error:
            raise OriginFailed(f"what the origin has compressed is damaged: {error}", again=True) from None
        self._made += len(piece)
        if self._made > max(UNTIL, MOST_RATIO * self._wire.came):
            raise OriginFailed(f"more than {MOST_RATIO} times what came would be made of it")
        return piece

    def _begin(self) -> bytes:
        self._begun, first = True, self._waiting
        if not self._deflate:
            self._plain = not first.startswith(_GZIP)
        elif first[0] & 0x0F == 8 and int.from_bytes(first[:2], "big") % 31 == 0:
            self._inflate = zlib.decompressobj(15)
        else:
            self._inflate = zlib.decompressobj(-15)  # as some have it; a picture that is none of this shows below
            try:
                zlib.decompressobj(-15).decompress(first, _PIECE)
            except zlib.error:
                self._plain = True
        return first
