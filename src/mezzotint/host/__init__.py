"""What the processes of one host share: locks, a generation, facts, digests; and files that appear whole.

A host is all processes that have the same `MEZZOTINT_DATA`. What lies here may be lost while nothing runs: that costs
time, and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mezzotint.errors import StorageFull
from mezzotint.host.boots import Boots, boot_id
from mezzotint.host.database import HostDatabase
from mezzotint.host.digests import Digests
from mezzotint.host.facts import HostFacts
from mezzotint.host.generation import Generation
from mezzotint.host.locks import HostLocks
from mezzotint.host.shown import Shown

__all__ = ["Boots", "Digests", "Generation", "Host", "HostDatabase", "HostFacts", "HostLocks", "Shown"]


class Host:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.boots = Boots(directory)
        self.locks = HostLocks(directory / "locks")
        self.generation = Generation(directory / "generation")
        self.database = HostDatabase(directory / "host.sqlite3")
        self.facts = HostFacts(self.database)
        self.digests = Digests(self.facts)
        self.shown = Shown(self.database)

    @property
    def name(self) -> str:
        """Of all who have these locks, as long as the machine runs."""
        status = self._directory.stat()
        return f"{status.st_dev:x}.{status.st_ino:x}.{boot_id()[:8] or '-'}"

    def look(self) -> None:
        """Asked for every few seconds: begin the database anew where it was lost, and remember what could wait."""
        self.boots.run()
        self.database.look()
        with suppress(StorageFull):
            self.facts.flush()

    def close(self) -> None:
        with suppress(StorageFull):
            self.facts.flush()
        self.database.close()
        self.generation.close()
