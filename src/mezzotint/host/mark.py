"""How far something has been followed on this host: one number."""

from __future__ import annotations

from pathlib import Path

from mezzotint.host.files import place, temporary


class Mark:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """0 where it was never set."""
        try:
            return int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def set(self, number: int) -> None:
        """Raises StorageFull."""
        with temporary(self._path.parent, durable=False) as (part, stream):
            stream.write(b"%d" % number)
            stream.flush()
            place(part, self._path, durable=False)
