"""Composites in the admin: looked at, tried again, cancelled; the queue beside them."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mezzotint.composites.models import Member, Status
from tests.composites.world import World
from tests.documents import text_pdf

pytestmark = pytest.mark.processes


@pytest.fixture
def admin(world: World) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def text(answer: object) -> str:
    content = answer.content.decode()  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", content)


def act(client: Client, action: str, *members: Member) -> str:
    data = {"action": action, "_selected_action": [str(member.pk) for member in members]}
    return text(client.post("/admin/composites/member/", data, follow=True))


def test_pages_show_how_members_stand(world: World, admin: Client) -> None:
    done, failed = world.work(world.composite(text_pdf(3))), world.work(world.composite(b"none", "/b.pdf"))
    listed = text(admin.get("/admin/composites/member/"))
    for shown in ("COMPLETED", "3 of 3", "0 of ?", "it is not a PDF"):
        assert shown in listed.replace("Completed", "COMPLETED")
    assert admin.get("/admin/composites/member/", {"q": str(failed.pk)}).status_code == 200
    page = text(admin.get(f"/admin/composites/member/{done.pk}/change/"))
    assert next(iter(world.dlcs.batches)) in page
    assert "credentials" not in page
    collection = text(admin.get(f"/admin/composites/collection/{done.collection_id}/change/"))
    assert str(done.pk) in collection
    for address in ("member", "collection"):
        assert admin.get(f"/admin/composites/{address}/add/").status_code == 403
    for queue in ("ormq", "success", "failure", "schedule"):
        assert admin.get(f"/admin/django_q/{queue}/").status_code == 200


def test_failed_ones_are_tried_again_and_open_ones_cancelled(world: World, admin: Client) -> None:
    member = world.work(world.accept(*[_lacking(world)]).members.get())
    assert "1 are tried again" in act(admin, "try_again", member)
    member.refresh_from_db()
    assert (member.status, member.attempts) == (Status.PENDING, 0)
    assert "1 were cancelled" in act(admin, "cancel", member)
    member.refresh_from_db()
    assert (member.error, member.credentials) == ("it was cancelled", "")
    assert "0 are tried again" in act(admin, "try_again", member), "its credentials are gone"
    done = world.work(world.composite(text_pdf(1)))
    assert "is completed" in act(admin, "cancel", done)


def _lacking(world: World) -> dict[str, object]:
    from tests.documents import anything

    return anything(origin=world.origin.url("/lacking.pdf"))


def test_whoever_may_only_look_changes_nothing(world: World) -> None:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_member", "view_collection"]))
    client = Client()
    client.force_login(user)
    member = world.work(world.accept(_lacking(world)).members.get())
    for action in ("try_again", "cancel"):
        assert "You may look" in act(client, action, member)
    member.refresh_from_db()
    assert (member.status, member.ended) == (Status.ERROR, False)
