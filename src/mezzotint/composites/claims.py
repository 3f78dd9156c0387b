"""Leases: of any number of workers on any number of hosts, one at a time works on a member.

The table decides, whatever a queue loses or tells twice. A worker that is killed loses its claim when the lease ends,
or at once where another one of its host sees that it is gone.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import IntegrityError, close_old_connections, connections, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from mezzotint.composites import gauges
from mezzotint.composites.models import Collection, Member, Status
from mezzotint.errors import MezzotintError
from mezzotint.repository.owners import Owner, is_gone
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
LEASE, RENEW = 60.0, 15.0
_LOOK = 0.25
FIRST_PAUSE, _GROWS = 60.0, 3
_LONGEST_ERROR = 2000
_SHORTEST = 5.0
_SUDDEN = 3
"""attempts that may end without a word before the next one has to wait"""
_ENDED = {"ended": True, "owner": "", "credentials": ""}
CANCELLED = "it was cancelled"
SUPERSEDED = "a later request has taken its place"


class Interrupted(Exception):
    """Nothing more is to be done with this claim: it is somebody else's, was cancelled, or the worker stops."""


class TookTooLong(MezzotintError):
    title = "Took too long"


class Claim:
    """A member that this worker has. What it writes is written only as long as that is so."""

    def __init__(self, member: Member, owner: str) -> None:
        self.member, self.owner = member, owner
        self._lost, self._ended, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._lease, self._until = member.lease, math.inf
        self.interrupts: list[Callable[[], None]] = []
        """are called, in another thread, when nothing more is to be done"""

    def check(self) -> None:
        """Raises Interrupted, TookTooLong."""
        if self._is_over():
            raise Interrupted
        if self._is_late():
            raise TookTooLong(f"it took longer than {engine().settings.engine_timeout:g} s")

    def update(self, **fields: Any) -> None:
        """Raises Interrupted where it is no longer this worker's."""
        self.own(**fields)
        for name, value in fields.items():
            setattr(self.member, name, value)
        Collection.objects.filter(pk=self.member.collection_id).update(last_updated_date=timezone.now())

    def own(self, **fields: Any) -> None:
        """In a transaction with what only the owner may write. Raises Interrupted."""
        if not self._mine().update(last_updated_date=timezone.now(), **fields):
            self._lost.set()
            raise Interrupted

    @contextmanager
    def kept(self, stop: threading.Event) -> Iterator[None]:
        """Keep it as long as this goes on; until `stop` is set, or its time is over."""
        self._stop, self._until = stop, time.monotonic() + engine().settings.engine_timeout
        keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            self._ended.set()
            keeper.join()

    def complete(self, **fields: Any) -> None:
        self.update(status=Status.COMPLETED, error="", **_ENDED, **fields)
        gauges.ENDED.labels(Status.COMPLETED).inc()

    def refuse(self, why: str) -> None:
        """It cannot be done, and trying again would not help."""
        self.update(status=Status.ERROR, error=why[:_LONGEST_ERROR], **_ENDED)
        gauges.ENDED.labels(Status.ERROR).inc()

    def fail(self, why: str, pause: float | None = None) -> None:
        """It is tried again: after `pause` seconds, or ever longer; or not, where it was tried often enough."""
        settings, attempts = engine().settings, self.member.attempts
        if settings.engine_max_attempts and attempts >= settings.engine_max_attempts:
            self.refuse(f"{why} (tried {attempts} times)" if attempts > 1 else why)
            return
        seconds = min(max(pause, _SHORTEST) if pause is not None else _growing(attempts), settings.engine_retry)
        self.update(
            status=Status.ERROR, error=why[:_LONGEST_ERROR], owner="", due=time.time() + seconds, queued=0.0, sudden=0
        )

    def give_back(self) -> None:
        """For others; this attempt does not count."""
        self._mine().update(owner="", attempts=F("attempts") - 1, due=0.0, queued=0.0, sudden=0)

    def _mine(self) -> Any:
        return Member.objects.filter(pk=self.member.pk, owner=self.owner)

    def _is_over(self) -> bool:
        return self._lost.is_set() or self._stop.is_set() or time.time() > self._lease

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def _keep(self) -> None:
        renewed = time.monotonic()
        try:
            while not self._ended.wait(_LOOK):
                now = time.monotonic()
                if now - renewed >= RENEW:
                    renewed = now
                    self._renew()
                if self._is_over() or self._is_late():
                    for interrupt in list(self.interrupts):
                        interrupt()
        finally:
            connections.close_all()

    def _renew(self) -> None:
        lease = time.time() + LEASE
        try:
            close_old_connections()
            if self._mine().update(lease=lease):
                self._lease = lease
            else:
                self._lost.set()
        except DatabaseFailure as error:
            log.warning("the lease of %s cannot be renewed: %s", self.member.pk, error)


