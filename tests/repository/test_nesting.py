"""Collections within collections, and what stands for each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from mezzotint.errors import InvalidInput
from mezzotint.repository import nesting, services
from mezzotint.repository.models import Collection
from mezzotint.repository.readers import EVERYBODY, EVERYTHING
from mezzotint.wiring import Engine
from tests.repository.keeping import furnish, put_in, rebuilt_equals_live


def put(slug: str, **fields: Any) -> None:
    found = Collection.objects.filter(slug=slug).first()
    version = found.version if found is not None else None
    services.at_once("anna", lambda s: services.put_collection(s, slug, fields, version, fields.pop("images", None)))


def page(path: str) -> str:
    answer = Client().get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_one_is_within_another_on_pages(repository: Engine) -> None:
    put_in(repository, 1)
    for slug, parent in (("world", ""), ("europe", "world"), ("alps", "europe")):
        put(slug, title=slug.title(), parent=parent)
    assert [one.slug for one in nesting.above(Collection.objects.get(slug="alps"), EVERYTHING)] == ["world", "europe"]
    outermost = page("/collection/")
    assert "/collection/world/" in outermost and "/collection/europe/" not in outermost
    assert "/collection/europe/" in page("/collection/world/") and "No pictures in it" in page("/collection/alps/")
    alps = page("/collection/alps/")
    assert alps.index("/collection/world/") < alps.index("/collection/europe/")
    rebuilt_equals_live()


def test_what_is_within_a_hidden_one_is_seen_by_itself(repository: Engine) -> None:
    put("secret", title="Secret", visibility="login")
    put("open", title="Open", parent="secret")
    assert "/collection/open/" in page("/collection/") and "Secret" not in page("/collection/open/")
    assert nesting.above(Collection.objects.get(slug="open"), EVERYBODY) == []
    services.at_once("anna", lambda s: services.remove_collection(s, "secret"))
    assert "/collection/open/" in page("/collection/")


@pytest.mark.parametrize(("slug", "parent"), [("a", "a"), ("a", "c"), ("b", "c"), ("a", "none"), ("a", "No Slug")])
def test_none_is_within_itself_nor_within_what_is_not_there(repository: Engine, slug: str, parent: str) -> None:
    for one, above in (("a", ""), ("b", "a"), ("c", "b")):
        put(one, parent=above)
    with pytest.raises(InvalidInput, match="parent"):
        put(slug, parent=parent)


def test_a_circle_that_two_make_at_once_holds_nobody(repository: Engine) -> None:
    for one in "ab":
        put(one)
    Collection.objects.filter(slug="a").update(parent="b")
    Collection.objects.filter(slug="b").update(parent="a")
    assert [one.slug for one in nesting.above(Collection.objects.get(slug="a"), EVERYTHING)] == ["b"]
    assert "/collection/b/" in page("/collection/a/")


def test_a_session_makes_both(repository: Engine) -> None:
    session = services.open_session("anna")
    services.put_collection(session, "world", {})
    services.put_collection(session, "europe", {"parent": "world"})
    with pytest.raises(InvalidInput, match="parent"):
        services.put_collection(session, "world", {"parent": "europe"})


def test_too_deep_is_told(repository: Engine) -> None:
    put("n0")
    for number in range(1, nesting.DEEPEST):
        put(f"n{number}", parent=f"n{number - 1}")
    with pytest.raises(InvalidInput, match="too deep"):
        put("deepest", parent=f"n{nesting.DEEPEST - 1}")


def test_a_chosen_picture_stands_for_a_collection(repository: Engine) -> None:
    idents = furnish(repository)
    assert f"/images/{idents[0]}-cover" in page("/collection/")
    put("shelf", cover=idents[2])
    assert f"/images/{idents[2]}-cover" in page("/collection/")
    services.at_once("anna", lambda s: services.remove_image(s, idents[2]))
    assert f"/images/{idents[0]}-cover" in page("/collection/")
    for wrong in ("x", "0" * 64):
        with pytest.raises(InvalidInput, match="cover"):
            put("shelf", cover=wrong)


def test_what_is_hidden_stands_for_nothing(repository: Engine) -> None:
    idents = furnish(repository)
    secret = put_in(repository, 9)
    put("shelf", images=idents, cover=secret)
    put("vault", images=[secret], visibility="login")
    assert secret not in page("/collection/") and secret not in page("/")
