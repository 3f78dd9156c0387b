"""Rows of the database as the journal has them, there and back."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from mezzotint.errors import JournalBroken
from mezzotint.journal import Change
from mezzotint.repository.intake import capture
from mezzotint.repository.kinds import KINDS
from mezzotint.repository.models import Collection, Image, Membership
from mezzotint.repository.records import Records
from mezzotint.wiring import Engine
from tests.durability.oracle import rows
from tests.repository.keeping import emptied_database, furnish

ODD = "écrit \U0001f4f7 \"quoted\" 'x'); DROP TABLE auth_user; -- %s {} \\ \n\t\u2028"
IMAGE: Change = {
    "put": "image", "ident": "a" * 64, "title": ODD, "description": ODD, "creator": "", "rights": ODD, "source": "",
    "tags": [ODD, "b"], "captured": "1839", "alt": ODD, "licence": "", "file_name": ODD,
    "custom": {"place": ODD, "several": ["b"]},
    "exif": {"FNumber": 2.8, "Model": ODD, "nested": {"a": [1, None, True]}},
    "width": 1, "height": 2, "format": "png", "bytes": 5_000_000_000, "added": "2025-01-02T03:04:05.678901+00:00",
    "version": 3, "field_versions": {"title": 2},
}  # fmt: skip


@pytest.fixture
def records(repository: Engine) -> Records:
    return Records(connection)


def put(records: Records, kind: str, *changes: Change) -> None:
    with capture.silenced():
        records.table(kind).put(list(changes))


def test_every_kind_comes_back_as_it_was_written(repository: Engine, records: Records) -> None:
    furnish(repository)
    before = rows()
    assert all(before[kind] for kind in KINDS)
    emptied_database()
    assert not any(rows().values())
    for _ in range(2):
        for kind in KINDS:
            put(records, kind, *before[kind])
        assert rows() == before


def test_odd_text_and_numbers_come_back(records: Records) -> None:
    put(records, "image", IMAGE)
    assert list(records.table("image").rows()) == [IMAGE]
    image = Image.objects.get()
    assert (image.title, image.exif, image.bytes) == (ODD, IMAGE["exif"], 5_000_000_000)
    assert image.added.isoformat() == IMAGE["added"]
    put(records, "collection", {"put": "collection", "slug": "s", "title": ODD, "description": ODD, "version": 1})
    put(records, "member", {"put": "member", "slug": "s", "ident": "a" * 64, "position": 1 << 40})
    assert list(records.table("member").rows([("s", "a" * 64)])) == [
        {"put": "member", "slug": "s", "ident": "a" * 64, "position": 1 << 40}
    ]


@pytest.mark.parametrize(
    "added", ["2025-01-02T03:04:05+00:00", "2025-01-02T05:04:05+02:00", "2025-01-01T22:04:05-05:00"]
)
def test_moments_of_other_zones_are_the_same_moments(records: Records, added: str) -> None:
    put(records, "image", IMAGE | {"added": added})
    assert Image.objects.get().added.isoformat() == "2025-01-02T03:04:05+00:00"
    assert [row["added"] for row in records.table("image").rows()] == ["2025-01-02T03:04:05+00:00"]


def test_what_is_written_again_replaces_and_keeps_its_number(records: Records) -> None:
    put(records, "image", IMAGE)
    number = Image.objects.get().pk
    put(records, "image", IMAGE | {"title": "Other", "version": 4})
    image = Image.objects.get()
    assert (image.pk, image.title, image.version) == (number, "Other", 4)


def test_a_member_of_what_is_not_there_is_none(records: Records) -> None:
    put(records, "image", IMAGE)
    put(records, "member", {"put": "member", "slug": "nowhere", "ident": "a" * 64, "position": 1})
    assert not Membership.objects.exists()


def test_a_permission_that_this_version_does_not_have_is_left_out(records: Records) -> None:
    known = ["repository", "image", "view_image"]
    put(
        records,
        "group",
        {"put": "group", "name": "g", "permissions": [known, ["repository", "hologram", "add_hologram"]]},
    )
    assert list(Group.objects.get().permissions.values_list("codename", flat=True)) == ["view_image"]


def test_lists_are_replaced_as_a_whole(records: Records) -> None:
    permissions = [["repository", "image", f"{verb}_image"] for verb in ("add", "change", "view")]
    group = {"put": "group", "name": "g", "permissions": permissions}
    put(records, "group", group, {"put": "group", "name": "h", "permissions": []})
    put(records, "group", group | {"permissions": permissions[:1]})
    assert Permission.objects.filter(group__name="g").count() == 1
    person = {
        "put": "user", "username": "u", "password": "p", "is_superuser": False, "first_name": "", "last_name": "",
        "email": "", "is_staff": True, "is_active": True, "date_joined": "2025-01-02T03:04:05+00:00",
        "groups": ["g", "h"], "user_permissions": permissions[1:],
    }  # fmt: skip
    put(records, "user", person)
    assert list(records.table("user").rows()) == [person]
    put(records, "user", person | {"groups": [], "user_permissions": []})
    assert not User.objects.get().groups.exists()


def test_what_an_older_version_did_not_write_has_its_default(records: Records) -> None:
    short = {name: IMAGE[name] for name in ("ident", "width", "height", "format", "bytes", "added")}
    put(records, "image", short)
    image = Image.objects.get()
    assert (image.title, image.tags, image.exif, image.version) == ("", [], {}, 1)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("image", IMAGE | {"smell": "sweet"}),
        ("image", {name: value for name, value in IMAGE.items() if name != "width"}),
        ("image", IMAGE | {"added": "yesterday"}),
        ("image", IMAGE | {"added": 5}),
        ("member", {"put": "member", "slug": "s", "position": 1}),
        ("hologram", {"put": "hologram"}),
    ],
)
def test_what_cannot_be_read_is_refused(records: Records, kind: str, change: dict[str, Any]) -> None:
    with pytest.raises(JournalBroken):
        records.table(kind).put([change])


def test_removing_takes_what_belongs_to_a_row_along(repository: Engine, records: Records) -> None:
    first, *_ = furnish(repository)
    with capture.silenced():
        records.table("image").remove([{"ident": first}, {"ident": "f" * 64}])
        records.table("member").remove([{"slug": "nowhere", "ident": "f" * 64}])
        records.table("collection").remove([{"slug": "other"}])
        records.table("group").remove([{"name": "printers"}])
    assert not Membership.objects.filter(image__ident=first).exists()
    assert list(Collection.objects.values_list("slug", flat=True)) == ["shelf"]
    assert not User.objects.get(username="anna").groups.exists()
