"""A person's own tokens: made, shown once, revoked; and they may do what the person may, no more, no longer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mezzotint import wiring
from mezzotint.errors import InvalidInput
from mezzotint.names.keys import REVOKED_KEY
from mezzotint.repository.models import Commit
from mezzotint.wiring import Engine
from tests.repository.keeping import put_in
from tests.repository.people import person


def make(client: Client, label: str = "laptop", days: str = "30") -> Any:
    return client.post("/desk/tokens/", {"label": label, "days": days})


def shown(answer: Any) -> str:
    found = re.search(r'value="(ey[^"]+)"', answer.content.decode())
    assert found
    return found[1]


def api(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_a_token_is_shown_once_listed_and_revoked(repository: Engine) -> None:
    eve = person("editor", "eve")
    answer = make(eve)
    token = shown(answer)
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    page = eve.get("/desk/tokens/").content.decode()
    assert "laptop" in page and token not in page
    assert api(token).get("/api/sessions/").status_code == 200
    assert eve.post("/desk/tokens/revoke/", {"name": "eve: laptop"}).status_code == 302
    assert "eve: laptop" not in eve.get("/desk/tokens/").content.decode()
    assert api(token).get("/api/sessions/").status_code == 401


def test_it_may_do_what_the_person_may_in_the_persons_name(repository: Engine) -> None:
    ident = str(put_in(repository, 1))
    said = {"version": 1, "title": "By a program"}
    editor, contributor = (
        api(shown(make(person(role, name)))) for role, name in (("editor", "eve"), ("contributor", "cora"))
    )
    refused = contributor.patch(f"/api/images/{ident}/", said, content_type="application/json")
    assert refused.status_code == 403 and "repository.add_commit" in refused.json()["detail"]
    assert contributor.post("/api/sessions/", {}, content_type="application/json").status_code == 201
    assert editor.patch(f"/api/images/{ident}/", said, content_type="application/json").status_code == 200
    assert Commit.objects.latest("seq").by == "eve"


def test_it_ends_with_the_persons_login(repository: Engine) -> None:
    api_of_eve = api(shown(make(person("editor", "eve"))))
    User.objects.filter(username="eve").update(is_active=False)
    assert api_of_eve.get("/api/sessions/").status_code == 401
    User.objects.filter(username="eve").delete()
    assert api_of_eve.get("/api/images/").status_code == 401
    User.objects.create_user("eve", is_superuser=True)
    assert api_of_eve.get("/api/images/").status_code == 401, "another of the same name"


def test_nobody_revokes_what_is_not_theirs(repository: Engine) -> None:
    eve, bob = person("editor", "eve"), person("editor", "bob")
    token = shown(make(eve))
    wiring.engine().tokens.issue_for("eve: x", timezone.now(), "laptop", 5)
    for name in ("eve: laptop", "eve: x: laptop", "first", ""):
        assert bob.post("/desk/tokens/revoke/", {"name": name}).status_code == 404
    assert eve.post("/desk/tokens/revoke/", {"name": "eve: x: laptop"}).status_code == 404
    assert api(token).get("/api/sessions/").status_code == 200


@pytest.mark.parametrize(
    ("label", "days", "told"),
    [
        ("", "30", "1 to 100"),
        ("x" * 101, "30", "1 to 100"),
        ("a\x07b", "30", "1 to 100"),
        ("laptop", "0", "1 to 365"),
        ("laptop", "366", "1 to 365"),
        ("laptop", "\u0663", "1 to 365"),
        ("laptop", "", "1 to 365"),
        ("laptop", "9" * 5000, "1 to 365"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(repository: Engine, label: str, days: str, told: str) -> None:
    answer = make(person("editor", "eve"), label, days)
    assert answer.status_code == 422 and told in answer.content.decode()
    assert not list(wiring.engine().tokens.issued())


def test_who_has_many_revokes_some_first(repository: Engine) -> None:
    eve = person("editor", "eve")
    for number in range(50):
        wiring.engine().tokens.issue_for("eve", timezone.now(), f"no. {number}", 5)
    assert "50 that have not ended" in make(eve).content.decode()


def test_who_may_change_nothing_has_no_desk_and_no_tokens(repository: Engine) -> None:
    assert person("viewer", "vic").get("/desk/tokens/").status_code == 403


def test_a_label_is_printable(repository: Engine) -> None:
    with pytest.raises(InvalidInput, match="label"):
        wiring.engine().tokens.issue_for("eve", timezone.now(), "\u202e", 5)


def test_who_takes_the_name_of_another_does_not_take_the_tokens(repository: Engine) -> None:
    of_eve = api(shown(make(person("editor", "eve"))))
    person("admin", "ada")
    User.objects.filter(username="eve").update(username="eve-old")
    User.objects.filter(username="ada").update(username="eve")
    assert of_eve.get("/api/sessions/").status_code == 401


def test_two_who_revoke_at_once_both_do(repository: Engine) -> None:
    tokens = [shown(make(person("editor", name))) for name in ("eve", "bob")]
    registry = wiring.engine().tokens
    before = repository.store.read(REVOKED_KEY) if registry.revoked() else b"{}"
    registry.revoke("eve: laptop")
    repository.store.put(REVOKED_KEY, before)  # as the other had read it
    registry.revoke("bob: laptop")
    registry._note(registry._read())
    assert [api(token).get("/api/sessions/").status_code for token in tokens] == [401, 401]


def test_a_token_opens_no_login(repository: Engine) -> None:
    token = shown(make(person("editor", "eve")))
    assert not api(token).get("/api/images/").cookies
