"""Fields that an installation requires: a commit neither brings in an image without them, nor empties them.

What was there before a field was required, and lacks it, can be described otherwise all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.journal import Change
from mezzotint.repository import image_fields
from mezzotint.repository.models import Image, Membership
from mezzotint.settings.own_fields import OwnField

_TOLD, _CHUNK = 5, 500


def check(images: Sequence[Change], collections: Sequence[Change]) -> None:
    """Of a commit's changes of images and of collections. Raises InvalidInput, which names the field and some of the
    images."""
    wanted = {name: own for name, own in image_fields.own().items() if own.required}
    if not wanted:
        return
    put = {change["ident"]: change["custom"] for change in images if "put" in change}
    joined = defaultdict[str, set[str]](set)
    for change in collections:
        if change.get("put") == "member":
            joined[change["ident"]].add(change["slug"])
    idents = [*put, *(ident for ident in joined if ident not in put)]
    lacking: dict[str, list[str]] = {name: [] for name in wanted}
    for begin in range(0, len(idents), _CHUNK):
        some = idents[begin : begin + _CHUNK]
        said = dict(Image.objects.filter(ident__in=some).values_list("ident", "custom"))
        there = _collections(some)
        for ident in some:
            now, before = put.get(ident, said.get(ident, {})), said.get(ident)
            for name, own in wanted.items():
                if own.name not in now and _has_to_say(own, before, there[ident], joined[ident]):
                    lacking[name].append(ident[:12])
    for name, found in lacking.items():
        if found:
            named = ", ".join(found[:_TOLD]) + (", …" if len(found) > _TOLD else "")
            raise InvalidInput(name, f"is missing in {len(found)} images: {named}", "it is required; say it first")


def _has_to_say(own: OwnField, before: Mapping[str, Any] | None, there: set[str], joined: set[str]) -> bool:
    """An image that is new, that comes to where it is required, or that has said it until now."""
    if not own.is_required_in(frozenset(there | joined)):
        return False
    return before is None or own.name in before or not own.is_required_in(frozenset(there))


def _collections(idents: Sequence[str]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    members = Membership.objects.filter(image__ident__in=idents)
    for ident, slug in members.values_list("image__ident", "collection__slug"):
        found[ident].add(slug)
    return found
