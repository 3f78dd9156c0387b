"""Jobs for any number of workers on any number of hosts: whoever claims one has it for a while.

Fair between groups: each is given as many as it has room for, whatever waits in the others. A worker that is killed
loses its leases when they end, or at once where another one of its host sees that it is gone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import F, Q

from mezzotint.imagecloud.models import Job
from mezzotint.repository.owners import Owner, is_gone

LEASE = 60.0
"""seconds; it is renewed as long as its worker lives"""
J = TypeVar("J", bound=Job)


def claim(model: type[J], owner: Owner, room: Callable[[str], int], most: int, only: Q | None = None) -> list[J]:
    """Jobs that are due, for each group as many as there is `room` for, `most` in all. They are this owner's for
    LEASE seconds, and their `owner` says of which claim."""
    now, name = time.time(), owner.next_claim()
    claimed: list[J] = []
    with transaction.atomic():
        jobs: Any = model._default_manager
        groups = _groups(model, now)
        random.shuffle(groups)
        for group in groups:
            wanted = min(room(group), most - len(claimed))
            if wanted < 1:
                continue
            due = jobs.filter(only or Q(), state=Job.State.WAITING, group=group, due__lte=now)
            claimed += due.select_for_update(skip_locked=True).order_by("due", "id")[:wanted]
        mine = jobs.filter(pk__in=[job.pk for job in claimed])
        mine.update(state=Job.State.RUNNING, owner=name, lease=now + LEASE, attempts=F("attempts") + 1)
    for job in claimed:
        job.attempts, job.owner = job.attempts + 1, name
    return claimed


def wait(model: type[Job]) -> bool:
    """Whether any are waiting, be it for their time."""
    jobs: Any = model._default_manager
    return bool(jobs.filter(state=Job.State.WAITING).exists())


def renew(model: type[Job], owner: Owner, pks: Iterable[int]) -> None:
    """Those that are still being worked on."""
    jobs: Any = model._default_manager
    mine = jobs.filter(pk__in=list(pks), state=Job.State.RUNNING, owner__startswith=f"{owner.name}:")
    mine.update(lease=time.time() + LEASE)


def finish(model: type[Job], done: Sequence[Job]) -> int:
    """These are done; returns how many were still theirs who did them."""
    jobs: Any = model._default_manager
    count = 0
    for name in {job.owner for job in done}:
        mine = jobs.filter(pk__in=[job.pk for job in done if job.owner == name], owner=name)
        count += mine.update(state=Job.State.DONE, owner="", reason="")
    return count


def again(job: Job, seconds: float, reason: str, *, counts: bool = True) -> None:
    """This one has to be tried again in a while; where it was not its own fault that `counts` for nothing."""
    given_back = {} if counts else {"attempts": F("attempts") - 1}
    _of(job).update(state=Job.State.WAITING, owner="", due=time.time() + seconds, reason=reason[:500], **given_back)


def bury(job: Job, reason: str) -> None:
    """This one is not tried any more until somebody says so."""
    _of(job).update(state=Job.State.DEAD, owner="", reason=reason[:500])


def release(model: type[Job], owner: Owner) -> None:
    """What this owner has not done is for others."""
    jobs: Any = model._default_manager
    jobs.filter(state=Job.State.RUNNING, owner__startswith=f"{owner.name}:").update(
        state=Job.State.WAITING, owner="", attempts=F("attempts") - 1
    )


def take_over(model: type[Job]) -> int:
    """Have those done again whose worker is gone; returns how many."""
    jobs: Any = model._default_manager
    running = jobs.filter(state=Job.State.RUNNING)
    owners = running.order_by().values_list("owner", flat=True).distinct()
    dead = [name for name in owners if is_gone(name)]
    gone = running.filter(Q(owner__in=dead) | Q(lease__lt=time.time()))
    return int(gone.update(state=Job.State.WAITING, owner=""))


def retry(jobs: Any) -> int:
    """Of these jobs, have the dead ones tried again."""
    count: int = jobs.filter(state=Job.State.DEAD).update(state=Job.State.WAITING, attempts=0, due=0.0)
    return count


def _of(job: Job) -> Any:
    """This job, as long as it is of the same claim."""
    return type(job)._default_manager.filter(pk=job.pk, owner=job.owner)


def _groups(model: type[Job], now: float) -> list[str]:
    """Those that have something due. It costs a look for each, however much waits."""
    table = connection.ops.quote_name(model._meta.db_table)
    column = connection.ops.quote_name("group")
    waiting = f"SELECT MIN({column}) FROM {table} WHERE state = 'waiting' AND due <= %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(name) AS ({waiting} UNION ALL "
            f"SELECT ({waiting} AND {column} > found.name) FROM found WHERE found.name IS NOT NULL) "
            "SELECT name FROM found WHERE name IS NOT NULL",
            [now, now],
        )
        return [name for (name,) in cursor.fetchall()]
