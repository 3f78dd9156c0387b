"""Files and their entries in the index, kept together: one lock, one way to record and to remove, one sign of what is
missed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from enum import Enum, auto
from pathlib import Path

from mezzotint.cache.index import Entry, Index
from mezzotint.cache.places import group_of, kind_of, name_at
from mezzotint.cache.stamps import Stamps
from mezzotint.errors import StorageFull
from mezzotint.host import Boots, HostLocks

log = logging.getLogger(__name__)
_NAMES = "names"


class Verdict(Enum):
    RECORDED, UNRECORDED, WRONG = auto(), auto(), auto()


class Ledger:
    """Of the files below `directory`. `locks` are between all who have that, on whatever host."""

    def __init__(self, directory: Path, index: Index, locks: HostLocks, boots: Boots) -> None:
        self.directory, self.index, self.locks = directory, index, locks
        self.stamps, self._boots = Stamps(directory), boots

    def alone(self) -> AbstractContextManager[bool]:
        """Files and entries stay as they are together."""
        return self.locks.hold(_NAMES)

    def add(self, entry: Entry) -> bool:
        """Record a file that is about to be there, `alone`; returns whether the index has taken it in. Raises
        StorageFull."""
        return self._taken(self.index.add(entry))

    def count(self, path: str, status: os.stat_result) -> None:
        """Record a file that is there, `alone`. Raises StorageFull."""
        name = name_at(path)
        assert name is not None  # who found it has looked
        used = int(max(status.st_atime, status.st_mtime) * 1000)
        self.add(entry_of(name, path, status.st_size, used))

    def forget(self, paths: Collection[str]) -> bool:
        """Remove files, `alone`, and before their entries: a crash between the two leaves nothing that is not
        counted. Returns whether the index has taken it in."""
        for path in paths:
            (self.directory / path).unlink(missing_ok=True)
        try:
            return self._taken(self.index.remove(paths))
        except StorageFull:  # the index may lie on another disk than the files
            return self._taken(False)

    def remove(self, path: str) -> bool:
        """Remove a file, `alone`; False where the system does not let it: it may be somebody else's, or immutable."""
        try:
            (self.directory / path).unlink(missing_ok=True)
        except OSError as error:
            log.warning("a cached file cannot be removed, and stays: %s", error)
            return False
        return True

    def is_complete(self) -> bool:
        """Whether the index knows of every file."""
        return self.stamps.agree(self.index.identity)

    def judge(self, path: str, status: os.stat_result, is_complete: Callable[[], bool] | None = None) -> Verdict:
        """What a file is. Where the index and the file disagree the index is right if it `is_complete`, and the file
        if it is not; then a power cut may have taken bytes of what was written last, and no size says so."""
        is_complete = is_complete or self.is_complete
        if status.st_size == 0 or (self._boots.is_doubtful(status.st_mtime) and not is_complete()):
            return Verdict.WRONG
        entry = self.index.find(path)
        if entry is not None and entry.size == status.st_size:
            return Verdict.RECORDED
        return Verdict.WRONG if entry is not None and is_complete() else Verdict.UNRECORDED

    def _taken(self, taken: bool) -> bool:
        if not taken:
            self.stamps.remove()
        return taken


def entry_of(name: str, path: str, size: int, used: int | None = None) -> Entry:
    """`used` in epoch milliseconds; otherwise now."""
    return Entry(path, kind_of(name), group_of(name), size, int(time.time() * 1000) if used is None else used)
