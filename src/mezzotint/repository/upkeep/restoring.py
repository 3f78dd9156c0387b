"""A database from nothing but the store: the newest checkpoint, and the segments after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby, islice
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from mezzotint.errors import Conflict, InvalidInput, JournalBroken, NotFound
from mezzotint.failpoints import failpoint
from mezzotint.journal import Head, Schema, Segment
from mezzotint.names.keys import checkpoint_seq
from mezzotint.repository import fulltext, standing
from mezzotint.repository.apply import apply
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Commit, Image, UpdateSession
from mezzotint.repository.records import Records
from mezzotint.repository.upkeep import bulk
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_BATCH = 200
"""segments in one transaction"""
_ROWS = 2000

Progress = Callable[[str, int], None]
"""told what is being done, and how many rows or segments of it are"""


def is_fresh() -> bool:
    """Whether the database holds nothing yet: no tables, or empty ones."""
    if "repository_commit" not in connection.introspection.table_names():
        return True
    return not any(model._default_manager.exists() for model in (Commit, Image, UpdateSession, User))


def restore(at: int | None = None, progress: Progress = lambda what, count: None) -> int:
    """Fill a fresh database with the repository as it is, or as it was after commit `at`; returns the seq.

    Killed half-way, it is begun again: until its end the database counts as fresh or
    behind. A checkpoint that is damaged is passed over for an older one.
    Raises Conflict where the database is not fresh, InvalidInput where `at` was never
    committed, JournalBroken.
    """
    if not is_fresh():
        raise Conflict("the database is not empty: restore into a fresh one, named by DATABASE_URL or MEZZOTINT_DATA")
    if at is not None and not engine().journal.has(at):
        raise InvalidInput("at", f"cannot be {at}", f"1 to {engine().journal.last(0)}, what was committed here")
    key = _sound_checkpoint(at)
    with bulk.filling():
        leg, head = _Leg(), Head()
        if key is not None:
            head = _load(key, leg, progress)
            leg.untraced = head.seq
        head = _replay(head, leg, at, progress)
        if at is not None and head.seq != at:
            raise InvalidInput("at", f"cannot be {at}", f"1 to {head.seq}, what was committed here")
        progress("indexes", 0)
        leg.end()
        filled = _FILLS in MigrationRecorder(connection).applied_migrations()
        call_command("migrate", verbosity=0, interactive=False)
        if filled:  # when there were no images yet
            progress("words", 0)
            fulltext.refill(connection)
        mine = standing.installation()
        mine.schema, mine.pinned, mine.traced = leg.schema, at, leg.untraced
        mine.save(update_fields=["schema", "pinned", "traced"])
    return head.seq


class _Leg:
    """A stretch of the journal that was written in one schema: the database is brought to it, its indexes
    are put aside, and `records` knows its models."""

    def __init__(self) -> None:
        self.schema: dict[str, str] = {}
        self.untraced = 0
        """the last commit that was not applied by this version's schema, segment by segment"""
        self._begun = False
        self._stack = ExitStack()

    def records(self, schema: Schema) -> Records:
        """Raises JournalBroken for a schema of a later version."""
        if not self._begun or self.schema != schema:
            self.end()
            _migrate_to(schema)
            self._stack.enter_context(bulk.without_indexes())
            self._begun, self.schema = True, dict(schema)
            self._records = Records(connection, _models(schema))
        return self._records

    def end(self) -> None:
        """The indexes are there again."""
        self._stack.close()


def _sound_checkpoint(at: int | None) -> str | None:
    """The newest checkpoint, not after `at`, that is whole and of this journal. None where there is none."""
    for info in engine().journal.checkpoints():
        if at is not None and (checkpoint_seq(info.key) or 0) > at:
            continue
        try:
            with engine().journal.open_checkpoint(info.key) as reader:
                engine().journal.check(Head(reader.head.seq, reader.head.fingerprint))
                reader.check()
                return info.key
        except (JournalBroken, NotFound) as error:
            log.warning("passing over checkpoint %s: %s", info.key, error)
    return None


def _load(key: str, leg: _Leg, progress: Progress) -> Head:
    with engine().journal.open_checkpoint(key) as reader:
        records, done = leg.records(reader.head.schema), 0
        with transaction.atomic(), capture.silenced():
            for kind, rows in groupby(reader.rows(), key=lambda row: str(row["put"])):
                while batch := list(islice(rows, _ROWS)):
                    records.table(kind).put(batch)
                    done += len(batch)
                    progress("rows", done)
            failpoint("restore.before-commit")
        return Head(reader.head.seq, reader.head.fingerprint)


def _replay(head: Head, leg: _Leg, at: int | None, progress: Progress) -> Head:
    """Segments from the one after `head`, each in the schema that it was written in."""
    following = _readable(head)
    if at is not None:
        following = islice(following, max(0, at - head.seq))
    count = 0
    for schema, run in groupby(following, key=lambda found: dict(found[0].schema)):
        records = leg.records(schema)
        while batch := list(islice(run, _BATCH)):
            with transaction.atomic():
                for segment, head in batch:
                    apply(segment, head, records)
                failpoint("restore.segments")
            if not records.is_current:
                leg.untraced = head.seq
            count += len(batch)
            progress("segments", count)
    return head


def _readable(head: Head) -> Iterator[tuple[Segment, Head]]:
    """The segments after `head`, up to one that cannot be read: what comes before it is shown, and an alarm raised."""
    try:
        yield from engine().journal.follow(head)
    except JournalBroken as error:
        log.error("the journal cannot be followed to its end: %s", error)


_FILLS = ("repository", "0014_custom")
"""the migration that makes what `fulltext` keeps"""
FORMAT_1_SCHEMA = {
    "contenttypes": "0002_remove_content_type_name",
    "auth": "0012_alter_user_first_name_max_length",
    "repository": "0004_many",
}
"""what segments of format 1, which do not say it, can be read in"""


def _migrate_to(schema: Schema) -> None:
    """Bring an older database forward to `schema`; all the way where it says nothing. Raises JournalBroken."""
    schema = schema or FORMAT_1_SCHEMA
    executor = MigrationExecutor(connection)
    known = executor.loader.graph.nodes
    if unknown := [f"{app}.{name}" for app, name in schema.items() if (app, name) not in known]:
        raise JournalBroken(f"this was written by a later version of Mezzotint, which has the migrations {unknown}")
    applied = MigrationRecorder(connection).applied_migrations()
    for app, name in schema.items():
        if (app, name) not in applied:
            call_command("migrate", app, name, verbosity=0, interactive=False)
    for app in executor.loader.migrated_apps - schema.keys():  # permissions on their models may be granted too
        call_command("migrate", app, verbosity=0, interactive=False)


def _models(schema: Schema) -> Any:
    """The models as they are in the database now."""
    executor = MigrationExecutor(connection)
    applied = executor.loader.applied_migrations
    if set(executor.loader.graph.leaf_nodes()) <= set(applied):
        from django.apps import apps

        return apps
    nodes = [(app, name) for app, name in (schema or FORMAT_1_SCHEMA).items()]
    return executor.loader.project_state(nodes).apps
