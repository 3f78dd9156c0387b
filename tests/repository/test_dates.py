"""Dates are spans: EDTF, levels 0 and 1."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.repository import commits, dates, facets, filters, metadata, queries
from mezzotint.repository.models import Image
from mezzotint.repository.readers import EVERYTHING
from mezzotint.wiring import Engine
from tests.repository.keeping import put_in, rebuilt_equals_live

SPANS = {
    "1985-04-12": ("1985-04-12 00:00:00", "1985-04-12 23:59:59"),
    "1985-04": ("1985-04-01 00:00:00", "1985-04-30 23:59:59"),
    "1985": ("1985-01-01 00:00:00", "1985-12-31 23:59:59"),
    "2000-02": ("2000-02-01 00:00:00", "2000-02-29 23:59:59"),
    "1900-02": ("1900-02-01 00:00:00", "1900-02-28 23:59:59"),
    "1985-04-12T23:20:30": ("1985-04-12 23:20:30", "1985-04-12 23:20:30"),
    "1985-04-12T23:20": ("1985-04-12 23:20:00", "1985-04-12 23:20:59"),
    "1985-04-12T23:20:30Z": ("1985-04-12 23:20:30", "1985-04-12 23:20:30"),
    "1985-04-12T23:20:30+05:30": ("1985-04-12 23:20:30", "1985-04-12 23:20:30"),
    "1964/2008": ("1964-01-01 00:00:00", "2008-12-31 23:59:59"),
    "2004-02-01/2005-02": ("2004-02-01 00:00:00", "2005-02-28 23:59:59"),
    "2001-21": ("2001-03-01 00:00:00", "2001-05-31 23:59:59"),
    "2003-24": ("2003-12-01 00:00:00", "2004-02-29 23:59:59"),
    "1984?": ("1984-01-01 00:00:00", "1984-12-31 23:59:59"),
    "2004-06~": ("2004-06-01 00:00:00", "2004-06-30 23:59:59"),
    "2004-06-11%": ("2004-06-11 00:00:00", "2004-06-11 23:59:59"),
    "201X": ("2010-01-01 00:00:00", "2019-12-31 23:59:59"),
    "20XX": ("2000-01-01 00:00:00", "2099-12-31 23:59:59"),
    "2004-XX": ("2004-01-01 00:00:00", "2004-12-31 23:59:59"),
    "1985-04-XX": ("1985-04-01 00:00:00", "1985-04-30 23:59:59"),
    "1985-XX-XX": ("1985-01-01 00:00:00", "1985-12-31 23:59:59"),
    "1984~/2004-06": ("1984-01-01 00:00:00", "2004-06-30 23:59:59"),
    "0000": ("0-01-01 00:00:00", "0-12-31 23:59:59"),
    "-1985": ("-1985-01-01 00:00:00", "-1985-12-31 23:59:59"),
    "Y170000002": ("170000002-01-01 00:00:00", "170000002-12-31 23:59:59"),
    "Y-170000002": ("-170000002-01-01 00:00:00", "-170000002-12-31 23:59:59"),
}
"""examples of the specification, and around them"""
NONE = [
    "1985-13", "1985-00", "1985-02-30", "1900-02-29", "1985-4", "85", "1985-04-12T24:00:00", "1985-04-12T23:60",
    "1985-04T10:00", "1985-21-01", "198X-01", "1XXX", "XXXX", "X985", "1985-XX-01", "2008/1964", "/", "../..", "/..",
    "1985/1986/1987",
    "[1667,1668]", "{1667,1668}", "c. 1890", "1890s", "1890-1895", "12/04/1985", "١٩٨٥", "1985 ", "1985\n",
    "Y1985", "--1985", "1985??", "unknown", "open",
]  # fmt: skip


def readable(key: str) -> str:
    year, rest = key.split("-", 1)
    number = int(year) - 10**9
    return f"{f'{number:04d}' if abs(number) > 999 else number}-{rest.replace('T', ' ')}"


@pytest.mark.parametrize("text", SPANS)
def test_each_has_its_span(text: str) -> None:
    first, last = dates.span(text)
    assert (readable(first), readable(last)) == SPANS[text]
    assert dates.clean(text) == text


@pytest.mark.parametrize("text", [one for one in NONE if one == one.strip()])
def test_what_is_no_date_is_told_by_the_forms(text: str) -> None:
    with pytest.raises(InvalidInput, match="1890/1895"):
        metadata.clean_captured(text)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_date_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dates.span(text)


def test_open_sides_reach_to_the_end_of_time() -> None:
    assert dates.span("../1895")[0] < dates.span("Y-999999999")[0]
    assert dates.span("1890/..")[1] > dates.span("Y999999999")[1]
    assert dates.span("1890/")[1] == dates.span("1890/..")[1] and dates.span("/1895") == dates.span("../1895")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1890/open", "1890/.."),
        ("unknown/1890", "/1890"),
        ("189x", "189X"),
        ("18uu", "18XX"),
        ("1890?~", "1890%"),
        ("2004-xx", "2004-XX"),
        ("1990-uu-uu", "1990-XX-XX"),
        ("19xx/2000", "19XX/2000"),
    ],
)
def test_what_drafts_had_is_written_as_now(old: str, new: str) -> None:
    assert metadata.clean_captured(old) == new


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1890", "1890"),
        ("1890~", "about 1890"),
        ("1890-05?", "1890-05, perhaps"),
        ("1890%", "about 1890, perhaps"),
        ("189X", "1890s"),
        ("18XX", "1800\N{EN DASH}1899"),
        ("18XX/1910", "1800\N{EN DASH}1899 to 1910"),
        ("189X~/1905", "about 1890s to 1905"),
        ("../1895", "until 1895"),
        ("1890/..", "from 1890 on"),
        ("1890/", "from 1890"),
        ("1985-21", "spring 1985"),
        ("1985-XX-XX", "1985"),
        ("1985-04-12T23:20", "1985-04-12 23:20"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_it_is_said_in_words(text: str, said: str) -> None:
    assert dates.in_words(text) == said


@given(st.text(alphabet="0123456789-X/.~?%TZ:Yu ", max_size=32))
def test_whatever_is_given_is_a_date_or_is_none(text: str) -> None:
    try:
        clean = dates.clean(text)
    except ValueError:
        return
    first, last = dates.span(clean)
    assert first <= last and dates.clean(clean) == clean and bool(dates.in_words(clean)) == bool(clean)


def found(**asked: str) -> set[str]:
    return set(filters.images(asked).values_list("captured", flat=True))


ALL = ["1889", "1890-05", "1890/1895", "189X", "1896-01-01", "../1880", "1900/..", ""]


def test_lists_find_what_overlaps_and_sort_by_the_beginning(repository: Engine) -> None:
    for seed, captured in enumerate(ALL):
        put_in(repository, seed, captured=captured)
    assert found(captured_after="1890-05", captured_before="1890-06") == {"1890-05", "1890/1895", "189X"}
    assert found(captured_after="1896") == {"189X", "1896-01-01", "1900/.."}
    assert found(captured_before="1890") == {"1889", "../1880"}
    assert found(captured_after="1891/1892", captured_before="1893") == {"1890/1895", "189X"}
    order = Image.objects.order_by(queries.column_of("captured"), "ident").values_list("captured", flat=True)
    assert [one for one in order if one] == [
        "../1880", "1889", *sorted(["1890/1895", "189X"], key=lambda text: Image.objects.get(captured=text).ident),
        "1890-05", "1896-01-01", "1900/..",
    ]  # fmt: skip
    years = dict(facets.of(Image.objects.all(), EVERYTHING).years)
    assert years["1890"] == 3 and years["1889"] == 1 and years["1895"] == 2
    rebuilt_equals_live()
    assert found(captured_after="1896") == {"189X", "1896-01-01", "1900/.."}


def test_it_is_known_of_what_was_changed_past_all_checks(repository: Engine) -> None:
    put_in(repository, 1, captured="1890")
    Image.objects.update(captured="1895")
    commits.flush("tester")
    assert found(captured_after="1895", captured_before="1896") == {"1895"}
    Image.objects.update(captured="some day")
    commits.flush("tester")
    assert found(captured_after="0001") == set()


def test_pages_of_a_list_go_by_date(repository: Engine) -> None:
    for seed, captured in enumerate(ALL):
        put_in(repository, seed, captured=captured)
    client, seen, url = Client(), list[str](), "/api/images/?ordering=-captured&page_size=3"
    while url:
        page = client.get(url).json()
        seen += [one["captured"] for one in page["results"]]
        url = page["next"]
    assert seen[0] == "1900/.." and seen[-1] == "" and len(seen) == len(ALL)
