"""Keeping SQLite's indexes of words and tags in order without having commits pay for it.

FTS5 merges what was added little by little, as it is added, and the larger the
index the longer that takes. Here nothing is merged in a commit (but when sixteen
pieces of one size have come together); maintenance does it in small steps.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from mezzotint.repository.metadata import FIELDS, SEARCHED

_TABLE = "repository_image_search"
_PAGES = 300
"""how much is merged in one step: some tens of milliseconds in which no commit can begin"""


_LETTERS = {
    "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "þ": "th", "Þ": "th", "ł": "l", "Ł": "l",
    "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d", "Ð": "d", "ħ": "h", "Ħ": "h", "ı": "i", "ŋ": "n", "Ŋ": "n",
}  # fmt: skip
"""what is written for letters where they are not at hand; accents that can be taken off are another matter"""
_APOSTROPHES = ("'", "\N{RIGHT SINGLE QUOTATION MARK}", "\N{MODIFIER LETTER APOSTROPHE}")
_PROSE = {"description", "alt"}
"""which is full of them"""


def folded(text: str) -> str:
    for letter, others in _LETTERS.items():
        text = text.replace(letter, others)
    return text


def _folded(row: str, column: str) -> str:
    """A column as it is indexed, in SQL: names are found with their apostrophes and without."""
    said = f"{row}.{column}"
    if column not in _PROSE:
        bare = said
        for mark in _APOSTROPHES:
            bare = f"replace({bare}, {_quoted(mark)}, '')"
        said = f"CASE {said} WHEN {bare} THEN {said} ELSE {said} || ' ' || {bare} END"
    for letter, others in _LETTERS.items():
        said = f"replace({said}, {_quoted(letter)}, {_quoted(others)})"
    return said


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_COLUMNS = ", ".join(SEARCHED)
_NEW, _OLD = (", ".join(_folded(row, column) for column in SEARCHED) for row in ("new", "old"))
_ADD = f"INSERT INTO {_TABLE} (rowid, {_COLUMNS}) VALUES (new.id, {_NEW});"
_REMOVE = f"INSERT INTO {_TABLE} ({_TABLE}, rowid, {_COLUMNS}) VALUES ('delete', old.id, {_OLD});"
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


WORDS_OF = ", ".join(f"{name}::text" if FIELDS[name].many else name for name in SEARCHED)
"""what PostgreSQL's index is over, as an expression that it has to be asked by"""
_one = {letter: other for letter, other in _LETTERS.items() if len(other) == 1}
_two = {letter: other for letter, other in _LETTERS.items() if len(other) == 2}
_plain = f"translate(lower(said), '{''.join(_one)}', '{''.join(_one.values())}')"
for _letter, _others in _two.items():
    _plain = f"replace({_plain}, '{_letter}', '{_others}')"
_marks = "[" + "".join(_APOSTROPHES).replace("'", "''") + "]"
# Words are told apart by what is neither letter nor digit, and lose their accents, as FTS5's unicode61 has it.
_ON_POSTGRESQL = [
    "DROP INDEX IF EXISTS repository_image_search",
    rf"""
    CREATE OR REPLACE FUNCTION repository_search_words(variadic texts text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT to_tsvector('simple', regexp_replace(
            regexp_replace(normalize(said || ' ' || regexp_replace(said, '{_marks}', '', 'g'), NFKD),
            '[\u0300-\u036f]', '', 'g'), '[^[:alnum:]]+', ' ', 'g'))
        FROM (SELECT {_plain} AS said FROM (SELECT array_to_string(texts, ' ') AS said) AS given) AS folded
    $$""",
    f"CREATE INDEX repository_image_search ON repository_image USING gin (repository_search_words({WORDS_OF}))",
]


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


def rebuild(database: BaseDatabaseWrapper) -> None:
    """Make the index of SEARCHED, over whatever an earlier version made."""
    with database.cursor() as cursor:
        if database.vendor != "sqlite":
            for statement in _ON_POSTGRESQL:
                cursor.execute(statement)
            return
        for name in _TRIGGERS:
            if name.startswith(_TABLE):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        cursor.execute(
            f"CREATE VIRTUAL TABLE {_TABLE} USING fts5({_COLUMNS}, content = 'repository_image', content_rowid = 'id', "
            "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')"
        )
        cursor.execute(f"INSERT INTO {_TABLE} (rowid, {_COLUMNS}) SELECT new.id, {_NEW} FROM repository_image AS new")


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
