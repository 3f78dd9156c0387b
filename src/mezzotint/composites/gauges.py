"""How much waits, for Prometheus."""

from __future__ import annotations

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Counter, Gauge

from mezzotint.composites.models import Member, Status

MEMBERS = Gauge(
    "mezzotint_documents", "Documents that are not done yet, by status", ["status"], multiprocess_mode="livemostrecent"
)
OLDEST = Gauge(
    "mezzotint_documents_oldest_seconds", "Since the oldest of them was sent", multiprocess_mode="livemostrecent"
)
PAGES = Counter("mezzotint_pages", "Pages of documents that were rendered and kept")
ENDED = Counter("mezzotint_documents_ended", "Documents that are done, or were given up", ["status"])


def show() -> None:
    waiting = Member.objects.filter(ended=False)
    counts = dict(waiting.order_by().values_list("status").annotate(Count("pk")))
    for status in Status.values:
        if status != Status.COMPLETED:
            MEMBERS.labels(status).set(counts.get(status, 0))
    oldest = waiting.aggregate(oldest=Min("created_date"))["oldest"]
    OLDEST.set((timezone.now() - oldest).total_seconds() if oldest else 0)
