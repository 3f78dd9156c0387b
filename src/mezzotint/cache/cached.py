"""A file out of the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CachedFile:
    """An open cached file: it stays readable when the cleaner takes its name away."""

    name: str
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
            self.close()

    def close(self) -> None:
        os.close(self.descriptor)
