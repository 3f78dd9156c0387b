"""What the journal holds: each kind's model, its key, and what it says of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mezzotint.repository import dates


@dataclass(frozen=True, slots=True)
class Kind:
    """`key` are the members that name a row for ever, whatever its number in this database.

    `references` maps a foreign key to (member, kind it is the key of); `lists` maps a
    many-to-many field to the lookups that name what it refers to.
    """

    name: str
    model: tuple[str, str]
    key: tuple[str, ...]
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    omitted: frozenset[str] = frozenset()
    derived: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """columns that the journal does not hold, of what it does"""


def _span(image: Mapping[str, Any]) -> dict[str, Any]:
    try:
        first, last = dates.span(image.get("captured", ""))
    except ValueError:  # somebody has written it past all checks
        first = last = ""
    return {"captured_first": first, "captured_last": last}


_PERMISSION = ("content_type__app_label", "content_type__model", "codename")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("group", ("auth", "Group"), ("name",), lists={"permissions": _PERMISSION}),
        Kind(
            "user",
            ("auth", "User"),
            ("username",),
            lists={"groups": ("name",), "user_permissions": _PERMISSION},
            omitted=frozenset({"last_login"}),
        ),
        Kind("collection", ("repository", "Collection"), ("slug",)),
        Kind(
            "image",
            ("repository", "Image"),
            ("ident",),
            omitted=frozenset({"captured_first", "captured_last"}),
            derived=_span,
        ),
        Kind(
            "member",
            ("repository", "Membership"),
            ("slug", "ident"),
            references={"collection": ("slug", "collection"), "image": ("ident", "image")},
        ),
        Kind("removal", ("repository", "Removal"), ("ident",), omitted=frozenset({"settled"})),
        Kind("commit", ("repository", "Commit"), ("seq",)),
    )
}
"""in the order in which they can be put into an empty database"""
