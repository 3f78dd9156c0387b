"""Sending what there is: conditions, ranges, HEAD, and files by nginx where it is in front."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mezzotint.cache import CachedFile
from mezzotint.delivery.answers import COMMON, Headers, Scope, Send, answer, stream
from mezzotint.delivery.conditional import ByteRange, Unsatisfiable, byte_range, not_modified
from mezzotint.delivery.metrics import Tally
from mezzotint.files import CHUNK

SENDFILE, LOST = b"x-sendfile-type", b"x-sendfile-lost"
RANGES = (b"accept-ranges", b"bytes")
_BY_NGINX = {RANGES, *COMMON}
CACHE, STORE = "/.mezzotint/cache/", "/.mezzotint/store/"
"""what nginx knows the cache's and the store's directories as"""


@dataclass(slots=True)
class Request:
    """What delivery reads of a request."""

    head: bool = False
    if_none_match: str | None = None
    range: str | None = None
    if_range: str | None = None
    accept: str | None = None
    authorization: str | None = None
    sendfile: str | None = None
    """the word of an nginx that sends files by X-Accel-Redirect, where it came through one"""
    lost: bool = False
    """nginx did not find the file that it was pointed to"""

    @classmethod
    def of(cls, scope: Scope) -> Request:
        request = cls(scope["method"] == "HEAD")
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                request.if_none_match = value.decode("latin-1")
            elif name == b"range":
                request.range = value.decode("latin-1")
            elif name == b"if-range":
                request.if_range = value.decode("latin-1")
            elif name == b"accept":
                request.accept = value.decode("latin-1")
            elif name == b"authorization":
                request.authorization = value.decode("latin-1")
            elif name == SENDFILE:
                request.sendfile = value.decode("latin-1")
            elif name == LOST:
                request.lost = True
        return request


@dataclass(frozen=True, slots=True)
class Picture:
    """A representation, ready to be sent: its name in the cache, headers, those of the whole of it as texts, bytes.
    `place` is where nginx finds it, and `place_text` what nginx is told then. `until`, by the monotonic clock, it may
    be given from memory."""

    name: str
    headers: Headers
    whole_text: list[tuple[str, str]]
    place_text: list[tuple[str, str]]
    etag: str
    data: bytes
    place: str
    until: float = math.inf

    @classmethod
    def of(cls, name: str, place: str, found: Headers, etag: str, data: bytes, until: float = math.inf) -> Picture:
        whole, placed = _text(_with_length(found, len(data))), _text(_placed(found, place))
        return cls(name, found, whole, placed, etag, data, place, until)

    @property
    def weight(self) -> int:
        return len(self.data) + 2000


def nginx_word(secret_key: str) -> str:
    """By which this installation's nginx is known: to anybody else an answer without a body would be a wrong one."""
    return hmac.new(secret_key.encode(), b"nginx", hashlib.sha256).hexdigest()[:32]


class Sender:
    def __init__(self, tally: Tally, word: str) -> None:
        self._tally, self._word = tally, word

    async def picture(self, picture: Picture, request: Request, send: Send, how: str) -> None:
        data = picture.data
        if self._goes_by_nginx(request, picture.etag):
            await self._by_nginx(picture.place, picture.headers, len(data), send, how)
            return
        status, header_list, part = _conditions(picture.headers, picture.etag, len(data), request)
        if part is not None:
            data = data[part.start : part.start + part.length]
        if request.head or status in (304, 416):
            data = b""
        self._tally.answers["not_modified" if status == 304 else how] += 1
        self._tally.bytes += len(data)
        await answer(send, status, header_list, data)

    async def file(self, file: CachedFile, found: Headers, request: Request, send: Send) -> None:
        """A large one, in pieces. Closes it."""
        try:
            await self.pieces(
                found,
                f'"{file.digest}"',
                file.size,
                CACHE + file.place,
                lambda part: _pieces(file, part or ByteRange(0, file.size)),
                request,
                send,
                "hit",
            )
        finally:
            os.close(file.descriptor)

    async def pieces(
        self,
        found: Headers,
        etag: str,
        size: int,
        place: str | None,
        opened: Callable[[ByteRange | None], Iterator[bytes]],
        request: Request,
        send: Send,
        how: str,
    ) -> None:
        """What `opened` gives, all or a part of it; where it has a `place`, by nginx."""
        if place is not None and self._goes_by_nginx(request, etag):
            await self._by_nginx(place, found, size, send, how)
            return
        status, header_list, part = _conditions(found, etag, size, request)
        self._tally.answers["not_modified" if status == 304 else how] += 1
        if request.head or status in (304, 416):
            await answer(send, status, header_list)
            return
        self._tally.bytes += part.length if part else size
        await stream(send, status, header_list, opened(part))

    def _goes_by_nginx(self, request: Request, etag: str) -> bool:
        """It came through this installation's nginx, and not for something that is held already."""
        return request.sendfile == self._word and not _is_held(request, etag)

    async def _by_nginx(self, place: str, found: Headers, size: int, send: Send, how: str) -> None:
        self._tally.answers[how] += 1
        self._tally.bytes += size
        await answer(send, 200, _placed(found, place))


def _is_held(request: Request, etag: str) -> bool:
    return request.if_none_match is not None and not_modified(request.if_none_match, etag)


def _placed(found: Headers, place: str) -> Headers:
    """What nginx is told, less what it says by itself. It would keep Cache-Control for the answer to a second request,
    where the file is gone."""
    said = [(b"x-cache-control", value) if name == b"cache-control" else (name, value) for name, value in found]
    return [*(header for header in said if header not in _BY_NGINX), (b"x-accel-redirect", place.encode())]


def _conditions(found: Headers, etag: str, size: int, request: Request) -> tuple[int, Headers, ByteRange | None]:
    """Status, headers and range after If-None-Match, Range and If-Range have been looked at."""
    if _is_held(request, etag):
        return 304, [header for header in found if header[0] != b"content-type"], None
    if request.range is None or request.head:
        return 200, _with_length(found, size), None
    try:
        part = byte_range(request.range, request.if_range, etag, size)
    except Unsatisfiable:
        vary = [header for header in found if header[0] == b"vary"]
        return 416, [*COMMON, *vary, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")], None
    if part is None:
        return 200, _with_length(found, size), None
    content_range = b"bytes %d-%d/%d" % (part.start, part.start + part.length - 1, size)
    return 206, [*found, (b"content-range", content_range), (b"content-length", b"%d" % part.length)], part


def _with_length(found: Headers, size: int) -> Headers:
    return [*found, (b"content-length", b"%d" % size)]


def _text(found: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in found]


def _pieces(file: CachedFile, part: ByteRange) -> Iterator[bytes]:
    at, end = part.start, part.start + part.length
    while at < end and (chunk := os.pread(file.descriptor, min(CHUNK, end - at), at)):
        at += len(chunk)
        yield chunk
