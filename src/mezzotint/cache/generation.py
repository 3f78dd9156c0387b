"""A counter in shared memory that moves on when something is purged.

What a process keeps in its own memory is good only for the generation in
which it was read; looking costs no system call.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from pathlib import Path

from mezzotint.files import full_is_told, open_shared


class Generation:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._looking = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._descriptor = open_shared(self._path)
        is_new = os.fstat(self._descriptor).st_size < 8
        if is_new:
            with full_is_told("the cache's generation"):
                os.posix_fallocate(self._descriptor, 0, 8)  # writing to a hole is SIGBUS where the disk is full
        self._map = mmap.mmap(self._descriptor, 8)
        if is_new:
            self._map[:8] = struct.pack("<Q", time.time_ns())  # none that there was before

    def look(self) -> None:
        """Begin anew where the file was removed."""
        with self._looking:
            try:
                if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                    return
            except FileNotFoundError:
                pass
            old = self._descriptor
            self._open()  # whoever reads the old one meanwhile still can
            os.close(old)

    def now(self) -> bytes:
        return self._map[:8]

    def advance(self) -> None:
        with self._looking:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                (count,) = struct.unpack("<Q", self._map[:8])
                self._map[:8] = struct.pack("<Q", count + 1)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)
