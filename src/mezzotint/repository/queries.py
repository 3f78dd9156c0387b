"""Reading the repository: one by one, and in what order. Only what is live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.names import Ident, is_ident, parse_ident
from mezzotint.repository import references
from mezzotint.repository.metadata import FIELDS
from mezzotint.repository.models import Collection, Image, SessionChange, UpdateSession
from mezzotint.repository.readers import EVERYTHING, Reader

ORDERINGS = ("added", *(name for name, field in FIELDS.items() if field.ordered), "bytes", "width", "height")


def image(ident: str, reader: Reader = EVERYTHING) -> Image:
    """With those of its collections that the reader sees. Raises NotFound, InvalidName."""
    chosen = reader.images().filter(ident=parse_ident(ident))
    found = chosen.prefetch_related(reader.their_collections()).first()
    if found is None:
        raise NotFound(f"there is no image {ident}")
    return found


def collection(slug: str, reader: Reader = EVERYTHING) -> Collection:
    """Raises NotFound."""
    found = find_collection(slug, reader)
    if found is None:
        raise NotFound(f"there is no collection {slug}")
    return found


def find_collection(slug: str, reader: Reader = EVERYTHING) -> Collection | None:
    if "\x00" in slug:  # which PostgreSQL cannot even ask for
        return None
    return reader.collections().filter(slug=slug).first()


def session(pk: Any) -> UpdateSession:
    """Raises NotFound."""
    found = UpdateSession.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(f"there is no session {pk}")
    return found


def live_idents(idents: Iterable[str]) -> set[str]:
    return set(Image.objects.only("ident").in_bulk(list(idents), field_name="ident"))


@dataclass(frozen=True, slots=True)
class Place:
    """An image in the order of its collection: its `number` from 1, of how many; `around`, in order, are those beside
    it, `before` of them come first."""

    image: Image
    number: int
    count: int
    previous: str | None
    next: str | None
    around: list[Image]
    before: int


def place(shown: Collection, ident: str | None, beside: int) -> Place:
    """Where an image is in a collection; the first, where none is named. Raises NotFound."""
    members = shown.memberships.select_related("image").order_by("position", "pk")
    if ident is not None and not is_ident(ident):
        raise NotFound(f"there is no image {ident!r:.80} in the collection {shown.slug}")
    here = members.filter(image__ident=ident).first() if ident is not None else members.first()
    if here is None:
        what = "no images" if ident is None else f"no image {ident:.80}"
        raise NotFound(f"there is {what} in the collection {shown.slug}")
    earlier = Q(position__lt=here.position) | Q(position=here.position, pk__lt=here.pk)
    before = [one.image for one in members.filter(earlier).reverse()[:beside]][::-1]
    after = [one.image for one in members.exclude(earlier).exclude(pk=here.pk)[:beside]]
    return Place(
        here.image,
        shown.memberships.filter(earlier).count() + 1,
        shown.memberships.count(),
        before[-1].ident if before else None,
        after[0].ident if after else None,
        [*before, here.image, *after],
        len(before),
    )


def beside(shown: Image, reader: Reader) -> tuple[str | None, str | None]:
    """The idents of the image that came in after it, and of the one before it, of those that the reader sees."""
    others = reader.images().exclude(pk=shown.pk)
    newer = others.filter(added__gte=shown.added).filter(Q(added__gt=shown.added) | Q(ident__gt=shown.ident))
    older = others.filter(added__lte=shown.added).filter(Q(added__lt=shown.added) | Q(ident__lt=shown.ident))
    return (
        newer.order_by("added", "ident").values_list("ident", flat=True).first(),
        older.order_by("-added", "-ident").values_list("ident", flat=True).first(),
    )


def large(pixels: int, slug: str | None = None) -> list[Ident]:
    """Images of at least so many pixels, of all or of one collection. Raises NotFound."""
    chosen = Image.objects.all() if slug is None else collection(slug).images.all()
    found = chosen.annotate(pixels=F("width") * F("height")).filter(pixels__gte=pixels).order_by("ident")
    return [Ident(ident) for ident in found.values_list("ident", flat=True)]


def is_wanted(ident: str) -> bool:
    """Whether an entry refers to it now, or a session that is open will, or somebody else does."""
    added = SessionChange.objects.filter(
        key=ident,
        kind=SessionChange.Kind.ADD,
        session__state__in=[UpdateSession.State.OPEN, UpdateSession.State.COMMITTING],
    )
    return bool(live_idents([ident])) or added.exists() or references.want(ident)


def ordering(text: str) -> str:
    """As it was asked for. Raises InvalidInput."""
    if text and text.removeprefix("-") not in ORDERINGS:
        raise InvalidInput("ordering", f"cannot be {text!r}", " ".join(ORDERINGS) + ", with - for the largest first")
    return text or "-added"


def column_of(ordering: str) -> str:
    """What the database sorts by for it."""
    return ordering.replace("captured", "captured_first")
