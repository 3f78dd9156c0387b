"""What has changed, as IIIF Change Discovery 1.0 has it: manifests created, updated and deleted, from the journal.

https://iiif.io/api/discovery/1.0/. A page is a block of commits, which never change: it is the same for ever, but for
the last one, which grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

from mezzotint.errors import JournalBroken, NotFound
from mezzotint.journal import Head, Segment
from mezzotint.repository import standing
from mezzotint.repository.history import head_at
from mezzotint.repository.metadata import PUBLIC
from mezzotint.repository.models import Commit
from mezzotint.repository.presentation import ROOT as MANIFESTS
from mezzotint.repository.readers import Reader
from mezzotint.wiring import engine

CONTEXT = "http://iiif.io/api/discovery/1/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'
ROOT = "/iiif/discovery"
BLOCK = 50
"""commits of a page"""
_REMEMBERED = 8

What = Literal["Create", "Update", "Delete"]


@dataclass(frozen=True, slots=True)
class Activity:
    """Of an image of the ident `key`, or a collection of that slug; `at` is ISO 8601 in UTC."""

    what: What
    kind: Literal["image", "collection"]
    key: str
    at: str
    visibility: str | None = None
    """of a collection, as this change says it"""

    @property
    def path(self) -> str:
        """Its manifest's."""
        return f"{MANIFESTS}/{self.kind}s/{quote(self.key)}/manifest.json"


def last_page() -> int:
    """The number of the last one, from 0; -1 where nothing was ever committed."""
    return (standing.head().seq - 1) // BLOCK


def page(number: int) -> list[Activity]:
    """In the order in which they came, of a page that there is. Raises JournalBroken, StoreUnavailable."""
    newest = Commit.objects.filter(seq__lte=(number + 1) * BLOCK).latest("seq")
    return list(_activities(head_at(number * BLOCK), newest.seq, newest.fingerprint))


@lru_cache(_REMEMBERED)
def _activities(after: Head, until: int, fingerprint: str) -> tuple[Activity, ...]:
    """Of the segments behind `after`, to the one of that number and fingerprint."""
    found: list[Activity] = []
    for segment, head in engine().journal.follow(after):
        found += _of(segment)
        if head.seq == until:
            if head.fingerprint != fingerprint:
                break
            return tuple(found)
    raise JournalBroken(f"this store does not hold segment {until} of this database")


def _of(segment: Segment) -> Iterator[Activity]:
    """One for each manifest, however much of it has changed."""
    changed: dict[tuple[Literal["image", "collection"], str], What] = {}
    visibilities: dict[str, str] = {}
    for change in segment.changes:
        kind = change.get("put") or change.get("remove")
        if kind == "image":
            about = kind, change["ident"]
        elif kind in {"collection", "member"}:
            about = "collection", change["slug"]
        else:
            continue
        if kind == "collection":
            visibilities[change["slug"]] = change.get("visibility", PUBLIC)
        if kind == "member":
            changed.setdefault(about, "Update")
        elif "remove" in change:
            changed[about] = "Delete"
        else:
            changed[about] = "Create" if change.get("version") == 1 else "Update"
    for about, what in changed.items():
        yield Activity(what, *about, segment.at, visibilities.get(about[1]))


class Discovery:
    """For who has asked at `base`, this server's address without a slash at its end, without what this reader may not
    see now."""

    def __init__(self, base: str, reader: Reader) -> None:
        self._base, self._reader = base, reader

    def stream(self) -> dict[str, Any]:
        last = last_page()
        pages = {"first": self._page(0), "last": self._page(last)} if last >= 0 else {}
        return {"@context": CONTEXT, "id": self._stream, "type": "OrderedCollection", **pages}

    def page(self, number: int) -> dict[str, Any]:
        """Raises NotFound, JournalBroken, StoreUnavailable."""
        last = last_page()
        if number > last:
            raise NotFound("there is no such page of activities")
        items = [
            {"type": one.what, "object": {"id": f"{self._base}{one.path}", "type": "Manifest"}, "endTime": one.at}
            for one in self._seen(page(number))
        ]
        around = {"prev": number - 1} if number else {}
        if number < last:
            around["next"] = number + 1
        return {
            "@context": CONTEXT,
            **self._page(number),
            "partOf": {"id": self._stream, "type": "OrderedCollection"},
            **{name: self._page(other) for name, other in around.items()},
            "orderedItems": items,
        }

    def _seen(self, activities: list[Activity]) -> list[Activity]:
        if self._reader.everything:
            return activities
        keys = {kind: {one.key for one in activities if one.kind == kind} for kind in ("image", "collection")}
        hidden = {
            "image": self._reader.hidden_images(keys["image"]),
            "collection": self._reader.hidden_collections(keys["collection"]),
        }
        gone = self._reader.gone_images(keys["image"]), self._reader.gone_collections(keys["collection"])
        hidden["image"] |= gone[0]
        return [
            one
            for one in activities
            if one.key not in hidden[one.kind]
            and not (one.kind == "collection" and one.key in gone[1] and not self._reader.sees(one.visibility))
        ]

    @property
    def _stream(self) -> str:
        return f"{self._base}{ROOT}/activity.json"

    def _page(self, number: int) -> dict[str, str]:
        return {"id": f"{self._base}{ROOT}/activity/{number}.json", "type": "OrderedCollectionPage"}
