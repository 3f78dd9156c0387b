"""Bringing store and repository back into agreement: a plan first, then, if asked for, the deeds.

Two listings in the same order are merged as they come, in memory that does not
grow. An object that no entry refers to is a stray: only one that was seen so
before, a grace ago, is moved to the trash, and no more than a cap at once. An
entry whose object is missing is reported, and mended from the trash where that
has it; entries are removed only where somebody asks for that, by a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from itertools import groupby, islice

from mezzotint.errors import Conflict, ReadOnly
from mezzotint.failpoints import failpoint
from mezzotint.names import Ident, is_ident
from mezzotint.names.keys import IMAGES, base_key
from mezzotint.objects import ObjectInfo
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, queries, references, services, standing
from mezzotint.repository.locks import committing
from mezzotint.repository.models import Commit, Image, Removal, Sighting
from mezzotint.repository.upkeep import bulk, removals
from mezzotint.wiring import engine

_CHUNK = 500
_NAMED = 10_000
_LAST = "~"
"""comes after every ident"""
CAP_SHARE, CAP_COUNT, CAP_LEAST = 0.01, 100, 10
"""more strays than this share, or this count, are not moved without being asked to; a few are"""

Progress = Callable[[int], None]


@dataclass
class Survey:
    """How many there are of something, and the first of them by name: what is not named waits for the next time."""

    count: int = 0
    idents: list[str] = field(default_factory=list)

    def add(self, ident: str) -> None:
        self.count += 1
        if len(self.idents) < _NAMED:
            self.idents.append(ident)


def _is_over_cap(count: int, of: int) -> bool:
    return count > min(CAP_COUNT, max(CAP_LEAST, of * CAP_SHARE))


@dataclass
class RepairPlan:
    objects: int = 0
    entries: int = 0
    others: int = 0
    """objects below images/ that are no bases: derivatives that nodes share"""
    young: int = 0
    """strays that are younger than the grace, or were first seen less than a grace ago: left alone"""
    strays: Survey = field(default_factory=Survey)
    missing: Survey = field(default_factory=Survey)
    recoverable: Survey = field(default_factory=Survey)
    expired: Survey = field(default_factory=Survey)

    @property
    def over_cap(self) -> bool:
        return _is_over_cap(self.strays.count, self.objects)

    @property
    def entries_over_cap(self) -> bool:
        return _is_over_cap(self.missing.count, self.entries)

    @property
    def is_clean(self) -> bool:
        """Whether doing it would change nothing."""
        return not (self.strays.count or self.recoverable.count or self.expired.count)


@dataclass(frozen=True, slots=True)
class Done:
    trashed: int
    recovered: int
    purged: int


def plan(progress: Progress = lambda count: None) -> RepairPlan:
    """Compare, and note which strays were seen. Changes nothing in the store but its clock object.

    Raises ReadOnly where store and database do not belong together: a wrong
    bucket looks as if everything had been lost.
    """
    _guard()
    references.refresh()
    now = store_time(engine().store)
    found = RepairPlan()
    with bulk.streaming():
        strays = _merged(found, progress)
        while batch := list(islice(strays, _CHUNK)):
            _judge(batch, now, found)
    Sighting.objects.filter(last_seen__lt=now).delete()
    for ident in engine().bases.life.expired(now - engine().settings.grace):
        if not queries.is_wanted(ident):
            found.expired.add(ident)
    return found


def carry_out(found: RepairPlan, *, over_cap: bool = False, progress: Progress = lambda count: None) -> Done:
    """Do what the plan names, looking at each thing once more as it is done.

    Raises ReadOnly; Conflict where there are more strays than the cap and
    `over_cap` does not allow them: nothing was done then.
    """
    _guard()
    if found.over_cap and not over_cap:
        raise Conflict(
            f"{found.strays.count} objects have no entry, more than 1 % or more than {CAP_COUNT}: is this the right "
            "store, and is the database whole? If so, allow it with --over-cap. Nothing was done"
        )
    counts, total = [], 0
    limit = store_time(engine().store) - engine().settings.grace
    delete = partial(_delete, limit=limit)
    for deed, idents in ((_trash, found.strays), (_recover, found.recoverable), (delete, found.expired)):
        done = 0
        for ident in idents.idents:
            with committing():
                if engine().journal.has(standing.head().seq + 1):
                    raise Conflict("somebody else is committing to this store; run it again")
                done += deed(Ident(ident))
            total += 1
            progress(total)
        counts.append(done)
    return Done(*counts)


def remove_entries(found: RepairPlan, by: str, *, over_cap: bool = False) -> Commit | None:
    """Have the repository follow the store: entries whose bytes are nowhere to be had go, by one commit that says so.
    Each is looked at once more; None where there was nothing to remove.

    Raises ReadOnly; Conflict where there are more than the cap, and `over_cap` does not allow them.
    """
    _guard()
    if found.entries_over_cap and not over_cap:
        raise Conflict(
            f"{found.missing.count} entries have no object, more than 1 % or more than {CAP_COUNT}: is this the right "
            "store, and is it whole? If so, allow it with --over-cap. Nothing was removed"
        )
    life = engine().bases.life
    gone = [
        ident
        for ident in sorted(queries.live_idents(found.missing.idents))
        if not engine().bases.exists(Ident(ident)) and not life.is_in_trash(Ident(ident))
    ]
    if not gone:
        return None

    _, done = services.at_once(
        by,
        lambda s: services.remove_images(s, gone),
        f"reconcile: {len(gone)} entries whose bytes are gone from the store",
    )
    return done


def _guard() -> None:
    standing.check_writable()
    alarm = standing.compare()
    if alarm:
        raise ReadOnly(alarm)
    commits.catch_up()
    removals.settle(commits.catch_up)


def _merged(found: RepairPlan, progress: Progress) -> Iterator[ObjectInfo]:
    """The objects that have no entry. Entries that have no object go into the plan."""
    objects = _bases(found)
    entries = (ident for ident, _ in groupby(merge(references.each_ident(Image.objects.all()), *references.idents())))
    info, entry = next(objects, None), next(entries, None)
    while info is not None or entry is not None:
        ident = _LAST if info is None else info.key[len(IMAGES) :]
        if ident == entry:
            found.entries += 1
            if found.entries % 5000 == 0:
                progress(found.entries)
            info, entry = next(objects, None), next(entries, None)
        elif entry is None or ident < entry:
            assert info is not None
            yield info
            info = next(objects, None)
        else:
            found.entries += 1
            _look_for(Ident(entry), found)
            entry = next(entries, None)
    progress(found.entries)


def _bases(found: RepairPlan) -> Iterator[ObjectInfo]:
    for info in engine().store.list(IMAGES):
        if is_ident(info.key[len(IMAGES) :]):
            found.objects += 1
            yield info
        else:
            found.others += 1


def _look_for(ident: Ident, found: RepairPlan) -> None:
    """A listing may be late: only the store's own word about this object counts."""
    if engine().bases.exists(ident) or not queries.is_wanted(ident):
        return
    if engine().bases.life.is_in_trash(ident):
        found.recoverable.add(ident)
    elif queries.live_idents([ident]):  # what came from elsewhere can be had from there again
        found.missing.add(ident)


