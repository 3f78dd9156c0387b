"""How much waits, for Prometheus."""

from __future__ import annotations

from django.db.models import Count
from prometheus_client import Gauge

from mezzotint.imagecloud.models import CloneRequest, Job, PrefetchItem
from mezzotint.wiring import engine

_UNDONE = (Job.State.WAITING, Job.State.RUNNING)
PREFETCH = Gauge("mezzotint_prefetch_waiting", "URLs that are still to be loaded", multiprocess_mode="livemostrecent")
DEAD = Gauge("mezzotint_prefetch_dead", "URLs that could not be loaded", multiprocess_mode="livemostrecent")
CLONES = Gauge(
    "mezzotint_clones_waiting", "Images that a peer is still to be sent", ["peer"], multiprocess_mode="livemostrecent"
)


def show() -> None:
    PREFETCH.set(PrefetchItem.objects.filter(state__in=_UNDONE).count())
    DEAD.set(PrefetchItem.objects.filter(state=Job.State.DEAD).count())
    for group, count in backlog().items():
        CLONES.labels(group).set(count)


def backlog() -> dict[str, int]:
    """By peer, those that have nothing waiting included."""
    waiting = CloneRequest.objects.filter(state__in=_UNDONE).order_by().values_list("group").annotate(Count("id"))
    return {peer.name: 0 for peer in engine().peers.all()} | dict(waiting)
