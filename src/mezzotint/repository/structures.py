"""Ranges of a manifest (IIIF Presentation 3.0, section 5.4): what a document's outline divides its pages into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def structures(headings: Sequence[dict[str, Any]], idents: Sequence[str], at: str) -> dict[str, Any]:
    """`structures` of a manifest at an address, or nothing. A range has the pages from where it begins to where the
    next one does, and the ranges within it; a page on which several begin is in each of them. A heading whose page is
    not there any more is left out."""
    places = {ident: place for place, ident in enumerate(idents)}
    found = [(one, places[one["ident"]]) for one in headings if one["ident"] in places]
    made: list[dict[str, Any]] = []
    above: list[tuple[int, dict[str, Any]]] = []
    for number, (one, begin) in enumerate(found):
        end = max(begin + 1, found[number + 1][1] if number + 1 < len(found) else len(idents))
        shown = {
            "id": f"{at}/range/{number + 1}",
            "type": "Range",
            "label": {"none": [one["label"]]},
            "items": [
                {"id": f"{at}/canvas/{ident}", "type": "Canvas"} for ident in idents[begin : max(end, begin + 1)]
            ],
        }
        while above and above[-1][0] >= one["level"]:
            above.pop()
        (above[-1][1]["items"] if above else made).append(shown)
        above.append((one["level"], shown))
    return {"structures": made} if made else {}
