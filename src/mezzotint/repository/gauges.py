"""How this database stands to its store, for Prometheus."""

from __future__ import annotations

from itertools import islice

from django.db import DatabaseError
from django.utils import timezone
from prometheus_client import Gauge

from mezzotint.names.keys import DAMAGED
from mezzotint.repository import standing
from mezzotint.repository.intake import capture
from mezzotint.wiring import engine

_MOST = 1000
LIVE = Gauge("mezzotint_commit_live", "The last commit that this database shows", multiprocess_mode="livemostrecent")
DURABLE = Gauge("mezzotint_commit_durable", "The last commit that the store has", multiprocess_mode="livemostrecent")
WAITING = Gauge("mezzotint_changes_waiting", "Changes that wait to be committed", multiprocess_mode="livemostrecent")
ALARM = Gauge("mezzotint_alarm", "1 where nothing may be written, as an alarm says", multiprocess_mode="livemostrecent")
LAG = Gauge(
    "mezzotint_follow_lag_seconds", "Since a read node saw the journal's end", multiprocess_mode="livemostrecent"
)
DAMAGED_BASES = Gauge(
    "mezzotint_damaged_bases",
    "Bases whose bytes were wrong, as verify put them apart",
    multiprocess_mode="livemostrecent",
)
TURN = Gauge(
    "mezzotint_maintenance_timestamp_seconds", "When maintenance last did its turn", multiprocess_mode="livemostrecent"
)


def show() -> None:
    """What the database says; an alarm, where it says nothing. Raises DatabaseError."""
    try:
        _show()
    except DatabaseError:
        ALARM.set(1)
        raise


def _show() -> None:
    mine, live = standing.installation(), standing.head().seq
    LIVE.set(live)
    WAITING.set(capture.pending())
    ALARM.set(bool(mine.alarm))
    if engine().settings.read_only and mine.followed:
        LAG.set((timezone.now() - mine.followed).total_seconds())


def show_store() -> None:
    """What the store says. Raises StoreUnavailable."""
    DURABLE.set(engine().journal.last(standing.head().seq))
    DAMAGED_BASES.set(sum(1 for _ in islice(engine().store.list(DAMAGED), _MOST)))
