"""Whatever changes a row that the journal holds, by whatever way, ends up in a segment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group, Permission, User, update_last_login
from django.db import connection, transaction

from mezzotint.journal import Head, Segment
from mezzotint.repository import commits
from mezzotint.repository.intake import capture
from mezzotint.repository.kinds import KINDS
from mezzotint.repository.models import Captured, Collection, Commit, Image, Membership, Removal
from mezzotint.repository.records import Records
from mezzotint.wiring import Engine
from tests.repository.keeping import furnish, put_in, rebuilt_equals_live
from tests.waiting import PATIENCE

POSTGRESQL = "DATABASE_URL" in os.environ
FIRST = "(SELECT min(id) FROM {table})"


@dataclass(frozen=True)
class Table:
    """How raw SQL changes a table: what a copied row has of its own, a plain change, a change of what names a row,
    and in which other tables rows refer to it."""

    own: dict[str, str]
    plain: str
    key: str
    referring: tuple[str, ...] = ()


_OTHER_COLLECTION = "(SELECT max(id) FROM repository_collection)"
_OTHER_PERMISSION = "(SELECT max(id) FROM auth_permission)"
_OTHER_GROUP = "(SELECT id FROM auth_group WHERE name = 'binders')"
TABLES = {
    "repository_image": Table(
        {"ident": "'f' || substr(ident, 2, 62) || 'f'"},
        "title = 'raw'",
        "ident = 'f' || substr(ident, 2, 62) || 'f'",
        ("repository_membership.image_id",),
    ),
    "repository_collection": Table(
        {"slug": "slug || '-copy'"}, "title = 'raw'", "slug = slug || '-new'", ("repository_membership.collection_id",)
    ),
    "repository_membership": Table(
        {"collection_id": _OTHER_COLLECTION}, "position = position + 50", f"collection_id = {_OTHER_COLLECTION}"
    ),
    "repository_removal": Table(
        {"ident": "'f' || substr(ident, 2, 62) || 'f'"}, "seq = 3", "ident = 'f' || substr(ident, 2, 62) || 'f'"
    ),
    "auth_group": Table(
        {"name": "name || ' copy'"},
        "name = name",
        "name = name || ' new'",
        ("auth_group_permissions.group_id", "auth_user_groups.group_id"),
    ),
    "auth_group_permissions": Table(
        {"permission_id": _OTHER_PERMISSION},
        f"permission_id = {_OTHER_PERMISSION}",
        f"group_id = {_OTHER_GROUP}, permission_id = {_OTHER_PERMISSION}",
    ),
    "auth_user": Table(
        {"username": "username || ' copy'"},
        "email = 'raw@example.org'",
        "username = username || ' new'",
        ("auth_user_groups.user_id", "auth_user_user_permissions.user_id"),
    ),
    "auth_user_groups": Table(
        {"group_id": _OTHER_GROUP},
        f"group_id = {_OTHER_GROUP}",
        f"user_id = (SELECT max(id) FROM auth_user), group_id = {_OTHER_GROUP}",
    ),
    "auth_user_user_permissions": Table(
        {"permission_id": _OTHER_PERMISSION},
        f"permission_id = {_OTHER_PERMISSION}",
        f"user_id = (SELECT max(id) FROM auth_user), permission_id = {_OTHER_PERMISSION}",
    ),
}


def _quoted_columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
    return [f'"{column.name}"' for column in described if column.name != "id"]


def _copied(table: str, *, over: bool) -> str:
    """A row like the first one; or one in the first one's place."""
    own = {f'"{name}"': value for name, value in TABLES[table].own.items()}
    columns = _quoted_columns(table)
    values = ", ".join(own.get(column, column) for column in columns)
    names, first = ", ".join(columns), f"FROM {table} WHERE id = {FIRST.format(table=table)}"
    if not over:
        return f"INSERT INTO {table} ({names}) SELECT {values} {first}"
    verb = "INSERT INTO" if POSTGRESQL else "INSERT OR REPLACE INTO"
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns)
    ending = f" ON CONFLICT (id) DO UPDATE SET {changed}" if POSTGRESQL else ""
    return f"{verb} {table} (id, {names}) SELECT id, {values} {first}{ending}"


def _inserted(table: str) -> list[str]:
    return [_copied(table, over=False)]


def _replaced(table: str) -> list[str]:
    return [_copied(table, over=True)]


def _updated(table: str) -> list[str]:
    return [f"UPDATE {table} SET {TABLES[table].plain} WHERE id = {FIRST.format(table=table)}"]


def _renamed(table: str) -> list[str]:
    return [f"UPDATE {table} SET {TABLES[table].key} WHERE id = {FIRST.format(table=table)}"]


def _deleted(table: str) -> list[str]:
    """The row before what refers to it: no cascade, and a constraint that waits for the end of the transaction."""
    first = FIRST.format(table=table)
    gone = [f"CREATE TEMPORARY TABLE going AS SELECT {first} AS id", f"DELETE FROM {table} WHERE id = {first}"]
    for reference in TABLES[table].referring:
        name, _, column = reference.partition(".")
        gone.append(f"DELETE FROM {name} WHERE {column} = (SELECT id FROM going)")
    return [*gone, "DROP TABLE going"]


