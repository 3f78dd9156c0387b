"""How it is doing: a page for staff."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mezzotint.composites.models import Collection as Request
from mezzotint.composites.models import Member, Status, TargetKind
from mezzotint.desk import doing, plots
from mezzotint.imagecloud.models import CloneRequest, Job, PrefetchBatch, PrefetchItem
from mezzotint.repository.models import Commit, Snapshot
from mezzotint.repository.tables import Webhook
from mezzotint.wiring import Engine
from tests.repository.keeping import furnish

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def staff(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(doing, "_known", {})
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="a long enough one 7"))
    return client


def page(client: Client) -> str:
    answer = client.get("/desk/doing/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_is_for_staff(repository: Engine) -> None:
    assert Client().get("/desk/doing/").status_code == 302
    user = User.objects.create_user("eve", password="a long enough one 7")
    from django.contrib.auth.models import Permission

    user.user_permissions.set(Permission.objects.filter(content_type__app_label="repository"))
    client = Client()
    client.force_login(user)
    assert client.get("/desk/doing/").status_code == 403
    assert client.post("/desk/doing/fetch/again/").status_code == 403


def test_an_empty_one_says_so(staff: Client) -> None:
    text = page(staff)
    assert "<strong>0</strong> pictures" in text and "Failed lately</h2>\n<p>Nothing" in text


def test_it_shows_what_is_there_and_what_came_in(staff: Client, repository: Engine) -> None:
    idents = furnish(repository)
    text = page(staff)
    assert f"<strong>{len(idents)}</strong> pictures" in text and 'aria-label="Pictures by format: png 3"' in text
    today = datetime.now(UTC).date().isoformat()
    assert f"<title>{today}: 4 pictures</title>" in text
    Commit.objects.update(at=timezone.now() - timedelta(days=40))
    assert "Pictures that came in: 0 in all" in page(staff)
    assert "style=" not in text


def fail_everywhere() -> None:
    batch = PrefetchBatch.objects.create()
    PrefetchItem.objects.create(batch=batch, url=f"https://a.example/{HOSTILE}", state=Job.State.DEAD, reason=HOSTILE)
    CloneRequest.objects.create(group="peer", state=Job.State.DEAD, reason="503")
    now = timezone.now()
    request = Request.objects.create(customer=1, json_data={}, created_date=now, last_updated_date=now)
    Member.objects.create(
        collection=request, position=0, json_data={}, status=Status.ERROR, error=HOSTILE, ended=True,
        target=TargetKind.REPOSITORY, place=str(uuid.uuid4()), created_date=now, last_updated_date=now,
    )  # fmt: skip
    Snapshot.objects.create(by="x", state=Snapshot.State.FAILED, error=HOSTILE)
    Webhook.objects.create(url="https://b.example/", told=0, failures=3, error="it answered 500", again=now)


def test_what_has_failed_is_tried_again_by_one_button(staff: Client, repository: Engine) -> None:
    fail_everywhere()
    text = page(staff)
    assert HOSTILE not in text and "it answered 500" in text
    names = re.findall(r"/desk/doing/(\w+)/again/", text)
    assert names == [one.name for one in doing.FAILURES]
    for name in names:
        assert staff.post(f"/desk/doing/{name}/again/").status_code == 302
    left = re.findall(r"/desk/doing/(\w+)/again/", page(staff))
    assert left == ["webhooks"], "which is told again, and known to be well then"
    assert PrefetchItem.objects.get().state == Job.State.WAITING
    assert Member.objects.get().status == Status.PENDING
    assert Snapshot.objects.get().state == Snapshot.State.WAITING
    assert staff.post("/desk/doing/nothing/again/").status_code == 400


def test_drawings_fit_their_frame() -> None:
    for values in ([], [("a", 0)], [("a", 1), ("b", 0), ("c", 1e9)], [(str(n), n) for n in range(100)]):
        for drawing in (plots.columns("x", values), plots.shares("x", values)):
            for bar in drawing.bars:
                assert bar.x >= 0 and bar.x + bar.width <= plots.WIDTH + 0.1
                assert bar.y >= 0 and bar.y + bar.height <= drawing.height + 0.1
