"""Files and their entries in the index, kept together: one lock, one way to record and to remove, one sign of what is
missed."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from mezzotint.cache.index import Entry, Index
from mezzotint.cache.places import group_of, kind_of, name_at
from mezzotint.cache.stamps import Stamps
from mezzotint.errors import StorageFull
from mezzotint.host import Boots, HostLocks

_NAMES = "names"


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
        self.add(Entry(path, kind_of(name), group_of(name), status.st_size, used))

    def forget(self, paths: Collection[str]) -> None:
        """Remove files, `alone`, and before their entries: a crash between the two leaves nothing that is not
        counted."""
        for path in paths:
            (self.directory / path).unlink(missing_ok=True)
        try:
            self._taken(self.index.remove(paths))
        except StorageFull:  # the index may lie on another disk than the files
            self.stamps.remove()

    def is_complete(self) -> bool:
        """Whether the index knows of every file."""
        return self.stamps.agree(self.index.identity)

    def is_cut_short(self, status: os.stat_result) -> bool:
        """Whether it may be a file whose bytes a power cut has taken: none has been gone through since."""
        return status.st_size == 0 or (self._boots.is_doubtful(status.st_mtime) and not self.is_complete())

    def _taken(self, taken: bool) -> bool:
        if not taken:
            self.stamps.remove()
        return taken


def entry_of(name: str, path: str, size: int) -> Entry:
    """Of a file that is used now."""
    return Entry(path, kind_of(name), group_of(name), size, int(time.time() * 1000))
