"""The commit, and following the journal: what makes database and store agree."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from django.db import DatabaseError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max

from mezzotint.errors import Conflict, MezzotintError, ReadOnly, StoreUnavailable
from mezzotint.failpoints import failpoint
from mezzotint.journal import Change, Head, Schema, Segment
from mezzotint.names import Ident
from mezzotint.repository import standing
from mezzotint.repository.apply import apply, is_new
from mezzotint.repository.intake import capture
from mezzotint.repository.locks import committing
from mezzotint.repository.models import Commit, Installation, UpdateSession
from mezzotint.repository.records import Records
from mezzotint.repository.sessions import changes_of
from mezzotint.repository.upkeep import removals
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_RACES = 100
_ASKED_AT_ONCE = 8
JOURNALED_APPS = ("contenttypes", "auth", "repository")


def commit(session: UpdateSession) -> Commit:
    """Make the session durable and live, all at once. Idempotent.

    Raises Conflict, where another's change would be overwritten; then the
    session stays open and nothing of it is visible. StoreUnavailable says that
    the outcome is not known; committing again finds out.
    """
    flush(session.by)
    _close(session.pk)
    try:
        done = _commit(session.pk)
    except StoreUnavailable:
        raise
    except MezzotintError:
        _reopen(session.pk)
        raise
    if done.removed:
        try:
            removals.settle(catch_up)
        except (MezzotintError, DatabaseError) as error:  # what was committed is committed, whatever comes of this
            log.warning("what was removed is let go of later: %s", error)
    return done


def _commit(pk: uuid.UUID) -> Commit:
    for _ in range(_RACES):
        done = _try_commit(pk)
        if done is not None:
            return done
        catch_up()
    raise StoreUnavailable("other commits keep coming first; try again")


def _close(pk: uuid.UUID) -> None:
    """From here on nothing goes into the session, and it cannot be aborted: its segment may be in the journal
    before anybody knows of it. Raises Conflict."""
    with committing(), transaction.atomic():
        session = UpdateSession.objects.select_for_update().get(pk=pk)
        if session.state == UpdateSession.State.ABORTED:
            raise Conflict(f"session {session.pk} is {session.state}")
        if session.state == UpdateSession.State.OPEN:
            standing.check_writable()
            session.state = UpdateSession.State.COMMITTING
            session.save(update_fields=["state"])


def _reopen(pk: uuid.UUID) -> None:
    """It was refused, and is not in the journal."""
    UpdateSession.objects.filter(pk=pk, state=UpdateSession.State.COMMITTING).update(state=UpdateSession.State.OPEN)


def flush(by: str) -> Commit | None:
    """Commit what was changed otherwise than by a session; None where nothing was.

    Raises StoreUnavailable, ReadOnly; the changes then wait for the next time.
    """
    if not capture.pending():
        return None
    standing.check_writable()
    for _ in range(_RACES):
        with committing():
            with transaction.atomic():
                numbers, changes = capture.captured(Records(connection))
            if not numbers:
                return None
            segment = _segment(str(uuid.uuid4()), by, changes, "changed in the database")
            done = _append(segment, partial(capture.forget, numbers))
            if done is not None:
                return done
        catch_up()
    raise StoreUnavailable("other commits keep coming first; try again")


def catch_up() -> int:
    """Apply what the journal has and this database has not yet; returns how many segments.

    What they removed goes at the end, when it is known what was put in again.
    """
    count = 0
    while True:
        with committing():
            found = engine().journal.read(standing.head())
            if found is None:
                break
            with transaction.atomic():
                _follow(*found)
                failpoint("replay.before-commit")
        count += 1
    if count:
        removals.settle(catch_up)
    return count


def _follow(segment: Segment, head: Head) -> None:
    """Apply a segment that was committed elsewhere, or by somebody who did not see the end of it. In a transaction."""
    _apply(segment, head)
    for change in segment.changes:
        if change.get("remove") == "image":
            engine().bases.life.forget(Ident(change["ident"]))


def _apply(segment: Segment, head: Head) -> None:
    """What was changed here and is not committed yet stays as it is: its turn comes after this one's."""
    records = Records(connection)
    mine = capture.captured(records)[1] if capture.pending() else []
    apply(segment, head)
    with capture.silenced():
        for change in mine:
            if "put" in change:
                records.table(change["put"]).put([change])
            else:
                records.table(change["remove"]).remove([change])


def schema() -> Schema:
    """The last migration that was applied to this database, for each app whose rows are journaled."""
    applied = MigrationRecorder(connection).applied_migrations()
    names = {app: [name for of, name in applied if of == app] for app in JOURNALED_APPS}
    return {app: max(found) for app, found in names.items() if found}


def _try_commit(pk: uuid.UUID) -> Commit | None:
    """One attempt under the database's lock; None where another segment came first."""
    with committing():
        session = UpdateSession.objects.select_for_update().get(pk=pk)
        if session.state == UpdateSession.State.COMMITTED:
            return Commit.objects.get(transaction=str(session.pk))
        standing.check_writable()
        engine().journal.check(standing.head())
        at = datetime.now(UTC).isoformat()
        changes = changes_of(session, at)
        _check_bases(changes, at)
        return _append(_segment(str(session.pk), session.by, changes, session.note, at), partial(_end, session))


def _end(session: UpdateSession) -> None:
    session.changes.all().delete()
    failpoint("commit.before-database")


def _segment(transaction: str, by: str, changes: list[Change], note: str, at: str | None = None) -> Segment:
    head = standing.head()
    return Segment(
        seq=head.seq + 1,
        transaction=transaction,
        previous=head.fingerprint,
        at=at or datetime.now(UTC).isoformat(),
        by=by,
        changes=tuple(changes),
        note=note,
        epoch=_epoch(),
        schema=schema(),
    )


def _append(segment: Segment, then: Callable[[], None]) -> Commit | None:
    """Into the journal, and then the database, where `then` is done in the same transaction; None where another segment
    has the number."""
    created = engine().journal.append(segment)
    if created is None:
        return None
    with transaction.atomic():
        _apply(segment, created)
        Installation.objects.filter(epoch=0).update(epoch=segment.epoch)  # taken over only now: of two, one was first
        then()
    return Commit.objects.get(seq=segment.seq)


def _epoch() -> int:
    """This database's turn in writing. Raises ReadOnly where another database has taken over.

    Where the store cannot say which of two racers came first, only one database
    may write, and that is the newest: it takes the next epoch with its first
    commit, and whoever held the one before finds that in the journal.
    """
    if engine().store.arbitrates():
        return 0
    current = Commit.objects.aggregate(latest=Max("epoch"))["latest"] or 0
    mine = standing.installation().epoch or current + 1
    if current > mine:
        raise ReadOnly(
            "another database has taken over writing to this store, and a store of this kind bears one writer. Serve "
            "with --read-only here, or remove this database to take over again"
        )
    return mine


def _check_bases(changes: list[Change], at: str) -> None:
    """Durable before visible: every added image's base is in the store, or is brought back from the trash."""
    added = [Ident(c["ident"]) for c in changes if is_new(c, at)]
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as threads:
        there = list(threads.map(engine().bases.exists, added))
    for ident, exists in zip(added, there, strict=True):
        if not exists and not engine().bases.life.recover(ident):
            raise Conflict(f"the bytes of {ident} were removed meanwhile; upload it again", {ident: ["file"]})
