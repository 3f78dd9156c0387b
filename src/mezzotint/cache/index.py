"""What the cache knows of its files without looking at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

DOUBTED = "?"
"""before a digest: the bytes may be others by now, and are to be hashed before anybody gets them"""


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` below the cache's directory; `group` is what it is purged with; `used` in epoch milliseconds;
    `digest` is the sha256 of the bytes, or nothing where nobody has looked yet."""

    path: str
    kind: str
    group: str
    size: int
    used: int
    digest: str


@dataclass(frozen=True, slots=True)
class Totals:
    files: int
    bytes: int


class Index(Protocol):
    """Every operation costs what it touches, never what the cache holds; totals
    are exact at every moment, under any number of processes.

    It may be lost at any time. An index that is out of reach raises nothing: it
    knows of no file, takes nothing in, and is not complete.
    """

    kind: str
    """what keeps it: `sqlite`, `redis`"""

    @property
    def available(self) -> bool: ...

    def look(self) -> None:
        """Asked for every few seconds: find out whether it was lost, or is in reach again."""
        ...

    def is_complete(self, directories: str) -> bool:
        """Whether it knows of every file in these `directories`, which are told by their identity."""
        ...

    def begin_completing(self) -> bool:
        """It is not complete; what is missed from now on will have to be looked for again. Returns whether it can be
        completed."""
        ...

    def set_complete(self, directories: str) -> None:
        """Everything that was there is known, unless something was missed since `begin_completing`, or somebody else
        has begun."""
        ...

    def is_believed(self) -> bool:
        """Whether what is recorded of a file was right when it was recorded last: nothing was missed."""
        ...

    def lead(self) -> bool:
        """Whether this process is the one that cleans, of all that share the index; for a minute, then ask again."""
        ...

    def resign(self) -> None: ...

    def find(self, path: str) -> Entry | None: ...

    def add(self, entry: Entry) -> None:
        """Record `entry`, replacing what was recorded for its path."""
        ...

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        """Record that paths were used at a time."""
        ...

    def least_recently_used(self, count: int) -> list[Entry]: ...

    def of_group(self, group: str) -> list[Entry]: ...

    def remove(self, paths: Iterable[str]) -> None: ...

    def totals(self) -> Totals: ...

    def totals_by_kind(self) -> dict[str, Totals]: ...

    def batches(self, count: int) -> Iterator[list[Entry]]:
        """All entries, about `count` at once, in no order; each at least once."""
        ...

    def close(self) -> None: ...

    def remember(self, key: str, value: str) -> None:
        """Keep a small fact of this host that costs something to find out again. It may be forgotten at any time."""
        ...

    def remember_soon(self, key: str, value: str) -> None:
        """The same, without haste: with others at once, at the next `flush` at the latest; here at once."""
        ...

    def flush(self) -> None:
        """Have everything that is to be remembered soon. Raises StorageFull; then it is forgotten."""
        ...

    def recall(self, key: str) -> str | None: ...

    def forget(self, key: str) -> None: ...
