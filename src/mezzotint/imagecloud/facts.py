"""From the notes that the network side leaves to this database: what is known of remote images, and who is to be
sent a copy of what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from mezzotint.errors import NotFound
from mezzotint.imagecloud.models import CloneRequest, Job, RemoteImage
from mezzotint.names import is_ident
from mezzotint.names.keys import REMOTE, remote_key, remote_key_of
from mezzotint.sources.records import RemoteRecord
from mezzotint.wiring import engine

_CHUNK = 200
_PAGE = 2000
_UPDATED = [
    "url",
    "host",
    "ident",
    "kept",
    "format",
    "width",
    "height",
    "bytes",
    "via",
    "fetched",
    "checked",
    "expires",
]


def ingest() -> int:
    """Take in what was noted; returns how many notes. Nothing is lost where it is broken off: then it is done again."""
    count = 0
    with engine().cache.locks.hold("notes"):
        for notes, taken in engine().notes.take():
            for start in range(0, len(notes), _CHUNK):
                with transaction.atomic():
                    _take_in(notes[start : start + _CHUNK])
            engine().notes.done(taken)
            count += len(notes)
    return count


def _take_in(notes: list[dict[str, Any]]) -> None:
    latest: dict[str, RemoteImage] = {}
    checked, failed = [], []
    for note in notes:
        if "failure" in note:
            failed.append(note)
        elif "bytes" in note:
            latest[note["key"]] = _image(note)
        else:
            checked.append(note)
    if latest:
        _clone(latest.values())
        RemoteImage.objects.bulk_create(
            [*latest.values()],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=[*_UPDATED, "failures", "failure", "failed"],
        )
    for note in checked:
        RemoteImage.objects.filter(key=note["key"]).update(
            checked=_moment(note["checked"]), expires=_moment(note["expires"]), failures=0, failure=""
        )
    for note in failed:
        one, _ = RemoteImage.objects.get_or_create(key=note["key"], defaults={"url": note["url"], "host": note["host"]})
        RemoteImage.objects.filter(pk=one.pk).update(
            failures=F("failures") + 1, failure=note["failure"], failed=_moment(note["at"])
        )


def _image(note: dict[str, Any]) -> RemoteImage:
    return RemoteImage(
        key=note["key"],
        url=note["url"],
        host=note["host"][:255],
        ident=note["ident"],
        kept=note["kept"],
        format=note["format"],
        width=note["width"],
        height=note["height"],
        bytes=note["bytes"],
        via=note["via"][:100],
        fetched=_moment(note["fetched"]),
        checked=_moment(note["checked"]),
        expires=_moment(note["expires"]),
    )


def _clone(images: Iterable[RemoteImage]) -> None:
    """One request per peer that is to have copies, for each picture that is new here; none for what came as a copy."""
    peers = [peer for peer in engine().peers.all() if peer.clone]
    fresh = {one.key: one for one in images if one.via != "clone"} if peers else {}
    if not fresh:
        return
    known = CloneRequest.objects.filter(key__in=fresh).in_bulk()
    there = {(one.key, one.group): one for one in known.values()}
    for one in fresh.values():
        for peer in peers:
            if one.via == peer.origin:
                continue
            request = there.get((one.key, peer.name))
            if request is None:
                CloneRequest.objects.create(group=peer.name, key=one.key, url=one.url, ident=one.ident)
            elif request.ident != one.ident or request.task == CloneRequest.Task.DELETE:
                request.task, request.ident, request.state = CloneRequest.Task.COPY, one.ident, Job.State.WAITING
                request.attempts, request.due, request.owner, request.reason = 0, 0.0, "", ""
                request.save()


def reread() -> tuple[int, int]:
    """Bring this table to what the records in the store say, which may know of more, or of less. Two listings in the
    same order are merged as they come; returns how many entries were added, and how many were dropped."""
    ingest()
    added = dropped = 0
    keys, rows = _stored_keys(), _known_keys()
    key, row = next(keys, None), next(rows, None)
    missing: list[str] = []
    while key is not None or row is not None:
        if key == row:
            key, row = next(keys, None), next(rows, None)
        elif row is None or (key is not None and key < row):
            assert key is not None
            missing.append(key)
            key = next(keys, None)
        else:
            dropped += _drop(row)
            row = next(rows, None)
        if len(missing) >= _CHUNK:
            added += _add(missing)
            missing = []
    return added + _add(missing), dropped


def _stored_keys() -> Iterator[str]:
    for info in engine().store.list(REMOTE):
        key = remote_key_of(info.key)
        if key is not None:
            yield key


def _known_keys() -> Iterator[str]:
    last = ""
    while page := list(
        RemoteImage.objects.filter(key__gt=last, kept=True).order_by("key").values_list("key", flat=True)[:_PAGE]
    ):
        yield from page
        last = page[-1]


def _drop(key: str) -> int:
    """Only where the store itself says that it is not there: a listing may be late."""
    try:
        engine().store.stat(remote_key(key))
    except NotFound:
        return RemoteImage.objects.filter(key=key).delete()[0]
    return 0


def _add(keys: list[str]) -> int:
    from mezzotint.errors import MezzotintError
    from mezzotint.sources.urls import parse_url

    found = []
    for key in keys:
        record = engine().records.look_again(key)
        if record is None:
            continue
        try:
            host, facts = parse_url(record.url).host, engine().bases.facts(record.ident)
        except NotFound:
            continue  # it will be fetched again when somebody asks
        except MezzotintError:
            continue
        found.append(
            RemoteImage(
                key=key, url=record.url, host=host[:255], ident=record.ident, kept=True, via=record.via[:100],
                format=facts.format, width=facts.width, height=facts.height, bytes=facts.bytes,
                fetched=_moment(record.fetched), checked=_moment(record.checked), expires=_moment(record.expires),
            )
        )  # fmt: skip
    RemoteImage.objects.bulk_create(found, ignore_conflicts=True)
    return len(found)


def others_of(record: RemoteRecord, key: str) -> bool:
    """Whether another URL has the same bytes."""
    return is_ident(record.ident) and RemoteImage.objects.filter(ident=record.ident).exclude(key=key).exists()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
