"""Changes that were made otherwise than by a commit: noted by triggers, and committed in their turn.

The triggers stand on every table that the journal holds, so users and their
permissions, a shell's raw SQL, a bulk update or a data migration are noted in
the transaction that makes them. `Applying` silences them for what a segment does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from mezzotint.journal import Change
from mezzotint.repository.kinds import KINDS
from mezzotint.repository.models import Applying, Captured
from mezzotint.repository.records import Records

_MEMBER = (
    "(SELECT c.slug FROM repository_collection c WHERE c.id = {row}.collection_id)"
    " || '/' || (SELECT i.ident FROM repository_image i WHERE i.id = {row}.image_id)"
)
_USER = "(SELECT u.username FROM auth_user u WHERE u.id = {row}.user_id)"
_GROUP = "(SELECT g.name FROM auth_group g WHERE g.id = {row}.group_id)"
_WATCHED = {
    "repository_image": ("image", "{row}.ident"),
    "repository_collection": ("collection", "{row}.slug"),
    "repository_membership": ("member", _MEMBER),
    "repository_removal": ("removal", "{row}.ident"),
    "auth_group": ("group", "{row}.name"),
    "auth_group_permissions": ("group", _GROUP),
    "auth_user": ("user", "{row}.username"),
    "auth_user_groups": ("user", _USER),
    "auth_user_user_permissions": ("user", _USER),
}
"""table: the kind of what it says, and the key of that"""
_REFERRING = {
    "repository_image": (
        "ident",
        "SELECT 'member', c.slug || '/' || NEW.ident FROM repository_membership m "
        "JOIN repository_collection c ON c.id = m.collection_id WHERE m.image_id = NEW.id",
    ),
    "repository_collection": (
        "slug",
        "SELECT 'member', NEW.slug || '/' || i.ident FROM repository_membership m "
        "JOIN repository_image i ON i.id = m.image_id WHERE m.collection_id = NEW.id",
    ),
    "auth_group": (
        "name",
        "SELECT 'user', u.username FROM auth_user_groups g "
        "JOIN auth_user u ON u.id = g.user_id WHERE g.group_id = NEW.id",
    ),
}
"""table: the column that names its rows, and what refers to one that has got another name"""
_UNNOTED = {
    "auth_user": {"last_login"},
    "repository_removal": {"settled"},
    "repository_image": {"captured_first", "captured_last"},
}
"""columns that the journal does not hold"""
_SILENT = "EXISTS (SELECT 1 FROM repository_applying)"


def install(database: BaseDatabaseWrapper) -> None:
    """Make the triggers, over whatever an earlier version made; at no moment are there none."""
    statements = _on_sqlite if database.vendor == "sqlite" else _on_postgresql
    with transaction.atomic(using=database.alias), database.cursor() as cursor:
        for table, (kind, key) in _WATCHED.items():
            columns = [column.name for column in database.introspection.get_table_description(cursor, table)]
            noted = [name for name in columns if name not in _UNNOTED.get(table, set())]
            for statement in statements(table, kind, key, noted):
                cursor.execute(statement)


def is_installed(database: BaseDatabaseWrapper) -> bool:
    query = (
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'capture_*'"
        if database.vendor == "sqlite"
        else "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'capture_%'"
    )
    with database.cursor() as cursor:
        cursor.execute(query)
        (count,) = cursor.fetchone()
    return bool(count)


def uninstall(database: BaseDatabaseWrapper) -> None:
    """Take SQLite's triggers away, until `install`."""
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'capture_*'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


@contextmanager
def silenced() -> Iterator[None]:
    """What this transaction writes meanwhile is what a segment says, and is not noted."""
    mark = Applying.objects.create()
    yield
    mark.delete()


def pending() -> bool:
    return Captured.objects.exists()


def first() -> int | None:
    """The number of the oldest note; None where there is none."""
    return Captured.objects.order_by("id").values_list("id", flat=True).first()


