"""People, groups and permissions that are changed in the admin are in the journal before the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from mezzotint.journal import Change, Head, Journal, Segment
from mezzotint.objects import DirectoryStore
from tests.conftest import Server, run
from tests.repository.test_admin import as_admin, hidden, logged_in
from tests.servers import rows, start_server
from tests.waiting import until

PASSWORD = "a long enough one 3"
Fields = dict[str, str | list[str]]
EDITED: Fields = {"date_joined_0": "2025-01-02", "date_joined_1": "03:04:05", "is_active": "on", "is_staff": "on"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("durable-admin") / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(site: Server) -> Iterator[httpx.Client]:
    with closing(as_admin(site)) as client:
        yield client


def segments(site: Server) -> list[Segment]:
    return [segment for segment, _ in Journal(DirectoryStore(site.data / "store")).follow(Head())]


def posted(site: Server, admin: httpx.Client, address: str, fields: Fields) -> list[Change]:
    """What the journal has more when the answer is there, in the person's name."""
    before = len(segments(site))
    page = admin.get(address).raise_for_status().text
    answer = admin.post(address, data=hidden(page) | fields)
    after = segments(site)[before:]
    assert answer.status_code == 200
    assert "errornote" not in answer.text
    assert {segment.by for segment in after} <= {"admin"}
    return [change for segment in after for change in segment.changes]


def number_of(site: Server, table: str, name: str, value: str) -> int:
    return int(rows(site.data, f"SELECT id FROM {table} WHERE {name} = '{value}'")[0][0])


def test_people_are_durable_when_the_admin_says_so(site: Server, admin: httpx.Client) -> None:
    permission = str(number_of(site, "auth_permission", "codename", "view_image"))
    (group,) = posted(site, admin, "/admin/auth/group/add/", {"name": "printers", "permissions": [permission]})
    assert (group["name"], group["permissions"]) == ("printers", [["repository", "image", "view_image"]])
    made = posted(
        site, admin, "/admin/auth/user/add/",
        {"username": "erna", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"},
    )  # fmt: skip
    assert [(change["put"], change["username"], change["groups"]) for change in made] == [("user", "erna", [])]
    number, printers = (
        number_of(site, "auth_user", "username", "erna"),
        number_of(site, "auth_group", "name", "printers"),
    )
    given: Fields = {
        "username": "erna",
        "groups": [str(printers)],
        "user_permissions": [permission],
    }
    (changed,) = posted(site, admin, f"/admin/auth/user/{number}/change/", EDITED | given)
    assert (changed["groups"], changed["user_permissions"]) == (["printers"], [["repository", "image", "view_image"]])
    (renewed,) = posted(
        site, admin, f"/admin/auth/user/{number}/password/",
        {"password1": PASSWORD + "!", "password2": PASSWORD + "!", "usable_password": "true"},
    )  # fmt: skip
    assert renewed["password"] not in {changed["password"], PASSWORD + "!"}
    (gone,) = posted(site, admin, f"/admin/auth/user/{number}/delete/", {"post": "yes"})
    assert gone == {"remove": "user", "username": "erna"}
    assert site.http.get("/api/status/").json()["waiting"] is False


def test_a_group_that_gets_another_name_keeps_its_members_in_the_journal(site: Server, admin: httpx.Client) -> None:
    posted(site, admin, "/admin/auth/group/add/", {"name": "etchers"})
    people = {"username": "fritz", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    posted(site, admin, "/admin/auth/user/add/", dict(people))
    number, group = number_of(site, "auth_user", "username", "fritz"), number_of(site, "auth_group", "name", "etchers")
    member: Fields = {"username": "fritz", "groups": [str(group)]}
    posted(site, admin, f"/admin/auth/user/{number}/change/", EDITED | member)
    changes = posted(site, admin, f"/admin/auth/group/{group}/change/", {"name": "engravers"})
    assert {"remove": "group", "name": "etchers"} in changes
    assert [c["groups"] for c in changes if c.get("username") == "fritz"] == [["engravers"]]


def test_a_login_makes_no_segment(site: Server, admin: httpx.Client) -> None:
    before = len(segments(site))
    made = run(
        site.data, "manage", "createsuperuser", "--noinput", "--username", "gerda", "--email", "g@example.org",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    until(lambda: len(segments(site)) == before + 1)
    assert [change["username"] for change in segments(site)[-1].changes] == ["gerda"]
    with closing(logged_in(site, "gerda", PASSWORD)) as client:
        assert client.get("/admin/auth/user/").status_code == 200
        client.post("/admin/logout/", data=hidden(client.get("/admin/").text))
    assert site.http.get("/api/status/").json()["waiting"] is False
    assert len(segments(site)) == before + 1
