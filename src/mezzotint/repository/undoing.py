"""Taking a commit back: a session that does the opposite, for somebody to look at and commit."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from mezzotint.errors import Conflict, NotFound
from mezzotint.journal import Change, Segment, kind_of
from mezzotint.repository import history, image_fields, metadata, queries, services
from mezzotint.repository.apply import is_new
from mezzotint.repository.models import Collection, Image, Membership, UpdateSession
from mezzotint.repository.upkeep import removals

_CHUNK = 500


@dataclass
class Plan:
    """What takes a commit back: images that it added and that are to go, at their versions; fields that are set back;
    images that come back; collections that are put or go. `kept` is what stays as it is, and why."""

    remove: list[tuple[str, int | None]] = field(default_factory=list)
    edit: list[tuple[str, int | None, metadata.Fields]] = field(default_factory=list)
    bring_back: list[str] = field(default_factory=list)
    put: list[tuple[str, metadata.Fields, int | None, list[str] | None]] = field(default_factory=list)
    remove_collections: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def needs(self) -> list[str]:
        """The permissions that it takes."""
        known = {slug for slug, _, version, _ in self.put if version is not None}
        wanted = {
            "repository.delete_image": self.remove,
            "repository.change_image": self.edit,
            "repository.add_image": self.bring_back,
            "repository.change_collection": known,
            "repository.add_collection": len(self.put) > len(known),
            "repository.delete_collection": self.remove_collections,
        }
        return [permission for permission, work in wanted.items() if work]


def plan(seq: int) -> Plan:
    """What would take a commit back. What others have made of it since stays. Raises NotFound, JournalBroken,
    StoreUnavailable."""
    history.check_traced()
    found, made = history.segment(seq), Plan()
    _images(found, made)
    _collections(found, made)
    people = {kind_of(change) for change in found.changes} & {"user", "group"}
    if people:
        made.kept.append("people, groups and what they may: set them in the admin")
    return made


def session_of(seq: int, made: Plan, by: str) -> UpdateSession:
    """The session that does it. Raises Conflict where there is nothing to do."""
    if not made.needs:
        raise Conflict(f"of commit {seq} nothing is left to take back" + "".join(f"; {why}" for why in made.kept[:3]))
    session = services.open_session(by, f"Takes back commit {seq}")
    try:
        _fill(session, made)
    except BaseException:
        session.delete()
        raise
    return session


def _fill(session: UpdateSession, made: Plan) -> None:
    services.remove_drafts(session, made.remove)
    services.edit_images(session, made.edit)
    for ident in made.bring_back:
        with suppress(NotFound):  # the trash was emptied of it meanwhile: the review shows what comes
            services.bring_back(session, ident)
    for slug, fields, version, members in made.put:
        services.put_collection(session, slug, fields, version, members, rasterised=True)
    for slug in made.remove_collections:
        services.remove_collection(session, slug)


def _images(found: Segment, made: Plan) -> None:
    changes = [change for change in found.changes if kind_of(change) == "image"]
    for begin in range(0, len(changes), _CHUNK):
        some = changes[begin : begin + _CHUNK]
        live = Image.objects.in_bulk([change["ident"] for change in some], field_name="ident")
        edited = {}
        for change in some:
            ident = change["ident"]
            image = live.get(ident)
            if "remove" in change:
                if image is None:
                    _bring_back(ident, made)
            elif image is None:
                made.kept.append(f"{ident[:12]} was removed since")
            elif is_new(change, found.at):
                made.remove.append((ident, image.version))
            elif still := _still(change, image, made):
                edited[ident] = image.version, still
        _set_back(edited, history.states_before("image", edited, found.seq), made)


def _still(change: Change, live: Image, made: Plan) -> list[str]:
    """The fields that are as the commit has set them."""
    mine = {name for name, version in change["field_versions"].items() if version == change["version"]}
    still = {name for name in mine if live.field_versions.get(name) == change["version"]}
    if mine - still:
        made.kept.append(f"{live.ident[:12]}: {', '.join(sorted(mine - still))} changed again since")
    return sorted(still)


def _set_back(edited: dict[str, tuple[int, list[str]]], before: dict[str, Change], made: Plan) -> None:
    for ident, (version, names) in edited.items():
        if (was := before.get(ident)) is not None:
            made.edit.append(
                (ident, version, {name: image_fields.flat(was).get(name, image_fields.empty(name)) for name in names})
            )
        else:
            made.kept.append(f"{ident[:12]}: what was there before is not known yet")


def _bring_back(ident: str, made: Plan) -> None:
    try:
        removals.bring_back(ident)
    except NotFound:
        made.kept.append(f"{ident[:12]} is not in the trash any more")
    else:
        made.bring_back.append(ident)


def _collections(found: Segment, made: Plan) -> None:
    changes: dict[str, list[Change]] = {}
    for change in found.changes:
        if kind_of(change) in {"collection", "member"}:
            changes.setdefault(change["slug"], []).append(change)
    live = Collection.objects.in_bulk(list(changes), field_name="slug")
    for slug, some in changes.items():
        try:
            _collection(found, slug, some, live.get(slug), made)
        except Conflict as error:
            made.kept.append(str(error))


def _collection(found: Segment, slug: str, changes: list[Change], live: Collection | None, made: Plan) -> None:
    was = history.states_before("collection", [slug], found.seq).get(slug)
    removed = any(change.get("remove") == "collection" for change in changes)
    if removed and live is None and was is not None:
        made.put.append((slug, _fields(was), None, _there(history.members_at(slug, found.seq)[0], made)))
    elif removed or live is None:
        made.kept.append(f"the collection {slug} {'was removed since' if live is None else 'is there again'}")
    elif was is not None:
        _put_back(found, changes, was, live, made)
    elif live.version == 1 and set(_now(slug)) <= set(history.members_at(slug, found.seq)[1]):
        made.remove_collections.append(slug)
    else:
        made.kept.append(f"the collection {slug} was changed since")


def _put_back(found: Segment, changes: list[Change], was: Change, live: Collection, made: Plan) -> None:
    slug, now, fields = live.slug, _now(live.slug), dict[str, object]()
    versions = [change["version"] for change in changes if change.get("put") == "collection"]
    if versions == [live.version]:
        fields = {name: value for name, value in _fields(was).items() if getattr(live, name) != value}
    elif versions:
        made.kept.append(f"the collection {slug} was described again since")
    members = now
    if any("member" in (change.get("put"), change.get("remove")) for change in changes):
        before, after = history.members_at(slug, found.seq)
        members = _there(reversed_members(before, after, now), made)
    changed = members != _there(now, made)  # an image that goes leaves its collections by itself
    if fields or changed:
        made.put.append((slug, fields, live.version, members if changed else None))


def reversed_members(before: list[str], after: list[str], now: list[str]) -> list[str]:
    """What a collection would hold without a commit that made `after` of `before`. Where the order is still as that
    left it, it is as before; what came since stays at the end."""
    was, became, here = set(before), set(after), set(now)
    common = became & here
    if [ident for ident in now if ident in common] == [ident for ident in after if ident in here]:
        old = [ident for ident in before if ident in common or ident not in became]
        return old + [ident for ident in now if ident not in became and ident not in was]
    kept = [ident for ident in now if ident in was or ident not in became]
    return kept + [ident for ident in before if ident not in became and ident not in here]


def _there(idents: Iterable[str], made: Plan) -> list[str]:
    """Those that are live, or come back, and do not go."""
    wanted, gone = list(idents), {ident for ident, _ in made.remove}
    live = queries.live_idents(wanted) | set(made.bring_back)
    return [ident for ident in wanted if ident in live and ident not in gone]


def _now(slug: str) -> list[str]:
    members = Membership.objects.filter(collection__slug=slug).order_by("position")
    return list(members.values_list("image__ident", flat=True))


def _fields(state: Change) -> metadata.Fields:
    return {name: state.get(name, nothing) for name, nothing in metadata.EMPTY_COLLECTION.items()}
