"""A host that fetches, for tests: its locks, its limits, what it knows of origins, and clients on it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mezzotint.network.addresses import Patterns, Policy
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.client import Client, Response, Times
from mezzotint.network.limits import DomainLimits
from mezzotint.network.resolver import Resolve
from mezzotint.network.urls import parse_url
from tests.cache.caches import open_cache
from tests.origin import Answer, Asked

T = TypeVar("T")
AGENT = "Mezzotint/1 (tests)"
OPEN = Policy(allow=Patterns.of(["127.0.0.1/32", "127.0.1.1/32"]), ports=None)
"""Of loopback two addresses and no other."""


class Host:
    """What the processes of one host share. `ahead` seconds its clock is ahead of the real one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.cache = open_cache(directory / "cache", 1 << 30)
        self.ahead = 0.0

    def limit(self, **limits: int) -> None:
        """`limit(all=8)` for `*`; underscores stand for dots."""
        text = json.dumps({"*" if name == "all" else name.replace("_", "."): n for name, n in limits.items()})
        (self._directory / "limits.new").write_text(text)
        (self._directory / "limits.new").rename(self._directory / "max_downloads.json")

    @asynccontextmanager
    async def client(
        self,
        policy: Policy = OPEN,
        resolve: Resolve | None = None,
        total: float = 5.0,
        patience: float = 5.0,
        connect: float = 2.0,
        gap: float = 2.0,
    ) -> AsyncIterator[Client]:
        """One process's."""
        limits, times = DomainLimits(self._directory / "max_downloads.json"), Times(total, patience, connect, gap)
        origins = CircuitBreaker(self.cache.host.facts, lambda: time.time() + self.ahead)
        client = Client(policy, limits, self.cache.host.locks, origins, times, AGENT, resolve)
        try:
            yield client
        finally:
            await client.close()
            origins.close()

    def run(self, work: Callable[[Client], Awaitable[T]], **options: Any) -> T:
        async def main() -> T:
            async with self.client(**options) as client:
                return await work(client)

        return asyncio.run(main())

    def load(self, url: str, headers: Mapping[str, str] | None = None, **options: Any) -> tuple[Response, bytes]:
        """By a client of its own."""
        return self.run(lambda client: load(client, url, headers), **options)


@contextmanager
def a_host(directory: Path) -> Iterator[Host]:
    host = Host(directory)
    try:
        yield host
    finally:
        host.cache.close()


async def load(client: Client, url: str, headers: Mapping[str, str] | None = None) -> tuple[Response, bytes]:
    async with client.get(parse_url(url), headers or {}) as response:
        return response, b"".join([chunk async for chunk in response.chunks])


async def outcome(client: Client, url: str) -> bytes | Exception:
    """What was loaded, or what was raised."""
    try:
        return (await load(client, url))[1]
    except Exception as error:
        return error


def resolving(**names: str | list[str]) -> Resolve:
    """Answers as a name server would; underscores stand for dots. Names that are not given do not exist."""

    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        found = names.get(host.replace(".", "_"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return infos([found] if isinstance(found, str) else found, port)

    return resolve


def infos(addresses: list[str], port: int) -> list[tuple[Any, ...]]:
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
        if ":" in address
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
        for address in addresses
    ]


def saying(data: bytes, *, end: bool = True) -> Answer:
    """Exactly these bytes, and then the connection's end, or silence."""

    async def answer(asked: Asked) -> None:
        await asked.raw(data)
        if end:
            asked.writer.close()
        else:
            await asyncio.sleep(60)

    return answer


def dripping(head: bytes, drop: bytes, pause: float) -> Answer:
    """`head`, and then `drop` again and again for ever."""

    async def answer(asked: Asked) -> None:
        await asked.raw(head)
        while True:
            await asked.raw(drop)
            await asyncio.sleep(pause)

    return answer


def status(code: int, delay: float = 0.0, **headers: str) -> Answer:
    async def answer(asked: Asked) -> None:
        await asyncio.sleep(delay)
        await asked.send(code, b"", **headers)

    return answer


def leading(location: str, code: int = 302) -> Answer:
    return status(code, location=location)


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last one to all others."""
    left = list(answers)

    async def answer(asked: Asked) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer
