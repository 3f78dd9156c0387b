"""What an outline divides a collection's canvases into, and what an outline may be."""

from __future__ import annotations

from typing import Any

import pytest

from mezzotint.errors import InvalidInput
from mezzotint.repository import metadata
from mezzotint.repository.structures import structures

PAGES = [f"{number:064x}" for number in range(6)]


def heading(label: str, page: int, level: int = 1) -> dict[str, Any]:
    return {"label": label, "ident": f"{page:064x}", "level": level}


def shape(ranges: list[dict[str, Any]]) -> list[Any]:
    """Labels, with the numbers of their own pages and the ranges within."""
    return [
        (
            one["label"]["none"][0],
            [int(item["id"].rpartition("/")[2], 16) for item in one["items"] if item["type"] == "Canvas"],
            shape([item for item in one["items"] if item["type"] == "Range"]),
        )
        for one in ranges
    ]


@pytest.mark.parametrize(
    ("headings", "wanted"),
    [
        ([], None),
        ([heading("A", 99)], None),
        ([heading("A", 0), heading("B", 2)], [("A", [0, 1], []), ("B", [2, 3, 4, 5], [])]),
        (
            [heading("A", 1), heading("a", 2, 2), heading("b", 4, 2), heading("B", 5)],
            [("A", [1], [("a", [2, 3], []), ("b", [4], [])]), ("B", [5], [])],
        ),
        ([heading("A", 0), heading("a", 0, 2)], [("A", [0], [("a", [0, 1, 2, 3, 4, 5], [])])]),
        ([heading("deep", 0, 3), heading("A", 1, 1)], [("deep", [0], []), ("A", [1, 2, 3, 4, 5], [])]),
        ([heading("B", 3), heading("A", 1)], [("B", [3], []), ("A", [1, 2, 3, 4, 5], [])]),
        (
            [heading("A", 0), heading("gone", 9), heading("of it", 3, 2)],
            [("A", [0, 1, 2], []), ("of it", [3, 4, 5], [])],
        ),
        ([heading("A", 0), heading("gone", 9), heading("B", 5)], [("A", [0, 1, 2, 3, 4], []), ("B", [5], [])]),
    ],
)
def test_headings_are_ranges_within_each_other(headings: list[dict[str, Any]], wanted: Any) -> None:
    found = structures(headings, PAGES, "http://x/c")
    assert (shape(found["structures"]) if found else None) == wanted
    ids = [one["id"] for one in found.get("structures", [])]
    assert len(ids) == len(set(ids)) and all(one.startswith("http://x/c/range/") for one in ids)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("x", "ranges"),
        ([1], "ranges"),
        ([heading("A", 0)] * 2001, "ranges"),
        ([heading("A", 0), {}], "ranges[1].label"),
        ([heading(" ", 0)], "ranges[0].label"),
        ([heading("x" * 501, 0)], "ranges[0].label"),
        ([{"label": "A", "ident": "a"}], "ranges[0].ident"),
        ([{"label": "A"}], "ranges[0].ident"),
        ([heading("A", 0, 0)], "ranges[0].level"),
        ([heading("A", 0, 11)], "ranges[0].level"),
        ([heading("A", 0) | {"level": True}], "ranges[0].level"),
        ([heading("A", 0) | {"page": 3}], "ranges[0].page"),
    ],
)
def test_what_is_no_heading_is_refused_with_its_place(given: object, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        metadata.clean_ranges(given)
    assert refused.value.field == field


def test_a_level_is_one_where_nothing_is_said() -> None:
    assert metadata.clean_ranges([{"label": " A ", "ident": "a" * 64}]) == [
        {"label": "A", "ident": "a" * 64, "level": 1}
    ]
    assert metadata.clean_ranges("") == []
