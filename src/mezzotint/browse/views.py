"""The front page, a page per collection, a page per image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from mezzotint.browse import finding
from mezzotint.errors import MezzotintError, NotFound
from mezzotint.problems import problem_headers, status_of
from mezzotint.repository import dates, filters, image_fields, looks, nesting, paging, queries
from mezzotint.repository.api.problems import as_domain, plain
from mezzotint.repository.api.reading import reader
from mezzotint.repository.links import address_of, file_name, fitted, picture, ratio
from mezzotint.repository.models import Collection, Image
from mezzotint.repository.readers import Reader
from mezzotint.settings.own_fields import OwnField
from mezzotint.wiring import engine

PAGE = 48
_SIZES = (("small", 480), ("medium", 1024), ("large", 2048))
_BESIDE = 8
"""thumbnails before and after the picture that is read"""
_LIBRARY = "packages/openseadragon.js"
_LIBRARY_FILE = Path(__file__).parent / "static" / _LIBRARY
_THUMBNAIL, _COVER = "-fit400x400.jpg", "-cover480x320.jpg"
_FEW, _MANY = 12, 1000


def _page_for_people(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Reading as MEZZOTINT_PUBLIC_READ says; domain errors as pages."""

    @require_safe
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if not engine().settings.public_read and not request.user.is_authenticated:
                return redirect(f"/login/?{urlencode({'next': request.get_full_path()})}")
            return view(request, *args, **kwargs)
        except (MezzotintError, DatabaseError) as error:
            return told(request, error)

    return shown


@_page_for_people
def front(request: HttpRequest) -> HttpResponse:
    """The newest, or what is found: with how many, what they have in common, and an order to choose."""
    asked = filters.given(request.GET)
    order = queries.ordering(request.GET.get("ordering", ""))
    cursor, seen = request.GET.get("cursor", ""), reader(request)
    chosen = filters.images(asked, seen)
    found = paging.page(chosen, queries.column_of(order), cursor, PAGE)
    first = not asked and not cursor
    return render(
        request,
        "browse/front.html",
        {
            "search": asked.get("search", ""),
            "collections": _covers(_outermost(seen)[:_FEW], seen) if first else [],
            "images": cards(found.items),
            **found.around(finding.kept(asked, order)),
            "later": bool(cursor),
            **(finding.context(asked, order, chosen, seen) if asked else {}),
        },
    )


@_page_for_people
def collections(request: HttpRequest) -> HttpResponse:
    """Those that are in no other one that is seen."""
    seen = reader(request)
    found = paging.page(_outermost(seen), "slug", request.GET.get("cursor", ""), PAGE, tie="slug")
    return render(request, "browse/collections.html", {"collections": _covers(found.items, seen), **found.around()})


@_page_for_people
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    seen = reader(request)
    shown = queries.collection(slug, seen)
    members = shown.memberships.select_related("image")
    found = paging.page(members, "position", request.GET.get("cursor", ""), PAGE, tie="pk")
    context = {
        "collection": shown,
        "above": nesting.above(shown, seen),
        "collections": _covers(seen.collections().filter(parent=slug)[:_MANY], seen),
        "within": slug,
        "images": cards([member.image for member in found.items]),
        **found.around(),
        **_viewers(request, f"collections/{slug}"),
    }
    return render(request, "browse/collection.html", context)


@_page_for_people
def image(request: HttpRequest, ident: str) -> HttpResponse:
    """Between the ones beside it: in the collection `?in=`, or in the order in which they came in."""
    seen = reader(request)
    shown = queries.image(ident, seen)
    within = next((one for one in shown.collections.all() if one.slug == request.GET.get("in")), None)
    if within is None:
        previous, following = queries.beside(shown, seen)
    else:
        place = queries.place(within, shown.ident, 1)
        previous, following = place.previous, place.next
    context = {
        "image": shown,
        "near": cards(looks.near(shown, seen)),
        "captured": dates.in_words(shown.captured, gettext),
        "own": _own(shown),
        "within": within,
        "previous": previous,
        "next": following,
        "base": picture(shown.ident),
        "original": picture(shown.ident, download=file_name(shown)),
        "preview": picture(shown.ident, "-fit1600x1600.jpg"),
        "sizes": [_size(shown, label, side) for label, side in _SIZES if max(shown.width, shown.height) > side],
        **_zooming(request, shown.ident),
        **_viewers(request, f"images/{shown.ident}"),
    }
    return render(request, "browse/image.html", context)


