"""Sending an answer over ASGI: conditions, ranges, HEAD, and files by nginx where it is in front."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from mezzotint.delivery.answer import COMMON, RANGES, Answer, Body, Headers
from mezzotint.delivery.conditional import ByteRange, Unsatisfiable, byte_range, not_modified
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.request import Request
from mezzotint.errors import MezzotintError
from mezzotint.host.lanes import Lane

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CACHE, STORE = "/.mezzotint/cache/", "/.mezzotint/store/"
"""what nginx knows the cache's and the store's directories as"""
_BY_NGINX = {RANGES, *COMMON}
_WITHOUT_LENGTH = {204, 304}
_NOBODY_IS_TURNED_AWAY = 1 << 30


def nginx_word(secret_key: str) -> str:
    """By which this installation's nginx is known: to anybody else an answer without a body would be a wrong one."""
    return hmac.new(secret_key.encode(), b"nginx", hashlib.sha256).hexdigest()[:32]


class Responder:
    def __init__(self, tally: Tally, word: str, connections: int) -> None:
        self._tally, self._word = tally, word
        self._open = Lane("objects that are open", connections, _NOBODY_IS_TURNED_AWAY)

    async def respond(self, answer: Answer, request: Request, send: Send) -> None:
        """Send it, and close what its body has open. Raises Unsent."""
        try:
            await self._respond(answer, request, send)
        finally:
            if not isinstance(answer.body, bytes):
                answer.body.close()

    async def _respond(self, answer: Answer, request: Request, send: Send) -> None:
        held = answer.etag is not None and not_modified(request.header(b"if-none-match"), answer.etag)
        if answer.place is not None and not held and request.header(b"x-sendfile-type") == self._word:
            self._count(answer.counts, answer.size)
            await _start(send, 200, placed(answer.said, answer.place))
            await _end(send)
            return
        status, found, part = _in_part(answer, request) if not held else (304, of_304(answer), None)
        length = 0 if status == 416 else part.length if part else answer.size
        sent = 0 if held or request.method == "HEAD" else length
        chunk: bytes | None = None
        rest: Iterator[bytes] = iter(())
        if sent and isinstance(answer.body, bytes):
            chunk = answer.body[part.start : part.start + part.length] if part else answer.body
        elif sent and not isinstance(answer.body, bytes) and answer.body.descriptor is not None and request.zero_copy:
            self._count(answer.counts, sent)
            await _start(send, status, with_length(found, length))
            file = {"file": answer.body.descriptor, "offset": part.start if part else 0, "count": sent}
            await send({"type": "http.response.zerocopysend", **file})
            return
        elif sent and not isinstance(answer.body, bytes):
            rest = answer.body.chunks(part)
            try:
                chunk = await self._next(answer.body, rest)
            except MezzotintError as error:
                raise Unsent(error) from error
        self._count("not_modified" if held and answer.counts else answer.counts, sent)
        await _start(send, status, found if status in _WITHOUT_LENGTH else with_length(found, length))
        if isinstance(answer.body, bytes):
            await _end(send, chunk or b"")
            return
        while chunk is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await self._next(answer.body, rest)
        await _end(send)

    async def _next(self, body: Body, rest: Iterator[bytes]) -> bytes | None:
        """What is no file here comes from the store."""
        if body.descriptor is None:
            return await self._open.do(next, rest, None)
        return await asyncio.to_thread(next, rest, None)

    def _count(self, counts: str | None, sent: int) -> None:
        if counts is not None:
            self._tally.answers[counts] += 1
            self._tally.bytes += sent


class Unsent(Exception):
    """Nothing was sent yet when `error` came up."""

    def __init__(self, error: MezzotintError) -> None:
        super().__init__(str(error))
        self.error = error


def placed(found: Headers, place: str) -> Headers:
    """What nginx is told, less what it says by itself. It would keep Cache-Control for the answer to a second request,
    where the file is gone."""
    said = [(b"x-cache-control", value) if name == b"cache-control" else (name, value) for name, value in found]
    return [*(header for header in said if header not in _BY_NGINX), (b"x-accel-redirect", place.encode())]


def with_length(found: Headers, size: int) -> Headers:
    return [*found, (b"content-length", b"%d" % size)]


def content_range(part: ByteRange, size: int) -> tuple[bytes, bytes]:
    return b"content-range", b"bytes %d-%d/%d" % (part.start, part.start + part.length - 1, size)


def of_304(answer: Answer) -> Headers:
    return [header for header in answer.said if header[0] != b"content-type"]


def _in_part(answer: Answer, request: Request) -> tuple[int, Headers, ByteRange | None]:
    """Status, headers and part after Range and If-Range have been looked at."""
    if answer.etag is None or request.method == "HEAD":
        return answer.status, answer.said, None
    try:
        part = byte_range(request.header(b"range"), request.header(b"if-range"), answer.etag, answer.size)
    except Unsatisfiable:
        vary = [header for header in answer.headers if header[0] == b"vary"]
        return 416, [*COMMON, *vary, (b"content-range", b"bytes */%d" % answer.size)], None
    if part is None:
        return answer.status, answer.said, None
    return 206, [*answer.said, content_range(part, answer.size)], part


async def _start(send: Send, status: int, found: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": found})


async def _end(send: Send, body: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": body})
