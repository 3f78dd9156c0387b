"""What became of an image or a collection, commit by commit.

The journal says it; `Trace` says where in the journal. Traces come with each segment that is applied. Those of segments
that were applied before there were any, or that a checkpoint stood for, are made in the background, backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from django.db import transaction
from django.db.models import QuerySet

from mezzotint.errors import Conflict, JournalBroken, NotFound, StoreUnavailable
from mezzotint.journal import Change, Head, Segment, kind_of
from mezzotint.repository import image_fields, metadata, standing
from mezzotint.repository.apply import is_new
from mezzotint.repository.models import Commit, Installation
from mezzotint.repository.tables import Trace
from mezzotint.repository.traces import number_of, traced
from mezzotint.wiring import engine

Kind = Literal["image", "collection"]
_NAMES = {"image": "ident", "collection": "slug"}
"""of the member of a change that has the key"""
MOST = 1000
"""commits that are read to know how something was"""
_AT_ONCE = 20
"""segments that are traced in one transaction"""


@dataclass(frozen=True, slots=True)
class Event:
    """What one commit did to an image or a collection. `fields` are those that it set, with what was there before;
    `joined` and `left` are idents of a collection, or slugs of an image."""

    commit: Commit
    what: Literal["new", "described", "removed", "filled"]
    state: Change | None
    fields: dict[str, tuple[Any, Any]]
    joined: list[str]
    left: list[str]


def segment(seq: int) -> Segment:
    """What a commit was, from the journal. Raises NotFound, JournalBroken, StoreUnavailable."""
    made = Commit.objects.filter(seq=seq).first()
    if made is None:
        raise NotFound(f"there is no commit {seq}")
    found = engine().journal.read(head_at(seq - 1))
    if found is None or found[1].fingerprint != made.fingerprint:
        raise JournalBroken(f"this store does not hold segment {seq} of this database")
    return found[0]


def head_at(seq: int) -> Head:
    """Of a commit that was made; before the first, the beginning."""
    made = Commit.objects.filter(seq=seq).first()
    return Head() if made is None else Head(made.seq, made.fingerprint)


def following(seq: int) -> Iterator[tuple[Segment, Head]]:
    """All commits after one. Raises JournalBroken, StoreUnavailable."""
    return engine().journal.follow(head_at(seq))


def untraced() -> int:
    """The last commit that has no traces yet, 0 where all have."""
    return standing.installation().traced


def check_traced() -> None:
    """Raises StoreUnavailable while it is not known of all commits what they had to do with."""
    if untraced():
        raise StoreUnavailable("what was committed is still being looked through; ask again in a while")


def events(kind: Kind, key: str, before: int | None = None, most: int = 20) -> tuple[list[Event], int | None]:
    """What commits before one did to it, the newest first, and the commit to go on before, None at the end. Raises
    JournalBroken, StoreUnavailable."""
    seqs = list(_seqs(kind, key, before)[: most + 1])
    more, found = seqs[most - 1] if len(seqs) > most else None, []
    pairs = [(seq, _changes_at(kind, key, seq)) for seq in seqs]
    commits = Commit.objects.in_bulk(seqs)
    for place, (seq, (at, changes)) in enumerate(pairs[:most]):
        earlier = next((state for _, (_, older) in pairs[place + 1 :] if (state := _state(kind, older))), None)
        if changes:
            found.append(_event(kind, commits[seq], at, changes, earlier))
    return found, more


def states_before(kind: Kind, keys: Iterable[str], seq: int) -> dict[str, Change]:
    """The last states before a commit of those of some hundred that were there then. Each segment is read once.
    Raises Conflict where too many commits have had to do with one."""
    name, found = _NAMES[kind], dict[str, Change]()
    until = dict.fromkeys(keys, seq)
    for _ in range(MOST):
        latest = {key: last for key, last in _latest(kind, until).items() if last is not None}
        until = {}
        for last, wanted in groupby(sorted(latest, key=latest.__getitem__), key=latest.__getitem__):
            asked, said = set(wanted), dict[str, Change]()
            for change in segment(last).changes:
                if kind_of(change) == kind and change[name] in asked:
                    said[change[name]] = change
            found |= {key: change for key, change in said.items() if "put" in change}
            until |= dict.fromkeys(asked - said.keys(), last)  # which only came into a collection there
        if not until:
            return found
    raise Conflict(f"more than {MOST} commits have had to do with {min(until):.80}")


def _latest(kind: Kind, until: Mapping[str, int]) -> dict[str, int | None]:
    """For each the last commit that had to do with it, before another."""
    return {key: _seqs(kind, key, before).first() for key, before in until.items()}


def members_at(slug: str, seq: int) -> tuple[list[str], list[str]]:
    """The idents of a collection before a commit and after it, in order. Images that were removed themselves since they
    came into it may be among them. Raises Conflict where too many commits have had to do with it."""
    places: dict[str, int] = {}
    seqs = list(_seqs("collection", slug, seq + 1)[: MOST + 1])
    if len(seqs) > MOST:
        raise Conflict(f"more than {MOST} commits have had to do with the collection {slug}")
    before: list[str] = []
    for one in reversed(seqs):
        if one == seq:
            before = _in_order(places)
        for change in _changes_at("collection", slug, one)[1]:
            match change:
                case {"remove": "collection"}:
                    places.clear()
                case {"put": "member", "ident": ident, "position": position}:
                    places[ident] = position
                case {"remove": "member", "ident": ident}:
                    places.pop(ident, None)
    return before, _in_order(places)


def _in_order(places: Mapping[str, int]) -> list[str]:
    return sorted(places, key=lambda ident: places[ident])


def go_on(stopped: Callable[[], bool]) -> None:
    """Make the traces of what was applied before there were any. Raises JournalBroken, StoreUnavailable."""
    while (until := untraced()) and not stopped():
        begin = max(0, until - _AT_ONCE)
        after, made = head_at(begin), []
        if after.seq != begin:
            raise JournalBroken(f"this database does not know commit {begin}")
        for found, head in engine().journal.follow(after):
            made += [Trace(about=about, seq=found.seq) for about in traced(found)]
            if head.seq == until:
                break
        with transaction.atomic():
            Trace.objects.bulk_create(made, batch_size=400, ignore_conflicts=True)
            Installation.objects.filter(traced=until).update(traced=begin)


def _seqs(kind: Kind, key: str, before: int | None) -> QuerySet[Trace, int]:
    found = Trace.objects.filter(about=number_of(kind, key)).order_by("-seq").values_list("seq", flat=True)
    return found if before is None else found.filter(seq__lt=before)


def _changes_at(kind: Kind, key: str, seq: int) -> tuple[str, list[Change]]:
    """When it was, and what of it is about this one: nothing where only the number is alike."""
    found = segment(seq)
    return found.at, [change for change in found.changes if _is_about(change, kind, key)]


def _is_about(change: Change, kind: Kind, key: str) -> bool:
    return kind_of(change) in {kind, "member"} and change.get(_NAMES[kind]) == key


def _state(kind: Kind, changes: Iterable[Change]) -> Change | None:
    return next((change for change in changes if change.get("put") == kind), None)


def _event(kind: Kind, commit: Commit, at: str, changes: list[Change], earlier: Change | None) -> Event:
    state, other = _state(kind, changes), "slug" if kind == "image" else "ident"
    joined = [change[other] for change in changes if change.get("put") == "member"]
    left = [change[other] for change in changes if change.get("remove") == "member"]
    if any(change.get("remove") == kind for change in changes):
        return Event(commit, "removed", None, {}, joined, left)
    if state is None:
        return Event(commit, "filled", None, {}, joined, left)
    fresh = is_new(state, at) if kind == "image" else state["version"] == 1
    return Event(commit, "new" if fresh else "described", state, dict(_set(kind, state, earlier, fresh)), joined, left)


def _set(kind: Kind, state: Change, earlier: Change | None, fresh: bool) -> Iterator[tuple[str, tuple[Any, Any]]]:
    said, before = (_said(kind, one) for one in (state, {} if fresh or earlier is None else earlier))
    empty = _nothing(kind, [*said, *before])
    was, versions = empty | before, state.get("field_versions", {})
    for name, nothing in empty.items():
        now = said.get(name, nothing)
        mine = fresh or earlier is not None or kind == "collection" or versions.get(name) == state["version"]
        if now != was[name] and mine:
            yield name, (was[name], now)


def _said(kind: Kind, state: Change) -> metadata.Fields:
    return image_fields.flat(state) if kind == "image" else {k: state[k] for k in metadata.OF_COLLECTIONS if k in state}


def _nothing(kind: Kind, names: Iterable[str]) -> metadata.Fields:
    """What one is of which nothing is said, with fields that only these states know."""
    if kind != "image":
        return metadata.EMPTY_COLLECTION
    return image_fields.nothing() | {name: image_fields.empty(name) for name in names}
