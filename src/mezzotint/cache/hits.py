"""What nginx has sent straight from the cache's directory: a log that it writes, and that is read and emptied here."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from mezzotint.cache.places import name_at
from mezzotint.host.files import make_directory
from mezzotint.host.locks import HostLocks

logger = logging.getLogger(__name__)
FORMAT = "$msec $uri"
"""nginx's log format for it, where the cache's directory is its root"""
_MOST = 64 << 20
_LATEST = 1e11
"""no moment is later"""


class Hits:
    def __init__(self, log: Path) -> None:
        self.log = log
        self._told = False

    def prepare(self) -> Path:
        """Have the log, as a file of whoever the data belongs to: nginx itself may be somebody else."""
        directory = self.log.parent
        make_directory(directory, durable=False)
        self.log.touch(exist_ok=True)
        if os.geteuid() == 0:
            owner = directory.parent.stat()
            for path in (directory, self.log):
                os.chown(path, owner.st_uid, owner.st_gid)
        return self.log

    def take(self, locks: HostLocks) -> dict[str, float]:
        """Names, and when they were last sent, in seconds since the epoch; each is told once, to one process.

        A line that comes between the reading and the emptying is lost: one use less of a file that was used.
        """
        try:
            with locks.attempt("hits") as mine:
                if mine and self.log.stat().st_size:
                    with open(self.log, "r+b") as log:
                        log.seek(-min(_MOST, os.fstat(log.fileno()).st_size), os.SEEK_END)
                        lines = log.read().splitlines()
                        os.ftruncate(log.fileno(), 0)
                    return self._names(lines)
        except FileNotFoundError:
            pass
        except OSError as error:
            if not self._told:
                self._told = True
                logger.warning("what nginx has sent does not count: %s", error)
        return {}

    @staticmethod
    def _names(lines: list[bytes]) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in lines:
            moment, _, path = line.partition(b" ")
            with suppress(ValueError):
                name = name_at(path.removeprefix(b"/").decode("ascii"))
                at = float(moment)
                if name is not None and 0 <= at <= _LATEST:
                    found[name] = max(at, found.get(name, 0.0))
        return found