def _own(shown: Image) -> list[tuple[str, OwnField, list[tuple[str, str]]]]:
    """The installation's own fields: what each is called, and its values with what finds their like."""
    slugs = [one.slug for one in shown.collections.all()]
    return [
        (image_fields.called(own), own, [(text, _alike(own, text)) for text in said])
        for own, said in image_fields.shown(shown, slugs, gettext)
    ]


def _alike(own: OwnField, text: str) -> str:
    return "/?" + urlencode({f"{image_fields.CUSTOM}.{own.name}": text}) if own.facet else ""


@_page_for_people
def reading(request: HttpRequest, slug: str) -> HttpResponse:
    """A collection's pictures one after the other: `?canvas=` is the ident of the one that is shown, the first where
    nothing is said."""
    shown = queries.collection(slug, reader(request))
    place = queries.place(shown, request.GET.get("canvas") or None, _BESIDE)
    context = {
        "collection": shown,
        "image": place.image,
        "base": picture(place.image.ident),
        "preview": picture(place.image.ident, "-fit1600x1600.jpg"),
        "number": place.number,
        "count": place.count,
        "previous": place.previous,
        "next": place.next,
        "first": place.number - place.before,
        "strip": [_card(one) for one in place.around],
        **_zooming(request, place.image.ident),
    }
    return render(request, "browse/reading.html", context)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    error = NotFound(f"there is nothing at {request.path[:200]}")
    return plain(error) if request.path.startswith("/api/") else error_page(request, error)


def told(request: HttpRequest, error: Exception) -> HttpResponse:
    """A page that says what went wrong. Raises what nobody can be told about."""
    known = as_domain(error)
    if known is None:
        raise error
    return error_page(request, known)


def error_page(request: HttpRequest, error: MezzotintError) -> HttpResponse:
    page = render_to_string("browse/error.html", {"title": error.title, "detail": str(error)}, request)
    headers = problem_headers(error, public=engine().settings.public_read)
    return HttpResponse(page, status=status_of(error), headers=headers)


def _zooming(request: HttpRequest, ident: str) -> dict[str, str]:
    """Where the library is that zooms, which is installed at set-up; without it pictures stand as they are, and so they
    do where the tiles are not for who asks."""
    here = engine()
    free = here.settings.renditions == "any" and (here.settings.public_bytes or here.host.shown.has(ident))
    may = free or (request.user.is_authenticated and not here.settings.public_bytes)
    return {"library": static(_LIBRARY) if may and _LIBRARY_FILE.exists() else ""}


def _viewers(request: HttpRequest, what: str) -> dict[str, Any]:
    manifest = f"{address_of(request)}/iiif/presentation/3/{what}/manifest.json"
    quoted = quote(manifest, safe="")
    viewers = [(name, address.replace("{manifest}", quoted)) for name, address in engine().settings.viewers or ()]
    return {"manifest": manifest, "viewers": viewers}


def cards(images: Sequence[Image]) -> list[dict[str, Any]]:
    """Of a list that is shown, each with what stands there until it has come."""
    hints = looks.placeholders(images)
    return [_card(image) | {"hint": hints.get(image.pk)} for image in images]


def _card(image: Image) -> dict[str, Any]:
    width, height = fitted(image, 400)
    return {
        "ident": image.ident,
        "title": image.title or gettext("Untitled"),
        "thumbnail": picture(image.ident, _THUMBNAIL),
        "width": width,
        "height": height,
        "ratio": ratio(image.width, image.height),
    }


def _outermost(seen: Reader) -> QuerySet[Collection]:
    return seen.collections().exclude(parent__in=seen.collections().values("slug"))


def _covers(found: Iterable[Collection], seen: Reader) -> list[dict[str, Any]]:
    """Each with what stands for it, which is the first of its images where nothing else is chosen that the reader sees,
    and with how many it has, up to a thousand."""
    covers, found = [], list(found)
    chosen = set(
        seen.images().filter(ident__in=[one.cover for one in found if one.cover]).values_list("ident", flat=True)
    )
    for one in found:
        members = one.memberships.order_by("position", "pk")
        first = one.cover if one.cover in chosen else members.values_list("image__ident", flat=True).first()
        count = members[: _MANY + 1].count()
        cover = picture(first, _COVER) if first is not None else ""
        said = f"more than {_MANY:,}" if count > _MANY else f"{count:,}"
        covers.append({"slug": one.slug, "title": one.title, "cover": cover, "count": said})
    return covers


def _size(image: Image, label: str, side: int) -> dict[str, Any]:
    width, height = fitted(image, side)
    url = picture(image.ident, f"-{width}x{height}.jpg", file_name(image, f"{width}x{height}"))
    return {"label": gettext(label), "url": url, "width": width, "height": height}
