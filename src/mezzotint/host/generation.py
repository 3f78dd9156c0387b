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

from mezzotint.host.files import full_is_told, open_shared


class Generation:
    def __init__(self, path: Path) -> None:
        self._advancing = threading.Lock()
        self._descriptor = open_shared(path)
        is_new = os.fstat(self._descriptor).st_size < 8
        if is_new:
            with full_is_told("the generation"):
                os.posix_fallocate(self._descriptor, 0, 8)  # writing to a hole is SIGBUS where the disk is full
        self._map = mmap.mmap(self._descriptor, 8)
        if is_new:
            self._map[:8] = struct.pack("<Q", time.time_ns())  # none that there was before

    def now(self) -> bytes:
        return self._map[:8]

    def advance(self) -> None:
        with self._advancing:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                (count,) = struct.unpack("<Q", self._map[:8])
                self._map[:8] = struct.pack("<Q", count + 1)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)