def _emptied(table: str) -> list[str]:
    names = [table, *(reference.partition(".")[0] for reference in TABLES[table].referring)]
    return [f"TRUNCATE {', '.join(names)} CASCADE"] if POSTGRESQL else [f"DELETE FROM {name}" for name in names]


WAYS: dict[str, Callable[[str], list[str]]] = {
    "insert": _inserted,
    "replace": _replaced,
    "update": _updated,
    "rename": _renamed,
    "delete": _deleted,
    "empty": _emptied,
}


def executed(statements: list[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def segments(engine: Engine) -> list[Segment]:
    return [segment for segment, _ in engine.journal.follow(Head())]


def is_in_the_journal(engine: Engine) -> Commit:
    """What was changed is committed under the next number, and a rebuilt database equals the live one."""
    before = len(segments(engine))
    assert capture.pending()
    done = commits.flush("tester")
    assert done is not None
    assert done.seq == before + 1 == len(segments(engine))
    assert not capture.pending()
    rebuilt_equals_live()
    return done


def test_every_table_of_the_journal_is_changed_below() -> None:
    models = [Records(connection).table(name).model for name in KINDS if name != "commit"]
    tables = {model._meta.db_table for model in models}
    tables |= {
        field.remote_field.through._meta.db_table  # type: ignore[union-attr]
        for model, kind in zip(models, KINDS.values(), strict=False)
        for field in model._meta.many_to_many
        if field.name in kind.lists
    }
    assert tables == set(TABLES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("table", TABLES)
def test_raw_sql_is_captured(repository: Engine, table: str, way: str) -> None:
    furnish(repository)
    executed(WAYS[way](table))
    is_in_the_journal(repository)


def test_one_transaction_that_changes_everything_is_one_segment(repository: Engine) -> None:
    furnish(repository)
    executed([statement for table in TABLES for statement in _updated(table)])
    is_in_the_journal(repository)


def _bulk_created() -> None:
    User.objects.bulk_create([User(username=f"user {n}", email="x@example.org") for n in range(30)])
    Group.objects.bulk_create([Group(name="late"), Group(name="later")])


def _bulk_updated() -> None:
    people = list(User.objects.all())
    for person in people:
        person.first_name = "Bulk"
    User.objects.bulk_update(people, ["first_name"])
    Image.objects.update(creator="Everybody")


def _related_set() -> None:
    anna = User.objects.get(username="anna")
    anna.groups.set(Group.objects.filter(name="binders"))
    anna.user_permissions.clear()
    Group.objects.get(name="printers").permissions.set(Permission.objects.filter(codename="add_image"))


def _people_deleted() -> None:
    User.objects.filter(username="bela").delete()
    Group.objects.filter(name="printers").delete()


def _images_deleted() -> None:
    Image.objects.filter(title="Edited").delete()
    Collection.objects.filter(slug="other").delete()


def _members_deleted() -> None:
    Membership.objects.filter(collection__slug="shelf").delete()


@pytest.mark.parametrize(
    "work", [_bulk_created, _bulk_updated, _related_set, _people_deleted, _images_deleted, _members_deleted]
)
def test_bulk_changes_of_the_orm_are_captured(repository: Engine, work: Callable[[], None]) -> None:
    furnish(repository)
    work()
    is_in_the_journal(repository)


def test_a_commit_takes_what_was_captured_before_it_along(repository: Engine) -> None:
    furnish(repository)
    User.objects.filter(username="anna").update(email="new@example.org")
    before = len(segments(repository))
    put_in(repository, 20)
    changed, added = segments(repository)[before:]
    assert [change.get("username") for change in changed.changes] == ["anna"]
    assert [change["put"] for change in added.changes] == ["image", "member"]
    rebuilt_equals_live()


def test_a_login_and_a_settled_removal_make_no_segment(repository: Engine) -> None:
    furnish(repository)
    update_last_login(User, User.objects.get(username="anna"))
    Removal.objects.update(settled=False)
    assert not capture.pending()
    assert commits.flush("tester") is None


def test_what_a_commit_writes_itself_is_not_captured(repository: Engine) -> None:
    put_in(repository, 1)
    furnish(repository)
    assert not Captured.objects.exists()
    rebuilt_equals_live()
    User.objects.create(username="after")
    assert Captured.objects.exists()


def test_what_is_rolled_back_is_not_captured(repository: Engine) -> None:
    furnish(repository)
    before = len(segments(repository))
    with transaction.atomic():
        User.objects.update(email="never@example.org")
        transaction.set_rollback(True)
    assert commits.flush("tester") is None
    assert len(segments(repository)) == before


if POSTGRESQL:

    def test_what_another_transaction_has_not_committed_yet_is_not_lost(repository: Engine) -> None:
        furnish(repository)
        written, may_commit = threading.Event(), threading.Event()

        def slow() -> None:
            try:
                with transaction.atomic():
                    User.objects.create(username="slow")
                    written.set()
                    assert may_commit.wait(PATIENCE)
            finally:
                connection.close()

        other = threading.Thread(target=slow)
        other.start()
        assert written.wait(PATIENCE)
        User.objects.create(username="quick")
        assert commits.flush("tester") is not None
        may_commit.set()
        other.join()
        is_in_the_journal(repository)
        assert {change["username"] for change in segments(repository)[-1].changes} == {"slow"}
