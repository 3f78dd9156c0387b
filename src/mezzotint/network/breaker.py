"""A circuit breaker for each origin, shared by all processes of this host.

After a number of failures the circuit is open: nobody asks, for a time that doubles with each further failure
(exponential backoff with jitter). Then one request may probe. Retry-After opens it too."""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

from mezzotint.errors import OriginBusy
from mezzotint.host import HostFacts

log = logging.getLogger(__name__)

THRESHOLD = 5
"""consecutive failures that open the circuit"""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
PROBE = 30.0
"""seconds that one who tries again has, before another may"""
MOST_RETRY_AFTER = 3600.0
_LOOK_AGAIN = 0.5
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """In seconds since the epoch: until when nobody asks because it has failed, and because it wanted a `pause`."""

    failures: int = 0
    until: float = 0.0
    pause: float = 0.0

    @property
    def closed(self) -> float:
        return max(self.until, self.pause)


class CircuitBreaker:
    """Of origins by name: a host, or `peer:<name>`."""

    def __init__(self, facts: HostFacts, clock: Callable[[], float] = time.time) -> None:
        self._facts, self._clock = facts, clock
        self._memory: dict[str, tuple[float, Standing]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="origins")

    def standing(self, origin: str) -> Standing:
        """As of a moment ago: other processes may have learned more since."""
        read_at, standing = self._memory.get(origin, (-math.inf, Standing()))
        if time.monotonic() - read_at > _LOOK_AGAIN:
            kept = self._facts.recall(_key(origin))
            standing = Standing(**json.loads(kept)) if kept else Standing()
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
        if standing.failures >= THRESHOLD:
            self._keep(origin, replace(standing, until=self._clock() + PROBE))

    def failed(self, origin: str) -> None:
        standing = self.standing(origin)
        failures, until = standing.failures + 1, standing.until
        if failures >= THRESHOLD:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - THRESHOLD, 10))
            until = self._clock() + pause * random.uniform(0.8, 1.2)
        self._keep(origin, replace(standing, failures=failures, until=until))

    def asked_for_pause(self, origin: str, seconds: float) -> float:
        """By Retry-After; returns for how long it is granted."""
        standing, granted = self.standing(origin), min(max(seconds, 1.0), MOST_RETRY_AFTER)
        self._keep(origin, replace(standing, pause=max(standing.pause, self._clock() + granted)))
        return granted

    def answered(self, origin: str) -> None:
        """All of it; a pause that it wants goes on."""
        standing = self.standing(origin)
        if standing.pause > self._clock():
            if standing.failures:
                self._keep(origin, Standing(pause=standing.pause))
        elif standing != Standing():
            self._remember(origin, Standing())
            self._later(self._facts.forget, _key(origin))

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _keep(self, origin: str, standing: Standing) -> None:
        self._remember(origin, standing)
        self._later(self._facts.remember, _key(origin), json.dumps(asdict(standing)))

    def _later(self, work: Callable[..., None], *arguments: str) -> None:
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


def _key(origin: str) -> str:
    return f"origin:{origin}"
