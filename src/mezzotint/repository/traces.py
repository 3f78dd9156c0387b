"""Which commits had to do with what: numbers, which take a tenth of the room of the keys."""

from __future__ import annotations

from hashlib import blake2b

from django.db import connection

from mezzotint.journal import Segment, kind_of

_CHUNK = 400


def number_of(kind: str, key: str) -> int:
    """Of an image or a collection; two may have the same, once in a very long while."""
    if kind == "image":
        return int(key[:15], 16)  # it is a hash
    return int.from_bytes(blake2b(key.encode(), digest_size=8, person=b"collection").digest()) >> 1


def traced(segment: Segment) -> set[int]:
    """The numbers of all that a segment is about."""
    found = set()
    for change in segment.changes:
        kind = kind_of(change)
        if kind in {"image", "member"}:
            found.add(number_of("image", change["ident"]))
        if kind in {"collection", "member"}:
            found.add(number_of("collection", change["slug"]))
    return found


def leave(segment: Segment) -> None:
    """In the transaction that applies it."""
    rows = [(about, segment.seq) for about in sorted(traced(segment))]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO repository_trace (about, seq) VALUES (%s, %s) ON CONFLICT (about, seq) DO NOTHING", rows
        )
