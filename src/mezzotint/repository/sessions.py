"""Update sessions folded into journal changes. No writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mezzotint.errors import Conflict
from mezzotint.journal import Change
from mezzotint.repository import image_fields, metadata, required
from mezzotint.repository.metadata import EMPTY_COLLECTION, OF_COLLECTIONS, PUBLIC, Fields
from mezzotint.repository.models import Collection, Image, Membership, Removal, SessionChange, UpdateSession
from mezzotint.repository.slugs import slug_of

_MEMBERS = {"images", "members"}
"""fields of a step that say what a collection holds: all of it in order, or what becomes of what it holds"""
FACTS = ("width", "height", "format", "bytes", "exif")
_CHUNK = 500


@dataclass
class Pending:
    """What a session does to one image in the end."""

    added: Fields | None = None
    edited: Fields = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    """for each edited field the version that the edit saw"""
    removed: bool = False
    removed_seen: int | None = None
    collections: dict[str, str] = field(default_factory=dict)
    """those that it joins: a name to itself, or a slug to a title"""


@dataclass
class Work:
    images: dict[str, Pending]
    collections: dict[str, SessionChange]


def fold(session: UpdateSession, keys: Iterable[str] | None = None) -> Work:
    """The session's steps, in their order, as one change for each image and collection; of those of some keys alone."""
    steps = session.changes.all() if keys is None else session.changes.filter(key__in=set(keys))
    images: dict[str, Pending] = defaultdict(Pending)
    collections: dict[str, SessionChange] = {}
    for step in steps.iterator(_CHUNK):
        if step.kind in {SessionChange.Kind.COLLECTION, SessionChange.Kind.REMOVE_COLLECTION}:
            before = collections.get(step.key)
            if before is not None and before.kind == step.kind:
                earlier = dict(before.fields)
                moves = earlier.pop("members", []) if "images" not in step.fields else []
                earlier.pop("members", None)
                moves = moves + step.fields.get("members", [])
                step.fields = earlier | step.fields | ({"members": moves} if moves else {})
                step.seen_version = before.seen_version or step.seen_version
            collections[step.key] = step
            continue
        pending = images[step.key]
        if step.kind == SessionChange.Kind.REMOVE:
            images[step.key] = Pending(removed=True, removed_seen=step.seen_version)
        elif step.kind == SessionChange.Kind.ADD:
            pending.collections |= step.fields["collections"]
            if step.seen_version is None:  # what was seen live only joins
                pending.removed = False
                pending.added = step.fields["facts"] | {"fields": step.fields["fields"]}
        else:
            pending.edited |= step.fields
            if step.seen_version is not None:
                pending.seen |= dict.fromkeys(step.fields, step.seen_version)
    return Work(dict(images), collections)


def changes_of(session: UpdateSession, at: str) -> list[Change]:
    """The journal changes that make the session live. Raises Conflict."""
    work = fold(session)
    conflicts: dict[str, list[str]] = {}
    images: list[Change] = []
    idents = list(work.images)
    for begin in range(0, len(idents), _CHUNK):  # rows of some at a time: a session may have 100,000
        some = idents[begin : begin + _CHUNK]
        live = Image.objects.in_bulk(some, field_name="ident")
        removed = Removal.objects.in_bulk([ident for ident in some if ident not in live], field_name="ident")
        for ident in some:
            change = _image_change(ident, work.images[ident], live.get(ident), removed.get(ident), at, conflicts)
            images += [change] if change is not None else []
    collections = _collection_changes(work, conflicts)
    if conflicts:
        named = "; ".join(f"{key[:12]}: {', '.join(fields)}" for key, fields in list(conflicts.items())[:5])
        raise Conflict(f"somebody else has changed this meanwhile ({named}); nothing was committed", conflicts)
    required.check(images, collections)
    return images + collections


def state_of(image: Image) -> Change:
    """An image as the journal has it."""
    names = (*image_fields.COLUMNS, *FACTS, "version", "field_versions")
    return {"put": "image", "ident": image.ident, "added": image.added.isoformat()} | {
        name: getattr(image, name) for name in names
    }


def _image_change(
    ident: str,
    pending: Pending,
    live: Image | None,
    removed: Removal | None,
    at: str,
    conflicts: dict[str, list[str]],
) -> Change | None:
    if pending.removed:
        if live is not None and pending.removed_seen is not None and live.version != pending.removed_seen:
            seen = pending.removed_seen
            conflicts[ident] = [name for name, version in live.field_versions.items() if version > seen] or ["version"]
        return None if live is None else {"remove": "image", "ident": ident}
    if live is None:
        if pending.added is None:
            conflicts[ident] = ["removed"]
            return None
        return _new_image(ident, pending, removed, at)
    edited = {name: value for name, value in pending.edited.items() if image_fields.value(live, name) != value}
    overwritten = [
        name for name in edited if not live.field_versions.get(name, 1) <= pending.seen.get(name, 0) <= live.version
    ]
    if overwritten:
        conflicts[ident] = overwritten
        return None
    if not edited:
        return None
    version = live.version + 1
    versions = live.field_versions | dict.fromkeys(edited, version)
    said = image_fields.stored(edited, live.custom)
    return {**state_of(live), **said, "version": version, "field_versions": versions}


def _new_image(ident: str, pending: Pending, removed: Removal | None, at: str) -> Change:
    """One that was here before goes on from the version it had: an edit that saw that comes too late."""
    assert pending.added is not None
    version = 1 if removed is None else removed.state.get("version", 0) + 1
    versions = dict.fromkeys(image_fields.known(), version) if removed is not None else {}
    fields = image_fields.stored(metadata.EMPTY | pending.added["fields"] | pending.edited)
    facts: dict[str, Any] = {name: pending.added[name] for name in FACTS}
    state: Change = {"put": "image", "ident": ident, "added": at, "version": version, "field_versions": versions}
    return state | fields | facts


