"""Deleting a picture by its URL: here, and on the peers that were sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from mezzotint.errors import NotFound
from mezzotint.imagecloud import facts
from mezzotint.imagecloud.models import CloneRequest, DeletedBase, Job, RemoteImage
from mezzotint.names import Ident
from mezzotint.names.keys import trash_key
from mezzotint.objects.clock import store_time
from mezzotint.repository import queries, standing
from mezzotint.repository.locks import committing
from mezzotint.sources.urls import Target
from mezzotint.wiring import engine


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was removed here. `base` is False where something else refers to the same bytes; `peers` are told."""

    url: str
    ident: str
    record: bool
    base: bool
    derivatives: int
    peers: list[str]


def delete(target: Target, *, only_here: bool = False) -> Deleted:
    """Nothing of it is given out afterwards; its base lies in the trash until the grace is over.

    Raises NotFound where it is not known here, ReadOnly, StoreUnavailable.
    """
    standing.check_writable()
    facts.be_complete()  # another address may have the same bytes
    key = target.key
    with engine().cache.locks.hold(f"url:{key}"):
        record = engine().records.look_again(key)
        known = RemoteImage.objects.filter(key=key).first()
        peers = [] if only_here else _tell_peers(key)
        if record is None and known is None and not peers:
            raise NotFound("nothing is known of this URL here")
        was_there = engine().records.delete(key)
        engine().records.forget_failure(key)
        RemoteImage.objects.filter(key=key).delete()
        ident = record.ident if record is not None else (known.ident if known is not None else "")
        base, derivatives = _let_go(Ident(ident)) if ident else (False, 0)
    return Deleted(target.url, ident, was_there, base, derivatives, peers)


def _let_go(ident: Ident) -> tuple[bool, int]:
    """Of a base that nothing refers to any more: whether it was there, and how many derivatives there were."""
    with committing():
        if RemoteImage.objects.filter(ident=ident).exists() or queries.is_wanted(ident):
            return False, 0
        was_there = engine().bases.is_here(ident)
        DeletedBase.objects.update_or_create(ident=ident, defaults={"at": timezone.now()})
        engine().bases.discard(ident)
        files = engine().cache.purge(ident)
    return was_there, max(0, files)


def _tell_peers(key: str) -> list[str]:
    """What was never sent need not be deleted there; what is perhaps just being sent must be."""
    requests = CloneRequest.objects.filter(key=key)
    requests.filter(task=CloneRequest.Task.COPY, state__in=[Job.State.WAITING, Job.State.DEAD], attempts=0).delete()
    requests.filter(~Q(task=CloneRequest.Task.DELETE)).update(
        task=CloneRequest.Task.DELETE, state=Job.State.WAITING, attempts=0, due=0.0, owner="", reason=""
    )
    return sorted(requests.values_list("group", flat=True))


def purge_expired() -> int:
    """Delete from the trash what has been there for longer than the grace, by the store's clock; returns how many."""
    grace = engine().settings.grace
    old = DeletedBase.objects.filter(at__lt=timezone.now() - timedelta(seconds=grace))
    if engine().settings.read_only or not old.exists():
        return 0
    facts.be_complete()
    now, gone = store_time(engine().store), 0
    for one in old[:500]:
        ident = Ident(one.ident)
        with committing():
            wanted = RemoteImage.objects.filter(ident=ident).exists() or queries.is_wanted(ident)
            try:
                young = engine().store.stat(trash_key(ident)).modified > now - grace
            except NotFound:
                wanted, young = True, False  # nothing is left to delete
            if young:
                continue
            if not wanted:
                engine().store.delete(trash_key(ident))
                gone += 1
            one.delete()
    return gone
