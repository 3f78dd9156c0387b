"""Who reads, and what is there for them: all that lists, searches, shows or counts for somebody else asks here first.

A collection's `visibility` says who sees it. An image is there for who sees one of its collections, or where it is in
none. Bytes are another matter: `docs/security.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from mezzotint.repository.metadata import GROUP, LOGIN, PUBLIC
from mezzotint.repository.models import Collection, Image, Membership, Removal
from mezzotint.wiring import engine


@dataclass(frozen=True, slots=True)
class Reader:
    """`everything`: who describes the pictures. `known`: somebody with a login, or a token. `groups`: their names."""

    everything: bool = False
    known: bool = False
    groups: frozenset[str] = frozenset()

    def collections(self) -> QuerySet[Collection]:
        return Collection.objects.all() if self.everything else Collection.objects.filter(self._allowed())

    def images(self) -> QuerySet[Image]:
        """Those of which one collection is seen, and those in none; where bytes are private, who is not known does not
        see those either."""
        if self.everything:
            return Image.objects.all()
        memberships = Membership.objects.filter(image=OuterRef("pk"))
        if self._sees_members_alone:
            return Image.objects.filter(Exists(memberships.filter(collection__in=self.collections().values("pk"))))
        if not (hidden := Collection.objects.exclude(self._allowed())).exists():
            return Image.objects.all()
        secret = memberships.filter(collection__in=hidden.values("pk"))
        shown = memberships.exclude(collection__in=hidden.values("pk"))
        return Image.objects.filter(~Exists(secret) | Exists(shown))

    def hidden_collections(self, slugs: Iterable[str]) -> set[str]:
        """Those of some that are there, and not for this reader."""
        if self.everything:
            return set()
        found = Collection.objects.exclude(self._allowed()).filter(slug__in=set(slugs))
        return set(found.values_list("slug", flat=True))

    def hidden_images(self, idents: Iterable[str]) -> set[str]:
        if self.everything:
            return set()
        if not self._sees_members_alone and not Collection.objects.exclude(self._allowed()).exists():
            return set()
        asked = set(idents)
        there, seen = Image.objects.filter(ident__in=asked), self.images().filter(ident__in=asked)
        return set(there.values_list("ident", flat=True)) - set(seen.values_list("ident", flat=True))

    def gone_collections(self, slugs: Iterable[str]) -> set[str]:
        asked = set(slugs)
        return asked - set(Collection.objects.filter(slug__in=asked).values_list("slug", flat=True))

    def gone_images(self, idents: Iterable[str]) -> set[str]:
        """Those of some that were removed, can still be had back, and were in collections of which this reader sees
        none now."""
        removed = Removal.objects.filter(ident__in=set(idents)).values_list("ident", "state")
        of = {ident: set(state.get("collections", [])) for ident, state in removed}
        asked = set().union(*of.values()) if of else set()
        seen = set(self.collections().filter(slug__in=asked).values_list("slug", flat=True))
        return {ident for ident, slugs in of.items() if (slugs or self._sees_members_alone) and not slugs & seen}

    def _forgotten_images(self, asked: set[str]) -> set[str]:
        """Those of some that are gone for good, so that nobody can say who saw them."""
        there = set(Image.objects.filter(ident__in=asked).values_list("ident", flat=True))
        return asked - there - set(Removal.objects.filter(ident__in=asked).values_list("ident", flat=True))

    def unseen_images(self, idents: Iterable[str]) -> set[str]:
        """Those of some that this reader is not told of: hidden, removed while they were, or gone for good."""
        if self.everything:
            return set()
        asked = set(idents)
        return self.hidden_images(asked) | self.gone_images(asked) | self._forgotten_images(asked)

    def sees(self, visibility: str | None) -> bool:
        """A collection of that visibility; not one of which nothing is known."""
        if visibility in {PUBLIC, LOGIN}:
            return visibility == PUBLIC or self.known
        if visibility is None or visibility.startswith(GROUP):
            return visibility is not None and visibility.removeprefix(GROUP) in self.groups
        return visibility <= timezone.now().date().isoformat()

    def their_collections(self, path: str = "collections") -> Prefetch[str, QuerySet[Collection], str]:
        """To be fetched with images: those of their collections that this reader sees."""
        return Prefetch(path, self.collections())

    @property
    def _sees_members_alone(self) -> bool:
        return engine().settings.private_bytes and not self.known

    def _allowed(self) -> Q:
        today = timezone.now().date().isoformat()
        allowed = Q(visibility=PUBLIC) | Q(visibility__lte=today)  # no word is before a day
        if self.known:
            allowed |= Q(visibility=LOGIN)
        if self.groups:
            allowed |= Q(visibility__in=[f"{GROUP}{name}" for name in self.groups])
        return allowed


EVERYTHING = Reader(everything=True)
EVERYBODY = Reader()