def _judge(batch: list[ObjectInfo], now: float, found: RepairPlan) -> None:
    """Strays that are old, and were seen as strays a grace ago, are for the trash; the others are noted."""
    batch = [info for info in batch if not queries.is_wanted(Ident(info.key[len(IMAGES) :]))]
    Sighting.objects.bulk_create(
        [Sighting(key=info.key, first_seen=now, last_seen=now) for info in batch],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["last_seen"],
    )
    first = dict(Sighting.objects.filter(key__in=[i.key for i in batch]).values_list("key", "first_seen"))
    grace = engine().settings.grace
    for info in batch:
        if now - max(info.modified, first[info.key]) >= grace:
            found.strays.add(info.key[len(IMAGES) :])
        else:
            found.young += 1


def _trash(ident: Ident) -> bool:
    if queries.is_wanted(ident):
        return False
    failpoint("reconcile.before-trash")
    engine().bases.life.discard(ident)
    failpoint("reconcile.after-trash")
    Sighting.objects.filter(key=base_key(ident)).delete()
    return True


def _recover(ident: Ident) -> bool:
    if not queries.is_wanted(ident) or engine().bases.exists(ident):
        return False
    failpoint("reconcile.before-recovery")
    return engine().bases.life.recover(ident)


def _delete(ident: Ident, limit: float) -> bool:
    if queries.is_wanted(ident):
        return False
    failpoint("reconcile.before-purge")
    if not engine().bases.life.delete(ident, limit):
        return False
    Removal.objects.filter(ident=ident).delete()
    return True
