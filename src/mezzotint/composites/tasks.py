"""The queue: django-q2 tells workers which members wait. What is to be done the table says, so that it matters little
what a broker loses or tells twice: tasks are idempotent."""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q

from mezzotint.composites import claims
from mezzotint.composites.models import Member, Status
from mezzotint.repository.owners import Owner

log = logging.getLogger(__name__)
TASK = f"{__name__}.process_member"
SWEEP = f"{__name__}.sweep"
FORGOTTEN = 60.0
"""seconds after which what nobody has taken is put into the queue again"""
_AT_ONCE = 500
_never = threading.Event()


class MemberFailed(Exception):
    """For the queue's own list of failures."""


@functools.cache
def _owner() -> Owner:
    """This process's."""
    return Owner()


def enqueue(members: Sequence[uuid.UUID]) -> None:
    """Tell the queue, of very many the first. What it is not told, and a broker that is not there, are no error: the
    sweeper tells it later."""
    from django_q.brokers import get_broker
    from django_q.conf import Conf
    from django_q.tasks import async_task

    in_database = Conf.ORM is not None  # then all of it is one transaction; elsewhere each takes its time
    told = list(members[: _AT_ONCE if in_database else _AT_ONCE // 10])
    try:
        broker = get_broker()
        with transaction.atomic() if in_database else nullcontext():
            for pk in told:
                async_task(TASK, {"id": str(pk)}, task_name=str(pk), broker=broker)
    except Exception as error:  # each broker has errors of its own
        log.warning("the queue does not take what is to be done, it is told again later: %s", error)
        return
    Member.objects.filter(pk__in=told).update(queued=time.time())


def process_member(task: dict[str, Any]) -> str:
    """What a cluster runs. Returns how the member stands; raises MemberFailed where it has failed."""
    from mezzotint.composites.working import work

    claim = claims.take(uuid.UUID(task["id"]), _owner())
    if claim is None:
        return "nothing to do"
    work(claim, _never)
    status, error = Member.objects.values_list("status", "error").get(pk=claim.member.pk)
    if status == Status.ERROR:
        raise MemberFailed(error)
    return str(status)


def sweep() -> int:
    """Put back what was lost: by a broker, or with a worker; returns how many members."""
    from mezzotint.composites.working import sweep_scratch

    claims.take_over()
    sweep_scratch()
    if _backlog() >= _AT_ONCE:
        return 0  # nothing is lost, there is only much to do
    now = time.time()
    forgotten = Member.objects.filter(
        Q(queued__lt=now - FORGOTTEN) | Q(queued__lt=0.1), ended=False, owner="", due__lte=now
    )
    again = list(forgotten.order_by("queued", "due").values_list("pk", flat=True)[:_AT_ONCE])
    enqueue(again)
    return len(again)


def _backlog() -> int:
    """Messages that wait in the queue."""
    from django_q.brokers import get_broker

    try:
        return int(get_broker().queue_size())
    except Exception as error:
        log.warning("the queue is out of reach: %s", error)
        return 0


def schedule_sweeping() -> None:
    """For clusters: once a minute. No error where the queue has no tables yet."""
    from django_q.models import Schedule

    try:
        Schedule.objects.get_or_create(
            name="composites: sweep", defaults={"func": SWEEP, "schedule_type": Schedule.MINUTES, "minutes": 1}
        )
    except DatabaseError:
        log.info("the queue has no tables yet")
