"""Appending to the journal and reading it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mezzotint.errors import JournalBroken, NotFound, StoreUnavailable
from mezzotint.journal.segment import FIRST, Segment, decode, encode, fingerprint
from mezzotint.names import journal_key
from mezzotint.objects import ObjectStore

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Head:
    """The last segment somebody has applied: its number, and its hash for the next to carry."""

    seq: int = 0
    fingerprint: str = FIRST


class Journal:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def append(self, segment: Segment) -> Head | None:
        """Create the segment; it is committed when this returns a Head.

        None means that something else has this number: read it, apply it, decide
        anew. It may be an earlier attempt at the same transaction; applying it
        finds that out. An attempt whose outcome is unknown is repeated with the
        same bytes, which are known again where they did arrive.
        Raises StoreUnavailable while the outcome stays unknown.
        """
        data = encode(segment)
        key = journal_key(segment.seq)
        unknown: StoreUnavailable | None = None
        for _ in range(_ATTEMPTS):
            try:
                created = self._store.put_if_absent(key, data, "application/zstd")
            except StoreUnavailable as error:
                unknown = error
                continue
            if created or self._store.read(key) == data:
                return Head(segment.seq, fingerprint(data))
            return None
        raise StoreUnavailable("the commit's outcome is not known yet; ask again with the same session") from unknown

    def segment(self, seq: int) -> Segment:
        """The segment of that number. Raises NotFound, JournalBroken."""
        return decode(self._store.read(journal_key(seq)))

    def check(self, head: Head) -> None:
        """That `head` is in this store: an empty or another store is nothing to append to. Raises JournalBroken."""
        if head.seq == 0:
            return
        try:
            found = fingerprint(self._store.read(journal_key(head.seq)))
        except NotFound:
            found = None
        if found != head.fingerprint:
            raise JournalBroken(f"this store does not hold segment {head.seq} of this database: is it the right store?")

    def read(self, after: Head) -> tuple[Segment, Head] | None:
        """The segment that follows `after`, or None. Raises JournalBroken where the chain does not fit."""
        try:
            data = self._store.read(journal_key(after.seq + 1))
        except NotFound:
            return None
        segment = decode(data)
        if segment.seq != after.seq + 1 or segment.previous != after.fingerprint:
            raise JournalBroken(f"segment {after.seq + 1} does not follow segment {after.seq} of this database")
        return segment, Head(segment.seq, fingerprint(data))

    def follow(self, after: Head) -> Iterator[tuple[Segment, Head]]:
        """Every segment after `after`, in order."""
        while (found := self.read(after)) is not None:
            yield found
            after = found[1]
