"""The front page, a page per collection, a page per image."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from mezzotint.errors import MezzotintError, NotFound
from mezzotint.problems import problem_headers, status_of
from mezzotint.repository import filters, paging, queries
from mezzotint.repository.api.problems import as_domain, plain
from mezzotint.repository.links import fitted, picture
from mezzotint.repository.models import Collection, Image
from mezzotint.wiring import engine

PAGE = 48
_SIZES = (("small", 480), ("medium", 1024), ("large", 2048))
_THUMBNAIL = "-fit400x400.jpg"


def _page_for_people(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Reading as MEZZOTINT_PUBLIC_READ says; domain errors as pages."""

    @require_safe
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if not engine().settings.public_read and not request.user.is_authenticated:
                return redirect(f"/admin/login/?{urlencode({'next': request.get_full_path()})}")
            return view(request, *args, **kwargs)
        except (MezzotintError, DatabaseError) as error:
            known = as_domain(error)
            if known is None:
                raise
            return error_page(request, known)

    return shown


@_page_for_people
def front(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("search", "").strip()
    asked = {"search": text} if text else {}
    found = paging.page(filters.images(asked), "-added", request.GET.get("cursor", ""), PAGE)
    collections = Collection.objects.all()[:60] if not text else []
    return render(
        request,
        "browse/front.html",
        {
            "search": text,
            "collections": collections,
            "images": [_card(image) for image in found.items],
            "next": urlencode(asked | {"cursor": found.next}) if found.next else "",
            "later": bool(request.GET.get("cursor")),
        },
    )


@_page_for_people
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    shown = queries.collection(slug)
    members = shown.memberships.select_related("image")
    found = paging.page(members, "position", request.GET.get("cursor", ""), PAGE, tie="pk")
    context = {
        "collection": shown,
        "images": [_card(member.image) for member in found.items],
        "next": urlencode({"cursor": found.next}) if found.next else "",
    }
    return render(request, "browse/collection.html", context)


@_page_for_people
def image(request: HttpRequest, ident: str) -> HttpResponse:
    shown = queries.image(ident)
    context = {
        "image": shown,
        "base": picture(shown.ident),
        "preview": picture(shown.ident, "-fit1600x1600.jpg"),
        "sizes": [_size(shown, label, side) for label, side in _SIZES if max(shown.width, shown.height) > side],
        "collections": shown.collections.all(),
    }
    return render(request, "browse/image.html", context)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    error = NotFound(f"there is nothing at {request.path[:200]}")
    return plain(error) if request.path.startswith("/api/") else error_page(request, error)


def error_page(request: HttpRequest, error: MezzotintError) -> HttpResponse:
    page = render_to_string("browse/error.html", {"title": error.title, "detail": str(error)}, request)
    headers = problem_headers(error, public=engine().settings.public_read)
    return HttpResponse(page, status=status_of(error), headers=headers)


def _card(image: Image) -> dict[str, Any]:
    width, height = fitted(image, 400)
    return {
        "ident": image.ident,
        "title": image.title or "Untitled",
        "thumbnail": picture(image.ident, _THUMBNAIL),
        "width": width,
        "height": height,
    }


def _size(image: Image, label: str, side: int) -> dict[str, Any]:
    width, height = fitted(image, side)
    return {"label": label, "url": picture(image.ident, f"-{width}x{height}.jpg"), "width": width, "height": height}
