"""Fields that an installation requires: a commit neither brings in an image without them, nor empties them.

What was there before a field was required, and lacks it, can be described otherwise all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from mezzotint.errors import InvalidInput
from mezzotint.journal import Change
from mezzotint.repository import image_fields
from mezzotint.repository.models import Image, Membership

_TOLD, _CHUNK = 5, 500


def check(changes: Sequence[Change], live: Mapping[str, Image]) -> None:
    """Of a commit's changes, with the images that are live before it. Raises InvalidInput, which names the field and
    some of the images."""
    wanted = {name: own for name, own in image_fields.own().items() if own.required}
    if not wanted:
        return
    put = {change["ident"]: change for change in changes if change.get("put") == "image"}
    joined = defaultdict[str, set[str]](set)
    for change in changes:
        if change.get("put") == "member":
            joined[change["ident"]].add(change["slug"])
    idents = [*put, *(ident for ident in joined if ident not in put)]
    there = _collections(idents)
    others = Image.objects.in_bulk([ident for ident in idents if ident not in live], field_name="ident")
    for name, own in wanted.items():
        lacking = []
        for ident in idents:
            image = live.get(ident) or others.get(ident)
            before = there[ident] if image is not None else set[str]()
            said = put[ident]["custom"] if ident in put else image.custom if image is not None else {}
            is_new = image is None or own.name in image.custom
            after = before | joined[ident]
            comes = own.is_required_in(frozenset(after)) and not own.is_required_in(frozenset(before))
            if own.name not in said and (comes or (is_new and own.is_required_in(frozenset(after)))):
                lacking.append(ident[:12])
        if lacking:
            some = ", ".join(lacking[:_TOLD]) + (", …" if len(lacking) > _TOLD else "")
            raise InvalidInput(name, f"is missing in {len(lacking)} images: {some}", "it is required; say it first")


def _collections(idents: Sequence[str]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for begin in range(0, len(idents), _CHUNK):
        members = Membership.objects.filter(image__ident__in=idents[begin : begin + _CHUNK])
        for ident, slug in members.values_list("image__ident", "collection__slug"):
            found[ident].add(slug)
    return found
