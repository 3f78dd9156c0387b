"""A small file of the operator's that is read again when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from mezzotint.errors import InvalidInput

log = logging.getLogger(__name__)
T = TypeVar("T")
Version = tuple[int, int, int]


class Watched(Generic[T]):
    """What it says. `read` raises InvalidInput, or says what holds where there is no file; `value` holds until then.

    Where it cannot be read what it said before goes on to hold, and the log says so, once for each change.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], value: T, *, every: float = 0.0) -> None:
        """`every`: the seconds from one look to the next."""
        self._path, self._read, self._value, self._every = path, read, value, every
        self._looked: float | None = None
        self._version: Version | None = None
        self._failed: Version | None = None

    def now(self) -> T:
        """The same object as long as the file is the same."""
        moment = time.monotonic()
        if self._looked is not None and moment - self._looked < self._every:
            return self._value
        first, self._looked = self._looked is None, moment
        version = self._look()
        if version == self._version and not first:
            return self._value
        try:
            self._value, self._version, self._failed = self._read(self._path), version, None
        except (InvalidInput, OSError) as error:
            if first or version != self._failed:
                log.warning("what %s said before goes on to hold: %s", self._path.name, error)
            self._failed = version
        return self._value

    def _look(self) -> Version | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size
