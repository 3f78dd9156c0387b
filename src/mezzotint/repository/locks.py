"""One committer at a time in a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from mezzotint.errors import Busy
from mezzotint.host import HostLocks
from mezzotint.wiring import engine

_COMMITTERS = 0x6D657A7A
_PATIENCE = 60.0
"""seconds that a committer waits for another one"""


class _Held(threading.local):
    depth = 0


_held = _Held()


@contextmanager
def committing() -> Iterator[None]:
    """Nobody else commits in this database meanwhile. Whoever is in here may wait for the store: other writers go on.

    SQLite's transactions take its one write lock, so here is none: whoever needs one begins it, and asks the store
    nothing in it. A lock of a file beside the database keeps committers apart. PostgreSQL has a transaction with an
    advisory lock that ends with it, or with its connection. Raises Busy.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_COMMITTERS])
            yield
        return
    if _held.depth:
        yield
        return
    try:
        with _beside_the_database().hold("committing", _PATIENCE):
            _held.depth += 1
            try:
                yield
            finally:
                _held.depth -= 1
    except TimeoutError:
        raise Busy(f"others have been committing for {_PATIENCE:g} s") from None


def _beside_the_database() -> HostLocks:
    path = engine().settings.sqlite
    assert path is not None
    return HostLocks(path.with_name(f"{path.name}-committing"))
