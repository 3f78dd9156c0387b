"""Asking delivery itself, in this process, as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from mezzotint.delivery.app import Delivery
from mezzotint.wiring import Engine

T = TypeVar("T")
Ask = Callable[..., Awaitable[httpx.Response]]


def asking(engine: Engine, work: Callable[[Ask], Awaitable[T]]) -> T:
    """`work(ask)` with a delivery of its own, which is ended afterwards."""

    async def main() -> T:
        delivery = Delivery(engine)
        living = asyncio.ensure_future(delivery.live())
        transport = httpx.ASGITransport(delivery)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://here", verify=False) as client:

                async def ask(path: str, method: str = "GET", **options: Any) -> httpx.Response:
                    return await client.request(method, path, **options)

                return await work(ask)
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    return asyncio.run(main())


def asked(engine: Engine, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    """One request, to a delivery that has nothing in memory."""
    return asking(engine, lambda ask: ask(path, method, **options))
