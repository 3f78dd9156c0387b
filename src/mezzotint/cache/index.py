"""What the cache counts of its files: how many, how large, when they were last used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 4096
"""What a file takes on the disk beside its bytes, at most: the rest of its last block, on common file systems."""


def on_disk(size: int, files: int = 1) -> int:
    return size + files * BLOCK


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` below the cache's directory; `group` is what it is purged with; `used` in epoch milliseconds."""

    path: str
    kind: str
    group: str
    size: int
    used: int


@dataclass(frozen=True, slots=True)
class Totals:
    files: int
    bytes: int

    @property
    def on_disk(self) -> int:
        return on_disk(self.bytes, self.files)


class Index(Protocol):
    """Every operation costs what it touches, never what the cache holds; totals
    are exact at every moment, under any number of processes.

    It may be lost at any time. An index that is out of reach raises nothing: it
    knows of no file, and takes nothing in.
    """

    kind: str
    """what keeps it: `sqlite`, `redis`"""

    @property
    def available(self) -> bool: ...

    @property
    def identity(self) -> str:
        """Another one whenever it may have forgotten something; nothing while it is out of reach."""

    def look(self) -> None:
        """Asked for every few seconds: find out whether it was lost, or is in reach again."""

    def lead(self) -> bool:
        """Whether this process is the one that cleans, of all that share the index; for a minute, then ask again."""

    def resign(self) -> None: ...

    def find(self, path: str) -> Entry | None: ...

    def add(self, entry: Entry) -> bool:
        """Record `entry`, replacing what was recorded for its path; returns whether it was taken in."""

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        """Record that paths were used at a time."""

    def least_recently_used(self, count: int) -> list[Entry]: ...

    def of_group(self, group: str) -> list[Entry]: ...

    def remove(self, paths: Iterable[str]) -> bool:
        """Returns whether it was taken in."""

    def totals(self) -> Totals: ...

    def totals_by_kind(self) -> dict[str, Totals]: ...

    def batches(self, count: int) -> Iterator[list[Entry]]:
        """All entries, about `count` at once, in no order; each at least once."""

    def close(self) -> None: ...
