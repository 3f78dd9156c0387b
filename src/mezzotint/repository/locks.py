"""One committer at a time in a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

_COMMITTERS = 0x6D657A7A


@contextmanager
def committing() -> Iterator[None]:
    """A transaction that no other committer of this database runs beside.

    SQLite's transactions take its one write lock as they begin; PostgreSQL's take
    an advisory lock that ends with them, or with their connection.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_COMMITTERS])
        yield
