"""A time limit that the database itself keeps: what a stranger asks for cannot hold it for longer."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from mezzotint.errors import GivenUp

_ENDED = {"57014", sqlite3.SQLITE_INTERRUPT}
"""query_canceled in PostgreSQL, whose words are in the server's language"""
_EVERY = 10_000
"""SQLite's instructions between two looks at the clock: under a millisecond"""


@contextmanager
def patient(seconds: float, setting: str) -> Iterator[None]:
    """Queries in here may take so long. Raises GivenUp, which names the setting.

    PostgreSQL ends each statement by itself, as `statement_timeout` says; SQLite asks its progress handler.
    """
    late = GivenUp(f"the database takes longer than {seconds:g} seconds to find this, {setting}; ask for less")
    try:
        with _on_postgresql(seconds) if connection.vendor == "postgresql" else _on_sqlite(seconds):
            yield
    except OperationalError as error:
        code = getattr(error.__cause__, "sqlstate", None) or getattr(error.__cause__, "sqlite_errorcode", None)
        if code in _ENDED:
            raise late from error
        raise


@contextmanager
def _on_postgresql(seconds: float) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(max(1, int(seconds * 1000)))])
        yield


@contextmanager
def _on_sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    handle, until = connection.connection, time.monotonic() + seconds
    handle.set_progress_handler(lambda: time.monotonic() > until, _EVERY)
    try:
        yield
    finally:
        handle.set_progress_handler(None, 0)
