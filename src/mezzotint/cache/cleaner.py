"""The cleaner: removes the least recently used until enough room is made."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mezzotint.cache.files import Cache

log = logging.getLogger(__name__)

HIGH_WATER, LOW_WATER = 0.95, 0.90
_BATCH = 200
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cleaning:
    removed_files: int
    removed_bytes: int


class Cleaner:
    """Begins above HIGH_WATER of the cache's size and ends at LOW_WATER. One
    cleaner works at a time on a host. The cost is that of what is removed."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def is_needed(self) -> bool:
        return self._cache.totals().bytes > self._cache.max_size * HIGH_WATER

    def clean(self, progress: Callable[[Cleaning], None] = lambda done: None) -> Cleaning:
        """Clean where it is needed; nothing to do, or another one at work, is no error."""
        return self.clean_to(int(self._cache.max_size * LOW_WATER), progress) if self.is_needed() else Cleaning(0, 0)

    def clean_to(self, size: int, progress: Callable[[Cleaning], None] = lambda done: None) -> Cleaning:
        """Remove the least recently used until `size` bytes are left."""
        done = Cleaning(0, 0)
        with self._cache.locks.attempt("cleaner") as mine:
            while mine and (excess := self._cache.totals().bytes - size) > 0:
                batch = []
                for entry in self._cache.index.least_recently_used(_BATCH):
                    batch.append(entry)
                    excess -= entry.size
                    if excess <= 0:
                        break
                if not batch:
                    break
                self._cache.drop(batch)
                done = Cleaning(done.removed_files + len(batch), done.removed_bytes + sum(e.size for e in batch))
                progress(done)
        return done


class Housekeeping:
    """A thread in each process that notes uses and cleans when the cache is too full."""

    def __init__(self, cache: Cache, seconds: float = FLUSH_SECONDS) -> None:
        self._cache, self._cleaner, self._seconds = cache, Cleaner(cache), seconds
        self._wake, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="cache-housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def nudge(self) -> None:
        """Something was put in: look now rather than at the next round."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._seconds)
            self._wake.clear()
            try:
                self._cache.flush()
                self._cleaner.clean()
            except Exception:
                log.exception("housekeeping failed, and goes on")
