"""Bases that URLs lead to, for the repository's reconcile: no strays."""

from __future__ import annotations

from collections.abc import Iterator

from mezzotint.imagecloud import facts
from mezzotint.imagecloud.models import DeletedBase, RemoteImage

_PAGE = 5000


class RemoteReferences:
    def refresh(self) -> None:
        """Know of every record that is in the store now."""
        facts.reread()

    def complete(self) -> None:
        facts.be_complete()

    def want(self, ident: str) -> bool:
        """A picture that another one has superseded, too, until its grace is over."""
        if RemoteImage.objects.filter(ident=ident, kept=True).exists():
            return True
        return DeletedBase.objects.filter(ident=ident, superseded=True).exists()

    def idents(self) -> Iterator[str]:
        """In order, each once."""
        last = ""
        kept = RemoteImage.objects.filter(kept=True)
        while page := list(
            kept.filter(ident__gt=last).order_by("ident").values_list("ident", flat=True).distinct()[:_PAGE]
        ):
            yield from page
            last = page[-1]