def _growing(attempts: int) -> float:
    return FIRST_PAUSE * float(_GROWS ** min(attempts - 1, 20))


def take(pk: uuid.UUID, owner: Owner) -> Claim | None:
    """The member, where it is due and nobody has it, and nobody has another one of the same place.

    Older ones of that place that have not ended are superseded by it, and it by a newer one that has begun. One whose
    workers end again and again without a word is taken ever later, and no more often than any other.
    """
    now, name = time.time(), owner.next_claim()
    free, most = Q(owner="") | Q(lease__lt=now), engine().settings.engine_max_attempts
    with transaction.atomic():
        place = Member.objects.filter(pk=pk).values_list("place", flat=True).first()
        if place is None:
            return None
        # all that may be written here, in one order, or two who take members of one place might wait for each other
        list(Member.objects.select_for_update().filter(place=place, ended=False).order_by("pk").values_list("pk"))
        member = Member.objects.filter(free, pk=pk, ended=False, due__lte=now).first()
        if member is None:
            return None
        same = Member.objects.filter(place=member.place).exclude(pk=pk)
        newer = Q(created_date__gt=member.created_date) | Q(created_date=member.created_date, pk__gt=pk)
        if same.filter(newer).filter(Q(attempts__gt=0, ended=False) | Q(status=Status.COMPLETED)).exists():
            end(Member.objects.filter(pk=pk), SUPERSEDED)
            return None
        if most and member.attempts >= most:
            end(Member.objects.filter(pk=pk), f"{member.attempts} attempts at it ended without a word")
            return None
        same.filter(lease__lt=now).exclude(owner="").update(owner="")
        try:
            with transaction.atomic():
                member.owner, member.lease, member.attempts = name, now + LEASE, member.attempts + 1
                member.sudden, waits = member.sudden + 1, max(0, member.sudden + 1 - _SUDDEN)
                member.due = now + (min(_growing(waits), engine().settings.engine_retry) if waits else 0.0)
                member.save(update_fields=["owner", "lease", "attempts", "sudden", "due"])
                end(same.filter(ended=False, owner="").exclude(newer), SUPERSEDED)
        except IntegrityError:  # another one of its place is under way
            return None
    return Claim(member, name)


def end(chosen: QuerySet[Member], why: str) -> int:
    """Whoever has one of them stops; returns how many there were."""
    return chosen.update(status=Status.ERROR, error=why, last_updated_date=timezone.now(), **_ENDED)


def are_open() -> bool:
    """Whether anything is left to be done, now or in a while, here or elsewhere."""
    return Member.objects.filter(ended=False).exists()


def due(most: int) -> list[uuid.UUID]:
    """Members that somebody should take now, those first that have waited longest; of each place the oldest."""
    now = time.time()
    waiting = Member.objects.filter(Q(owner="") | Q(lease__lt=now), ended=False, due__lte=now)
    busy = Member.objects.filter(lease__gte=now).exclude(owner="").values("place")
    rows = waiting.exclude(place__in=busy).order_by("due", "created_date", "position").values_list("pk", "place")
    first: dict[str, uuid.UUID] = {}
    for pk, place in rows[: most * 20]:
        first.setdefault(place, pk)
    return list(first.values())[:most]


def take_over() -> int:
    """Free what workers had who are gone; returns how many."""
    owned = Member.objects.filter(ended=False).exclude(owner="")
    names = set(owned.values_list("owner", flat=True))
    dead = [name for name in names if is_gone(name)]
    gone = owned.filter(Q(owner__in=dead) | Q(lease__lt=time.time()))
    return gone.update(owner="", queued=0.0)
