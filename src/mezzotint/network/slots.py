"""Turns to download: never more at once from a domain than it allows, over all processes of this host.

A slot is a connection's right to be open. It is held by a lock of the host that dies with its process, and kept for a
moment after a download, connection and all, for the next one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp

from mezzotint.errors import OriginBusy
from mezzotint.host.locks import HostLocks
from mezzotint.network.limits import DomainLimits
from mezzotint.network.resolver import Gate

KEPT, LOOKED = 5.0, 0.5
"""seconds that an unused slot is kept, and after which it is looked whether another process waits for it"""
LENT = 0.5
"""seconds that a slot is used before it is looked whether another process waits for it"""
_POLL = 0.03

OpenSlot = Callable[[], tuple[Gate, aiohttp.ClientSession]]


@dataclass
class Slot:
    number: int
    lock: int
    gate: Gate
    session: aiohttp.ClientSession
    since: float
    idle_since: float = 0.0
    expiry: asyncio.TimerHandle | None = None
    where: tuple[str, str, int] | None = None

    async def go_to(self, where: tuple[str, str, int], open_slot: OpenSlot) -> None:
        """For another origin another connection: the one that is idle goes first."""
        if self.where not in {None, where}:
            await self.session.close()
            self.gate, self.session = open_slot()
        self.where = where

    async def close(self) -> None:
        """The connection first, then the right to have one."""
        try:
            await self.session.close()
        finally:
            os.close(self.lock)


@dataclass
class _Room:
    domain: str
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    idle: list[Slot] = field(default_factory=list)
    looked: float = 0.0
    own: set[int] = field(default_factory=set)
    """the numbers of the slots that this process has"""
    wish: int | None = None
    """the lock by which other processes see that a slot is waited for here"""

    def wish_no_more(self) -> None:
        if self.wish is not None:
            os.close(self.wish)
            self.wish = None


class Slots:
    """Of one event loop. Close it at the end."""

    def __init__(self, locks: HostLocks, limits: DomainLimits, open_slot: OpenSlot):
        self._locks, self._limits, self._open_slot = locks, limits, open_slot
        self._rooms: dict[str, _Room] = {}
        self._resting: dict[str, float] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def take(self, authority: str, patience: float | None = None, level: int = 0) -> AsyncIterator[Slot]:
        """Wait for a slot at the domain of `authority`, in turn, and have it. Who asks on behalf of a download that has
        one there already is one `level` up, where there are as many again: it is not to wait for its own.

        Raises OriginBusy after `patience` seconds.
        """
        domain = self._limits.of(authority)[0] + (f"#{level}" if level else "")
        room = self._rooms.setdefault(domain, _Room(domain))
        try:
            async with asyncio.timeout(patience), room.turn:
                try:
                    slot = await self._slot(room, authority)
                finally:
                    room.wish_no_more()
        except TimeoutError:
            raise OriginBusy(authority, patience or 0.0) from None
        try:
            yield slot
        except BaseException:
            # whatever its connection is in the middle of, it is not for another download
            await asyncio.shield(self._let_go(room, slot))
            raise
        if self._is_wanted_elsewhere(room, slot):
            await self._let_go(room, slot)
        else:
            self._give_back(room, slot)

    async def close(self) -> None:
        for room in list(self._rooms.values()):  # each goes as its last slot does
            while room.idle:
                await self._let_go(room, room.idle.pop())
        await asyncio.gather(*self._closing)

    def _is_wanted_elsewhere(self, room: _Room, slot: Slot) -> bool:
        """Then it is given up now and then, and not taken again for a moment. Who waits for the slots of another
        process says so by a lock."""
        now = time.monotonic()
        if now - max(slot.since, room.looked) < LENT or room.wish is not None:
            return False
        room.looked = now
        with self._locks.attempt(_wish(room.domain)) as free:
            if free:
                return False
        self._resting[_number(room.domain, slot.number)] = now + 3 * _POLL
        return True

    async def _slot(self, room: _Room, authority: str) -> Slot:
        """The next that becomes free."""
        while True:
            _, limit = self._limits.of(authority)
            while room.idle:
                slot = room.idle.pop()
                if slot.expiry:
                    slot.expiry.cancel()
                busy = len(room.own) - len(room.idle) - 1
                if slot.number < limit and busy < limit:
                    return slot
                await self._let_go(room, slot)
            room.freed.clear()
            fresh = self._free_one(room, limit) if len(room.own) < limit else None
            if fresh is not None:
                room.own.add(fresh.number)
                return fresh
            if len(room.own) < limit and room.wish is None:
                room.wish = self._locks.take(_wish(room.domain))
            # where all slots are this process's own, one of its own has to become free
            with suppress(TimeoutError):
                async with asyncio.timeout(None if len(room.own) >= limit else _POLL):
                    await room.freed.wait()

    def _free_one(self, room: _Room, limit: int) -> Slot | None:
        now = time.monotonic()
        for number in range(limit):
            if number in room.own:
                continue
            name = _number(room.domain, number)
            if self._resting.get(name, 0.0) > now:
                continue
            self._resting.pop(name, None)
            lock = self._locks.take(f"download:{name}")
            if lock is not None:
                return Slot(number, lock, *self._open_slot(), since=now)
        return None

    def _give_back(self, room: _Room, slot: Slot) -> None:
        slot.idle_since = time.monotonic()
        self._look_later(room, slot)
        room.idle.append(slot)
        room.freed.set()

    def _look_later(self, room: _Room, slot: Slot) -> None:
        slot.expiry = asyncio.get_running_loop().call_later(LOOKED, self._look, room, slot)

    def _look(self, room: _Room, slot: Slot) -> None:
        """Whether an idle slot is still to be kept."""
        if slot not in room.idle:
            return
        if time.monotonic() - slot.idle_since < KEPT and not self._is_wanted_elsewhere(room, slot):
            self._look_later(room, slot)
            return
        room.idle.remove(slot)
        task = asyncio.get_running_loop().create_task(self._let_go(room, slot))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _let_go(self, room: _Room, slot: Slot) -> None:
        if slot.expiry:
            slot.expiry.cancel()
        try:
            await slot.close()
        finally:
            room.own.discard(slot.number)
            room.freed.set()
            if not len(room.own) and not room.turn.locked():
                self._rooms = {domain: one for domain, one in self._rooms.items() if one is not room}


def _number(domain: str, number: int) -> str:
    return f"{domain}:{number}"


def _wish(domain: str) -> str:
    return f"wanted:{domain}"
