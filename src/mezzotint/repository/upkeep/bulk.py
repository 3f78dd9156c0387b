"""Filling an empty database quickly, and reading all of a full one.

On SQLite it grows in a file of its own, without a journal and without what is
kept in step with every row; the indexes are made at the end, and then the file
gets its name. A process that is killed leaves a file that the next one removes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from mezzotint.failpoints import failpoint
from mezzotint.host.files import place, sync
from mezzotint.repository import fulltext

_QUICKLY = (
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; "
    "PRAGMA temp_store = MEMORY; PRAGMA threads = 2; PRAGMA cache_size = -131072;"
)
_BESIDE = ("-wal", "-shm", "-journal")


@contextmanager
def filling() -> Iterator[None]:
    """What is written meanwhile goes into a database that takes the place of the empty one at the end, as a whole.

    PostgreSQL is told at the end to look at what there is now; until it had done so by itself, a search could take
    minutes.
    """
    if connection.vendor != "sqlite":
        yield
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        return
    settings = connection.settings_dict
    name, options = str(settings["NAME"]), settings["OPTIONS"]
    part = f"{name}.restoring"
    connection.close()
    _remove(part)
    settings["NAME"], settings["OPTIONS"] = part, options | {"init_command": _QUICKLY}
    try:
        yield
        connection.close()
        with open(part, "rb") as file:
            sync(file)
        failpoint("restore.before-place")
        for suffix in _BESIDE:  # of the empty database, or of one that was deleted: not this one's
            Path(name + suffix).unlink(missing_ok=True)
        place(Path(part), Path(name))
    finally:
        connection.close()
        settings["NAME"], settings["OPTIONS"] = name, options
        _remove(part)


@contextmanager
def without_indexes() -> Iterator[None]:
    """Images go in without their indexes and triggers. At the end these are made again, but for those that keep words,
    tags and values in step: `fulltext.refill` makes them once all images are there. Only while `filling`."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'repository_image' "
            "AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        )
        made = cursor.fetchall()
        for kind, name, _ in made:
            cursor.execute(f'DROP {kind} "{name}"')
        yield
        for _, name, statement in made:
            if not fulltext.is_follower(name):
                cursor.execute(statement)


@contextmanager
def streaming() -> Iterator[None]:
    """Reading through all of a large table: SQLite maps what it reads into memory, which would grow with the table."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA mmap_size")
        (before,) = cursor.fetchone()
        cursor.execute("PRAGMA mmap_size = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA mmap_size = {int(before)}")


def _remove(name: str) -> None:
    for suffix in ("", *_BESIDE):
        Path(name + suffix).unlink(missing_ok=True)
