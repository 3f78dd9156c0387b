"""What an archive does instead of answering, for `Archive.misbehave`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.archive.replies import Reply, Request

Fault = Callable[[Request, Reply], Awaitable[None]]
"""It gets the request, and the reply that would be right."""


def busy(seconds: int) -> Fault:
    """503, and when to come back."""
    return _saying(Reply(503, b"Try later.\n", {"retry-after": str(seconds), "content-type": "text/plain"}))


def status(code: int) -> Fault:
    return _saying(Reply.refused(code, "It is out of order."))


def html() -> Fault:
    """200 and a page, as from a proxy that wants a login."""
    return _saying(Reply.refused(200, "Please log in."))


def bad_json() -> Fault:
    """200 and the beginning of a listing."""
    return _saying(Reply(200, b'{"images":[{"approved":true,', {"content-type": "application/json"}))


def to(url: str) -> Fault:
    """It leads there."""
    return _saying(Reply.moved(307, url))


def loop() -> Fault:
    """It leads to itself."""

    async def fault(request: Request, reply: Reply) -> None:
        await request.answer(Reply.moved(307, f"http://{request.headers['host']}{request.path}"))

    return fault


def hang() -> Fault:
    """It never answers."""

    async def fault(request: Request, reply: Reply) -> None:
        await asyncio.Event().wait()

    return fault


def slow(seconds: float) -> Fault:
    """What is right, but so much later."""

    async def fault(request: Request, reply: Reply) -> None:
        await asyncio.sleep(seconds)
        await request.answer(reply)

    return fault


def truncate() -> Fault:
    """Half of what is right, with the length of all of it, and then the connection's end."""

    async def fault(request: Request, reply: Reply) -> None:
        await request.answer(reply, sent=len(reply.body) // 2)
        request.writer.close()

    return fault


def reset() -> Fault:
    """The connection breaks."""

    async def fault(request: Request, reply: Reply) -> None:
        request.reset()

    return fault


def _saying(said: Reply) -> Fault:
    async def fault(request: Request, reply: Reply) -> None:
        await request.answer(said)

    return fault
