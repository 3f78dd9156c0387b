"""Whether the index knows of every file: the directory of each kind carries a stamp of the index that does.

The stamp goes with the directory where somebody removes it, is another index's where the index was lost, and is removed
by whoever has to do something that the index is not told: however something is missed, the stamps do not agree, and a
rescan mends it.
"""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress
from pathlib import Path

from mezzotint.cache.places import KINDS
from mezzotint.host.files import beginning_with, full_is_told, make_directory

_PREFIX = ".known-"
_TRIES = 5


class Stamps:
    """Empty directories, whose names say which index it is: they are made, renamed and removed at once."""

    def __init__(self, top: Path) -> None:
        self._directories = [top / kind for kind in KINDS]

    def agree(self, identity: str) -> bool:
        return bool(identity) and all((directory / _name(identity)).is_dir() for directory in self._directories)

    def remove(self) -> None:
        """Something is missed. (That works on a full disk too.)"""
        for directory in self._directories:
            for _ in range(_TRIES):  # one may be given its final name meanwhile
                for stamp in (found := beginning_with(_PREFIX, directory)):
                    with suppress(OSError):
                        stamp.rmdir()
                if not found:
                    break

    def begin(self) -> str:
        """Before the files are gone through: a token, which does not agree with any index. Raises StorageFull."""
        self.remove()
        token = uuid.uuid4().hex
        for directory in self._directories:
            with suppress(FileNotFoundError), full_is_told("the cache's directory"):
                make_directory(directory, durable=False)
                (directory / _name(token)).mkdir()
        return token

    def end(self, token: str, identity: str) -> None:
        """All is known, unless something was missed since `begin`."""
        with suppress(FileNotFoundError):
            for directory in self._directories if identity else ():
                (directory / _name(token)).rename(directory / _name(identity))


def _name(text: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:32]}"
