"""Names of hosts into addresses, and connections to those alone that were checked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

FLOOR, CEILING, NEGATIVE = 5.0, 300.0, 5.0
"""seconds that an answer is good for at least and at most, whatever its TTL, and that there is none"""
MOST_AT_ONCE, MOST_REMEMBERED = 1000, 10_000
_THREADS = 500
_TIMEOUT, _TRIES = 3.0, 2
_LOCAL = (".local", ".localhost", ".internal", ".home.arpa")
"""names that this machine may know of without any name server"""

Info = tuple[Any, ...]
Resolve = Callable[[str, int], Iterable[Info]]
"""as `socket.getaddrinfo` answers"""


class Overburdened(OSError):
    """Too many names are being looked up: no origin's fault."""


class Closed(OSError):
    """The policy has something against an address: no origin's fault either."""


def system_resolve(host: str, port: int) -> Iterable[Info]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class Resolver:
    """Of one event loop. Of each host there is one lookup at a time, however many wait for it, and none of them has a
    thread of its own to hang in: names are asked for by c-ares, of `servers` where these are given (`address:port`), or
    of this machine's. `resolve` takes its place, in threads.
    """

    def __init__(self, resolve: Resolve | None = None, servers: list[str] | None = None) -> None:
        self._resolve, self._servers = resolve, servers
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._lookups: dict[str, asyncio.Task[list[Info]]] = {}
        self._known: OrderedDict[str, tuple[float, list[Info] | OSError]] = OrderedDict()
        self._cares: Any = None
        self._until = 0.0

    async def look_up(self, host: str, port: int) -> list[Info]:
        """Raises OSError."""
        known = self._known.get(host)
        if known is not None and known[0] > time.monotonic():
            if isinstance(known[1], OSError):
                raise type(known[1])(*known[1].args)
            return known[1]
        lookup = self._lookups.get(host)
        if lookup is None:
            if len(self._lookups) >= MOST_AT_ONCE:
                raise Overburdened("too many names are being looked up")
            lookup = self._lookups[host] = asyncio.get_running_loop().create_task(self._asked(host, port))
            lookup.add_done_callback(lambda done: self._ended(host, done))
        return await asyncio.shield(lookup)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for lookup in self._lookups.values():
            lookup.cancel()
        if self._cares is not None:
            self._cares.cancel()

    async def _asked(self, host: str, port: int) -> list[Info]:
        try:
            found, lasts = await self._found(host, port)
        except OSError as error:
            self._remember(host, NEGATIVE, error)
            raise
        self._remember(host, min(max(lasts, FLOOR), CEILING), found)
        return found

    async def _found(self, host: str, port: int) -> tuple[list[Info], float]:
        """And for how many seconds. Raises OSError."""
        resolve = self._resolve
        if resolve is None and ("." not in host or host.endswith(_LOCAL)):
            resolve = system_resolve
        if resolve is None:
            return await self._by_cares(host, port)
        asked = resolve
        work = asyncio.get_running_loop().run_in_executor(self._threads, lambda: list(asked(host, port)))
        return await work, 0.0

    async def _by_cares(self, host: str, port: int) -> tuple[list[Info], float]:
        import aiodns  # starts a thread of its own, which is for after the fork

        if self._cares is None or self._until < time.monotonic():  # it remembers more than is wanted
            self._until = time.monotonic() + CEILING
            self._cares = aiodns.DNSResolver(self._servers, timeout=_TIMEOUT, tries=_TRIES)
        try:
            answer = await self._cares.getaddrinfo(host, port=port, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise socket.gaierror(*error.args) from None
        found = [
            (node.family, socket.SOCK_STREAM, 6, "", (node.addr[0].decode(), *node.addr[1:])) for node in answer.nodes
        ]
        return found, min((float(node.ttl) for node in answer.nodes), default=0.0)

    def _remember(self, host: str, seconds: float, found: list[Info] | OSError) -> None:
        self._known[host] = time.monotonic() + seconds, found
        self._known.move_to_end(host)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _ended(self, host: str, lookup: asyncio.Task[list[Info]]) -> None:
        del self._lookups[host]
        with contextlib.suppress(asyncio.CancelledError):
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
            raise Closed(f"an address of {host} is closed")
        self._checked.update(addresses)
