"""Everything that changes the repository. All of it goes through an update session and a commit."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from mezzotint.derivatives import Base
from mezzotint.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from mezzotint.journal import Head, Segment
from mezzotint.names import Ident, parse_ident
from mezzotint.repository import metadata, queries
from mezzotint.repository.apply import apply, removed_idents
from mezzotint.repository.models import Commit, Image, SessionChange, UpdateSession
from mezzotint.repository.sessions import changes_of
from mezzotint.transforms.exif import captured
from mezzotint.wiring import engine

Kind = SessionChange.Kind
_RACES = 100
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Upload:
    """An image as a session has it: `known` where the same bytes were live already."""

    ident: Ident
    known: bool
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Addition:
    """A stored base with its checked fields and the collections (slug to title) that it joins."""

    base: Base
    fields: metadata.Fields
    collections: dict[str, str]


def open_session(by: str, note: str = "") -> UpdateSession:
    return UpdateSession.objects.create(by=by, note=metadata.clean_text("note", note, 2000))


def add_image(
    session: UpdateSession, base: Base, fields: Mapping[str, object], collections: Mapping[str, str] | None = None
) -> Upload:
    """Have the session add a stored base; `collections` maps slug to title.

    One that is live already keeps its metadata and only joins the collections.
    """
    return add_images(session, [Addition(base, metadata.clean_image(fields), dict(collections or {}))])[0]


def add_images(session: UpdateSession, additions: Sequence[Addition]) -> list[Upload]:
    """`add_image` for many, with checked fields, at the cost of a few queries."""
    live = set(queries.live_idents(addition.base.ident for addition in additions))
    steps = [
        SessionChange(session=session, kind=Kind.ADD, key=addition.base.ident, fields=_addition_fields(addition))
        for addition in additions
    ]
    _write(session, steps)
    return [Upload(Ident(step.key), step.key in live, step.fields["fields"]) for step in steps]


def _addition_fields(addition: Addition) -> dict[str, Any]:
    facts, exif = addition.base.facts, addition.base.exif
    said_by_the_file = {
        "captured": _valid_date(captured(exif)),
        "creator": _short(exif.get("Artist"), "creator"),
        "rights": _short(exif.get("Copyright"), "rights"),
        "description": _short(exif.get("ImageDescription"), "description"),
    }
    return {
        "fields": {name: value for name, value in said_by_the_file.items() if value} | addition.fields,
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
    cleaned = metadata.clean_image(fields)
    if not cleaned:
        raise InvalidInput("fields", "are missing", " ".join(metadata.IMAGE_FIELDS))
    seen = _seen(session, parse_ident(ident), version)
    _write(session, [SessionChange(session=session, kind=Kind.EDIT, key=ident, fields=cleaned, seen_version=seen)])


def remove_image(session: UpdateSession, ident: str, version: object = None) -> None:
    """Have the session remove an image; with a version, only if nobody changes it until then."""
    if not _is_live(ident) and not _is_added(session, parse_ident(ident)):
        raise NotFound(f"there is no image {ident}")
    seen = None if version is None else metadata.clean_version(version)
    _write(session, [SessionChange(session=session, kind=Kind.REMOVE, key=ident, seen_version=seen)])


def put_collection(
    session: UpdateSession, slug: str, fields: Mapping[str, object], version: object = None, images: object = None
) -> None:
    """Have the session make a collection or change it; `images` is all of its idents in order.

    Changing one that is live names the version that was seen.
    """
    cleaned = metadata.clean_collection(fields)
    live = queries.find_collection(slug)
    seen = metadata.clean_version(version) if live is not None else None
    if live is None:
        cleaned.setdefault("title", slug)
    if images is not None:
        cleaned["images"] = _member_idents(session, images)
    step = SessionChange(session=session, kind=Kind.COLLECTION, key=slug, fields=cleaned, seen_version=seen)
    _write(session, [step])


def remove_collection(session: UpdateSession, slug: str) -> None:
    """Have the session remove a collection. Its images stay."""
    queries.collection(slug)
    _write(session, [SessionChange(session=session, kind=Kind.REMOVE_COLLECTION, key=slug)])


def abort(session: UpdateSession) -> None:
    """Throw the session's changes away. Bases that only it has added stay in the store, for reconcile to find."""
    with transaction.atomic():
        _check_open(UpdateSession.objects.get(pk=session.pk))
        session.changes.all().delete()
        session.state = UpdateSession.State.ABORTED
        session.save(update_fields=["state"])


def commit(session: UpdateSession) -> Commit:
    """Make the session durable and live, all at once. Doing it again gives the same answer.

    Raises Conflict, where another's change would be overwritten; then the
    session stays open and nothing of it is visible. StoreUnavailable says that
    the outcome is not known; committing again finds out.
    """
    for _ in range(_RACES):
        done = _try_commit(session.pk)
        if done is not None:
            return done
        catch_up()
    raise StoreUnavailable("other commits keep coming first; try again")


