"""A file out of the cache, and one on its way into it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mezzotint.host.files import full_is_told

Place = Callable[[str, Path, int, str], None]
"""gives a whole file a name: its size and sha256 are told"""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """An open cached file: it stays readable when the cleaner takes its name away. `place` is its path below the
    cache's directory."""

    place: str
    descriptor: int
    size: int
    digest: str

    @property
    def path(self) -> Path:
        """A name for the open file, good until it is closed, whatever becomes of its own."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    def read(self) -> bytes:
        """All of it. Closes it."""
        try:
            return os.pread(self.descriptor, self.size, 0)
        finally:
            os.close(self.descriptor)


class Receiving:
    """A file on its way into the cache, hashed as it comes."""

    def __init__(self, place: Place, name: str, part: Path, stream: BinaryIO) -> None:
        self._place, self._name, self._part, self._stream = place, name, part, stream
        self._hash, self._size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        """Raises StorageFull."""
        with full_is_told("a base's copy"):
            self._stream.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def keep(self) -> int:
        """Give it its name; returns a descriptor to read it by. Raises StorageFull."""
        with full_is_told("a base's copy"):
            self._stream.flush()
        descriptor = os.open(f"/proc/self/fd/{self._stream.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(FileNotFoundError):  # somebody removes everything: it is read this once
                self._place(self._name, self._part, self._size, self.digest())
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
