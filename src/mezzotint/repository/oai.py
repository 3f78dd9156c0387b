"""What there is and what has changed of it, as OAI-PMH 2.0 has it, in Dublin Core.

http://www.openarchives.org/OAI/2.0/openarchivesprotocol.htm. A record is an image, its date that of the last commit
that had to do with it; what was removed is a deleted record until the trash is emptied of it. Records come in
the order of those commits, so a list that is broken off goes on where it was, whatever was committed meanwhile. What
comes to be seen, or is no longer, because of its collections changes no date.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Max

from mezzotint.journal import Segment, kind_of
from mezzotint.names import is_ident
from mezzotint.repository import history, standing
from mezzotint.repository.models import Commit, Image, Removal
from mezzotint.repository.readers import Reader
from mezzotint.repository.tables import Trace
from mezzotint.repository.traces import number_of

PAGE = 100
_LONG = 3.0
"""seconds that are looked for more; a page of a set in which little changes may be empty"""
_MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")


class OaiError(Exception):
    """One of the protocol's, section 3.6."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """`image` None: it was removed, or is not in what the reader sees."""

    ident: str
    at: datetime
    image: Image | None


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a list is of: commits `after` one up to `until`, a collection's images or all; of the first commit those
    whose idents are `past` one, for the others are had already."""

    after: int
    until: int
    collection: str | None = None
    past: str = ""

    @property
    def token(self) -> str:
        parts = [self.after, self.until, self.collection, self.past]
        return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")

    @classmethod
    def of_token(cls, text: str) -> Harvest:
        """Raises OaiError."""
        try:
            after, until, collection, past = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            numbers = all(type(one) is int and 0 <= one < 2**60 for one in (after, until))
            if not numbers or not isinstance(collection, str | None) or not isinstance(past, str):
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise OaiError("badResumptionToken", "this token is not one that was given out here") from None
        return cls(after, until, collection, past)

    @classmethod
    def between(cls, begin: str | None, end: str | None, collection: str | None) -> Harvest:
        """Of commits from one moment to another, as they are given. Raises OaiError."""
        if begin and end and len(begin) != len(end):
            raise OaiError("badArgument", "from and until are of two granularities")
        first, last = (moment(text, name) if text else None for text, name in ((begin, "from"), (end, "until")))
        if first and last and first > last:
            raise OaiError("badArgument", "from is later than until")
        commits = Commit.objects.order_by("seq")
        after, until = 0, standing.head().seq
        if first is not None:
            found = commits.filter(at__gte=first).values_list("seq", flat=True).first()
            after = until if found is None else found - 1
        if last is not None:
            width = timedelta(days=1) if len(end or "") == 10 else timedelta(seconds=1)
            with suppress(OverflowError):  # at the end of all time
                found = commits.filter(at__gte=last + width).values_list("seq", flat=True).first()
                until = until if found is None else found - 1
        return cls(after, until, collection)


def moment(text: str, name: str) -> datetime:
    """Raises OaiError."""
    for form in _MOMENTS:
        try:
            if len(text) == (10 if form == _MOMENTS[0] else 20):
                return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise OaiError("badArgument", f"{name} is no moment: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ")


def page(asked: Harvest, reader: Reader) -> tuple[list[Record], Harvest | None]:
    """Some records, and what to go on with. Raises StoreUnavailable, JournalBroken."""
    history.check_traced()
    found: list[Record] = []
    begun, past, last = time.monotonic(), asked.past, asked.after
    for segment, head in history.following(asked.after):
        if head.seq > asked.until:
            break
        for record in _records(segment, past, asked.collection, reader):
            if len(found) == PAGE:
                return found, Harvest(last, asked.until, asked.collection, found[-1].ident)
            found.append(record)
            last = head.seq - 1
        past = ""
        if time.monotonic() - begun > _LONG and head.seq < asked.until:
            return found, Harvest(head.seq, asked.until, asked.collection)
    return found, None


def record(ident: str, reader: Reader) -> Record:
    """Raises OaiError."""
    history.check_traced()
    traces = Trace.objects.filter(about=number_of("image", ident)) if is_ident(ident) else Trace.objects.none()
    seq = traces.aggregate(last=Max("seq"))["last"]
    hidden = seq is not None and bool(reader.unseen_images([ident]))
    if seq is None or hidden:
        raise OaiError("idDoesNotExist", "there is no such record")
    image = reader.images().filter(ident=ident).prefetch_related(reader.their_collections()).first()
    return Record(ident, Commit.objects.get(seq=seq).at, image)


def _records(segment: Segment, past: str, collection: str | None, reader: Reader) -> Iterator[Record]:
    """Of the images that this commit was the last to have to do with, in the order of their idents, as far as they are
    for the reader and in the collection; or were."""
    at, left = datetime.fromisoformat(segment.at), set[str]()
    idents = set[str]()
    for change in segment.changes:
        if kind_of(change) in {"image", "member"}:
            idents.add(change["ident"])
        if change.get("remove") == "member" and change["slug"] == collection:
            left.add(change["ident"])
    some = sorted(ident for ident in idents if ident > past)
    for begin in range(0, len(some), PAGE):
        last = _last_of(some[begin : begin + PAGE], segment.seq)
        hidden = reader.unseen_images(last)
        chosen = reader.images().filter(ident__in=last).prefetch_related(reader.their_collections())
        there = {image.ident: image for image in chosen}
        was_in = _were_in(collection, set(last) - there.keys()) | left
        for ident in last:
            image = there.get(ident)
            inside = image is not None and any(one.slug == collection for one in image.collections.all())
            if ident not in hidden and (collection is None or inside or ident in was_in):
                yield Record(ident, at, image if collection is None or inside else None)


def _last_of(idents: list[str], seq: int) -> list[str]:
    """Those that no later commit has had to do with."""
    numbers = [number_of("image", ident) for ident in idents]
    later = set(Trace.objects.filter(about__in=numbers, seq__gt=seq).order_by().values_list("about", flat=True))
    return [ident for ident, number in zip(idents, numbers, strict=True) if number not in later]


def _were_in(collection: str | None, gone: set[str]) -> set[str]:
    """Those of some that were removed while they were in a collection."""
    if collection is None:
        return set()
    removed = Removal.objects.filter(ident__in=gone).values_list("ident", "state")
    return {ident for ident, state in removed if collection in state.get("collections", ())}
