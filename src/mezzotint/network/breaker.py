"""A circuit breaker for each origin (a host and a port), shared by all processes of this host.

What counts is at how many addresses an origin has failed since it last answered well, each once however often it is
asked for: one picture that is broken says nothing of its neighbours. An origin that gives no answer is taken for dead
sooner than one that answers with an error. Then the circuit is open: nobody asks, for a time that doubles with each
probe that fails (exponential backoff with jitter), and one request of each process may probe. Retry-After opens it too,
for as long as it says: whoever says that is alive."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from mezzotint.errors import OriginBusy
from mezzotint.host import HostFacts

log = logging.getLogger(__name__)

DEAD, BROKEN = 5, 20
"""addresses in a row that open the circuit: without an answer, and with one of 5xx"""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
PROBE = 30.0
"""seconds that one who tries again has, before another may"""
MOST_RETRY_AFTER = 3600.0
_LOOK_AGAIN = 0.5
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """In seconds since the epoch: until when nobody asks because it has failed, and because it wanted a `pause`. `dead`
    and `broken` are the addresses that it failed at; `probes` how often it was tried since, `probed` that it is now."""

    dead: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    probes: int = 0
    probed: bool = False
    until: float = 0.0
    pause: float = 0.0

    @property
    def closed(self) -> float:
        return max(self.until, self.pause)

    @property
    def has_failed(self) -> bool:
        """Too often: the circuit is open, or one may probe."""
        return len(self.dead) >= DEAD or len(self.broken) >= BROKEN


class CircuitBreaker:
    """Of origins by name: `host:port`, or `peer:<name>`."""

    def __init__(self, facts: HostFacts, clock: Callable[[], float] = time.time) -> None:
        self._facts, self._clock = facts, clock
        self._memory: dict[str, tuple[float, Standing]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="origins")

    def standing(self, origin: str) -> Standing:
        """As of a moment ago: other processes may have learned more since."""
        read_at, standing = self._memory.get(origin, (-math.inf, Standing()))
        if time.monotonic() - read_at > _LOOK_AGAIN:
            kept = self._facts.recall(_key(origin))
            standing = _parsed(kept) if kept else Standing()
            self._remember(origin, standing)
        return standing

    def check(self, origin: str) -> None:
        """Raises OriginBusy where it has asked for a pause, or has failed too often."""
        standing, now = self.standing(origin), self._clock()
        if standing.closed > now:
            raise OriginBusy(origin, standing.closed - now)

    def begin(self, origin: str) -> None:
        """`check`, by who asks now. After failures one may try, and the others wait for what comes of it."""
        self.check(origin)
        standing = self.standing(origin)
        if standing.has_failed:
            self._keep(origin, replace(standing, until=self._clock() + PROBE, probed=True))

    def failed(self, origin: str, address: str, *, broken: bool = False) -> None:
        """At `address`; `broken`: it did answer."""
        standing, mark = self.standing(origin), hashlib.sha256(address.encode()).hexdigest()[:8]
        if standing.has_failed:
            if not standing.probed and standing.until > self._clock():
                return  # it was under way when the circuit opened
            standing = replace(standing, probes=standing.probes + 1, probed=False)
        elif broken:
            standing = replace(standing, broken=tuple({*standing.broken, mark}))
        else:
            standing = replace(standing, dead=tuple({*standing.dead, mark}))
        if standing.has_failed:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(standing.probes, 10))
            standing = replace(standing, until=self._clock() + pause * random.uniform(0.8, 1.2))
        self._keep(origin, standing)

    def asked_for_pause(self, origin: str, seconds: float) -> float:
        """By Retry-After; returns for how long it is granted."""
        standing, granted = self.standing(origin), min(max(seconds, 1.0), MOST_RETRY_AFTER)
        self._keep(origin, Standing(pause=max(standing.pause, self._clock() + granted)))
        return granted

    def half_open(self, origin: str) -> None:
        """It seems to be back: one may probe now, whose answer says more."""
        standing = self.standing(origin)
        if standing.has_failed and not (standing.probed and standing.until > self._clock()):
            self._keep(origin, replace(standing, until=0.0))

    @contextmanager
    def trying(self, origin: str) -> Iterator[None]:
        """`begin`, and where nothing was learned of it by the end, another may try. Raises OriginBusy."""
        self.begin(origin)
        try:
            yield
        finally:
            standing = self.standing(origin)
            if standing.probed:
                self._keep(origin, replace(standing, until=0.0, probed=False))

    def answered(self, origin: str) -> None:
        """All of it; a pause that it wants goes on."""
        standing = self.standing(origin)
        if standing.pause > self._clock():
            if standing != (alone := Standing(pause=standing.pause)):
                self._keep(origin, alone)
        elif standing != Standing():
            self._remember(origin, Standing())
            self._later(self._facts.forget, _key(origin))

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _keep(self, origin: str, standing: Standing) -> None:
        self._remember(origin, standing)
        self._later(self._tell, origin, standing)

    def _tell(self, origin: str, standing: Standing) -> None:
        """What other processes have counted meanwhile counts too."""
        kept = self._facts.recall(_key(origin))
        if kept is not None and (standing.dead or standing.broken):
            other = _parsed(kept)
            joined = replace(
                standing,
                dead=tuple({*standing.dead, *other.dead}),
                broken=tuple({*standing.broken, *other.broken}),
                probes=max(standing.probes, other.probes),
                pause=max(standing.pause, other.pause),
            )
            if joined.has_failed and not standing.has_failed:  # by what both have seen
                joined = replace(joined, until=max(other.until, self._clock() + FIRST_PAUSE * random.uniform(0.8, 1.2)))
            standing = joined
        self._facts.remember(_key(origin), json.dumps(asdict(standing)))

    def _later(self, work: Callable[..., None], *arguments: Any) -> None:
        """Others are told in a moment: whoever downloads does not wait for the disk."""

        def done() -> None:
            try:
                work(*arguments)
            except Exception as error:
                log.warning("not every process will know how an origin behaves: %s", error)

        self._thread.submit(done)

    def _remember(self, origin: str, standing: Standing) -> None:
        if len(self._memory) >= _REMEMBERED:
            self._memory.clear()
        self._memory[origin] = (time.monotonic(), standing)


def _parsed(kept: str) -> Standing:
    """Nothing, where another release wrote it."""
    members = json.loads(kept)
    if not members.keys() <= set(Standing.__slots__):
        return Standing()
    return Standing(**members | {name: tuple(members.get(name, ())) for name in ("dead", "broken")})


def _key(origin: str) -> str:
    return f"origin:{origin}"
