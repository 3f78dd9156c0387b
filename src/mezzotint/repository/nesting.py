"""Collections within collections, and what stands for each."""

from __future__ import annotations

from mezzotint.errors import InvalidInput
from mezzotint.repository import metadata
from mezzotint.repository.models import Collection, Image, SessionChange, UpdateSession
from mezzotint.repository.readers import Reader

DEEPEST = 20
"""collections within each other"""


def check(session: UpdateSession, slug: str, fields: metadata.Fields) -> None:
    """That the cover and the parent are there, in the session or live, and that none is within itself. Raises
    InvalidInput."""
    cover, parent = fields.get("cover", ""), fields.get("parent", "")
    added = session.changes.filter(kind=SessionChange.Kind.ADD, key=cover)
    if cover and not (Image.objects.filter(ident=cover).exists() or added.exists()):
        raise InvalidInput("cover", f"cannot be {cover[:12]}", "the ident of a picture that is here")
    above, chain = parent, [slug]
    while above:
        if above in chain:
            raise InvalidInput("parent", f"cannot be {parent!r:.80}", "one that is not within this collection")
        chain.append(above)
        if len(chain) > DEEPEST:
            raise InvalidInput("parent", "lies too deep", f"{DEEPEST} collections within each other")
        above = _parent_of(session, above)


def _parent_of(session: UpdateSession, slug: str) -> str:
    """As the session would have it. Raises InvalidInput where there is no such collection."""
    steps = session.changes.filter(kind=SessionChange.Kind.COLLECTION, key=slug).order_by("-pk")
    said = [step.fields["parent"] for step in steps if "parent" in step.fields]
    live = Collection.objects.filter(slug=slug).values_list("parent", flat=True).first()
    if live is None and not steps:
        raise InvalidInput("parent", f"cannot be {slug!r:.80}", "the slug of a collection that is here")
    return str(said[0] if said else live or "")


def above(shown: Collection, reader: Reader) -> list[Collection]:
    """Those that it is in, the outermost first, as far up as the reader sees them."""
    found: list[Collection] = []
    parent, seen = shown.parent, {shown.slug}
    while parent and parent not in seen and len(found) < DEEPEST:
        seen.add(parent)
        one = reader.collections().filter(slug=parent).first()
        if one is None:
            break
        found.insert(0, one)
        parent = one.parent
    return found
