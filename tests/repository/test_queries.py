"""Filters, search, order and pages."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

import pytest

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.repository import commits, filters, paging, queries, services
from mezzotint.repository.models import Image
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.repository.adding import add_image

ROWS: list[dict[str, Any]] = [
    {"title": "Café Zürich", "creator": "Émile Zola", "tags": ["winter", "town"], "captured": "1898-01-13"},
    {"title": "Harbour at dusk", "creator": "Ansel", "tags": ["sea"], "captured": "1921"},
    {"title": "The harbourmaster's house", "description": "A house by the water", "captured": "1921-06"},
    {"title": "naïve rock AND roll", "rights": "CC BY 4.0", "source": "https://example.org/x"},
    {"title": "写真 日本", "tags": ["town", "a \"quoted\" tag"]},
]  # fmt: skip


@pytest.fixture
def idents(repository: Engine) -> list[str]:
    session = services.open_session("tester")
    bases = [
        repository.bases.add([pictures.png(40 + 10 * i, 100 - 10 * i, seed=i)]) for i in range(len(ROWS))
    ] + [repository.bases.add([pictures.jpeg(30, 30, seed=99)])]  # fmt: skip
    for base, row in zip(bases, [*ROWS, {}], strict=True):
        add_image(session, base, row, {"shelf": "Shelf"} if "town" in row.get("tags", []) else {})
    commits.commit(session)
    return [str(base.ident) for base in bases]


def found(idents: list[str], **parameters: str) -> set[int]:
    return {idents.index(image.ident) for image in filters.images(parameters)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("harbour", {1, 2}),
        ("HARBOUR", {1, 2}),
        ("harb", {1, 2}),
        ("harbour dusk", {1}),
        ("dusk harb", {1}),
        ("cafe", {0}),
        ("café", {0}),
        ("CAFÉ", {0}),
        ("cafe\u0301", {0}),
        ("zurich", {0}),
        ("naive", {3}),
        ("emile", {0}),
        ("winter", {0}),
        ("town", {0, 4}),
        ("water", {2}),
        ("4.0", {3}),
        ("写真", {4}),
        ("nothing like it", set()),
        ("arbour", set()),
        ("and", {3}),
        ("rock AND roll", {3}),
        ("rock OR harbour", set()),
        ("NOT harbour", set()),
        ("NEAR(harbour dusk)", set()),
        ("title:harbour", set()),
        ('"harbour"', {1, 2}),
        ("harbour*", {1, 2}),
        ("-harbour", {1, 2}),
        ("harbour -dusk", {1}),
        ('harbour"', {1, 2}),
        ("'harbour", {1, 2}),
        ("(harbour", {1, 2}),
        ("^harbour", {1, 2}),
        ("AND* -:(", {3}),
    ],
)
def test_search_finds_every_word_by_its_beginning(idents: list[str], text: str, expected: set[int]) -> None:
    assert found(idents, search=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Łódź",
        "lodz",
        "LODZ",
        "strasse",
        "Königstraße",
        "konigstrasse",
        "obrien",
        "o'brien",
        "O’Brien",
        "brien",
        "img_2041",
        "2041",
        "crossing",
        "sorensen",
        "Sørensen",
        "aegir",
        "Ægir",
        "cc by sa",
        "thorr",
        "wodolaz",
    ],
)
def test_words_are_found_however_their_letters_are_written(repository: Engine, text: str) -> None:
    told = {
        "title": "Łódź, Königstraße", "creator": "Flann O’Brien", "alt": "A crossing", "file_name": "IMG_2041.JPG",
        "rights": "Sørensen & Ægir", "source": "Straße", "licence": "CC BY-SA", "tags": ["Þórr", "vodolaz", "wodo’laz"],
    }  # fmt: skip
    base = repository.bases.add([pictures.png(30, 30, seed=98)])
    services.at_once("x", lambda s: add_image(s, base, told))
    other = repository.bases.add([pictures.png(30, 30, seed=97)])
    services.at_once("x", lambda s: add_image(s, other, {"title": "Lodge Street OBrian"}))
    assert [image.ident for image in filters.images({"search": text})] == [base.ident]
    services.at_once("x", lambda s: services.edit_image(s, base.ident, 1, dict.fromkeys(told, "")))
    assert not filters.images({"search": text}), "what was there before is not found any more"


@pytest.mark.parametrize(
    "text",
    ['"', '""', "* -:(", "*", "(((", "'; DROP TABLE repository_image; --", "%", "_", "\\", "{}", "- - -", "+"],
)
def test_operators_and_quotes_are_harmless(idents: list[str], text: str) -> None:
    assert found(idents, search=text) == set()
    assert Image.objects.count() == len(idents)


def test_a_long_search_is_harmless(idents: list[str]) -> None:
    assert found(idents, search="harbour " * 120) == {1, 2}
    with pytest.raises(InvalidInput):
        found(idents, search="x" * 1001)


def test_an_ident_is_found_by_its_beginning(idents: list[str]) -> None:
    assert found(idents, search=idents[2]) == {2}
    assert found(idents, search=idents[2][:12]) == {2}


def test_search_follows_what_is_edited_and_removed(idents: list[str]) -> None:
    services.at_once("x", lambda s: services.edit_image(s, idents[1], 1, {"title": "Mountain", "tags": ["alps"]}))
    assert found(idents, search="dusk") == set()
    assert found(idents, search="sea") == set()
    assert found(idents, search="alps mount") == {1}
    services.at_once("x", lambda s: services.remove_image(s, idents[2]))
    assert found(idents, search="harbourmaster") == set()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {0, 1, 2, 3, 4, 5}),
        ({"collection": "shelf"}, {0, 4}),
        ({"collection": "none"}, set()),
        ({"tag": "town"}, {0, 4}),
        ({"tag": 'a "quoted" tag'}, {4}),
        ({"tag": "tow"}, set()),
        ({"format": "png"}, {0, 1, 2, 3, 4}),
        ({"format": "jpg"}, {5}),
        ({"creator": "ansel"}, {1}),
        ({"creator": "ans"}, set()),
        ({"captured_after": "1921"}, {1, 2}),
        ({"captured_after": "1921-02"}, {1, 2}),
        ({"captured_after": "1921-07"}, {1}),
        ({"captured_after": "1921-12-31T23:59:59"}, {1}),
        ({"captured_after": "1922"}, set()),
        ({"captured_before": "1921"}, {0}),
        ({"captured_before": "1921-01"}, {0}),
        ({"captured_before": "1921-01-01T00:00:00"}, {0}),
        ({"captured_before": "1921-01-02"}, {0, 1}),
        ({"captured_before": "1921-06-01T00:00"}, {0, 1}),
        ({"captured_before": "1921-06-01T00:01"}, {0, 1, 2}),
        ({"captured_before": "1898-01-13", "captured_after": "1898-01-13"}, set()),
        ({"captured_before": "1921-07", "captured_after": "1900"}, {1, 2}),
        ({"min_width": "60"}, {2, 3, 4}),
        ({"max_width": "40"}, {0, 5}),
        ({"min_width": "50", "max_width": "60"}, {1, 2}),
        ({"min_height": "90", "max_width": "40"}, {0}),
        ({"max_bytes": "1"}, set()),
        ({"min_bytes": "1"}, {0, 1, 2, 3, 4, 5}),
        ({"tag": "town", "search": "cafe"}, {0}),
        ({"unknown": "is left alone"}, {0, 1, 2, 3, 4, 5}),
        ({"tag": "' OR 1=1 --"}, set()),
    ],
)
def test_all_filters_have_to_be_met(idents: list[str], parameters: dict[str, str], expected: set[int]) -> None:
    assert found(idents, **parameters) == expected


@pytest.mark.parametrize("value", ["x", "1921-13", "1921-02-30", "21", "1921-02-03T25:00", "last year", "1921Z"])
@pytest.mark.parametrize("name", ["captured_after", "captured_before"])
def test_a_time_is_one(idents: list[str], name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        found(idents, **{name: value})
    assert refused.value.field == name


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", "9" * 16, "٣"])
def test_a_measure_is_a_whole_number(idents: list[str], value: str) -> None:
    for name in ("min_width", "max_height", "min_bytes"):
        with pytest.raises(InvalidInput) as refused:
            found(idents, **{name: value})
        assert refused.value.field == name


@pytest.mark.parametrize("name", queries.ORDERINGS)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_pages_in_either_order_are_complete(idents: list[str], name: str, size: int) -> None:
    for ordering in (name, f"-{name}"):
        seen, cursor = [], ""
        while True:
            page = paging.page(filters.images({}), ordering, cursor, size)
            assert len(page.items) <= size
            seen += page.items
            if page.next is None:
                break
            cursor = page.next
        assert sorted(image.ident for image in seen) == sorted(idents)
        keys = [(getattr(image, name), image.ident) for image in seen]
        assert keys == sorted(keys, reverse=ordering.startswith("-"))


@pytest.mark.parametrize("name", queries.ORDERINGS)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_pages_lead_back_the_way_they_came(idents: list[str], name: str, size: int) -> None:
    for ordering in (name, f"-{name}"):
        page = paging.page(filters.images({}), ordering, "", size)
        assert page.previous is None
        forth = [page]
        while page.next is not None:
            page = paging.page(filters.images({}), ordering, page.next, size)
            forth.append(page)
        back = [page]
        while page.previous is not None:
            page = paging.page(filters.images({}), ordering, page.previous, size)
            back.append(page)
        assert [image.ident for one in forth for image in one.items] == [
            image.ident for one in reversed(back) for image in one.items
        ]


EVERY_WAY: list[dict[str, str]] = [
    {"tag": "town"},
    {"tag": 'a "quoted" tag'},
    {"tag": "TOWN"},
    {"collection": "shelf"},
    {"creator": "ansel"},
    {"format": "PNG"},
    {"captured_after": "1921-06"},
    {"captured_before": "1921-06"},
    {"min_width": "60", "max_width": "70"},
    {"search": "harb", "tag": "sea"},
    {"search": "a"},
    {"search": "house water", "format": "png"},
]


@pytest.mark.parametrize("parameters", EVERY_WAY, ids=str)
@pytest.mark.parametrize("ordering", ["-added", "title"])
def test_few_and_many_are_found_alike(
    idents: list[str], parameters: dict[str, str], ordering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gathered by an index, or gone through in the order asked for."""
    ways = []
    for few in (1000, 0):
        monkeypatch.setattr(filters, "_FEW", few)
        page = paging.page(filters.images(parameters), ordering, "", 100)
        ways.append([image.ident for image in page.items])
    assert ways[0] == ways[1]
    assert len(ways[0]) < len(idents), "it keeps something out"


