"""Having this host know which pictures are for everybody, where MEZZOTINT_PRIVATE_BYTES asks for that.

What is new since the last time is taken from the journal; where that is much, or not known, all is said anew.
"""

from __future__ import annotations

import json
from itertools import islice

from django.utils import timezone

from mezzotint.journal import Head, kind_of
from mezzotint.repository import standing
from mezzotint.repository.models import Commit, Membership
from mezzotint.repository.readers import EVERYBODY
from mezzotint.wiring import engine

_FACT = "shown"
_MANY = 200
"""segments; of more all is said anew"""
_CHUNK = 400


def show() -> None:
    """Raises JournalBroken, StoreUnavailable, StorageFull: then it is done at the next turn."""
    here = engine()
    if not here.settings.private_bytes or not here.host.database.available:
        return
    head, today = standing.head(), timezone.now().date().isoformat()
    mark = json.dumps([head.seq, head.fingerprint, today, here.host.database.identity])
    before = here.host.facts.recall(_FACT)
    if before == mark:
        return
    since = _since(before, head)
    here.host.facts.forget(_FACT)  # broken off from here on, it begins anew
    if since is None:
        here.host.shown.clear()
    touched, removed = since or (set(), set())
    for slug in removed:  # there may be another one of that name by now
        here.host.shown.hide(slug)
    public = set(EVERYBODY.collections().values_list("slug", flat=True))
    for slug in here.host.shown.collections() - public:
        here.host.shown.hide(slug)
    for slug in public - here.host.shown.collections():
        members = Membership.objects.filter(collection__slug=slug).values_list("image__ident", flat=True)
        here.host.shown.show(slug, members.iterator(2000))
    some = sorted(touched)
    for begin in range(0, len(some), _CHUNK):
        idents = some[begin : begin + _CHUNK]
        found = Membership.objects.filter(image__ident__in=idents, collection__slug__in=public)
        here.host.shown.update(idents, list(found.values_list("image__ident", "collection__slug")))
    here.host.facts.remember(_FACT, mark)


def _since(before: str | None, head: Head) -> tuple[set[str], set[str]] | None:
    """The images that commits have had to do with, and the collections that they have removed; None where those are too
    many, or it is not known since when."""
    seq, fingerprint, _, identity = json.loads(before or '[0, "", "", ""]')
    if identity != engine().host.database.identity or not seq or not 0 <= head.seq - seq <= _MANY:
        return None
    if not Commit.objects.filter(seq=seq, fingerprint=fingerprint).exists():
        return None
    images, collections = set(), set()
    for segment, _ in islice(engine().journal.follow(Head(seq, fingerprint)), head.seq - seq):
        for change in segment.changes:
            if kind_of(change) in {"image", "member"}:
                images.add(str(change["ident"]))
            if change.get("remove") == "collection":
                collections.add(str(change["slug"]))
    return images, collections
