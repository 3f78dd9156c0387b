"""Who works on what: workers of any number of hosts, known by names that tell whether they still live."""

from __future__ import annotations

import itertools
import os
import uuid

from mezzotint.wiring import engine


class Owner:
    """A worker's name, and a lock of this host that tells whether it still lives. Close it at the end."""

    def __init__(self) -> None:
        self.name = f"{engine().host.name}:{uuid.uuid4().hex}"
        self._lock = engine().host.locks.take(f"owner:{self.name}")
        self._claims = itertools.count(1)

    def next_claim(self) -> str:
        """Each claim has a name of its own: what was claimed once more is not what was claimed before."""
        return f"{self.name}:{next(self._claims)}"

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_gone(claim: str) -> bool:
    """Whether it is a claim of this host's, and its worker has ended, however it did."""
    name = claim.rpartition(":")[0]
    with engine().host.locks.attempt(f"owner:{name}") as free:
        return free and name.startswith(f"{engine().host.name}:")


def this_cache() -> str:
    """Where files lie that no other host has; it outlives a boot."""
    status = engine().cache.directory.stat()
    return f"{status.st_dev:x}.{status.st_ino:x}"
