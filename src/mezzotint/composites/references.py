"""Pages that are kept for a member whose collection is still to be committed: no strays, for the repository."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mezzotint.composites.models import Page
from mezzotint.repository.references import each_ident


class PageReferences:
    def refresh(self) -> None:
        """The table is the truth."""

    def complete(self) -> None:
        """Likewise."""

    def want(self, ident: str) -> bool:
        return bool(self._pages().filter(ident=ident).exists())

    def idents(self) -> Iterator[str]:
        return each_ident(self._pages())

    @staticmethod
    def _pages() -> Any:
        """Of members that are under way: the others' pages are the repository's own matter."""
        return Page.objects.filter(member__ended=False)
