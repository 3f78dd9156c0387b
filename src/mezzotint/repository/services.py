"""Everything that changes the repository. All of it goes through an update session and a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from mezzotint.derivatives import Base
from mezzotint.errors import Conflict, InvalidInput, NotFound
from mezzotint.names import Ident, parse_ident
from mezzotint.repository import image_fields, metadata, nesting, queries, standing
from mezzotint.repository.commits import commit
from mezzotint.repository.intake import told
from mezzotint.repository.models import Collection, Commit, Image, SessionChange, UpdateSession
from mezzotint.repository.sessions import FACTS
from mezzotint.repository.upkeep import removals

Kind = SessionChange.Kind
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Upload:
    """An image as a session has it: `known` where the same bytes were live already."""

    ident: Ident
    known: bool
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Addition:
    """A stored base with its checked fields and the collections that it joins: names
    to themselves, or slugs to titles."""

    base: Base
    fields: metadata.Fields
    collections: dict[str, str]


def open_session(by: str, note: str = "") -> UpdateSession:
    """Raises ReadOnly, InvalidInput."""
    standing.check_writable()
    return UpdateSession.objects.create(by=by, note=metadata.clean_text("note", note, 2000))


def add_images(session: UpdateSession, additions: Sequence[Addition]) -> list[Upload]:
    """Have the session add stored bases, with checked fields, at the cost of a few queries.

    One that is live already keeps its metadata and only joins the collections.
    """
    live = queries.live_idents(addition.base.ident for addition in additions)
    steps = [
        SessionChange(session=session, kind=Kind.ADD, key=addition.base.ident, fields=_addition_fields(addition))
        for addition in additions
    ]
    write_steps(session, steps)
    return [Upload(Ident(step.key), step.key in live, step.fields["fields"]) for step in steps]


def _addition_fields(addition: Addition) -> dict[str, Any]:
    facts, exif = addition.base.facts, addition.base.exif
    said = {name: value for name, value in told.fields(addition.base).items() if value}
    return {
        "fields": told.titled(str(addition.fields.get("file_name", ""))) | said | addition.fields,
        "facts": {
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
            "bytes": facts.bytes,
            "exif": exif,
        },
        "collections": addition.collections,
    }


def edit_image(session: UpdateSession, ident: str, version: object, fields: Mapping[str, object]) -> None:
    """Have the session set fields of an image, as seen at `version`."""
    cleaned = image_fields.clean(fields)
    if not cleaned:
        raise InvalidInput("fields", "are missing", " ".join(image_fields.known()))
    live = _is_live(session, ident)
    seen = metadata.clean_version(version) if live or version is not None else None
    write_steps(session, [SessionChange(session=session, kind=Kind.EDIT, key=ident, fields=cleaned, seen_version=seen)])


def edit_images(session: UpdateSession, edits: Sequence[tuple[str, int | None, metadata.Fields]]) -> None:
    """Have the session set checked fields of many images, each as seen at its version, none where only the session has
    it, at the cost of a few queries."""
    write_steps(
        session,
        (
            SessionChange(session=session, kind=Kind.EDIT, key=ident, fields=fields, seen_version=version)
            for ident, version, fields in edits
        ),
    )


def join(
    session: UpdateSession,
    images: Sequence[tuple[str, int | None, Mapping[str, Any], metadata.Fields]],
    collections: Mapping[str, str],
) -> None:
    """Have images come into collections too: each with the version at which it is live, its facts, and, where only the
    session has it, what that says of it. One that is removed until the commit is a conflict."""
    steps = [
        SessionChange(
            session=session,
            kind=Kind.ADD,
            key=ident,
            seen_version=version,
            fields={"fields": fields, "facts": dict(facts), "collections": dict(collections)},
        )
        for ident, version, facts, fields in images
    ]
    write_steps(session, steps)


def remove_image(session: UpdateSession, ident: str, version: object = None) -> None:
    """Have the session remove an image; with a version, only if nobody changes it until then."""
    _is_live(session, ident)
    seen = None if version is None else metadata.clean_version(version)
    write_steps(session, [SessionChange(session=session, kind=Kind.REMOVE, key=ident, seen_version=seen)])


def remove_images(session: UpdateSession, idents: Sequence[str]) -> None:
    """Likewise many that are live, whoever changes them until then, at the cost of a few queries."""
    live = queries.live_idents(idents)
    missing = [ident for ident in idents if ident not in live]
    if missing:
        raise NotFound(f"there is no image {missing[0]}")
    write_steps(session, [SessionChange(session=session, kind=Kind.REMOVE, key=ident) for ident in idents])


def remove_drafts(session: UpdateSession, images: Sequence[tuple[str, int | None]]) -> None:
    """Have the session remove images that are live, at the versions that were seen, and add no more those that only it
    has: whatever others make of the same bytes."""
    own = [ident for ident, version in images if version is None]
    steps = [
        SessionChange(session=session, kind=Kind.REMOVE, key=ident, seen_version=version)
        for ident, version in images
        if version is not None
    ]
    with transaction.atomic():
        write_steps(session, steps)
        session.changes.filter(key__in=own).delete()


def bring_back(session: UpdateSession, ident: str) -> None:
    """Have the session add an image that was removed, as it was, out of the trash, at the end of those of its
    collections that are still there. Raises NotFound."""
    state = removals.bring_back(ident)
    fields = {
        "fields": image_fields.nothing() | image_fields.flat(state),
        "facts": {name: state[name] for name in FACTS},
        "collections": dict(
            Collection.objects.filter(slug__in=state.get("collections", [])).values_list("slug", "title")
        ),
    }
    write_steps(session, [SessionChange(session=session, kind=Kind.ADD, key=ident, fields=fields)])


def put_collection(
    session: UpdateSession,
    slug: str,
    fields: Mapping[str, object],
    version: object = None,
    images: object = None,
    *,
    rasterised: bool = False,
) -> None:
    """Have the session make a collection or change it; `images` is all of its idents in order. What document it
    is of says only what has `rasterised` that: who knows a document's hash may not have seen it.

    Changing one that is live names the version that was seen.
    """
    cleaned = metadata.clean_collection(fields)
    _check_group(cleaned.get("visibility", ""))
    nesting.check(session, slug, cleaned)
    live = queries.find_collection(slug)
    known = {"", live.document if live is not None else ""}
    if not rasterised and cleaned.get("document", "") not in known:
        raise InvalidInput("document", "is that of another collection, or of none", "nothing, or what it is")
    seen = metadata.clean_version(version) if live is not None else None
    if live is None:
        cleaned.setdefault("title", slug)
    if images is not None:
        cleaned["images"] = checked_members(session, images)
    step = SessionChange(session=session, kind=Kind.COLLECTION, key=slug, fields=cleaned, seen_version=seen)
    write_steps(session, [step])


def remove_collection(session: UpdateSession, slug: str) -> None:
    """Have the session remove a collection. Its images stay."""
    queries.collection(slug)
    write_steps(session, [SessionChange(session=session, kind=Kind.REMOVE_COLLECTION, key=slug)])


def set_note(session: UpdateSession, note: str) -> None:
    """What the commit will say of itself. Raises InvalidInput, Conflict."""
    with transaction.atomic():
        found = UpdateSession.objects.select_for_update().get(pk=session.pk)
        check_open(found)
        found.note = metadata.clean_text("note", note, 2000)
        found.save(update_fields=["note"])


def abort(session: UpdateSession) -> None:
    """Throw the session's changes away. Bases that only it has added stay in the store, for reconcile to find."""
    with transaction.atomic():
        found = UpdateSession.objects.select_for_update().get(pk=session.pk)
        check_open(found)
        found.changes.all().delete()
        found.state = UpdateSession.State.ABORTED
        found.save(update_fields=["state"])


