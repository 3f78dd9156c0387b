"""So much of something that all processes of a host have together, of which some can be held for a while.

It is cut into parts, and each part is one byte of a file, locked as `host.locks` does: what a killed process held is
free at once, and nobody counts. Whoever waits holds the door, so that one who wants much is not overtaken for ever by
those who want little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mezzotint.host.files import open_shared
from mezzotint.host.locks import lock_byte

PARTS = 256
_DOOR = PARTS
_POLL = 0.01


class Allowance:
    def __init__(self, path: Path, total: int) -> None:
        self._path, self.total = path, total

    @contextmanager
    def hold(self, amount: int, check: Callable[[], None]) -> Iterator[None]:
        """Wait for `amount`, at most all there is, and hold it. `check` is called while waiting, and may raise."""
        wanted = min(PARTS, max(1, -(-amount * PARTS // self.total)))
        with self._opened() as parts:
            with self._opened() as door:
                while not lock_byte(door, _DOOR):
                    _wait(check)
                free = set(range(PARTS))
                while wanted > PARTS - len(free):
                    for part in list(free):
                        if lock_byte(parts, part):
                            free.remove(part)
                            if wanted == PARTS - len(free):
                                break
                    else:
                        _wait(check)
            yield

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = open_shared(self._path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _wait(check: Callable[[], None]) -> None:
    check()
    time.sleep(_POLL)
