"""Ranges of a manifest (IIIF Presentation 3.0, section 5.4): what a document's outline divides its pages into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def structures(headings: Sequence[dict[str, Any]], idents: Sequence[str], at: str) -> dict[str, Any]:
    """`structures` of a manifest at an address, or nothing. A range has the pages from where it begins to where the
    next one does, and the ranges within it; a page on which several begin is in each of them. A heading whose page is
    not there any more is left out."""
    places = {ident: place for place, ident in enumerate(idents)}
    there = [places[one["ident"]] for one in headings if one["ident"] in places]
    made: list[dict[str, Any]] = []
    above: list[tuple[int, list[dict[str, Any]]]] = [(0, made)]
    number = 0
    for one in headings:
        while above[-1][0] >= one["level"]:
            above.pop()
        within = above[-1][1]
        if (begin := places.get(one["ident"])) is not None:
            number += 1
            end = max(begin + 1, there[number] if number < len(there) else len(idents))
            shown: dict[str, Any] = {
                "id": f"{at}/range/{number}",
                "type": "Range",
                "label": {"none": [one["label"]]},
                "items": [{"id": f"{at}/canvas/{ident}", "type": "Canvas"} for ident in idents[begin:end]],
            }
            within.append(shown)
            within = shown["items"]
        above.append((one["level"], within))
    return {"structures": made} if made else {}
