"""Names of hosts into addresses, and connections to those alone that were checked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS = 64

Resolve = Callable[[str, int], Iterable[tuple[Any, ...]]]
"""as `socket.getaddrinfo` answers"""


def system_resolve(host: str, port: int) -> Iterable[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class Resolver:
    """Of one event loop. Of each host there is one lookup at a time, however many wait for it: a name server that
    hangs holds up no more than that."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._lookups: dict[tuple[str, int], asyncio.Future[list[tuple[Any, ...]]]] = {}

    async def look_up(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Raises OSError."""
        lookup = self._lookups.get((host, port))
        if lookup is None:
            work = asyncio.get_running_loop().run_in_executor(self._threads, lambda: list(self._resolve(host, port)))
            lookup = self._lookups[host, port] = work
            lookup.add_done_callback(lambda done: self._ended(host, port, done))
        return await asyncio.shield(lookup)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, host: str, port: int, lookup: asyncio.Future[list[tuple[Any, ...]]]) -> None:
        del self._lookups[host, port]
        if not lookup.cancelled():
            lookup.exception()  # who waited may have gone


class Gate(AbstractResolver):
    """Lets one slot's connections go to addresses that were checked for this download, and to no others."""

    def __init__(self, names: Resolver) -> None:
        self._names = names
        self._allows: Callable[[str, str], bool] = lambda host, address: False
        self._checked: set[str] = set()

    def begin(self, allows: Callable[[str, str], bool], literal: str | None) -> None:
        """For a download: `allows` is asked with a host's name and an address of it. Raises OSError."""
        self._allows, self._checked = allows, set()
        if literal is not None:
            self._check(literal, [literal])

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Raises OSError, where one address of several is closed too."""
        found = await self._names.look_up(host, port)
        addresses = list(dict.fromkeys((info[0], str(info[4][0])) for info in found))
        self._check(host, [address for _, address in addresses])
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
        ]

    def open_socket(self, info: Any) -> socket.socket:
        """For one attempt to connect: to an address that was checked. Raises OSError."""
        if str(info[4][0]) not in self._checked:
            raise OSError(f"{info[4][0]} was not checked")
        return socket.socket(info[0], info[1], info[2])

    async def close(self) -> None: ...

    def _check(self, host: str, addresses: list[str]) -> None:
        if not addresses or not all(self._allows(host, address) for address in addresses):
            raise OSError(f"an address of {host} is closed")
        self._checked.update(addresses)
