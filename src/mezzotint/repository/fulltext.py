"""Keeping SQLite's indexes of words and tags in order without having commits pay for it.

FTS5 merges what was added little by little, as it is added, and the larger the
index the longer that takes. Here nothing is merged in a commit (but when sixteen
pieces of one size have come together); maintenance does it in small steps.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from mezzotint.repository.metadata import SEARCHED

_TABLE = "repository_image_search"
_PAGES = 300
"""how much is merged in one step: some tens of milliseconds in which no commit can begin"""


_ADD = (
    f"INSERT INTO {_TABLE} (rowid, {', '.join(SEARCHED)}) VALUES (new.id, {', '.join(f'new.{c}' for c in SEARCHED)});"
)
_REMOVE = (
    f"INSERT INTO {_TABLE} ({_TABLE}, rowid, {', '.join(SEARCHED)}) "
    f"VALUES ('delete', old.id, {', '.join(f'old.{c}' for c in SEARCHED)});"
)
_TAG = "repository_image_tag"
_ADD_TAGS = (
    f"INSERT OR IGNORE INTO {_TAG} (value, image_id) "
    "SELECT CAST(tag.value AS TEXT), new.id FROM json_each(new.tags) AS tag;"
)
_REMOVE_TAGS = (
    f"DELETE FROM {_TAG} WHERE image_id = old.id "
    "AND value IN (SELECT CAST(tag.value AS TEXT) FROM json_each(old.tags) AS tag);"
)
_TRIGGERS = {
    f"{_TABLE}_add": ("INSERT", _ADD),
    f"{_TABLE}_remove": ("DELETE", _REMOVE),
    f"{_TABLE}_change": ("UPDATE", _REMOVE + _ADD),
    f"{_TAG}_add": ("INSERT", _ADD_TAGS),
    f"{_TAG}_remove": ("DELETE", _REMOVE_TAGS),
    f"{_TAG}_change": ("UPDATE OF id, tags", _REMOVE_TAGS + _ADD_TAGS),
}


def install(database: BaseDatabaseWrapper) -> None:
    """Have the index follow the images, where a migration that rebuilt their table has taken the triggers away, and
    have commits merge nothing. The index remembers that."""
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            for name, (event, body) in _TRIGGERS.items():
                cursor.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {event} ON repository_image BEGIN {body} END"
                )
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
