"""The connections of one worker: how many there may be, of whom, and how long each may keep others waiting."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Protocol

from mezzotint.front.access import AccessLog
from mezzotint.front.limits import Limits

_TICK = 1.0


class Member(Protocol):
    trusted: bool

    @property
    def address(self) -> str: ...

    @property
    def is_idle(self) -> bool: ...

    def tick(self, now: float, seconds: float) -> None:
        """Look whether it has had its time; `seconds` since it was last asked."""

    def finish(self) -> None:
        """End when nothing is under way, at once or then."""

    def cut(self) -> None: ...


class Crowd:
    """Looks at all of them once a second, and at nothing while there are none."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop, log: AccessLog | None = None) -> None:
        self.log = log
        self._limits, self._loop = limits, loop
        self._members: dict[Member, None] = {}  # in the order in which they came
        self._of: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._members)

    def admit(self, member: Member) -> bool:
        """Where there is no room, one that only waits has to go for it."""
        if not member.trusted and self._of[member.address] >= self._limits.per_client:
            return self._displaced(member.address) and self._let_in(member)
        if len(self._members) >= self._limits.connections and not self._displaced(None):
            return False
        return self._let_in(member)

    def leave(self, member: Member) -> None:
        if member in self._members:
            del self._members[member]
            self._of[member.address] -= 1
            if not self._of[member.address]:
                del self._of[member.address]

    def finish(self) -> None:
        for member in list(self._members):
            member.finish()

    def cut(self) -> None:
        for member in list(self._members):
            member.cut()

    def _let_in(self, member: Member) -> bool:
        self._members[member] = None
        self._of[member.address] += 1
        if self._timer is None:
            self._looked = time.monotonic()
            self._timer = self._loop.call_later(_TICK, self._look)
        return True

    def _displaced(self, address: str | None) -> bool:
        """Whether one that waits for its next request, of this address if one is given, was closed."""
        for member in self._members:
            if address in (None, member.address) and member.is_idle:
                self.leave(member)
                member.finish()
                return True
        return False

    def _look(self) -> None:
        now = time.monotonic()
        seconds, self._looked = now - self._looked, now
        for member in list(self._members):
            member.tick(now, seconds)
        self._timer = self._loop.call_later(_TICK, self._look) if self._members else None