def test_tags_are_found_as_they_are_now(repository: Engine, idents: list[str]) -> None:
    services.at_once("x", lambda s: services.edit_image(s, idents[0], 1, {"tags": ["summer", "summer", "town"]}))
    services.at_once("x", lambda s: services.remove_image(s, idents[4]))
    assert found(idents, tag="winter") == set()
    assert found(idents, tag="summer") == {0}
    assert found(idents, tag="town") == {0}


def test_pages_stay_whole_while_images_come_and_go(repository: Engine, idents: list[str]) -> None:
    for ordering in ("title", "-added", "width"):
        seen, cursor, at = [], "", 0
        there = set(filters.images({}).values_list("ident", flat=True))
        while True:
            page = paging.page(filters.images({}), ordering, cursor, 1)
            seen += [image.ident for image in page.items]
            new = repository.bases.add([pictures.png(60, 60, seed=hash((ordering, at)) & 0xFFFFFF)])
            title = "A" if at % 2 else "Z"
            services.at_once("x", partial(add_image, base=new, fields={"title": title}))
            at += 1
            if page.next is None or at > 100:
                break
            cursor = page.next
        assert len(seen) == len(set(seen))
        assert there <= set(seen)


def test_a_page_whose_last_image_is_removed_is_followed_by_the_next(idents: list[str]) -> None:
    first = paging.page(filters.images({}), "title", "", 3)
    assert first.next is not None
    services.at_once("x", lambda s: services.remove_image(s, first.items[-1].ident))
    second = paging.page(filters.images({}), "title", first.next, 3)
    assert {image.ident for image in [*first.items, *second.items]} == set(idents)