def at_once(by: str, work: Callable[[UpdateSession], Any], note: str = "") -> tuple[Any, Commit]:
    """A session for one change: opened, filled by `work`, committed; gone where it is refused.

    Where the commit ends in anything but a refusal its outcome is not known: the
    session stays, for whatever reached the journal to find.
    """
    session = open_session(by, note)
    try:
        result = work(session)
    except BaseException:
        session.delete()
        raise
    try:
        return result, commit(session)
    except (Conflict, InvalidInput, NotFound):
        session.delete()
        raise


def write_steps(session: UpdateSession, steps: Iterable[SessionChange]) -> None:
    """Add steps to a session that is open now: somebody may have committed it since this request began. Raises
    Conflict, ReadOnly."""
    standing.check_writable()
    with transaction.atomic():
        check_open(UpdateSession.objects.select_for_update().get(pk=session.pk))
        following = iter(steps)
        while some := list(islice(following, _CHUNK)):
            SessionChange.objects.bulk_create(some)


def check_open(session: UpdateSession) -> None:
    """Raises Conflict."""
    if session.state == UpdateSession.State.COMMITTING:
        raise Conflict(f"session {session.pk} is being committed: commit it again to know how that ended")
    if session.state != UpdateSession.State.OPEN:
        raise Conflict(f"session {session.pk} is {session.state}")


def _is_live(session: UpdateSession, ident: str) -> bool:
    """False where only the session adds it. Raises NotFound where neither has it."""
    if Image.objects.filter(ident=parse_ident(ident)).exists():
        return True
    if not session.changes.filter(kind=Kind.ADD, key=ident).exists():
        raise NotFound(f"there is no image {ident}")
    return False


def _check_group(visibility: str) -> None:
    """A group that is not there would hide a collection from all. Raises InvalidInput."""
    name = visibility.removeprefix(metadata.GROUP)
    if name != visibility and not Group.objects.filter(name=name).exists():
        known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True)[:20]) or "none yet"
        raise InvalidInput("visibility", f"names the group {name!r:.80}, which is not there", f"groups: {known}")


def checked_members(session: UpdateSession, images: object, name: str = "images", *, live: bool = True) -> list[str]:
    """Idents, each once; `live`: of images that are here, or that the session adds. Raises InvalidInput."""
    if not isinstance(images, list | tuple):
        raise InvalidInput(name, "is not a list", "a list of idents in order")
    idents = [parse_ident(str(item)) for item in images]
    if len(set(idents)) != len(idents):
        raise InvalidInput(name, "has an image twice", "each image once")
    if live and (missing := set(idents) - queries.live_idents(idents)):
        missing -= set(session.changes.filter(kind=Kind.ADD).values_list("key", flat=True))
        if missing:
            raise InvalidInput(name, f"has {len(missing)} that are not here, {min(missing)} first", "live images")
    return [str(ident) for ident in idents]
