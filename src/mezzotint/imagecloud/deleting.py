"""Deleting a picture by its URL: here, and on the peers that were sent it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mezzotint.errors import Busy, NotFound
from mezzotint.imagecloud import facts, unreferenced
from mezzotint.imagecloud.models import CloneRequest, Job, RemoteImage
from mezzotint.names import Ident
from mezzotint.network.urls import Url
from mezzotint.repository import standing
from mezzotint.sources.peers import SENDING
from mezzotint.wiring import engine

_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was removed here. `base` is False where something else refers to the same bytes; `peers` are told."""

    url: str
    ident: str
    record: bool
    base: bool
    derivatives: int
    peers: list[str]


def delete(target: Url, *, only_here: bool = False) -> Deleted:
    """Nothing of it is given out afterwards; its base lies in the trash until the grace is over.

    Raises NotFound where it is not known here, Busy where it is being fetched just now, ReadOnly, StoreUnavailable.
    """
    standing.check_writable()
    facts.be_complete()  # another address may have the same bytes
    key = target.key
    with _alone(key):
        facts.ingest()  # as what was fetched a moment ago may
        record = engine().records.look_again(key)
        known = RemoteImage.objects.filter(key=key).first()
        came = "clone" in {one.via for one in (record, known) if one is not None}
        peers = [] if only_here else _tell_peers(target, from_clone=came)
        if record is None and known is None and not peers:
            raise NotFound("nothing is known of this URL here")
        was_there = engine().records.delete(key)
        engine().records.forget_failure(key)
        engine().notes.append({"at": time.time(), "key": key, "deleted": True})
        RemoteImage.objects.filter(key=key).delete()
        ident = record.ident if record is not None else (known.ident if known is not None else "")
        base, derivatives = unreferenced.let_go(Ident(ident)) if ident else (False, 0)
    return Deleted(target.url, ident, was_there, base, derivatives, peers)


@contextmanager
def _alone(key: str) -> Iterator[None]:
    """With the URL's lock, which whoever is fetching it has."""
    with ExitStack() as stack:
        try:
            stack.enter_context(engine().host.locks.hold(f"url:{key}", _PATIENCE))
        except TimeoutError:
            raise Busy("this picture is being fetched just now", 10) from None
        yield


def _tell_peers(target: Url, *, from_clone: bool) -> list[str]:
    """What was never sent need not be deleted there; what is perhaps just being sent must be. What came as a copy lies
    with one of the peers: all are told, and those that do not have it need do nothing."""
    key = target.key
    requests = CloneRequest.objects.filter(key=key)
    requests.filter(task=CloneRequest.Task.COPY, state__in=[Job.State.WAITING, Job.State.DEAD], attempts=0).delete()
    copies = requests.filter(task=CloneRequest.Task.COPY)
    told = {"task": CloneRequest.Task.DELETE, "state": Job.State.WAITING, "attempts": 0, "owner": "", "reason": ""}
    copies.filter(state=Job.State.RUNNING).update(due=time.time() + SENDING, **told)  # or when it has been sent
    copies.update(due=0.0, **told)
    for peer in engine().peers.all() if from_clone else ():
        if peer.token and not peer.plain:
            given = told | {"url": target.url, "due": 0.0}
            CloneRequest.objects.update_or_create(key=key, group=peer.name, defaults=given)
    return sorted(requests.values_list("group", flat=True))
