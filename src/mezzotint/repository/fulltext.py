"""Keeping SQLite's full-text index in order without having commits pay for it.

FTS5 merges what was added little by little, as it is added, and the larger the
index the longer that takes. Here nothing is merged in a commit (but when sixteen
pieces of one size have come together); maintenance does it in small steps.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

_TABLE = "repository_image_search"
_PAGES = 300
"""how much is merged in one step: some tens of milliseconds in which no commit can begin"""


def install(database: BaseDatabaseWrapper) -> None:
    """Have commits merge nothing. The index remembers it."""
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"INSERT INTO {_TABLE} ({_TABLE}, rank) VALUES ('automerge', 0)")


def tidy() -> bool:
    """Merge one step; whether there was anything to merge (FTS5's own documentation: at least two changes)."""
    if connection.vendor != "sqlite":
        return False
    connection.ensure_connection()
    opened: Any = connection.connection
    before = opened.total_changes
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {_TABLE} ({_TABLE}, rank) VALUES ('merge', {_PAGES})")
    return bool(opened.total_changes - before >= 2)
