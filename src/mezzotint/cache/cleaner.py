"""The cleaner: evicts the least recently used (LRU) files until there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mezzotint.cache.files import Cache
from mezzotint.cache.index import on_disk

log = logging.getLogger(__name__)

HIGH_WATER, LOW_WATER = 0.95, 0.90
_BATCH = 200
FLUSH_SECONDS = 5.0
_BREATH = 0.2
"""seconds between two looks, however much is put in"""


@dataclass(frozen=True, slots=True)
class Cleaning:
    removed_files: int
    removed_bytes: int


class Cleaner:
    """Begins above HIGH_WATER of the cache's size and ends at LOW_WATER, both as the disk counts. One
    cleaner works at a time, of all hosts that share the index. The cost is
    that of what is removed. `evicted` is told of files and bytes."""

    def __init__(self, cache: Cache, evicted: Callable[[int, int], None] = lambda files, size: None) -> None:
        self.cache, self._evicted = cache, evicted

    def is_needed(self) -> bool:
        return self.cache.totals().on_disk > self.cache.max_size * HIGH_WATER

    def clean(self, progress: Callable[[int], None] = lambda freed: None) -> Cleaning:
        """Clean where it is needed; nothing to do, or another one at work, is no error."""
        return self.clean_to(int(self.cache.max_size * LOW_WATER), progress) if self.is_needed() else Cleaning(0, 0)

    def excess(self, size: int) -> int:
        """Bytes of the disk that are to be removed until `size` are left."""
        return max(0, self.cache.totals().on_disk - size)

    def clean_to(self, size: int, progress: Callable[[int], None] = lambda freed: None) -> Cleaning:
        """Remove the least recently used until `size` bytes of the disk are left. `progress` is told of them."""
        index, done = self.cache.index, Cleaning(0, 0)
        with self.cache.locks.attempt("cleaner") as mine:
            while mine and index.lead() and (excess := self.excess(size)) > 0:
                batch = []
                for entry in index.least_recently_used(_BATCH):
                    batch.append(entry)
                    excess -= on_disk(entry.size)
                    if excess <= 0:
                        break
                if not batch or not index.available:  # what it cannot forget it would name again
                    break
                gone, forgotten = self.cache.drop(batch)
                freed = sum(entry.size for entry in gone)
                done = Cleaning(done.removed_files + len(gone), done.removed_bytes + freed)
                self._evicted(len(gone), freed)
                progress(on_disk(freed, len(gone)))
                if not (gone and forgotten):
                    break
            if mine:
                index.resign()
        return done


class _Stopped(Exception):
    pass


class Housekeeping:
    """A thread that notes uses, cleans when the cache is too full, and makes the index whole where it was lost.

    It looks whenever something was put in, and every `interval` seconds.
    """

    def __init__(self, cleaner: Cleaner, interval: float = FLUSH_SECONDS) -> None:
        self._cache, self._cleaner, self._interval = cleaner.cache, cleaner, interval
        self._stopped = False
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="cache-housekeeping", daemon=True)
        self._completing: threading.Thread | None = None

    def start(self) -> None:
        """Once, however many threads ask for it."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._cache.changed.set()
        for thread in (self._thread, self._completing):
            if thread is not None and thread.is_alive():
                thread.join(timeout=10)

    def _run(self) -> None:
        flushed = cleaned = -self._interval
        while not self._stopped:
            put = self._cache.changed.wait(min(FLUSH_SECONDS, self._interval))
            self._cache.changed.clear()
            now = time.monotonic()
            try:
                if now - flushed >= FLUSH_SECONDS:
                    flushed = now
                    self._cache.flush()
                    self._look()
                if put or now - cleaned >= self._interval:
                    cleaned = now
                    self._cleaner.clean()
            except Exception:
                log.exception("housekeeping failed, and goes on")
            if put and not self._stopped:
                time.sleep(_BREATH)

    def _look(self) -> None:
        """Whether something was lost; the index is completed beside, which may take long."""
        if self._cache.look() and (self._completing is None or not self._completing.is_alive()):
            self._completing = threading.Thread(target=self._complete, name="cache-completing", daemon=True)
            self._completing.start()

    def _complete(self) -> None:
        def go_on(count: int) -> None:
            if self._stopped:
                raise _Stopped

        try:
            self._cache.complete(go_on)
        except _Stopped:
            pass
        except Exception:
            log.exception("the cache's index could not be completed; this is tried again")
