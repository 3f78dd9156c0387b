"""Who works on what: workers of any number of hosts, known by names that tell whether they still live."""

from __future__ import annotations

import itertools
import os
import uuid

from mezzotint.wiring import engine


class Owner:
    """A worker's name, and a lock of this host that tells whether it still lives. Close it at the end."""

    def __init__(self) -> None:
        self.name = f"{this_host()}:{uuid.uuid4().hex}"
        self._lock = engine().host.locks.take(f"owner:{self.name}")
        self._claims = itertools.count(1)

    def next_claim(self) -> str:
        """Each claim has a name of its own: what was claimed once more is not what was claimed before."""
        return f"{self.name}:{next(self._claims)}"

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_gone(name: str) -> bool:
    """Whether a worker of this host has ended, however it did."""
    with engine().host.locks.attempt(f"owner:{name}") as free:
        return free


def this_cache() -> str:
    """Where files lie that no other host has; it outlives a boot."""
    status = engine().cache.directory.stat()
    return f"{status.st_dev:x}.{status.st_ino:x}"


def this_host() -> str:
    """Who has the locks by which workers know of each other."""
    return engine().host.name
