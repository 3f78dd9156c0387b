"""Where pages go."""

from __future__ import annotations

from typing import Any, Protocol

from mezzotint.transforms.pdf import Document, Rendered


class Target(Protocol):
    """Of one claim. `keep` is called by several threads at once, and touches no database; the others by one."""

    def begin(self, document: Document) -> None:
        """Before the first page."""

    def keep(self, page: Rendered) -> dict[str, Any]:
        """Keep a page's file; returns what its row says of where it is. Raises StorageFull, StoreUnavailable."""

    def register(self, done: set[int]) -> None:
        """Register what can be registered now that these pages are kept."""

    def finish(self) -> None:
        """After the last page."""

    def close(self) -> None: ...
