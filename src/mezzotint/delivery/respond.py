"""Sending an answer over ASGI: conditions, ranges, HEAD, and files by nginx where it is in front."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mezzotint.delivery.answer import COMMON, Answer, Headers
from mezzotint.delivery.conditional import ByteRange, Unsatisfiable, byte_range, not_modified
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.request import Request

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RANGES = (b"accept-ranges", b"bytes")
CACHE, STORE = "/.mezzotint/cache/", "/.mezzotint/store/"
"""what nginx knows the cache's and the store's directories as"""
_BY_NGINX = {RANGES, *COMMON}
_EMPTY = {204, 304}


def nginx_word(secret_key: str) -> str:
    """By which this installation's nginx is known: to anybody else an answer without a body would be a wrong one."""
    return hmac.new(secret_key.encode(), b"nginx", hashlib.sha256).hexdigest()[:32]


class Responder:
    def __init__(self, tally: Tally, word: str) -> None:
        self._tally, self._word = tally, word

    async def respond(self, answer: Answer, request: Request, send: Send) -> None:
        """Send it, and close what its body has open."""
        try:
            await self._respond(answer, request, send)
        finally:
            if not isinstance(answer.body, bytes):
                answer.body.close()

    async def _respond(self, answer: Answer, request: Request, send: Send) -> None:
        size, part = answer.size, None
        held = answer.etag is not None and not_modified(request.header(b"if-none-match"), answer.etag)
        if answer.place is not None and not held and request.header(b"x-sendfile-type") == self._word:
            self._count(answer.counts, size)
            await _start(send, 200, placed(answer.headers, answer.place))
            await _end(send)
            return
        if held:
            status, found = 304, [header for header in answer.headers if header[0] != b"content-type"]
        elif answer.etag is not None and not request.head:
            status, found, part = _in_part(answer, request, answer.etag, size)
        else:
            status, found = answer.status, answer.headers
        sent = 0 if request.head or status in {304, 416} else part.length if part else size
        self._count("not_modified" if held else answer.counts, sent)
        if status not in _EMPTY:
            found = with_length(found, sent if part or status == 416 else size)
        await _start(send, status, found)
        if isinstance(answer.body, bytes):
            whole = answer.body if sent else b""
            await _end(send, whole[part.start : part.start + part.length] if part else whole)
            return
        if sent:
            chunks = answer.body.chunks(part)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await _end(send)

    def _count(self, counts: str | None, sent: int) -> None:
        if counts is not None:
            self._tally.answers[counts] += 1
            self._tally.bytes += sent


def placed(found: Headers, place: str) -> Headers:
    """What nginx is told, less what it says by itself. It would keep Cache-Control for the answer to a second request,
    where the file is gone."""
    said = [(b"x-cache-control", value) if name == b"cache-control" else (name, value) for name, value in found]
    return [*(header for header in said if header not in _BY_NGINX), (b"x-accel-redirect", place.encode())]


def with_length(found: Headers, size: int) -> Headers:
    return [*found, (b"content-length", b"%d" % size)]


def _in_part(answer: Answer, request: Request, etag: str, size: int) -> tuple[int, Headers, ByteRange | None]:
    """Status, headers and part after Range and If-Range have been looked at."""
    try:
        part = byte_range(request.header(b"range"), request.header(b"if-range"), etag, size)
    except Unsatisfiable:
        vary = [header for header in answer.headers if header[0] == b"vary"]
        return 416, [*COMMON, *vary, (b"content-range", b"bytes */%d" % size)], None
    if part is None:
        return answer.status, answer.headers, None
    content_range = b"bytes %d-%d/%d" % (part.start, part.start + part.length - 1, size)
    return 206, [*answer.headers, (b"content-range", content_range)], part


async def _start(send: Send, status: int, found: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": found})


async def _end(send: Send, body: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": body})
