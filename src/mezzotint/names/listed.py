"""The list of renditions that are given out to anybody: a file of the operator's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.names.formats import Format
from mezzotint.names.grammar import parse_rendition
from mezzotint.names.rendition import Rendition

_MEMBERS = {"sizes", "formats", "base"}
_SHAPE = '{"sizes": ["fit400x400", "w800"], "formats": ["jpg", "webp", "auto"], "base": true}'


@dataclass(frozen=True)
class Listed:
    """`renditions` have ANY for a format, and may be had in all of `formats`; `base`: the base itself may be had."""

    renditions: frozenset[Rendition]
    formats: frozenset[Format]
    base: bool


ANY = Format.JPG
"""what `Listed.renditions` have for a format"""
NOTHING = Listed(frozenset(), frozenset(), base=False)


def read_list(path: Path) -> Listed:
    """Raises InvalidInput, naming the member."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(path.name, f"cannot be read: {error}", _SHAPE) from None
    if not isinstance(found, dict) or not found.keys() <= _MEMBERS or not isinstance(found.get("base", True), bool):
        raise InvalidInput(path.name, "has other members", _SHAPE)
    sizes, formats = found.get("sizes", []), found.get("formats", ["jpg", "auto"])
    for member in (sizes, formats):
        if not isinstance(member, list) or not all(isinstance(text, str) for text in member):
            raise InvalidInput(path.name, "has a member that is no list of texts", _SHAPE)
    unknown = [text for text in formats if text not in list(Format)]
    if unknown:
        raise InvalidInput(path.name, f"cannot have the format {unknown[0]!r:.40}", " ".join(Format))
    return Listed(
        frozenset(_rendition(path, text) for text in sizes), frozenset(map(Format, formats)), found.get("base", True)
    )


def _rendition(path: Path, text: str) -> Rendition:
    try:
        return parse_rendition(f"{'-' if text else ''}{text}.{ANY}")
    except InvalidInput as error:
        raise InvalidInput(path.name, f"has a size, {text!r:.40}, that is none: {error.what}", _SHAPE) from None
