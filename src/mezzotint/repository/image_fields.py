"""What is said of an image: the fields of `metadata`, and those that this installation adds (MEZZOTINT_FIELDS).

An installation's own field `place` is called `custom.place` wherever fields have names: in sessions, in versions of
fields, in columns of spreadsheets, as filters. Journal and database hold all of them in one member, `custom`, by their
bare names, and only what is not empty. What is there of a field that is no longer known stays as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.utils.translation import get_language

from mezzotint.errors import InvalidInput
from mezzotint.repository import dates, metadata
from mezzotint.repository.metadata import FIELDS, Field, Fields
from mezzotint.settings.own_fields import OwnField
from mezzotint.wiring import engine

if TYPE_CHECKING:
    from mezzotint.repository.models import Image

CUSTOM = "custom"
COLUMNS = (*FIELDS, CUSTOM)
"""those of the database and of the journal"""
_PREFIX = f"{CUSTOM}."
_LIMITS = {"text": 500, "long": 20_000, "link": 2_000, "choice": 200, "number": 40}
_NUMBER = re.compile(r"[+-]?(\d{1,20})(\.\d{1,15})?", re.ASCII)
_LINK = re.compile(r"https?://[^\s/<>\"]+(/[^\s<>\"]*)?", re.IGNORECASE)


def own() -> Mapping[str, OwnField]:
    """By their whole names, in the order of the settings."""
    return _own(engine().settings.own_fields or ())


def called(field: OwnField) -> str:
    """Its label, in the visitor's language."""
    return field.label(get_language() or "")


def bare(name: str) -> str:
    """As journal, database and settings have it."""
    return name.removeprefix(_PREFIX)


def known() -> Mapping[str, Field]:
    """All that can be said."""
    return _known(engine().settings.own_fields or ())


def clean(given: Mapping[str, object]) -> Fields:
    """What is said, checked: own fields by their whole names, or by their bare ones in `custom`. Raises InvalidInput,
    for unknown fields too."""
    said = dict(given)
    nested = said.pop(CUSTOM, {})
    if not isinstance(nested, dict):
        raise InvalidInput(CUSTOM, "is not an object", "{name: value}, the names without `custom.`")
    said |= {f"{_PREFIX}{name}": value for name, value in nested.items()}
    return metadata.clean(said, known())


def empty(name: str) -> Any:
    field = known().get(name)
    return [] if field is not None and field.many else ""


def nothing() -> Fields:
    """What an image has that says nothing."""
    return {name: empty(name) for name in known()}


def value(image: Image, name: str) -> Any:
    """What is said of it in one field."""
    if not name.startswith(_PREFIX):
        return getattr(image, name)
    said = image.custom.get(bare(name), empty(name))
    field = known().get(name)
    if field is not None and field.many and isinstance(said, str):  # it had one value, before the settings said more
        return [said] if said else []
    return ", ".join(said) if field is not None and not field.many and isinstance(said, list) else said


def values(image: Image, names: Iterable[str] | None = None) -> Fields:
    """In all fields, or in some."""
    return {name: value(image, name) for name in (known() if names is None else names)}


def shown(image: Image, slugs: Iterable[str], say: Callable[[str], str] = str) -> list[tuple[OwnField, list[str]]]:
    """The installation's own fields that say something of an image in these collections, in words."""
    found, theirs = [], frozenset(slugs)
    for own_field in own().values():
        said = image.custom.get(own_field.name)
        if said and own_field.is_shown_in(theirs):
            texts = [said] if isinstance(said, str) else said
            found.append(
                (own_field, [dates.in_words(one, say) for one in texts] if own_field.kind == "date" else texts)
            )
    return found


def flat(state: Mapping[str, Any]) -> Fields:
    """What the journal's state of an image says, by whole names, also of fields that are not known here."""
    said = {name: state[name] for name in FIELDS if name in state}
    return said | {f"{_PREFIX}{name}": value for name, value in state.get(CUSTOM, {}).items()}


def stored(said: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Fields:
    """As the journal has it: own fields in one member, which is there where they are said, or where `before` is what it
    was."""
    custom = dict(before or {})
    for name, value in said.items():
        if name.startswith(_PREFIX):
            custom.pop(bare(name), None)
            if value not in ("", []):
                custom[bare(name)] = value
    plain = {name: value for name, value in said.items() if not name.startswith(_PREFIX)}
    return plain | {CUSTOM: dict(sorted(custom.items()))}


@lru_cache(4)
def _own(added: tuple[OwnField, ...]) -> Mapping[str, OwnField]:
    return {f"{_PREFIX}{one.name}": one for one in added}


@lru_cache(4)
def _known(added: tuple[OwnField, ...]) -> Mapping[str, Field]:
    return FIELDS | {f"{_PREFIX}{one.name}": _field(one) for one in added}


def _field(own: OwnField) -> Field:
    name = f"{_PREFIX}{own.name}"
    cleaners: Mapping[str, Callable[[object], str]] = {
        "date": partial(metadata.clean_captured, name=name),
        "number": partial(_clean_number, name),
        "link": partial(_clean_link, name),
        "choice": partial(_clean_choice, name, own.choices),
    }
    clean_one = cleaners.get(own.kind, partial(metadata.clean_text, name, limit=_LIMITS.get(own.kind, 0)))
    clean: Callable[[object], Any] = (
        partial(metadata.clean_several, name, clean_one=clean_one) if own.several else clean_one
    )
    limit = None if own.several else _LIMITS.get(own.kind)
    return Field(clean, own.help, limit, many=own.several, words=own.choices)


def _clean_number(name: str, value: object) -> str:
    """As it is written, with a point: what comes as a number of JSON too."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    given = format(Decimal(repr(value)), "f") if is_number else value
    text = metadata.clean_text(name, given, _LIMITS["number"])
    if text and not _NUMBER.fullmatch(text):
        raise InvalidInput(name, f"cannot be {text!r}", "a number, as 12 or -3.5")
    return text


def _clean_link(name: str, value: object) -> str:
    text = metadata.clean_text(name, value, _LIMITS["link"])
    if text and not _LINK.fullmatch(text):
        raise InvalidInput(name, f"cannot be {text!r:.80}", "an address that begins with http:// or https://")
    return text


def _clean_choice(name: str, choices: tuple[str, ...], value: object) -> str:
    """In any case of letters: what is kept is as the settings have it."""
    text = metadata.clean_text(name, value, _LIMITS["choice"])
    if not text or text in choices:
        return text
    alike = [one for one in choices if one.casefold() == text.casefold()]
    if len(alike) != 1:
        few = ", ".join(choices[:20]) + (f", and {len(choices) - 20} more" if len(choices) > 20 else "")
        raise InvalidInput(name, f"cannot be {text!r:.80}", f"one of: {few}")
    return alike[0]
