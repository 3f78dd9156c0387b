"""Bases that URLs lead to, for the repository's reconcile: no strays."""

from __future__ import annotations

from collections.abc import Iterator

from mezzotint.imagecloud import facts
from mezzotint.imagecloud.models import DeletedBase, RemoteImage
from mezzotint.repository.references import each_ident


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
        return each_ident(RemoteImage.objects.filter(kept=True))
