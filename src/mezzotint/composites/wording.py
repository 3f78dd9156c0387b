"""The texts of a request in which a page's number may stand: `Page {}`, `{:03d}`. Pure.

Whoever sends them is a stranger: there is one argument, and of Python's format language no more than fill, sign,
width and the kind of number.
"""

from __future__ import annotations

import re
import string
from typing import Any

from mezzotint.errors import InvalidInput

FIELDS = ("id", "string1", "string2", "string3", "number1", "number2", "number3", "text")
MOST_WIDTH = 36
_SPEC = re.compile(r"(?:[^{}]?[<>=^])?[-+ ]?#?0?([0-9]{0,3})[,_]?[bcdoxXn]?", re.ASCII)
_LIMIT = f"{{}}, {{0}} or {{:03d}}: fill, sign, a width of up to {MOST_WIDTH}, one of , _ b d n o x X"


def check(field: str, text: str) -> None:
    """Raises InvalidInput."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InvalidInput(field, f"is no format: {error}", _LIMIT) from None
    numbered = {name for _, name, _, _ in parts if name is not None}
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        match = _SPEC.fullmatch(spec or "")
        if name not in {"", "0"} or conversion or match is None or "c" in (spec or "")[-1:]:
            raise InvalidInput(field, f"has {{{name}{':' if spec else ''}{spec}}}", _LIMIT)
        if int(match[1] or 0) > MOST_WIDTH:
            raise InvalidInput(field, f"is {match[1]} wide", _LIMIT)
    if numbered == {"", "0"} or sum(name == "" for _, name, _, _ in parts) > 1:
        raise InvalidInput(field, "has more than one number", _LIMIT)
    try:
        text.format(0)
    except (ValueError, IndexError, KeyError) as error:
        raise InvalidInput(field, f"is no format: {error}", _LIMIT) from None


def of_page(asked: dict[str, Any], page: int) -> dict[str, Any]:
    """What is said of page `page`, from 1, in the words of the request and in their order."""
    number = int(asked["incrementSeed"]) + page - 1
    said = {}
    for name, value in asked.items():
        if name not in {"@type", "originFormat", "incrementSeed", "compositeId"}:
            said[name] = value.format(number) if name in FIELDS and isinstance(value, str) else value
    return said
