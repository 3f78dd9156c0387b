"""From the notes that the network side leaves to this database: what is known of remote images, and who is to be
sent a copy of what is new."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import DataError, IntegrityError, transaction

from mezzotint.errors import MezzotintError
from mezzotint.imagecloud import unreferenced
from mezzotint.imagecloud.models import CloneRequest, Indexed, Job, RemoteImage
from mezzotint.names.keys import REMOTE, remote_key, remote_key_of
from mezzotint.network.urls import parse_url
from mezzotint.objects.protocol import find
from mezzotint.repository import owners
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_CHUNK = 200
_PAGE = 2000
_SLACK = 5.0
"""seconds between a note and its record"""
_UPDATED = [
    "url", "host", "ident", "kept", "format", "width", "height", "bytes", "via", "fetched", "checked", "expires",
    "failures", "failure", "request",
]  # fmt: skip


def ingest() -> int:
    """Take in what was noted; returns how many notes. Nothing is lost where it is broken off: then it is done again."""
    count = 0
    with engine().host.locks.hold("notes"):
        for chunk in engine().notes.take():
            _take_in_what_can_be(chunk)
            count += len(chunk)
    return count


def _take_in_what_can_be(notes: list[dict[str, Any]]) -> None:
    """One that no database takes keeps out no other."""
    try:
        _take_in(notes)
    except (DataError, IntegrityError, ValueError) as error:
        if len(notes) == 1:
            log.warning("a note of a remote image is none (%s): %.200r", error, notes)
        else:
            for note in notes:
                _take_in_what_can_be([note])


@dataclass
class _Told:
    """What a handful of notes says of one URL: the last good one, when it was last checked, what failed since."""

    deleted: float | None = None
    gone: set[str] = field(default_factory=set)
    """bases that its origin has no more: nobody has asked that they be gone from here at once"""
    image: RemoteImage | None = None
    checked: dict[str, Any] | None = None
    failures: list[dict[str, Any]] = field(default_factory=list)


def _take_in(notes: list[dict[str, Any]]) -> None:
    told: dict[str, _Told] = {}
    for note in notes:
        try:
            _tell(told, note)
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            log.warning("a note of a remote image is none: %.200r", note)
    with transaction.atomic():
        for key, one in told.items():
            if one.deleted is not None:
                deleted = RemoteImage.objects.filter(key=key, fetched__lte=_moment(one.deleted))
                deleted.delete()
                unreferenced.supersede(sorted(one.gone))
        _put([one.image for one in told.values() if one.image is not None])
        for key, one in told.items():
            if one.checked is not None:
                RemoteImage.objects.filter(key=key).update(failures=0, failure="", **one.checked)
            if one.failures:
                _fail(key, one.failures)


def _tell(told: dict[str, _Told], note: dict[str, Any]) -> None:
    """Raises what is wrong with it."""
    one = told.setdefault(str(note["key"]), _Told())
    if "deleted" in note:
        told[note["key"]] = _Told(
            deleted=float(note["at"]), gone=one.gone | ({str(note["gone"])} if "gone" in note else set())
        )
    elif "failure" in note:
        _moment(note["at"]), str(note["url"]), str(note["host"])
        one.failures.append(note)
    elif "bytes" in note:
        one.image, one.checked, one.failures = _image(note), None, []
    else:
        one.checked = {"checked": _moment(note["checked"]), "expires": _moment(note["expires"])}
        one.failures = []


def _put(images: list[RemoteImage]) -> None:
    """What is newer than what is known. Where a picture has changed its old base is not wanted for ever."""
    known = {row.key: row for row in RemoteImage.objects.filter(key__in=[one.key for one in images])}
    newer = [one for one in images if _is_newer(one, known.get(one.key))]
    if not newer:
        return
    _clone(newer)
    _save(newer)
    before = {known[one.key].ident for one in newer if one.key in known and known[one.key].ident != one.ident}
    unreferenced.supersede([ident for ident in before if ident])


def _save(images: list[RemoteImage]) -> None:
    RemoteImage.objects.bulk_create(images, update_conflicts=True, unique_fields=["key"], update_fields=_UPDATED)


def _is_newer(one: RemoteImage, known: RemoteImage | None) -> bool:
    return known is None or known.fetched is None or (one.fetched is not None and one.fetched >= known.fetched)


def _fail(key: str, failures: list[dict[str, Any]]) -> None:
    """Those that were counted before count no more."""
    first = failures[0]
    defaults = {"url": first["url"], "host": first["host"][:255]}
    row, _ = RemoteImage.objects.get_or_create(key=key, defaults=defaults)
    new = [note for note in failures if row.failed is None or _moment(note["at"]) > row.failed]
    if new:
        row.failures += len(new)
        row.failure, row.failed = str(new[-1]["failure"]), _moment(new[-1]["at"])
        row.save(update_fields=["failures", "failure", "failed"])


_AS_TOLD = ("key", "url", "ident", "kept", "format", "width", "height", "bytes")


def _image(note: dict[str, Any]) -> RemoteImage:
    said: dict[str, Any] = {name: note[name] for name in _AS_TOLD}
    said |= {name: _moment(note[name]) for name in ("fetched", "checked", "expires")}
    return RemoteImage(**said, host=note["host"][:255], via=note["via"][:100], request=note.get("request", ""))


def _clone(images: Iterable[RemoteImage]) -> None:
    """One request per peer that is to have copies, for each picture that is new here; none for what came as a copy."""
    peers = [peer for peer in engine().peers.all() if peer.clone]
    fresh = {one.key: one for one in images if one.via != "clone"} if peers else {}
    if not fresh:
        return
    there = {(one.key, one.group): one for one in CloneRequest.objects.filter(key__in=fresh)}
    for one in fresh.values():
        for peer in peers:
            if one.via == peer.origin:
                continue
            request = there.get((one.key, peer.name)) or CloneRequest(group=peer.name, key=one.key, url=one.url)
            if request.ident == one.ident and request.task == CloneRequest.Task.COPY:
                continue
            request.task, request.ident, request.state = CloneRequest.Task.COPY, one.ident, Job.State.WAITING
            request.attempts, request.due, request.owner, request.reason = 0, 0.0, "", ""
            request.request = one.request
            request.holder = "" if one.kept else owners.this_cache()
            request.save()


def reread() -> tuple[int, int]:
    """Bring this table to what the records in the store say, which may know of more, of less, or otherwise. Two
    listings in the same order are merged as they come; returns how many entries were read anew, and dropped."""
    ingest()
    read = dropped = 0
    anew: list[str] = []
    for key, found in groupby(merge(_stored(), _known()), itemgetter(0)):
        at = {side: moment for _, side, moment in found}
        if "store" not in at:
            dropped += _drop(key)
        elif at["store"] > at.get("table", float("-inf")) + _SLACK:
            anew.append(key)
        if len(anew) >= _CHUNK:
            read += _read(anew)
            anew = []
    read += _read(anew)
    Indexed.objects.get_or_create(pk=1)  # of two who do it at once, one does; there may be others of before
    return read, dropped


def be_complete() -> None:
    """After a restore this table knows of nothing that was here before; then the records are read."""
    ingest()
    if not Indexed.objects.exists():
        reread()


def _stored() -> Iterator[tuple[str, str, float]]:
    """Keys, and when their records were written."""
    for info in engine().store.list(REMOTE):
        key = remote_key_of(info.key)
        if key is not None:
            yield key, "store", info.modified


def _known() -> Iterator[tuple[str, str, float]]:
    """Keys, and when what is known of them was last found to be so."""
    last = ""
    while page := list(
        RemoteImage.objects.filter(key__gt=last, kept=True).order_by("key").values_list("key", "checked")[:_PAGE]
    ):
        for key, checked in page:
            yield key, "table", checked.timestamp() if checked else 0.0
        last = page[-1][0]


def _drop(key: str) -> int:
    """Only where the store itself says that it is not there: a listing may be late."""
    if find(engine().store, remote_key(key)) is not None:
        return 0
    return RemoteImage.objects.filter(key=key).delete()[0]


def _read(keys: list[str]) -> int:
    found = []
    for key in keys:
        record = engine().records.look_again(key)
        if record is None:
            continue
        try:
            host, facts = parse_url(record.url).host, engine().bases.facts(record.ident)
        except MezzotintError:
            continue  # it will be fetched again when somebody asks
        found.append(_image(asdict(record) | asdict(facts) | {"key": key, "host": host, "kept": True}))
    _save(found)  # the store is right, whatever was known
    return len(found)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
