"""How it is doing: what is stored, what came in, what the cache is good for, what waits, and what has failed lately."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from mezzotint.composites import receiving
from mezzotint.composites.models import Member, Status
from mezzotint.delivery.metrics import ANSWERS, figures
from mezzotint.desk import plots
from mezzotint.desk.guard import desk_page
from mezzotint.errors import Forbidden, InvalidInput
from mezzotint.imagecloud import leases, prefetching
from mezzotint.imagecloud.models import CloneRequest, Job, PrefetchItem
from mezzotint.repository import history, standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Collection, Commit, Image, Removal, Snapshot, UpdateSession
from mezzotint.repository.tables import Webhook
from mezzotint.wiring import engine

_DAYS, _SHOWN = 30, 8
_GOOD_FOR = 60.0
"""seconds; what takes a look at all images is not found out more often"""
_UNDONE = (Job.State.WAITING, Job.State.RUNNING)
_SAID = {
    "hit": "from the cache",
    "miss": "made",
    "base": "originals",
    "not_modified": "held by the browser",
    "error": "refused",
}
_known: dict[str, tuple[float, Any]] = {}


@dataclass(frozen=True)
class Failures:
    """Of one kind: how many, some of them with why, and what has them tried again."""

    name: str
    title: str
    count: Callable[[], int]
    some: Callable[[], list[tuple[str, str]]]
    again: Callable[[], object]


@desk_page()
def doing(request: HttpRequest) -> HttpResponse:
    """For staff."""
    _check_staff(request)
    mine, head = standing.installation(), standing.head()
    context = {
        "alarm": mine.alarm,
        "seq": head.seq,
        "stored": _remembered("stored", _stored),
        "store": "a directory" if engine().settings.store_directory else engine().settings.store_url.partition(":")[0],
        "days": plots.columns("Pictures that came in", _came(), "{} pictures"),
        "cache": _cache(),
        "disks": _disks(),
        "waiting": [(what, count) for what, count in _waiting() if count],
        "failures": [
            {"name": one.name, "title": one.title, "count": count, "some": one.some()}
            for one in FAILURES
            if (count := one.count())
        ],
    }
    return render(request, "desk/doing.html", context)


@desk_page(writes=True)
def try_again(request: HttpRequest, name: str) -> HttpResponse:
    _check_staff(request)
    found = next((one for one in FAILURES if one.name == name), None)
    if found is None:
        raise InvalidInput("what", f"cannot be {name!r:.40}", ", ".join(one.name for one in FAILURES))
    found.again()
    messages.success(request, f"{found.title}: tried again.")
    return redirect("desk-doing")


def _check_staff(request: HttpRequest) -> None:
    """Raises Forbidden."""
    if not getattr(request.user, "is_staff", False):
        raise Forbidden("this page is for staff")


def _remembered(name: str, find: Callable[[], Any]) -> Any:
    until, value = _known.get(name, (0.0, None))
    if time.monotonic() >= until:
        value = find()
        _known[name] = time.monotonic() + _GOOD_FOR, value
    return value


def _stored() -> dict[str, Any]:
    formats = Image.objects.order_by().values_list("format").annotate(count=Count("pk"), size=Sum("bytes"))
    rows = sorted(((str(name), int(count), int(size or 0)) for name, count, size in formats), key=lambda row: -row[2])
    return {
        "images": sum(count for _, count, _ in rows),
        "bytes": sum(size for _, _, size in rows),
        "collections": Collection.objects.count(),
        "formats": plots.shares("Pictures by format", [(name, count) for name, count, _ in rows]),
    }


def _came() -> list[tuple[str, float]]:
    """Pictures that were added on each of the last days, in UTC."""
    today = timezone.now().date()
    days = [today - timedelta(days=_DAYS - 1 - number) for number in range(_DAYS)]
    counts = dict.fromkeys(days, 0)
    begin = timezone.now() - timedelta(days=_DAYS)
    for at, added in Commit.objects.filter(at__gte=begin, added__gt=0).values_list("at", "added").iterator(2000):
        if at.date() in counts:
            counts[at.date()] += added
    return [(day.isoformat(), count) for day, count in counts.items()]


def _cache() -> dict[str, Any]:
    totals, most = engine().cache.totals(), engine().cache.max_size
    samples = {metric.name: metric.samples for metric in figures(engine()).collect()}
    answers = dict.fromkeys(ANSWERS, 0.0)
    for sample in samples.get("mezzotint_image_requests", ()):
        if sample.name.endswith("_total"):
            answers[sample.labels["answer"]] += sample.value
    renders = _buckets(samples.get("mezzotint_render_seconds", ()))
    asked = sum(answers.values())
    hits = answers["hit"] + answers["not_modified"]
    return {
        "bytes": totals.bytes,
        "files": totals.files,
        "most": most,
        "full": plots.shares("The cache", [("used", totals.bytes), ("free", max(0, most - totals.bytes))]).bars,
        "answers": plots.shares(
            "Requests for pictures since the server began", [(_SAID[name], count) for name, count in answers.items()]
        ),
        "rate": f"{hits / asked:.1%}" if asked else "",
        "renders": plots.columns("Derivatives that were made, by how long it took", renders, "{} derivatives")
        if any(count for _, count in renders)
        else None,
    }


def _buckets(samples: Any) -> list[tuple[str, float]]:
    """Of a histogram, each bucket by itself."""
    counted: dict[float, float] = {}
    for sample in samples:
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            counted[bound] = counted.get(bound, 0.0) + sample.value
    found, before = [], 0.0
    for bound in sorted(counted):
        found.append((f"up to {bound:g} s" if bound < float("inf") else "longer", counted[bound] - before))
        before = counted[bound]
    return found


def _disks() -> list[dict[str, Any]]:
    samples = {metric.name: metric.samples for metric in figures(engine()).collect()}
    free = {one.labels["directory"]: one.value for one in samples.get("mezzotint_disk_free_bytes", ())}
    sizes = {one.labels["directory"]: one.value for one in samples.get("mezzotint_disk_bytes", ())}
    return [
        {
            "name": name,
            "free": free[name],
            "size": size,
            "bars": plots.shares(name, [("used", size - free[name]), ("free", free[name])]).bars,
        }
        for name, size in sizes.items()
        if size and name in free
    ]


def _waiting() -> Iterator[tuple[str, int]]:
    """What is under way or queued, and how much."""
    mine, head = standing.installation(), standing.head().seq
    yield "sessions open", UpdateSession.objects.filter(state=UpdateSession.State.OPEN).count()
    yield "changes of the database to commit", int(capture.pending())
    yield "removed pictures to put into the trash", Removal.objects.filter(settled=False).count()
    yield "checkpoints to make", Snapshot.objects.filter(state__in=["waiting", "running"]).count()
    if engine().settings.looks:
        yield "pictures to be looked at", Image.objects.filter(pk__gt=mine.looked).count()
    yield "commits to be looked through", history.untraced()
    yield "commits to tell others of", sum(head - told for told in Webhook.objects.values_list("told", flat=True))
    yield "addresses to fetch", PrefetchItem.objects.filter(state__in=_UNDONE).count()
    yield "pictures to send to peers", CloneRequest.objects.filter(state__in=_UNDONE).count()
    yield "documents under way", Member.objects.filter(ended=False).count()


def _dead(model: type[Any], name: str) -> Callable[[], list[tuple[str, str]]]:
    def some() -> list[tuple[str, str]]:
        found = model.objects.filter(state=Job.State.DEAD).order_by("-pk")[:_SHOWN]
        return [(str(getattr(one, name)), one.reason) for one in found]

    return some


def _failed_documents() -> Any:
    return Member.objects.filter(ended=True, status=Status.ERROR)


FAILURES = (
    Failures(
        "fetch",
        "Addresses that could not be fetched",
        lambda: PrefetchItem.objects.filter(state=Job.State.DEAD).count(),
        _dead(PrefetchItem, "url"),
        lambda: prefetching.retry(PrefetchItem.objects.all()),
    ),
    Failures(
        "send",
        "Pictures that peers did not take",
        lambda: CloneRequest.objects.filter(state=Job.State.DEAD).count(),
        _dead(CloneRequest, "group"),
        lambda: leases.retry(CloneRequest.objects.all()),
    ),
    Failures(
        "documents",
        "Documents that could not be worked on",
        lambda: _failed_documents().count(),
        lambda: [(one.title or str(one.pk), one.error) for one in _failed_documents()[:_SHOWN]],
        lambda: receiving.retry(_failed_documents()),
    ),
    Failures(
        "snapshots",
        "Checkpoints that could not be made",
        lambda: Snapshot.objects.filter(state=Snapshot.State.FAILED).count(),
        lambda: [
            (f"{one.asked:%Y-%m-%d %H:%M}", one.error)
            for one in Snapshot.objects.filter(state=Snapshot.State.FAILED)[:_SHOWN]
        ],
        lambda: Snapshot.objects.filter(state=Snapshot.State.FAILED).update(state=Snapshot.State.WAITING, error=""),
    ),
    Failures(
        "webhooks",
        "Who could not be told of commits",
        lambda: Webhook.objects.filter(failures__gt=0).count(),
        lambda: [(one.url, one.error) for one in Webhook.objects.filter(failures__gt=0)[:_SHOWN]],
        lambda: Webhook.objects.filter(failures__gt=0).update(again=timezone.now()),
    ),
)
"""what may fail for good, or for now"""
