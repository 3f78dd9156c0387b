"""Images as an open session would have them: what people look at and go on describing before they commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.names import is_ident
from mezzotint.repository import image_fields, metadata, services, sessions, slugs
from mezzotint.repository.models import Image, SessionChange, UpdateSession
from mezzotint.repository.spreadsheets.exporting import as_cell

Kind = SessionChange.Kind
WORK = ("set", "add", "take", "replace")


@dataclass(frozen=True, slots=True)
class Draft:
    """`live` is what everybody sees now, None where the session adds it. `fields` are all that people edit, as they
    would be; `edited` those that the session changes; `overtaken` those of them that somebody else has changed since.
    `joins` are the collections that it would come into, by name or title."""

    ident: str
    live: Image | None
    fields: metadata.Fields
    facts: Mapping[str, Any]
    edited: Sequence[str] = ()
    overtaken: Sequence[str] = ()
    joins: Sequence[str] = ()
    removed: bool = False

    @property
    def version(self) -> int | None:
        return None if self.live is None else self.live.version

    @property
    def title(self) -> str:
        return self.fields["title"] or self.fields["file_name"] or "Untitled"

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Of an edit: the field, what is there now, and what would be, as a table has it."""
        assert self.live is not None
        now = image_fields.values(self.live, self.edited)
        return [(name, as_cell(now[name]), as_cell(self.fields[name])) for name in self.edited]


@dataclass
class Counts:
    """How many images a session adds, edits and removes, and how many collections it changes."""

    add: int = 0
    edit: int = 0
    remove: int = 0
    collection: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.add or self.edit or self.remove or self.collection)


def drafts(session: UpdateSession, idents: Iterable[str]) -> dict[str, Draft]:
    """Of those of the idents that are live or that the session has, in their order."""
    asked = [ident for ident in dict.fromkeys(idents) if is_ident(ident)]
    work = sessions.fold(session, asked).images
    live = Image.objects.in_bulk(asked, field_name="ident")
    found = (_draft(ident, work.get(ident, sessions.Pending()), live.get(ident)) for ident in asked)
    return {one.ident: one for one in found if one is not None}


def draft(session: UpdateSession, ident: str) -> Draft:
    """Raises NotFound."""
    found = drafts(session, [ident]).get(ident)
    if found is None:
        raise NotFound(f"there is no image {ident:.80}")
    return found


def counts(session: UpdateSession) -> Counts:
    """Of the steps, whatever they come to: to undo one is a step as well."""
    found = {kind: steps(session, kind).values("key").distinct().count() for kind in (Kind.ADD, Kind.EDIT, Kind.REMOVE)}
    collections = session.changes.filter(kind__in=[Kind.COLLECTION, Kind.REMOVE_COLLECTION]).values("key").distinct()
    return Counts(found[Kind.ADD], found[Kind.EDIT], found[Kind.REMOVE], collections.count())


def steps(session: UpdateSession, kind: str) -> QuerySet[SessionChange]:
    """Those of one kind. What is said of an image that the session itself adds is part of adding it; what has one that
    is live come into a collection is an edit."""
    if kind == Kind.ADD:
        return session.changes.filter(kind=kind, seen_version=None)
    if kind != Kind.EDIT:
        return session.changes.filter(kind=kind)
    said = Q(kind=kind) & Exists(Image.objects.filter(ident=OuterRef("key")))
    return session.changes.filter(said | Q(kind=Kind.ADD, seen_version__isnull=False))


def describe(session: UpdateSession, found: Iterable[Draft], work: Work) -> int:
    """Have the session do the same with many images; how many that changes. Raises InvalidInput."""
    edits = [(one.ident, one.version, new) for one in found if not one.removed and (new := work.of(one.fields))]
    services.edit_images(session, edits)
    return len(edits)


def join(session: UpdateSession, found: Sequence[Draft], name: str) -> None:
    """Have images come into a collection at the commit, a new one if need be. Raises InvalidInput."""
    joined = slugs.joined([name])
    if not joined:
        raise InvalidInput("collection", "is missing", "its name")
    kept = [one for one in found if not one.removed]
    services.join(session, [(one.ident, one.version, one.facts, _added_fields(one)) for one in kept], joined)


@dataclass(frozen=True)
class Work:
    """What is done with each of many images: `set` one field, `add` or `take` a tag, or `replace` a text in a field
    by another."""

    what: str
    field: str = ""
    value: str = ""
    by: str = ""

    def of(self, fields: metadata.Fields) -> metadata.Fields:
        """The fields that become another. Raises InvalidInput."""
        name = "tags" if self.what in {"add", "take"} else self.field
        if self.what not in WORK:
            raise InvalidInput("what", f"cannot be {self.what!r:.40}", ", ".join(WORK))
        if name not in image_fields.known():
            raise InvalidInput("field", f"cannot be {name!r:.40}", ", ".join(image_fields.known()))
        if self.what != "set" and not self.value.strip():
            raise InvalidInput("value", "is missing", "what is added, taken away or replaced")
        new = image_fields.clean({name: self._made(name, fields[name])})
        return {} if new[name] == fields[name] else new

    def _made(self, name: str, now: Any) -> Any:
        given = metadata.clean_tags(self.value) if self.what in {"add", "take"} else []
        match self.what:
            case "add":
                return [*now, *(tag for tag in given if tag not in now)]
            case "take":
                return [tag for tag in now if tag not in given]
            case "replace" if image_fields.known()[name].many:
                return [tag.replace(self.value, self.by) for tag in now]
            case "replace":
                return now.replace(self.value, self.by)
        return self.value


def _draft(ident: str, pending: sessions.Pending, live: Image | None) -> Draft | None:
    if live is None and pending.added is None:
        return None
    joins = list(pending.collections.values())
    if live is None:
        assert pending.added is not None
        facts = {name: pending.added[name] for name in sessions.FACTS}
        fields = image_fields.nothing() | pending.added["fields"] | pending.edited
        return Draft(ident, None, fields, facts, joins=joins, removed=pending.removed)
    now = image_fields.values(live)
    edited = [name for name, value in pending.edited.items() if image_fields.value(live, name) != value]
    overtaken = [
        name for name in edited if not live.field_versions.get(name, 1) <= pending.seen.get(name, 0) <= live.version
    ]
    facts = {name: getattr(live, name) for name in sessions.FACTS}
    return Draft(ident, live, now | pending.edited, facts, edited, overtaken, joins, pending.removed)


def _added_fields(one: Draft) -> metadata.Fields:
    """As the step that adds it has them; one that is live keeps its own."""
    return {} if one.live is not None else {name: value for name, value in one.fields.items() if value}
