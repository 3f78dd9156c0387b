"""Locks between the processes of one host that die with their holder.

One byte of one file for each lock, as open file description locks
(fcntl(2), F_OFD_SETLK): no lock files pile up, and the kernel releases a
killed process's locks at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mezzotint.host.files import lies_at, open_shared

_FLOCK = "hhqqi4x"
_POLL_FIRST, _POLL_MOST = 0.001, 0.02


class HostLocks:
    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self, name: str, patience: float = math.inf) -> Iterator[bool]:
        """Wait for the lock `name` and hold it. Gives True where somebody else held it first.

        Raises TimeoutError after `patience` seconds.
        """
        descriptor, until = open_shared(self._path), time.monotonic() + patience
        try:
            waited, pause = False, _POLL_FIRST
            while not self._try(descriptor, name):
                waited = True
                if time.monotonic() > until:
                    raise TimeoutError(f"the lock {name} is held by somebody else")
                time.sleep(pause)
                pause = min(pause * 2, _POLL_MOST)
            yield waited
        finally:
            os.close(descriptor)

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Hold the lock if it is free; gives whether it is held."""
        descriptor = self.take(name)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def take(self, name: str) -> int | None:
        """The lock as a descriptor, to be closed, where it is free; None where somebody holds it."""
        descriptor = open_shared(self._path)
        if self._try(descriptor, name):
            return descriptor
        os.close(descriptor)
        return None

    @contextmanager
    def sleep_until_held(self, name: str) -> Iterator[None]:
        """Hold the lock once nobody else does; asleep until then, however long that takes."""
        while True:
            descriptor = open_shared(self._path)
            try:
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _lock(_offset(name)))
                if lies_at(self._path, os.fstat(descriptor)):  # otherwise others lock another file
                    yield
                    return
            finally:
                os.close(descriptor)

    @staticmethod
    def _try(descriptor: int, name: str) -> bool:
        return lock_byte(descriptor, _offset(name))


def lock_byte(descriptor: int, offset: int) -> bool:
    """Lock one byte of a file for as long as this description of it is open; False where somebody else has it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock(offset))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _offset(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 2


def _lock(offset: int) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
