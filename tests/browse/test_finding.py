"""Finding on the public pages: how many, what narrows them down, the order, and the pictures beside one."""

from __future__ import annotations

from functools import partial

import pytest
from django.test import Client

from mezzotint.repository import commits, facets, filters, services
from mezzotint.repository.readers import EVERYBODY, EVERYTHING
from mezzotint.wiring import Engine
from tests import pictures
from tests.browse.test_pages import Page
from tests.repository.adding import add_image

ROWS = [
    {"title": "Harbour", "creator": "Anna", "tags": ["sea", "ship"], "captured": "1901-05"},
    {"title": "Harbour again", "creator": "Anna", "tags": ["sea"], "captured": "1901"},
    {"title": "Harbour at night", "creator": "Béla", "tags": ["sea", "<b>night</b>"], "captured": "1902-01-01"},
    {"title": "Mountain", "creator": "Béla", "tags": [], "captured": ""},
]
SIZES = [(60, 40), (40, 60), (50, 50), (60, 40)]


@pytest.fixture
def idents(repository: Engine) -> list[str]:
    found = []
    for seed, (row, (width, height)) in enumerate(zip(ROWS, SIZES, strict=True)):
        base = repository.bases.add([pictures.png(width, height, seed=800 + seed)])
        joined = {"shore": "The shore"} if row["tags"] else {}
        services.at_once("x", partial(add_image, base=base, fields=row, collections=joined))
        found.append(str(base.ident))
    return found


def page(path: str, status: int = 200) -> Page:
    answer = Client().get(path)
    assert answer.status_code == status
    return Page(answer.content.decode())


def shown(found: Page, idents: list[str]) -> list[int]:
    links = [link.split("/")[2] for link in found.all("a", "href") if link.startswith("/image/")]
    return [idents.index(ident) for ident in links]


def test_what_the_found_ones_have_in_common(idents: list[str]) -> None:
    found = facets.of(filters.images({"search": "harbour"}), EVERYTHING)
    assert found.count == 3
    assert found.tags == [("sea", 3), ("<b>night</b>", 1), ("ship", 1)]
    assert (found.creators, found.years) == ([("Anna", 2), ("Béla", 1)], [("1901", 2), ("1902", 1)])
    assert found.orientations == [("landscape", 1), ("portrait", 1), ("square", 1)]
    assert (found.collections, found.titles) == ([("shore", 3)], {"shore": "The shore"})
    assert facets.of(filters.images({}), EVERYTHING).count == 4


def test_facets_say_nothing_of_what_is_hidden(idents: list[str]) -> None:
    services.at_once("x", lambda s: services.put_collection(s, "shore", {"visibility": "login"}, 1))
    found = facets.of(filters.images({}, EVERYBODY), EVERYBODY)
    assert (found.count, found.tags, found.collections) == (1, [], [])
    session = services.open_session("x")
    services.put_collection(session, "open", {}, None, idents[:1])
    commits.commit(session)
    found = facets.of(filters.images({}, EVERYBODY), EVERYBODY)
    assert (found.count, found.collections) == (2, [("open", 1)]), "a hidden collection is no facet of a public picture"


def test_facets_lead_to_what_they_count(idents: list[str]) -> None:
    found = page("/?search=harbour")
    assert "Found for “harbour” 3" in " ".join(found.text.split())
    for link in [link for link in found.all("a", "href") if link.startswith("/?search=harbour&")]:
        narrowed = page(link)
        assert 0 < len(shown(narrowed, idents)) < 3 or "tag=sea" in link, link
    assert shown(page("/?search=harbour&captured_after=1901&captured_before=1902"), idents) == [1, 0]
    assert shown(page("/?orientation=portrait"), idents) == [1]
    assert shown(page("/?creator=Béla&ordering=title"), idents) == [2, 3]


def test_what_was_asked_can_be_taken_back_one_by_one(idents: list[str]) -> None:
    links = page("/?search=harbour&tag=sea&ordering=title").all("a", "href")
    assert {"/?tag=sea&ordering=title", "/?search=harbour&ordering=title"} <= set(links)


@pytest.mark.parametrize(
    "query", ["orientation=round", "ordering=colour", "min_width=x", "captured_after=soon", "cursor=nonsense"]
)
def test_what_cannot_be_asked_is_told(idents: list[str], query: str) -> None:
    page(f"/?{query}", 400)


def test_pages_turn_both_ways(repository: Engine, idents: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mezzotint.browse.views.PAGE", 2)
    for path, expected in (("/", [3, 2]), ("/?search=harbour&ordering=title", [0, 1]), ("/collection/shore/", [0, 1])):
        first = page(path)
        (onward,) = [found["href"] for name, found in first.tags if found.get("rel") == "next"]
        second = page(f"{path.partition('?')[0]}{onward}")
        (back,) = [found["href"] for name, found in second.tags if found.get("rel") == "prev"]
        assert shown(first, idents) == expected != shown(second, idents)
        assert shown(page(f"{path.partition('?')[0]}{back}"), idents) == expected


def test_a_picture_stands_between_two_others(idents: list[str]) -> None:
    def beside(path: str) -> list[str]:
        return [found["href"] for _, found in page(path).tags if found.get("rel") in {"prev", "next"}]

    assert beside(f"/image/{idents[1]}/") == [f"/image/{idents[2]}/", f"/image/{idents[0]}/"]
    assert beside(f"/image/{idents[3]}/") == [f"/image/{idents[2]}/"]
    within = "?in=shore"
    assert beside(f"/image/{idents[1]}/{within}") == [f"/image/{one}/{within}" for one in (idents[0], idents[2])]
    assert beside(f"/image/{idents[2]}/{within}") == [f"/image/{idents[1]}/{within}"]
    assert beside(f"/image/{idents[3]}/?in=none") == beside(f"/image/{idents[3]}/")


def test_a_search_that_takes_too_long_shows_pictures_without_numbers(
    idents: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mezzotint.errors import GivenUp

    def late(*_: object) -> facets.Facets:
        raise GivenUp("too long")

    monkeypatch.setattr(facets, "of", late)
    assert sorted(shown(page("/?search=harbour"), idents)) == [0, 1, 2]
