"""Committed segments into the database: the only writer of images and collections.

A commit and a replay take this same road. Every change is a whole state, so
applying a segment twice leaves what applying it once left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby

from django.db import transaction

from mezzotint.errors import JournalBroken
from mezzotint.journal import Change, Head, Segment
from mezzotint.repository.metadata import IMAGE_FIELDS
from mezzotint.repository.models import Collection, Commit, Image, Membership, UpdateSession
from mezzotint.repository.sessions import FACTS, live_images

_CHUNK = 500
_IMAGE_COLUMNS = [*IMAGE_FIELDS, *FACTS, "added", "version", "field_versions"]


def apply(segment: Segment, head: Head) -> Commit:
    """Make one segment live, in one transaction. Raises JournalBroken for changes of an unknown kind."""
    with transaction.atomic():
        added = edited = removed = 0
        for kind, run in groupby(segment.changes, key=_kind):
            changes = list(run)
            if kind not in _APPLIERS:
                raise JournalBroken(f"segment {segment.seq} has a change of the unknown kind {kind}")
            for start in range(0, len(changes), _CHUNK):
                _APPLIERS[kind](changes[start : start + _CHUNK])
            if kind == ("put", "image"):
                added += sum(1 for change in changes if change["version"] == 1)
                edited += sum(1 for change in changes if change["version"] > 1)
            if kind == ("remove", "image"):
                removed += len(changes)
        UpdateSession.objects.filter(pk=segment.transaction).update(
            state=UpdateSession.State.COMMITTED, seq=segment.seq
        )
        return Commit.objects.create(
            seq=segment.seq,
            fingerprint=head.fingerprint,
            transaction=segment.transaction,
            at=datetime.fromisoformat(segment.at),
            by=segment.by,
            note=segment.note,
            added=added,
            edited=edited,
            removed=removed,
        )


def removed_idents(segment: Segment) -> Iterator[str]:
    return (change["ident"] for change in segment.changes if _kind(change) == ("remove", "image"))


def _kind(change: Change) -> tuple[str, str]:
    return ("put", change["put"]) if "put" in change else ("remove", change.get("remove", "nothing"))


def _put_images(changes: list[Change]) -> None:
    Image.objects.bulk_create(
        [Image(ident=c["ident"], **{name: c[name] for name in _IMAGE_COLUMNS}) for c in changes],
        update_conflicts=True,
        unique_fields=["ident"],
        update_fields=_IMAGE_COLUMNS,
    )


def _remove_images(changes: list[Change]) -> None:
    Image.objects.filter(ident__in=[c["ident"] for c in changes]).delete()


def _put_collections(changes: list[Change]) -> None:
    columns = ["title", "description", "version"]
    Collection.objects.bulk_create(
        [Collection(slug=c["slug"], **{name: c[name] for name in columns}) for c in changes],
        update_conflicts=True,
        unique_fields=["slug"],
        update_fields=columns,
    )


def _remove_collections(changes: list[Change]) -> None:
    Collection.objects.filter(slug__in=[c["slug"] for c in changes]).delete()


def _put_members(changes: list[Change]) -> None:
    images = live_images({c["ident"] for c in changes})
    collections = {c.slug: c for c in Collection.objects.filter(slug__in={c["slug"] for c in changes})}
    Membership.objects.bulk_create(
        [
            Membership(collection=collections[c["slug"]], image=images[c["ident"]], position=c["position"])
            for c in changes
            if c["ident"] in images
        ],
        update_conflicts=True,
        unique_fields=["collection", "image"],
        update_fields=["position"],
    )


def _remove_members(changes: list[Change]) -> None:
    for change in changes:
        Membership.objects.filter(collection__slug=change["slug"], image__ident=change["ident"]).delete()


_APPLIERS: dict[tuple[str, str], Callable[[list[Change]], None]] = {
    ("put", "image"): _put_images,
    ("remove", "image"): _remove_images,
    ("put", "collection"): _put_collections,
    ("remove", "collection"): _remove_collections,
    ("put", "member"): _put_members,
    ("remove", "member"): _remove_members,
}
