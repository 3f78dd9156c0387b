"""Fields that an installation adds to what is said of an image, from a file of TOML."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("text", "long", "date", "number", "link", "choice")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_MOST, _MOST_CHOICES, _LONGEST = 50, 2000, 200
_CAN_BE = "label, kind, choices, several, facet, collections, required, help"


@dataclass(frozen=True, slots=True)
class OwnField:
    """`labels` by language, `""` is that of all others. It is shown with the images of `collections`, of all where that
    is None; these have to have it where it is `required` of all (True) or of these collections."""

    name: str
    kind: str = "text"
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    choices: tuple[str, ...] = ()
    several: bool = False
    facet: bool = False
    collections: frozenset[str] | None = None
    required: bool | frozenset[str] = False
    help: str = ""

    def label(self, language: str = "") -> str:
        return self.labels.get(language) or self.labels.get(language.partition("-")[0]) or self.labels[""]

    def is_shown_in(self, slugs: frozenset[str]) -> bool:
        return self.collections is None or bool(self.collections & slugs)

    def is_required_in(self, slugs: frozenset[str]) -> bool:
        if isinstance(self.required, bool):
            return self.required and self.is_shown_in(slugs)
        return bool(self.required & slugs)


def parse_own_fields(text: str) -> tuple[OwnField, ...]:
    """Of the file of that name, in the order in which it has them. Raises ValueError."""
    path = Path(text).expanduser()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"a file of TOML that can be read: {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"a file of TOML: {path}: {error}") from None
    if len(found) > _MOST:
        raise ValueError(f"up to {_MOST} fields; {path} has {len(found)}")
    return tuple(_read(name, said) for name, said in found.items())


def _read(name: str, said: Any) -> OwnField:
    if not _NAME.fullmatch(name):
        raise ValueError(f"names of fields as `place_of_print`, lowercase letters, digits and _, not {name!r:.60}")
    if not isinstance(said, dict):
        raise ValueError(f"a table for each field: [{name}]")
    if unknown := sorted(said.keys() - set(_CAN_BE.split(", "))):
        raise ValueError(f"of the field {name}: {_CAN_BE}; not {unknown[0]!r:.60}")
    kind = _checked(said, name, "kind", "text", lambda value: value in KINDS, ", ".join(KINDS))
    choices = _checked(said, name, "choices", [], _are_choices, f"a list of 1 to {_MOST_CHOICES} different texts")
    if (kind == "choice") != bool(choices):
        raise ValueError(f"of the field {name}: choices where its kind is choice, and only there")
    several = _checked(said, name, "several", False, _is_bool, "true or false")
    collections = _checked(said, name, "collections", None, _are_slugs, "a list of slugs of collections")
    required = _checked(
        said, name, "required", False, lambda value: _is_bool(value) or _are_slugs(value), "true, or a list of slugs"
    )
    return OwnField(
        name,
        kind,
        _labels(said, name),
        tuple(unicodedata.normalize("NFC", choice) for choice in choices),
        several,
        _checked(said, name, "facet", kind == "choice" or several, _is_bool, "true or false"),
        frozenset(collections) if collections is not None else None,
        required if isinstance(required, bool) else frozenset(required),
        _checked(said, name, "help", "", _is_line, f"up to {_LONGEST} characters"),
    )


def _labels(said: Mapping[str, Any], name: str) -> Mapping[str, str]:
    given = said.get("label", name.replace("_", " ").capitalize())
    labels = {"": given} if isinstance(given, str) else given
    if not isinstance(labels, dict) or not labels or not all(map(_is_line, labels.values())):
        raise ValueError(f"of the field {name}: a label of up to {_LONGEST} characters, or {{en = ..., de = ...}}")
    if wrong := [language for language in labels if language and not _LANGUAGE.fullmatch(language)]:
        raise ValueError(f"of the field {name}: labels by language, as en and de, not {wrong[0]!r:.60}")
    return {"": labels.get("en") or next(iter(labels.values()))} | labels


def _checked(
    said: Mapping[str, Any], name: str, what: str, default: Any, test: Callable[[Any], bool], right: str
) -> Any:
    if what not in said:
        return default
    if not test(said[what]):
        raise ValueError(f"of the field {name}: {what} is {right}, not {said[what]!r:.60}")
    return said[what]


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST and value.isprintable()


def _are_slugs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and _SLUG.fullmatch(one) for one in value)


def _are_choices(value: Any) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_CHOICES:
        return False
    if not all(_is_line(one) and one == one.strip() for one in value):
        return False
    return len({unicodedata.normalize("NFC", one) for one in value}) == len(value)
