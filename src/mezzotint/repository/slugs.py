"""Which collection a name means: one that is called so, or a new one under a slug that nobody has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Q

from mezzotint.repository.metadata import MAX_SLUG, TEXT_LIMITS, clean_slug, clean_text
from mezzotint.repository.models import Collection

_ROOM = 8
"""characters that a number may take"""


def joined(names: Iterable[str]) -> dict[str, str]:
    """The collections of these names, as an addition has those that it joins. Raises InvalidInput."""
    cleaned = []
    for name in names:
        clean_slug(name)  # one that no slug can be made of is refused now, and not by the commit
        cleaned.append(clean_text("collection", name, TEXT_LIMITS["title"]))
    return {name: name for name in cleaned}


def slug_of(name: str, made: Mapping[str, str] | None = None) -> str:
    """`made` has those that the same change makes, slug to title. Two names are never one collection; letters of either
    case are one name. Raises InvalidInput."""
    base = clean_slug(name)
    stem = base[: MAX_SLUG - _ROOM].strip("-")
    family = Q(title=name) | Q(slug=base) | Q(slug__startswith=f"{stem}-")
    titles = dict(Collection.objects.filter(family).order_by("slug").values_list("slug", "title")) | dict(made or {})
    if base in titles and (name == base or _is_same(titles[base], name)):
        return base
    called_so = [slug for slug, title in titles.items() if _is_same(title, name)]
    if called_so:
        return min(called_so, key=lambda slug: (len(slug), slug))
    slug, number = base, 1
    while slug in titles:
        number += 1
        slug = f"{stem}-{number}"
    return slug


def _is_same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
