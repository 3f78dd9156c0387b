"""What the cache knows of its files without looking at them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` below the cache's directory; `group` is the ident it is purged with; `used` in epoch milliseconds;
    `digest` is the sha256 of the bytes."""

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
    are exact at every moment, under any number of processes."""

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

    def after(self, path: str, count: int) -> list[Entry]:
        """The entries that follow `path`, in the order of their paths."""
        ...

    def close(self) -> None: ...

    def remember(self, key: str, value: str) -> None:
        """Keep a small fact that costs something to find out again. It may be forgotten at any time."""
        ...

    def remember_soon(self, key: str, value: str) -> None:
        """The same, without haste: with others at once, at the next `flush` at the latest; here at once."""
        ...

    def flush(self) -> None:
        """Have everything that is to be remembered soon. Raises StorageFull; then it is forgotten."""
        ...

    def recall(self, key: str) -> str | None: ...

    def forget(self, key: str) -> None: ...
