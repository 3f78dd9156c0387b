"""The paths of the Cover Art Archive: read and printed, refused by field, found again in redirects and in lists."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.sources.coverart.asking import SIZES, CoverRequest, Place, led_to, parse_line, parse_path

M = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"
OTHER = "c9b52105-5f8d-3a2a-8ad3-0f5d4a3a6f3c"
MBIDS = st.uuids().map(str)
IDS = st.from_regex(r"[1-9][0-9]{0,19}", fullmatch=True)
SIZE = st.sampled_from([None, *SIZES])
ASKED = st.one_of(
    st.builds(CoverRequest, st.sampled_from(["release", "release-group"]), MBIDS),
    st.builds(CoverRequest, st.just("release"), MBIDS, st.one_of(st.sampled_from(["front", "back"]), IDS), SIZE),
    st.builds(CoverRequest, st.just("release-group"), MBIDS, st.just("front"), SIZE),
)


@given(ASKED)
def test_what_is_printed_is_read_as_the_same(asked: CoverRequest) -> None:
    assert parse_path(asked.path) == asked


@given(st.one_of(st.text(), st.from_regex(rf"/?(release|release-group|x)/({M}|.*)(/.*)?", fullmatch=True)))
def test_whatever_is_read_is_plain_and_all_else_is_refused(path: str) -> None:
    try:
        asked = parse_path(path)
    except (InvalidInput, NotFound):
        return
    assert re.fullmatch(r"/release(-group)?/[0-9a-f-]{36}(/[0-9a-z]+(-[0-9]+)?(\.[A-Za-z0-9]+)?)?", asked.path)
    assert parse_path(asked.path) == asked


@pytest.mark.parametrize("entity", ["release", "release-group"])
def test_a_listing_is_the_same_with_a_slash_and_without(entity: str) -> None:
    assert parse_path(f"/{entity}/{M}") == parse_path(f"/{entity}/{M}/") == CoverRequest(entity, M)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("front", CoverRequest("release", M, "front")),
        ("back", CoverRequest("release", M, "back")),
        ("front.jpg", CoverRequest("release", M, "front")),
        ("front-250", CoverRequest("release", M, "front", 250)),
        ("back-1200.JPEG", CoverRequest("release", M, "back", 1200)),
        ("829521842", CoverRequest("release", M, "829521842")),
        ("829521842-500.png", CoverRequest("release", M, "829521842", 500)),
        ("1.pdf", CoverRequest("release", M, "1", None)),
        ("9" * 20, CoverRequest("release", M, "9" * 20)),
    ],
)
def test_pictures_of_a_release(name: str, asked: CoverRequest) -> None:
    assert parse_path(f"/release/{M}/{name}") == asked
    assert asked.by_id == name[0].isdecimal()


@pytest.mark.parametrize(
    "mbid",
    [
        "",
        "nonsense",
        M.upper(),
        M[:-1],
        M + "0",
        M.replace("-", ""),
        f"{{{M}}}",
        f" {M}",
        f"{M}\n",
        f"{M}\0",
        M.replace("7", "g"),
        M.replace("7", "\u0667"),
        M.replace("-", "\u2010"),
        M.replace("-", "/"),
        "..",
        "%2e%2e",
        "*",
        "\ud800",
    ],
)
@pytest.mark.parametrize("entity", ["release", "release-group"])
@pytest.mark.parametrize("rest", ["", "/front"])
def test_a_bad_mbid_is_told_as_such(mbid: str, entity: str, rest: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_path(f"/{entity}/{mbid}{rest}")
    assert (caught.value.field, caught.value.limit) == ("mbid", "a UUID of lowercase hex digits")


@pytest.mark.parametrize("path", ["", "/", f"//release/{M}", f"/artist/{M}", f"/Release/{M}", f"/release\0/{M}", M])
def test_another_entity_is_told_as_such(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_path(path)
    assert caught.value.field == "entity"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("front-", "size"),
        ("front-0500", "size"),
        ("front-500-250", "size"),
        ("front-500x", "size"),
        ("front-500 .jpg", "size"),
        ("front-\u0665\u0660\u0660", "size"),
        ("back--250", "size"),
        ("1-0", "size"),
        ("1-+250", "size"),
        ("sleeve", "id"),
        ("FRONT", "id"),
        ("fronts", "id"),
        ("index.json", "id"),
        ("12a", "id"),
        ("-1", "id"),
        ("+1", "id"),
        ("1 ", "id"),
        ("1\0", "id"),
        ("1\n", "id"),
        ("\u0661\u0662", "id"),
        ("\u00b2", "id"),
        ("1" * 21, "id"),
        (".jpg", "id"),
        ("..", "id"),
        (".", "id"),
        ("..\\..\\etc", "id"),
        ("%2e%2e%2fetc", "id"),
        ("\ud800", "id"),
        ("front.", "id"),
        ("front.jpg.jpg", "id"),
        ("front.jp g", "id"),
        ("front.toolong", "id"),
        ("front.jpg\n", "id"),
        ("1.\0", "id"),
        ("1.\u00fc", "id"),
        ("1-250.%00", "id"),
    ],
)
def test_a_bad_picture_is_told_by_its_field(name: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_path(f"/release/{M}/{name}")
    assert caught.value.field == field
    assert caught.value.limit


@pytest.mark.parametrize("name", ["back", "back-250", "1", "829521842-500.jpg"])
def test_a_release_group_has_a_front_only(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_path(f"/release-group/{M}/{name}")
    assert (caught.value.field, caught.value.limit) == ("id", "front")


@pytest.mark.parametrize("rest", ["front/x", "../../etc/passwd", f"../{OTHER}/front", "1//2", "front/..", "x/../../y"])
def test_there_is_nothing_below_a_picture(rest: str) -> None:
    with pytest.raises(NotFound):
        parse_path(f"/release/{M}/{rest}")


@given(MBIDS, IDS, SIZE, st.sampled_from(["jpg", "png", "gif", "pdf"]))
def test_redirects_of_the_archive_tell_the_picture(mbid: str, number: str, size: int | None, extension: str) -> None:
    item, thumb = f"mbid-{mbid}", f"_thumb{size}" if size else ""
    place = Place(mbid, number)
    for url in (
        f"https://archive.org/download/{item}/{item}-{number}{thumb}.{extension}",
        f"https://ia800001.us.archive.org/7/items/{item}/{item}-{number}{thumb}.{extension}",
        f"https://coverartarchive.org{CoverRequest('release', mbid, number, size).path}.{extension}",
        place.path(size),
    ):
        assert led_to(url) == place
    assert parse_path(place.path(size)) == CoverRequest("release", mbid, number, size)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://archive.org/blob/0123",
        f"https://archive.org/download/mbid-{M}/index.json",
        f"https://coverartarchive.org/release/{M}",
        f"https://coverartarchive.org/release/{M}/",
        f"https://coverartarchive.org/release/{M}/front-500.jpg",
        f"https://coverartarchive.org/release-group/{M}/front",
        f"https://coverartarchive.org/release/{M.upper()}/1.jpg",
        f"https://login.example/?next=/release/{M}/1.jpg",
        f"https://coverartarchive.org/release/{M}/{'1' * 21}",
        f"https://coverartarchive.org/release/{M}/1of2.jpg",
    ],
)
def test_what_names_no_picture_leads_to_none(url: str) -> None:
    assert led_to(url) is None


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (M, CoverRequest("release", M)),
        (f"  {M}\r\n", CoverRequest("release", M)),
        (f"release/{M}", CoverRequest("release", M)),
        (f"/release/{M}/", CoverRequest("release", M)),
        (f"release-group/{M}", CoverRequest("release-group", M)),
        (f"https://musicbrainz.org/release/{M}", CoverRequest("release", M)),
        (f"http://coverartarchive.org/release-group/{M}/", CoverRequest("release-group", M)),
    ],
)
def test_a_line_of_a_list_names_a_release(line: str, asked: CoverRequest) -> None:
    assert parse_line(line) == asked


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("", "mbid"),
        ("# albums", "mbid"),
        (M.upper(), "mbid"),
        (f"{M} {OTHER}", "mbid"),
        (f"artist/{M}", "entity"),
        (f"https://musicbrainz.org/{M}", "entity"),
        (f"release/{M}/front", "entity"),
        (f"https://musicbrainz.org/release/{M}?tport=1", "mbid"),
    ],
)
def test_a_line_that_names_none_is_told_by_its_field(line: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_line(line)
    assert caught.value.field == field


@given(st.text())
def test_no_line_is_more_than_invalid(line: str) -> None:
    with suppress(InvalidInput):
        assert parse_line(line).what is None