def _collection_changes(work: Work, conflicts: dict[str, list[str]]) -> list[Change]:
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    joining: dict[str, list[str]] = defaultdict(list)
    for ident, pending in work.images.items():
        for key, title in sorted(pending.collections.items()):  # the databases keep them in orders of their own
            named[key, title].append(ident)
    titles = {slug: step.fields["title"] for slug, step in work.collections.items() if step.fields.get("title")}
    for (key, title), idents in named.items():
        slug = slug_of(title, titles) if key == title else key
        titles.setdefault(slug, title)
        joining[slug] += idents
    live = {c.slug: c for c in Collection.objects.filter(slug__in={*work.collections, *joining})}
    changes: list[Change] = []
    for slug in sorted({*work.collections, *joining}):
        step, existing = work.collections.get(slug), live.get(slug)
        conflict = _collection_conflict(step, existing) if step is not None else []
        if conflict:
            conflicts[slug] = conflict
            continue
        if step is not None and step.kind == SessionChange.Kind.REMOVE_COLLECTION:
            changes += [_removed(existing)] if existing else []
            continue
        members = _memberships(slug, step, list(dict.fromkeys(joining[slug])))
        put = _put_collection(slug, step, existing, titles.get(slug, slug))
        changes += [*put, *members] if existing is None or members or _says_something(step, existing) else []
    return changes


def _removed(existing: Collection) -> Change:
    """With who has seen it, for the list of what has changed; a public one as ever."""
    change: Change = {"remove": "collection", "slug": existing.slug}
    return change if existing.visibility == PUBLIC else change | {"visibility": existing.visibility}


def _collection_conflict(step: SessionChange, existing: Collection | None) -> list[str]:
    """The fields that somebody else has changed since; a collection that was new and is not is all of them."""
    if step.kind == SessionChange.Kind.COLLECTION and set(step.fields) == {"members"}:
        return [] if existing is not None else ["removed"]  # whatever it holds by now
    if step.kind == SessionChange.Kind.COLLECTION and step.seen_version is None:
        return (sorted(step.fields) or ["slug"]) if existing is not None else []
    if step.seen_version is None:
        return []
    if existing is None:
        return ["removed"]
    return (sorted(step.fields) or ["version"]) if existing.version != step.seen_version else []


def _says_something(step: SessionChange | None, existing: Collection) -> bool:
    """What changes nothing makes no version."""
    return step is not None and any(
        name not in _MEMBERS and getattr(existing, name) != value for name, value in step.fields.items()
    )


def _put_collection(slug: str, step: SessionChange | None, existing: Collection | None, title: str) -> list[Change]:
    if existing is None:
        state = EMPTY_COLLECTION | {"title": title, "version": 1}
    elif step is not None:
        state = {name: getattr(existing, name) for name in OF_COLLECTIONS} | {"version": existing.version + 1}
    else:
        return []
    fields = {k: v for k, v in step.fields.items() if k not in _MEMBERS} if step is not None else {}
    return [{"put": "collection", "slug": slug} | state | fields]


def _memberships(slug: str, step: SessionChange | None, joining: list[str]) -> list[Change]:
    members = Membership.objects.filter(collection__slug=slug)
    if step is not None and _MEMBERS & step.fields.keys():
        listed = step.fields.get("images")
        if listed is None:
            now = list(members.order_by("position").values_list("image__ident", flat=True))
            there = set(now)
            listed = now + [ident for ident in joining if ident not in there]
        for move in step.fields.get("members", []):
            listed = moved(listed, move)
        return _reorder(slug, listed)
    last = members.order_by("-position").values_list("position", flat=True).first() or 0
    known = Image.objects.filter(collections__slug=slug).only("ident").in_bulk(joining, field_name="ident")
    new = [ident for ident in joining if ident not in known]
    return [{"put": "member", "slug": slug, "ident": ident, "position": last + 1 + i} for i, ident in enumerate(new)]


def _reorder(slug: str, idents: list[str]) -> list[Change]:
    members = Membership.objects.filter(collection__slug=slug).order_by("position")
    before = dict(members.values_list("image__ident", "position"))
    if list(before) == idents:  # gaps between the places are nobody's concern
        return []
    after = {ident: position for position, ident in enumerate(idents, start=1)}
    gone = [{"remove": "member", "slug": slug, "ident": ident} for ident in before if ident not in after]
    moved = [
        {"put": "member", "slug": slug, "ident": ident, "position": position}
        for ident, position in after.items()
        if before.get(ident) != position
    ]
    return gone + moved


def moved(listed: list[str], move: Mapping[str, Any]) -> list[str]:
    """Idents in order, after some were taken out, others came in, and those `move` names changed their place: they all
    come before or after one of them, else to the end. What is there already does not come in again."""
    there, out = set(listed), set(move.get("remove", ()))
    placed = [ident for ident in move.get("add", ()) if ident not in there]
    placed += [ident for ident in move.get("move", ()) if ident in there and ident not in out]
    elsewhere = out | set(placed)
    rest = [ident for ident in listed if ident not in elsewhere]
    anchor = move.get("before") or move.get("after")
    if anchor not in rest:
        return rest + placed
    at = rest.index(anchor) + (not move.get("before"))
    return rest[:at] + placed + rest[at:]
