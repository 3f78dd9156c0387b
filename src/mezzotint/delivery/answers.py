"""Sending an answer over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from mezzotint.errors import MezzotintError
from mezzotint.problems import CONTENT_TYPE, problem_body, problem_headers, status_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_DRAINED = 64 << 20
"""How much of a refused body is read, so that its sender gets to see the answer."""

COMMON: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"content-length, content-range, etag, link, x-cache-status, x-image-ident"),
    (b"x-content-type-options", b"nosniff"),
]


def headers(**values: str) -> Headers:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in values.items()] + COMMON


async def answer(send: Send, status: int, header_list: Headers, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": header_list})
    await send({"type": "http.response.body", "body": body})


async def stream(send: Send, status: int, header_list: Headers, chunks: Iterator[bytes]) -> None:
    """Send `chunks`, reading each in a thread."""
    await send({"type": "http.response.start", "status": status, "headers": header_list})
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def answer_problem(send: Send, error: MezzotintError, *, head: bool, public: bool, vary: bool = False) -> None:
    body = problem_body(error)
    values = {"content-type": CONTENT_TYPE, "content-length": str(len(body)), **problem_headers(error, public=public)}
    if vary:
        values["vary"] = "Accept"
    await answer(send, status_of(error), headers(**values), b"" if head else body)


async def drain(receive: Receive) -> None:
    """Read what is still coming, up to a point: who is cut off while sending does not see the answer."""
    left = _DRAINED
    while left > 0:
        event = await receive()
        left -= len(event.get("body", b""))
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            return