def captured(records: Records) -> tuple[list[int], list[Change]]:
    """What was noted: the notes' numbers, and for each row that they name its state now, or its removal.

    Removals come first, and what a row refers to before the row.
    """
    notes = list(Captured.objects.values_list("id", "kind", "key"))
    wanted = {(kind, key) for _, kind, key in notes}
    puts: list[Change] = []
    removals: list[Change] = []
    for name in KINDS:
        for key in sorted(key for kind, key in wanted if kind == name):
            parts = tuple(key.split("/")) if name == "member" else (key,)
            found = list(records.table(name).rows([parts]))
            puts += found
            if not found:
                removals.append({"remove": name} | dict(zip(KINDS[name].key, parts, strict=True)))
            if not found and name == "image":  # nobody has its state any more: no trash, on any node
                removals.append({"remove": "removal", "ident": key})
    return [number for number, _, _ in notes], removals + puts


def forget(numbers: list[int]) -> None:
    for start in range(0, len(numbers), 500):
        Captured.objects.filter(id__in=numbers[start : start + 500]).delete()


_NOTED = "INSERT INTO repository_captured (kind, key)"


def _note(kind: str, key: str, row: str) -> str:
    value = key.format(row=row)
    source = f"SELECT '{kind}', k FROM (SELECT {value} AS k) n WHERE k IS NOT NULL"
    return f"{_NOTED} {source};"


def _on_sqlite(table: str, kind: str, key: str, noted: list[str]) -> Iterator[str]:
    old, new = _note(kind, key, "OLD"), _note(kind, key, "NEW")
    # INSERT OR REPLACE takes the row of the same number away, and no trigger for deletion hears of it
    replaced = f"{_NOTED} SELECT '{kind}', {key.format(row='r')} FROM {table} r WHERE r.id = NEW.id;"
    events = {
        "add": ("AFTER INSERT", new),
        "change": (f"AFTER UPDATE OF {', '.join(noted)}", old + new),
        "remove": ("AFTER DELETE", old),
        "replace": ("BEFORE INSERT", replaced),
    }
    if table in _REFERRING:
        column, referring = _REFERRING[table]
        referring = f"{_NOTED} {referring};"
        events |= {"named": (f"AFTER UPDATE OF {column}", referring), "refilled": ("AFTER INSERT", referring)}
    for name, (event, body) in events.items():
        trigger = f"capture_{table}_{name}"
        yield f"DROP TRIGGER IF EXISTS {trigger}"
        yield f"CREATE TRIGGER {trigger} {event} ON {table} WHEN NOT {_SILENT} BEGIN {body} END"


def _on_postgresql(table: str, kind: str, key: str, noted: list[str]) -> Iterator[str]:
    every = f"{_NOTED} SELECT '{kind}', {key.format(row='r')} FROM {table} r;"
    renamed = ""
    if table in _REFERRING:
        column, referring = _REFERRING[table]
        referring = f"{_NOTED} {referring};"
        renamed = f"IF TG_OP = 'UPDATE' THEN IF OLD.{column} <> NEW.{column} THEN {referring} END IF; END IF;"
    yield f"""
        CREATE OR REPLACE FUNCTION capture_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF {_SILENT} THEN RETURN NULL; END IF;
            IF TG_OP = 'TRUNCATE' THEN {every} RETURN NULL; END IF;
            IF TG_OP <> 'INSERT' THEN {_note(kind, key, "OLD")} END IF;
            IF TG_OP <> 'DELETE' THEN {_note(kind, key, "NEW")} END IF;
            {renamed}
            RETURN NULL;
        END $$"""
    events = {
        "rows": f"AFTER INSERT OR DELETE OR UPDATE OF {', '.join(noted)} ON {table} FOR EACH ROW",
        "truncate": f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT",
    }
    for name, event in events.items():
        trigger = f"capture_{table}_{name}"
        yield f"DROP TRIGGER IF EXISTS {trigger} ON {table}"
        yield f"CREATE TRIGGER {trigger} {event} EXECUTE FUNCTION capture_{table}()"
