"""Making checkpoints: when one is due, of which state, and which old ones go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Sum

from mezzotint.errors import Conflict, MezzotintError
from mezzotint.failpoints import failpoint
from mezzotint.journal import Change, Checkpoint
from mezzotint.names.keys import checkpoint_seq
from mezzotint.objects import ObjectInfo
from mezzotint.repository import commits, standing
from mezzotint.repository.kinds import KINDS
from mezzotint.repository.models import Captured, Commit, Snapshot
from mezzotint.repository.records import Records
from mezzotint.wiring import engine

_ATTEMPTS = 20
KEPT = 3
"""the newest checkpoints; of older ones the last of each month stays"""

Progress = Callable[[int, int], None]
"""told how many rows are done, and of how many"""


def ask(by: str) -> Snapshot:
    """Have a checkpoint made in the background. Raises ReadOnly."""
    standing.check_writable()
    return Snapshot.objects.create(by=by)


def is_due() -> bool:
    """Whether there are more segments, or more bytes of them, after the last checkpoint than the settings say."""
    last = newest() or 0
    after = Commit.objects.filter(seq__gt=last).aggregate(bytes=Sum("bytes"))["bytes"] or 0
    segments = standing.head().seq - last
    settings = engine().settings
    return segments >= settings.checkpoint_segments or after >= settings.checkpoint_bytes


def newest() -> int | None:
    """The commit of the newest checkpoint that this database knows of."""
    done = Snapshot.objects.filter(state=Snapshot.State.DONE)
    return done.order_by("-seq").values_list("seq", flat=True).first()


def make(snapshot: Snapshot, progress: Progress = lambda done, total: None) -> Snapshot:
    """Make the checkpoint that `snapshot` asks for; its row says how that ended."""
    mine = Snapshot.objects.filter(pk=snapshot.pk)
    mine.update(state=Snapshot.State.RUNNING)
    try:
        kept = _keep(snapshot.by, progress)
    except MezzotintError as error:
        mine.update(state=Snapshot.State.FAILED, error=str(error))
        raise
    mine.update(state=Snapshot.State.DONE, seq=checkpoint_seq(kept.key), key=kept.key, bytes=kept.size)
    remove_old()
    snapshot.refresh_from_db()
    return snapshot


def after_upgrade() -> None:
    """A checkpoint where migrations have run since the last one: no replay has to cross them then."""
    mine, now = standing.installation(), dict(commits.schema())
    if mine.schema == now:
        return
    if standing.head().seq:
        make(Snapshot.objects.create(by="upgrade"))
    mine.schema = now
    mine.save(update_fields=["schema"])


def remove_old() -> list[str]:
    """Remove the checkpoints that the rule does not keep; returns their keys. Segments are never removed."""
    found = engine().journal.checkpoints()
    months: set[tuple[int, int]] = set()
    gone = []
    for place, info in enumerate(found):
        month = datetime.fromtimestamp(info.modified, UTC).timetuple()[:2]
        if place >= KEPT and month in months:
            failpoint("checkpoint.before-removal")
            engine().store.delete(info.key)
            gone.append(info.key)
        months.add((month[0], month[1]))
    Snapshot.objects.filter(key__in=gone).delete()
    return gone


def register() -> None:
    """Have the list of snapshots name the checkpoints that the store has: after a restore it knows none."""
    known = set(Snapshot.objects.values_list("key", flat=True))
    for info in engine().journal.checkpoints():
        if info.key not in known:
            Snapshot.objects.create(
                state=Snapshot.State.DONE,
                by="restored",
                asked=datetime.fromtimestamp(info.modified, UTC),
                seq=checkpoint_seq(info.key),
                key=info.key,
                bytes=info.size,
            )


def _keep(by: str, progress: Progress) -> ObjectInfo:
    for _ in range(_ATTEMPTS):
        commits.flush(by)
        with _still() as still:
            if Captured.objects.using(still.alias).exists():
                continue  # the state would have what no segment has
            last = Commit.objects.using(still.alias).order_by("-seq").first()
            if last is None:
                raise Conflict("there is nothing to keep yet: no commit was made")
            checkpoint = Checkpoint(
                last.seq, last.fingerprint, datetime.now(UTC).isoformat(), last.epoch, commits.schema()
            )
            return engine().journal.keep_checkpoint(checkpoint, _rows(Records(still), progress))
    raise Conflict("the database is written to all the time; the checkpoint is made later")


def _rows(records: Records, progress: Progress) -> Iterator[Change]:
    still = records.connection.alias
    total = sum(records.table(name).model._default_manager.using(still).count() for name in KINDS)
    done = 0
    for name in KINDS:
        for change in records.table(name).rows():
            yield change
            done += 1
            if done % 1000 == 0:
                progress(done, total)
    progress(total, total)


@contextmanager
def _still() -> Iterator[BaseDatabaseWrapper]:
    """A second connection whose transaction shows one moment, and that no writer waits for."""
    still = connection.copy(alias="still")
    connections["still"] = still
    if still.vendor == "sqlite":
        still.settings_dict["OPTIONS"] = still.settings_dict["OPTIONS"] | {"transaction_mode": "DEFERRED"}
    try:
        with still.cursor() as cursor:
            begin = "BEGIN" if still.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            cursor.execute(begin)
            yield still
            cursor.execute("ROLLBACK")
    finally:
        still.close()
        del connections["still"]
