"""What the oracle compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class State:
    """What a repository shows: `images` maps idents to titles, `collections` slugs to idents in their order,
    `users`, of those that are no superusers, names to the codenames of their permissions."""

    images: Mapping[str, str] = field(default_factory=dict)
    collections: Mapping[str, Sequence[str]] = field(default_factory=dict)
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