def catch_up() -> int:
    """Apply what the journal has and this database has not yet; returns how many segments.

    What they removed goes at the end, when it is known what was put in again.
    """
    count = 0
    while True:
        with transaction.atomic():
            found = engine().journal.read(_head())
            if found is None:
                break
            apply(*found)
        count += 1
    for seq in Commit.objects.filter(settled=False).order_by("seq").values_list("seq", flat=True):
        with transaction.atomic():
            _settle(seq, engine().journal.segment(seq))
    return count


def check_store() -> None:
    """That the store is this database's. Raises JournalBroken."""
    engine().journal.check(_head())


def _settle(seq: int, segment: Segment) -> None:
    """What a commit removed: bases to the trash, derivatives away.

    Under the database's write lock, after the commit point, and only what is
    not live: nobody can be putting it in again meanwhile.
    """
    removed = set(removed_idents(segment))
    for ident in removed - set(queries.live_idents(removed)):
        engine().bases.discard(Ident(ident))
        engine().cache.purge(ident)
    Commit.objects.filter(seq=seq).update(settled=True)


def durable_seq() -> int:
    """The last commit that the journal holds, which this database may be about to apply."""
    head = _head()
    for _, following in engine().journal.follow(head):
        head = following
    return head.seq


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


def _try_commit(pk: uuid.UUID) -> Commit | None:
    """One attempt under the database's write lock; None where another segment came first."""
    with transaction.atomic():
        session = UpdateSession.objects.select_for_update().get(pk=pk)
        if session.state == UpdateSession.State.COMMITTED:
            return Commit.objects.get(transaction=str(session.pk))
        _check_open(session)
        head = _head()
        engine().journal.check(head)
        at = datetime.now(UTC).isoformat()
        segment = Segment(
            seq=head.seq + 1,
            transaction=str(session.pk),
            previous=head.fingerprint,
            at=at,
            by=session.by,
            changes=tuple(changes_of(session, at)),
            note=session.note,
        )
        _check_bases(segment)
        created = engine().journal.append(segment)
        if created is None:
            return None
        done = apply(segment, created)
        session.changes.all().delete()
        _settle(segment.seq, segment)
        return done


def _head() -> Head:
    last = Commit.objects.order_by("-seq").first()
    return Head() if last is None else Head(last.seq, last.fingerprint)


def _check_bases(segment: Segment) -> None:
    """Durable before visible: every added image's base is in the store, or is brought back from the trash."""
    for change in segment.changes:
        if change.get("put") == "image" and change["version"] == 1:
            ident = Ident(change["ident"])
            if not engine().bases.exists(ident) and not engine().bases.recover(ident):
                raise Conflict(f"the bytes of {ident} were removed meanwhile; upload it again", {ident: ["file"]})


def _write(session: UpdateSession, steps: list[SessionChange]) -> None:
    """Add steps to a session that is open now: somebody may have committed it since this request began."""
    with transaction.atomic():
        _check_open(UpdateSession.objects.select_for_update().get(pk=session.pk))
        SessionChange.objects.bulk_create(steps, batch_size=_CHUNK)


def _check_open(session: UpdateSession) -> None:
    if session.state != UpdateSession.State.OPEN:
        raise Conflict(f"session {session.pk} is {session.state}")


def _is_live(ident: str) -> bool:
    return Image.objects.filter(ident=ident).exists()


def _is_added(session: UpdateSession, ident: str) -> bool:
    return session.changes.filter(kind=Kind.ADD, key=ident).exists()


def _seen(session: UpdateSession, ident: Ident, version: object) -> int | None:
    live = _is_live(ident)
    if not live and not _is_added(session, ident):
        raise NotFound(f"there is no image {ident}")
    return metadata.clean_version(version) if live or version is not None else None


def _member_idents(session: UpdateSession, images: object) -> list[str]:
    if not isinstance(images, list | tuple):
        raise InvalidInput("images", "is not a list", "a list of idents in order")
    idents = [parse_ident(str(item)) for item in images]
    if len(set(idents)) != len(idents):
        raise InvalidInput("images", "has an image twice", "each image once")
    missing = (
        set(idents)
        - set(queries.live_idents(idents))
        - set(session.changes.filter(kind=Kind.ADD).values_list("key", flat=True))
    )
    if missing:
        raise InvalidInput("images", f"has {len(missing)} that are not here, {min(missing)} first", "live images")
    return [str(ident) for ident in idents]


def _valid_date(text: str) -> str:
    """Cameras without a clock write dates that are none."""
    try:
        return metadata.clean_captured(text)
    except InvalidInput:
        return ""


def _short(value: object, field: str) -> str:
    text = "".join(c for c in str(value or "") if c.isprintable())
    return text[: metadata.TEXT_LIMITS[field]].strip()
