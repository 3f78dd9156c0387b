"""Many images in one change: what a collection holds, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.names import is_ident, parse_ident
from mezzotint.repository import image_fields, metadata, queries, services
from mezzotint.repository.models import Image, SessionChange, UpdateSession

MOST = 10_000
_LISTS = ("add", "move", "remove")
_ANCHORS = ("before", "after")
_UNIFORM = ("idents", "set", "add_tags", "remove_tags")


def change_members(session: UpdateSession, slug: str, asked: Mapping[str, object]) -> None:
    """Have the session add images to a collection, move them in it, and take them out, whatever it holds by the time of
    the commit: `add`, `move` and `remove` are idents; `before` or `after` one of them is where added and moved ones
    go, else to the end. Raises NotFound, InvalidInput."""
    if unknown := sorted(set(asked) - {*_LISTS, *_ANCHORS}):
        raise InvalidInput(unknown[0][:100], "is not known here", " ".join((*_LISTS, *_ANCHORS)))
    made = session.changes.filter(kind=SessionChange.Kind.COLLECTION)
    if queries.find_collection(slug) is None and ("\x00" in slug or not made.filter(key=slug).exists()):
        raise NotFound(f"there is no collection {slug!r:.80}")
    given = {name: asked[name] for name in _LISTS if name in asked}
    lists = {name: services.checked_members(session, value, name, live=name == "add") for name, value in given.items()}
    if not any(lists.values()):
        raise InvalidInput("add", "is missing", "idents to add, move or remove")
    if sum(map(len, lists.values())) > MOST:
        raise InvalidInput("add", f"has {sum(map(len, lists.values()))} with the others", f"up to {MOST} at once")
    if all(name in asked for name in _ANCHORS):
        raise InvalidInput("after", "stands beside before", "one of the two")
    anchors = {name: str(parse_ident(str(asked[name]))) for name in _ANCHORS if name in asked}
    step = SessionChange(
        session=session, kind=SessionChange.Kind.COLLECTION, key=slug, fields={"members": [lists | anchors]}
    )
    services.write_steps(session, [step])


def describe_many(session: UpdateSession, asked: Mapping[str, object]) -> int:
    """Have the session describe up to MOST images, each on its own (`images`: objects with `ident`, `version` and
    fields) or all alike (`idents`, with `set`, `add_tags`, `remove_tags`); how many that changes.

    Raises InvalidInput, which names the first one that is wrong, NotFound, Conflict.
    """
    each = "images" in asked
    if unknown := sorted(set(asked) - set(("images",) if each else _UNIFORM)):
        raise InvalidInput(unknown[0][:100], "is not known here", "images alone, or " + " ".join(_UNIFORM))
    edits = _each(_list("images", asked.get("images"))) if each else _alike(asked)
    services.edit_images(session, edits)
    return len(edits)


def _each(images: Sequence[object]) -> list[tuple[str, int | None, metadata.Fields]]:
    edits: list[tuple[str, int | None, metadata.Fields]] = []
    for number, one in enumerate(images):
        if not isinstance(one, dict):
            raise InvalidInput(f"images[{number}]", "is not an object", "ident, version, and what is said")
        fields = {name: value for name, value in one.items() if name not in {"ident", "version"}}
        try:
            ident, version = str(parse_ident(str(one.get("ident", "")))), metadata.clean_version(one.get("version"))
            edits.append((ident, version, image_fields.clean(fields)))
        except InvalidInput as error:
            raise InvalidInput(f"images[{number}].{error.field}", error.detail, error.limit) from None
    idents = [ident for ident, _, _ in edits]
    if len(set(idents)) != len(idents):
        raise InvalidInput("images", "has an image twice", "each image once")
    _live(idents)
    return [edit for edit in edits if edit[2]]


def _alike(asked: Mapping[str, object]) -> list[tuple[str, int | None, metadata.Fields]]:
    said = asked.get("set", {})
    if not isinstance(said, dict):
        raise InvalidInput("set", "is not an object", " ".join(image_fields.known()))
    fields = image_fields.clean(said)
    come, go = (metadata.clean_tags(asked.get(name, [])) for name in ("add_tags", "remove_tags"))
    if not (fields or come or go):
        raise InvalidInput("set", "is missing", "what is to be said, add_tags, or remove_tags")
    idents = list(dict.fromkeys(str(one) for one in _list("idents", asked.get("idents"))))
    edits: list[tuple[str, int | None, metadata.Fields]] = []
    for ident, image in _live(idents).items():
        new = dict(fields)
        if come or go:
            tags = [tag for tag in fields.get("tags", image.tags) if tag not in go]
            new["tags"] = metadata.clean_tags([*tags, *(tag for tag in come if tag not in tags)])
        new = {name: value for name, value in new.items() if image_fields.value(image, name) != value}
        if new:
            edits.append((ident, image.version, new))
    return edits


def _live(idents: Sequence[str]) -> dict[str, Image]:
    """Raises NotFound for the first that is not there."""
    found = Image.objects.in_bulk([ident for ident in idents if is_ident(ident)], field_name="ident")
    missing = [ident for ident in idents if ident not in found]
    if missing:
        raise NotFound(f"there is no image {missing[0]:.80}; {len(missing)} of {len(idents)} are not here")
    return {ident: found[ident] for ident in idents}


def _list(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, list) or not value:
        raise InvalidInput(name, "is no list with something in it", f"1 to {MOST} images")
    if len(value) > MOST:
        raise InvalidInput(name, f"has {len(value)}", f"1 to {MOST} images")
    return value
