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
_PROSE = {"description", "alt", "custom"}
"""which is full of them"""
_COLUMNS = (*SEARCHED, "custom")
_LONGEST = 200
"""characters of a value of the installation's own fields that can be asked for"""


def folded(text: str) -> str:
    for letter, others in _LETTERS.items():
        text = text.replace(letter, others)
    return text


def _folded(row: str, column: str) -> str:
    """A column as it is indexed, in SQL: names are found with their apostrophes and without."""
    said = f"{row}.{column}"
    if column == "custom":  # its values, without the names of the fields
        said = f"(SELECT coalesce(group_concat(atom, ' '), '') FROM json_tree({said}) WHERE atom IS NOT NULL)"
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


_LISTED = ", ".join(_COLUMNS)
_NEW, _OLD = (", ".join(_folded(row, column) for column in _COLUMNS) for row in ("new", "old"))
_ADD = f"INSERT INTO {_TABLE} (rowid, {_LISTED}) VALUES (new.id, {_NEW});"
_REMOVE = f"INSERT INTO {_TABLE} ({_TABLE}, rowid, {_LISTED}) VALUES ('delete', old.id, {_OLD});"
_TAG, _CUSTOM = "repository_image_tag", "repository_image_custom"
_ALL = "repository_image AS new,"
"""in the place of one row"""


def _tags(row: str, images: str = "") -> str:
    """Values and ids, in SQL."""
    return f"SELECT CAST(tag.value AS TEXT), {row}.id FROM {images} json_each({row}.tags) AS tag"


def _custom(row: str, images: str = "") -> str:
    """Names, values and ids of the installation's own fields, those that can be asked for."""
    each = "json_each(CASE own.type WHEN 'array' THEN own.value ELSE json_array(own.value) END)"
    return (
        f"SELECT own.key, CAST(one.value AS TEXT), {row}.id FROM {images} json_each({row}.custom) AS own, "
        f"{each} AS one WHERE length(one.value) <= {_LONGEST}"
    )


_ADD_TAGS, _ALL_TAGS = (
    f"INSERT OR IGNORE INTO {_TAG} (value, image_id) {_tags('new', images)};" for images in ("", _ALL)
)
_REMOVE_TAGS = f"DELETE FROM {_TAG} WHERE (value, image_id) IN ({_tags('old')});"
_ADD_CUSTOM, _ALL_CUSTOM = (
    f"INSERT OR IGNORE INTO {_CUSTOM} (name, value, image_id) {_custom('new', images)};" for images in ("", _ALL)
)
_REMOVE_CUSTOM = f"DELETE FROM {_CUSTOM} WHERE (name, value, image_id) IN ({_custom('old')});"
_TRIGGERS = {
    f"{_TABLE}_add": ("INSERT", _ADD),
    f"{_TABLE}_remove": ("DELETE", _REMOVE),
    f"{_TABLE}_change": ("UPDATE", _REMOVE + _ADD),
    f"{_TAG}_add": ("INSERT", _ADD_TAGS),
    f"{_TAG}_remove": ("DELETE", _REMOVE_TAGS),
    f"{_TAG}_change": ("UPDATE OF id, tags", _REMOVE_TAGS + _ADD_TAGS),
    f"{_CUSTOM}_add": ("INSERT", _ADD_CUSTOM),
    f"{_CUSTOM}_remove": ("DELETE", _REMOVE_CUSTOM),
    f"{_CUSTOM}_change": ("UPDATE OF id, custom", _REMOVE_CUSTOM + _ADD_CUSTOM),
}


_TEXTS = (
    """regexp_replace(jsonb_path_query_array(custom, 'strict $.** ? (@.type() == "string")')::text, """
    r"""'\\[nrtbf]', ' ', 'g')"""
)
"""as JSON, in which ends of lines are two characters"""
WORDS_OF = ", ".join([*(f"{name}::text" if FIELDS[name].many else name for name in SEARCHED), _TEXTS])
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


def is_follower(name: str) -> bool:
    """Whether a trigger is one of those that keep words, tags and values in step, in whatever version."""
    return name.startswith((_TABLE, _TAG, _CUSTOM))


def refill(database: BaseDatabaseWrapper) -> None:
    """Make all that is kept in step with the images anew: over what an earlier version made, or where they have come
    in without it."""
    with database.cursor() as cursor:
        if database.vendor != "sqlite":
            for statement in _ON_POSTGRESQL:
                cursor.execute(statement)
            return
        for name in _TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        cursor.execute(
            f"CREATE VIRTUAL TABLE {_TABLE} USING fts5({_LISTED}, content = 'repository_image', content_rowid = 'id', "
            "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')"
        )
        cursor.execute(f"INSERT INTO {_TABLE} (rowid, {_LISTED}) SELECT new.id, {_NEW} FROM repository_image AS new")
        for table, add_all in ((_TAG, _ALL_TAGS), (_CUSTOM, _ALL_CUSTOM)):
            cursor.execute(f"DELETE FROM {table}")
            cursor.execute(add_all)
    install(database)


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