def forged(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%%%",
        "é",
        "AAAA",
        "e30",
        forged(),
        forged(1),
        forged([1], 2),
        forged({}, "x"),
        forged(None, None),
        forged(True, "x"),
        forged("no date", "0" * 64),
        forged(5, "0" * 64),
        forged("2020-13-45T00:00:00", "x"),
        forged(2**70, "x"),
        forged(1.5, "x"),
        forged("a", "b", "c"),
        "A" * 100_000,
        base64.urlsafe_b64encode(b"[" * 50_000).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b'["\\ud800","x"]').decode(),
    ],
)
def test_a_cursor_that_nobody_gave_out_is_refused(idents: list[str], cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        paging.page(filters.images({}), "-added", cursor, 10)
    assert refused.value.field == "cursor"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "http://["}, "cursor"),
        ({"cursor": "http://x/?cursor=y"}, "cursor"),
        ({"cursor": forged("x", 2**70)}, "cursor"),
        ({"cursor": forged("\ud800", "x"), "ordering": "title"}, "cursor"),
        ({"cursor": forged("x", "x"), "ordering": "width"}, "cursor"),
        ({"ordering": "ident"}, "ordering"),
        ({"ordering": "--title"}, "ordering"),
        ({"ordering": "title,added"}, "ordering"),
        ({"ordering": "collections__slug"}, "ordering"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "501"}, "page_size"),
        ({"page_size": "-1"}, "page_size"),
        ({"page_size": "ten"}, "page_size"),
        ({"page_size": "9" * 50}, "page_size"),
        ({"min_width": "wide"}, "min_width"),
        ({"search": "x" * 2000}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"tag": "a\x00b"}, "tag"),
    ],
)
def test_a_wrong_parameter_is_told_with_its_field(server: Server, parameters: dict[str, str], field: str) -> None:
    answer = server.http.get("/api/images/", params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["limit"]


def test_the_api_leads_from_page_to_page(server: Server) -> None:
    idents = {server.upload(pictures.png(30, 30, seed=300 + i), tags="paged") for i in range(5)}
    seen: list[str] = []
    parameters: dict[str, str] = {"tag": "paged", "page_size": "2", "ordering": "-bytes"}
    while True:
        page = server.http.get("/api/images/", params=parameters).json()
        seen += [image["ident"] for image in page["results"]]
        if page["next"] is None:
            break
        assert page["next"].startswith(f"{server.url}/api/images/?")
        following = server.http.get(page["next"]).json()
        parameters["cursor"] = page["next"]  # as a program may that knew a cursor by itself
        assert server.http.get("/api/images/", params=parameters).json() == following
        assert server.http.get(following["previous"]).json()["results"] == page["results"]
    assert (len(seen), set(seen)) == (5, idents)


def test_a_slash_that_is_missing_costs_neither_method_nor_body(server: Server) -> None:
    moved = server.writer.post("/api/images?x=1", files={"file": ("a.png", pictures.png(seed=399))})
    assert (moved.status_code, moved.headers["location"]) == (308, "/api/images/?x=1")
    done = server.writer.post("/api/images", files={"file": ("a.png", pictures.png(seed=399))}, follow_redirects=True)
    assert done.status_code == 201


@pytest.mark.parametrize("ident", ["0" * 64, "nonsense", "A" * 64])
def test_what_is_not_there_is_not_found(idents: list[str], ident: str) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        queries.image(ident)
