"""Turns to download: never more at once from a domain than it allows, over all processes of this host.

A seat is a connection's right to be open. It is held by a lock of the host that dies with its process, and kept for a
moment after a download, connection and all, for the next one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from mezzotint.cache.locks import HostLocks
from mezzotint.sources.limits import Limits

KEPT = 0.5
"""seconds that an unused seat is kept"""
_POLL = 0.03
_NAMESERVERS = 32

Resolve = Callable[[str, int], Iterable[tuple[Any, ...]]]
"""as `socket.getaddrinfo` answers"""


def system_resolve(host: str, port: int) -> Iterable[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class Gate(AbstractResolver):
    """Lets one seat's connections go to addresses that were checked for this download, and to no others."""

    def __init__(self, resolve: Resolve, threads: ThreadPoolExecutor) -> None:
        self._resolve, self._threads = resolve, threads
        self._allows: Callable[[str, str], bool] = lambda host, address: False
        self._checked: set[str] = set()

    def begin(self, allows: Callable[[str, str], bool], literal: str | None) -> None:
        """For a download: `allows` is asked with a host's name and an address of it. Raises OSError."""
        self._allows, self._checked = allows, set()
        if literal is not None:
            self._check(literal, [literal])

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Raises OSError, where one address of several is closed too."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lambda: list(self._resolve(host, port)))
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


@dataclass
class Seat:
    number: int
    lock: int
    gate: Gate
    session: aiohttp.ClientSession
    expiry: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """The connection first, then the right to have one."""
        try:
            await self.session.close()
        finally:
            os.close(self.lock)


@dataclass
class _Room:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    idle: list[Seat] = field(default_factory=list)
    taken: int = 0


class Seats:
    """Of one event loop. Close it at the end."""

    def __init__(self, locks: HostLocks, limits: Limits, open_seat: Callable[[], tuple[Gate, aiohttp.ClientSession]]):
        self._locks, self._limits, self._open_seat = locks, limits, open_seat
        self._rooms: dict[str, _Room] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def take(self, host: str) -> AsyncIterator[Seat]:
        """Wait for a seat at the domain of `host`, in turn, and have it."""
        domain, _ = self._limits.of(host)
        room = self._rooms.setdefault(domain, _Room())
        async with room.turn:
            seat = await self._seat(room, host)
        try:
            yield seat
        except BaseException:
            # whatever its connection is in the middle of, it is not for another download
            await asyncio.shield(self._let_go(room, seat))
            raise
        self._give_back(room, seat)

    async def close(self) -> None:
        for room in self._rooms.values():
            while room.idle:
                await self._let_go(room, room.idle.pop())
        await asyncio.gather(*self._closing)

    async def _seat(self, room: _Room, host: str) -> Seat:
        while True:
            domain, limit = self._limits.of(host)
            while room.idle:
                seat = room.idle.pop()
                if seat.expiry:
                    seat.expiry.cancel()
                if seat.number < limit:
                    return seat
                await self._let_go(room, seat)
            room.freed.clear()
            fresh = self._free_one(domain, limit) if room.taken < limit else None
            if fresh is not None:
                room.taken += 1
                return fresh
            try:
                # where all seats are this process's own, one of its own has to become free
                await asyncio.wait_for(room.freed.wait(), None if room.taken >= limit else _POLL)
            except TimeoutError:
                continue

    def _free_one(self, domain: str, limit: int) -> Seat | None:
        for number in range(limit):
            lock = self._locks.take(f"download:{domain}:{number}")
            if lock is not None:
                return Seat(number, lock, *self._open_seat())
        return None

    def _give_back(self, room: _Room, seat: Seat) -> None:
        loop = asyncio.get_running_loop()
        seat.expiry = loop.call_later(KEPT, self._expire, room, seat)
        room.idle.append(seat)
        room.freed.set()

    def _expire(self, room: _Room, seat: Seat) -> None:
        if seat in room.idle:
            room.idle.remove(seat)
            task = asyncio.get_running_loop().create_task(self._let_go(room, seat))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _let_go(self, room: _Room, seat: Seat) -> None:
        if seat.expiry:
            seat.expiry.cancel()
        try:
            await seat.close()
        finally:
            room.taken -= 1
            room.freed.set()
