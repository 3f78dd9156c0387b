"""What a request has to look like: JSON Schema (draft 7), and what a schema cannot say. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any

from mezzotint.composites import wording
from mezzotint.errors import InvalidInput, printable
from mezzotint.network.urls import parse_url

MOST_MEMBERS = 10_000
MOST_SEED = 2**53
MOST_SPACE = 2**31 - 1
MOST_BYTES = 64 << 10
"""of one member as JSON: it is said again of each of its pages"""
MOST_NAME = 300
_MOST_ERRORS = 100
_TEXT = {"type": "string"}
_NUMBER = {"type": ["integer", "string"]}

MEMBER: dict[str, Any] = {
    "type": "object",
    "required": ["@type", "id", "space", "origin", "incrementSeed"],
    "properties": {
        "@type": {"const": "vocab:Composite"},
        "id": _TEXT,
        "space": {"type": "integer", "minimum": -MOST_SPACE, "maximum": MOST_SPACE},
        "origin": _TEXT,
        "incrementSeed": {"type": "integer", "minimum": -MOST_SEED, "maximum": MOST_SEED},
        "string1": _TEXT,
        "string2": _TEXT,
        "string3": _TEXT,
        "number1": _NUMBER,
        "number2": _NUMBER,
        "number3": _NUMBER,
        "roles": {"type": "array", "items": _TEXT},
        "family": _TEXT,
        "text": _TEXT,
        "compositeId": _TEXT,
        "maxUnauthorised": {"type": "number"},
        "originFormat": {"const": "application/pdf"},
    },
}
COLLECTION: dict[str, Any] = {
    "type": "object",
    "required": ["@context", "@type", "member"],
    "properties": {
        "@context": {"const": "http://www.w3.org/ns/hydra/context.jsonld"},
        "@type": {"const": "Collection"},
        "member": {"type": "array", "maxItems": MOST_MEMBERS},
    },
}
_UNSTORABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]")
"""a NUL as JSON spells it, and half a surrogate pair"""


@dataclass(frozen=True, slots=True)
class Wrong:
    """`member` is the index in the request; None is the collection itself."""

    member: int | None
    field: str
    detail: str

    def __str__(self) -> str:
        where = "" if self.member is None else f"member {self.member}: "
        return f"{where}{self.field}: {self.detail}"


def problems(request: Any) -> list[Wrong]:
    """Everything that is wrong, up to a hundred; nothing where all of it is right."""
    return list(islice(_wrong(request), _MOST_ERRORS))


def _wrong(request: Any) -> Iterator[Wrong]:
    collection = [_told(error, None) for error in islice(_validators()[0].iter_errors(request), _MOST_ERRORS)]
    yield from collection
    if isinstance(request, dict):
        about = {name: value for name, value in request.items() if name != "member"}
        yield from _storable(about, None)
    if collection and not (isinstance(request, dict) and isinstance(request.get("member"), list)):
        return
    for index, member in enumerate(request["member"][:MOST_MEMBERS]):
        wrong = list(_storable(member, index))
        wrong = wrong or [_told(error, index) for error in islice(_validators()[1].iter_errors(member), _MOST_ERRORS)]
        yield from wrong or _beyond(member, index)


@cache
def _validators() -> tuple[Any, Any]:
    """Of a collection and of a member. Where nobody sends one the library is not loaded."""
    import jsonschema

    return jsonschema.Draft7Validator(COLLECTION), jsonschema.Draft7Validator(MEMBER)


def _storable(value: Any, index: int | None) -> Iterator[Wrong]:
    """What no database and no UTF-8 holds, and what is more than one member should be."""
    text = json.dumps(value, ensure_ascii=False)
    if _UNSTORABLE.search(text):
        yield Wrong(index, "body", "has a NUL or half a surrogate pair in a text")
    elif len(text) > MOST_BYTES:
        yield Wrong(index, "body", f"has {len(text)} characters as JSON (limit: {MOST_BYTES})")


def _told(error: Any, index: int | None) -> Wrong:
    path = [str(part) for part in error.absolute_path]
    field = ".".join(path) or (error.message.split("'")[1] if error.validator == "required" else "body")
    detail = "is missing" if error.validator == "required" else printable(error.message)
    if error.validator == "maxItems":
        detail = f"has more than {error.validator_value} members"
    return Wrong(index, printable(field)[:100], detail if len(detail) <= 300 else detail[:297] + "...")


def _beyond(member: dict[str, Any], index: int) -> Iterator[Wrong]:
    """What a schema does not say."""
    texts = [name for name in wording.FIELDS if isinstance(member.get(name), str)]
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("origin", partial(parse_url, member["origin"])),
        ("roles", partial(_check_roles, member.get("roles", ()))),
        ("compositeId", partial(place_name, member.get("compositeId"))),
        *((name, partial(wording.check, name, member[name])) for name in texts),
    )
    for field, check in checks:
        try:
            check()
        except InvalidInput as error:
            yield Wrong(index, field, error.what)


def _check_roles(roles: list[str]) -> None:
    if len(set(roles)) < len(roles):  # jsonschema's uniqueItems compares each with each where they are of two types
        raise InvalidInput("roles", "has a role twice")


def place_name(composite: Any) -> str | None:
    """A compositeId as a part of a key; None where there is none. Raises InvalidInput."""
    if not composite:
        return None
    text, parts = str(composite), str(composite).split("/")
    if len(text) > MOST_NAME or not text.isprintable() or not all(part.strip(".") for part in parts):
        raise InvalidInput("compositeId", "cannot be a part of a key", f"up to {MOST_NAME} printable characters")
    return text
