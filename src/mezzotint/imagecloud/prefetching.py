"""Lists of URLs to be loaded ahead of need."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from mezzotint import tracing
from mezzotint.errors import InvalidInput, NotFound, printable
from mezzotint.imagecloud import leases
from mezzotint.imagecloud.models import Job, PrefetchBatch, PrefetchItem, RemoteImage
from mezzotint.network.urls import Url, as_meant, parse_url
from mezzotint.wiring import engine

MOST_AT_ONCE = 100_000
MOST_WAITING = 5_000_000
_CHUNK = 1000
_SHOWN = 100
_MOMENTS = 15.0
_REMEMBERED = timedelta(days=30)


@dataclass
class Accepted:
    """What became of a list: `refused` says of the first ones why."""

    batch: PrefetchBatch
    given: int = 0
    queued: int = 0
    duplicates: int = 0
    invalid: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)


def enqueue(urls: Sequence[Any], by: str, *, from_peers: bool = False) -> Accepted:
    """Put them into the queue; durable when it returns. What is no fetchable address is counted and left out.

    Raises InvalidInput for more than MOST_AT_ONCE, or where too much waits already.
    """
    if len(urls) > MOST_AT_ONCE:
        raise InvalidInput("urls", f"are {len(urls)}", f"{MOST_AT_ONCE} at once")
    if PrefetchItem.objects.filter(state=Job.State.WAITING).count() + len(urls) > MOST_WAITING:
        raise InvalidInput("urls", "are too many: the queue is full", f"{MOST_WAITING} waiting")
    with transaction.atomic():
        accepted = Accepted(PrefetchBatch.objects.create(by=by), len(urls))
        items, asked = [], tracing.request_id.get()
        for target in _targets(urls, accepted):
            given = {"url": target.url, "group": target.authority[:255], "request": asked, "from_peers": from_peers}
            items.append(PrefetchItem(batch=accepted.batch, **given))
            accepted.queued += 1
        PrefetchItem.objects.bulk_create(items, batch_size=_CHUNK)
    return accepted


def _targets(urls: Iterable[Any], accepted: Accepted) -> Iterable[Url]:
    seen: set[str] = set()
    for place, url in enumerate(urls):
        try:
            if not isinstance(url, str):
                raise InvalidInput("url", "is no text", "a picture's address")
            target = parse_url(as_meant(url))
            engine().policy.check(target)
        except InvalidInput as error:
            accepted.invalid += 1
            if len(accepted.refused) < _SHOWN:
                accepted.refused.append(
                    {"index": place, "url": printable(str(url)[:300]), "detail": printable(str(error)[:300])}
                )
            continue
        if target.url in seen:
            accepted.duplicates += 1
            continue
        seen.add(target.url)
        yield target


def retry(items: QuerySet[PrefetchItem]) -> int:
    """Of these, have the dead ones tried again, whatever is remembered of them; returns how many."""
    dead = items.filter(state=Job.State.DEAD)
    for url in dead.values_list("url", flat=True).iterator(chunk_size=_CHUNK):
        engine().records.forget_failure(parse_url(url).key)
    return leases.retry(dead)


def soon(batches: Sequence[PrefetchBatch]) -> int:
    """How many are being loaded, or will be within moments; of all batches where none is named."""
    items = PrefetchItem.objects.filter(batch__in=batches) if batches else PrefetchItem.objects.all()
    waiting = Q(state=Job.State.WAITING, due__lte=time.time() + _MOMENTS)
    return items.filter(waiting | Q(state=Job.State.RUNNING)).count()


def forget_old() -> int:
    """Lists that were worked through long ago, and URLs that never led to a picture."""
    limit = timezone.now() - _REMEMBERED
    undone = PrefetchItem.objects.filter(state__in=[Job.State.WAITING, Job.State.RUNNING]).values("batch")
    PrefetchBatch.objects.filter(at__lt=limit).exclude(pk__in=undone).delete()
    return RemoteImage.objects.filter(ident="", failed__lt=limit).delete()[0]


def batch(pk: Any) -> PrefetchBatch:
    """Raises NotFound."""
    found = PrefetchBatch.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(f"there is no batch {pk}")
    return found


def counts(of: PrefetchBatch | None = None) -> dict[str, int]:
    """How many items are in each state, in one batch or in all."""
    items = PrefetchItem.objects.all() if of is None else of.items.all()
    found = dict(items.order_by().values_list("state").annotate(Count("id")))
    return {state.value: int(found.get(state.value, 0)) for state in Job.State}


def dead(of: PrefetchBatch) -> list[dict[str, str]]:
    """The first that could not be loaded, and why."""
    items = of.items.filter(state=Job.State.DEAD).order_by("id")[:_SHOWN]
    return [{"url": item.url, "reason": item.reason} for item in items]
