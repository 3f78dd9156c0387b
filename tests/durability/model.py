"""What a repository is, without any of its machinery: plain dictionaries, which the state machine compares it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias


class Refused(Exception):
    """The commit would overwrite somebody else's change."""


@dataclass(frozen=True)
class Picture:
    title: str = ""
    creator: str = ""
    version: int = 1
    changed: dict[str, int] = field(default_factory=dict)
    """field: the version that it was last changed in"""
    shelves: tuple[str, ...] = ()
    """of what was removed: the collections that it was in"""

    def edited(self, fields: dict[str, str]) -> Picture:
        """It is as old as before where nothing is different."""
        new = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if not new:
            return self
        version = self.version + 1
        changed = self.changed | dict.fromkeys(new, version)
        return replace(self, **new, version=version, changed=changed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Shelf:
    """A collection: `images` in their order."""

    version: int = 1
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Add:
    ident: str
    title: str
    creator: str = ""
    shelf: str = ""
    shelves: tuple[str, ...] = ()
    """those that it comes back to"""


@dataclass(frozen=True)
class Edit:
    ident: str
    name: str
    value: str
    seen: int | None


@dataclass(frozen=True)
class Remove:
    ident: str
    seen: int | None


@dataclass(frozen=True)
class Arrange:
    """Make a collection, or say anew what is in it."""

    shelf: str
    images: tuple[str, ...]
    seen: int | None


@dataclass(frozen=True)
class Discard:
    shelf: str


Step: TypeAlias = Add | Edit | Remove | Arrange | Discard


@dataclass
class _Intent:
    """What a session does to one image in the end."""

    picture: Picture | None = None
    fields: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    removed: bool = False
    removed_seen: int | None = None


@dataclass
class Model:
    images: dict[str, Picture] = field(default_factory=dict)
    shelves: dict[str, Shelf] = field(default_factory=dict)
    removed: dict[str, Picture] = field(default_factory=dict)
    """what may still be brought back, as it was"""
    purged: frozenset[str] = frozenset()
    """of these, those that nobody knows any more: they begin anew"""

    def commit(self, steps: Sequence[Step]) -> None:
        """Everything that the steps say, or Refused and nothing."""
        intents, arranged, joining = _folded(steps)
        images, shelves, removed = dict(self.images), dict(self.shelves), dict(self.removed)
        for ident, intent in intents.items():
            live = images.pop(ident, None)
            was = None if ident in self.purged else self.removed.get(ident)
            after = _outcome(live, was, intent)
            if after is not None:
                images[ident] = after
                if after != live:
                    removed.pop(ident, None)
            elif live is not None:
                shelves_of = (slug for slug, shelf in sorted(self.shelves.items()) if ident in shelf.images)
                removed[ident] = replace(live, shelves=tuple(shelves_of))
        for slug in [*arranged, *(slug for slug in joining if slug not in arranged)]:
            shelves |= {slug: shelf} if (shelf := _shelf(shelves, slug, arranged, joining)) else {}
            if isinstance(arranged.get(slug), Discard):
                shelves.pop(slug, None)
        self.images, self.removed = images, removed
        self.shelves = {
            slug: Shelf(shelf.version, tuple(i for i in shelf.images if i in images)) for slug, shelf in shelves.items()
        }

    def refuses(self, steps: Sequence[Step]) -> bool:
        try:
            Model(dict(self.images), dict(self.shelves), dict(self.removed), self.purged).commit(steps)
        except Refused:
            return True
        return False


def _folded(
    steps: Sequence[Step],
) -> tuple[dict[str, _Intent], dict[str, Arrange | Discard], dict[str, list[str]]]:
    intents: dict[str, _Intent] = {}
    arranged: dict[str, Arrange | Discard] = {}
    joins: dict[str, list[str]] = {}
    for step in steps:
        if isinstance(step, Arrange | Discard):
            before = arranged.get(step.shelf)
            if isinstance(step, Arrange) and isinstance(before, Arrange):
                step = replace(step, seen=before.seen or step.seen)  # it has built upon what the first one saw
            arranged[step.shelf] = step
        elif isinstance(step, Remove):
            intents[step.ident] = _Intent(removed=True, removed_seen=step.seen)
            joins.pop(step.ident, None)
        elif isinstance(step, Add):
            intent = intents.setdefault(step.ident, _Intent())
            intent.removed, intent.picture = False, Picture(step.title, step.creator)
            joins.setdefault(step.ident, []).extend([*([step.shelf] if step.shelf else []), *step.shelves])
        else:
            intent = intents.setdefault(step.ident, _Intent())
            intent.fields[step.name] = step.value
            if step.seen is not None:
                intent.seen[step.name] = step.seen
    joining: dict[str, list[str]] = {}
    for ident in intents:
        for slug in dict.fromkeys(joins.get(ident, [])):
            joining.setdefault(slug, []).append(ident)
    return intents, arranged, joining


def _outcome(live: Picture | None, was: Picture | None, intent: _Intent) -> Picture | None:
    if intent.removed:
        if live and intent.removed_seen is not None and live.version > intent.removed_seen:
            raise Refused
        return None
    if live is None:
        if intent.picture is None:
            raise Refused
        new: Picture = replace(intent.picture, **intent.fields)  # type: ignore[arg-type]
        if was is None:
            return new
        version = was.version + 1
        return replace(new, version=version, changed=dict.fromkeys(("title", "creator"), version))
    for name, value in intent.fields.items():
        seen = intent.seen.get(name, 0)
        if getattr(live, name) != value and not live.changed.get(name, 1) <= seen <= live.version:
            raise Refused
    return live.edited(intent.fields)


def _shelf(
    shelves: dict[str, Shelf], slug: str, arranged: dict[str, Arrange | Discard], joining: dict[str, list[str]]
) -> Shelf | None:
    """The collection as it is afterwards, of those images that are live then."""
    step, live = arranged.get(slug), shelves.get(slug)
    if isinstance(step, Discard):
        return None
    if step is None:
        before = live.images if live else ()
        new = tuple(ident for ident in joining[slug] if ident not in before)
        return Shelf(live.version if live else 1, before + new)
    if step.seen is None and live is not None:
        raise Refused
    if step.seen is not None and (live is None or live.version != step.seen):
        raise Refused
    if live is not None and live.images == step.images:
        return live
    return Shelf(live.version + 1 if live else 1, step.images)
