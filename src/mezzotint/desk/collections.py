"""Collections: what they say, who sees them, and the order of their pictures."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.labels import beside
from mezzotint.desk.sessions import PAGE
from mezzotint.errors import Conflict, InvalidInput
from mezzotint.repository import metadata, paging, queries, services, slugs
from mezzotint.repository.api.auth import COMMIT, require, who
from mezzotint.repository.api.reading import reader
from mezzotint.repository.links import picture
from mezzotint.repository.models import Collection, Membership

_CHANGE = "repository.change_collection"
_MOST = 2000
"""pictures that are put in order on a page"""
_NEW = "+"


@desk_page(_CHANGE, "repository.add_collection")
def collections(request: HttpRequest) -> HttpResponse:
    found = paging.page(Collection.objects.all(), "slug", request.GET.get("cursor", ""), PAGE, tie="slug")
    return render(request, "desk/collections.html", {"collections": found.items, **found.around()})


@desk_page(_CHANGE, "repository.add_collection")
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    """One that is there; a new one at `+`."""
    new = slug == _NEW
    shown = Collection() if new else queries.collection(slug)
    if request.method != "POST":
        return _form(request, shown)
    require(request, "repository.add_collection" if new else _CHANGE)
    require(request, COMMIT)
    fields: dict[str, Any] = {name: request.POST[name] for name in metadata.OF_COLLECTIONS if name in request.POST}
    fields["visibility"] = _visibility(request)
    try:
        slug = slugs.slug_of(fields.get("title", "")) if new else slug
        if new and queries.find_collection(slug) is not None:
            raise InvalidInput("title", f"is that of {slug}, which is there", "another title")
        order = _order(request, shown)
        change = partial(services.put_collection, slug=slug, fields=fields, images=order)
        services.at_once(who(request), partial(change, version=None if new else request.POST.get("version")))
    except InvalidInput as error:
        return _form(request, shown, {error.field: beside(error)})
    except Conflict:
        told = "Somebody else has changed this collection meanwhile. Below is what you wrote; save again to keep it."
        return _form(request, shown, {"title": told})
    messages.success(request, "Saved, and live.")
    return redirect("desk-collection", slug)


@desk_page("repository.delete_collection")
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    shown = queries.collection(slug, reader(request))
    if request.method == "POST":
        require(request, COMMIT)
        services.at_once(who(request), lambda session: services.remove_collection(session, slug))
        messages.success(request, f"The collection “{shown}” is removed; its pictures are still here.")
        return redirect("desk-collections")
    question = {
        "title": f"Remove the collection “{shown}”?",
        "detail": "Its pictures stay, in no order. What only it was hiding is seen by everybody."
        if shown.visibility != metadata.PUBLIC
        else "Its pictures stay.",
        "does": "Remove it",
        "back": f"/desk/collections/{slug}/",
    }
    return render(request, "desk/sure.html", question)


def _visibility(request: HttpRequest) -> str:
    chosen = request.POST.get("visibility", "")
    return request.POST.get("from", "").strip() if chosen == "from" else chosen


def _order(request: HttpRequest, shown: Collection) -> list[str] | None:
    """All idents, in the order of the numbers beside those of the page and without the ones that are marked; what came
    in meanwhile comes last. None where nothing was moved or marked. Raises InvalidInput."""
    places = _places(request)
    out = set(request.POST.getlist("out"))
    if not out and all(str(place) == request.POST.get(f"was_{ident}", "") for ident, place in places.items()):
        return None
    now = list(shown.memberships.order_by("position", "pk").values_list("image__ident", flat=True))
    asked = sorted((ident for ident in now if ident in places), key=lambda ident: places[ident])
    return [ident for ident in asked if ident not in out] + [ident for ident in now if ident not in places]


def _places(request: HttpRequest) -> dict[str, int]:
    """The number that is written beside each picture of the page. Raises InvalidInput."""
    places = {}
    for place, ident in enumerate(request.POST.getlist("ident"), 1):
        number = request.POST.get(f"at_{ident}", "").strip() or str(place)
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise InvalidInput("order", f"cannot be {number!r:.40}", "whole numbers")
        places[ident] = int(number)
    return places


def _form(request: HttpRequest, shown: Collection, wrong: dict[str, str] | None = None) -> HttpResponse:
    sent = request.POST if request.method == "POST" else None
    joined = Membership.objects.filter(collection=shown.pk).select_related("image").order_by("position", "pk")
    members = list(joined[: _MOST + 1])
    moved: dict[str, int] = {}
    if sent is not None:
        with suppress(InvalidInput):
            moved = _places(request)
    rows: list[dict[str, Any]] = [
        {
            "image": member.image,
            "thumbnail": picture(member.image.ident, "-fit120x120.jpg"),
            "was": place,
            "at": moved.get(member.image.ident, place),
            "out": sent is not None and member.image.ident in sent.getlist("out"),
        }
        for place, member in enumerate(members[:_MOST], 1)
    ]
    visibility = _visibility(request) if sent is not None else shown.visibility
    values = {name: getattr(shown, name) if sent is None else sent.get(name, "") for name in metadata.OF_COLLECTIONS}
    context = {
        "collection": shown,
        "values": values,
        "elsewhere": values["cover"] if all(row["image"].ident != values["cover"] for row in rows) else "",
        "wrong": wrong or {},
        "groups": [
            (metadata.GROUP + name, name) for name in Group.objects.order_by("name").values_list("name", flat=True)
        ],
        "visibility": visibility,
        "from_day": "" if visibility.startswith((metadata.PUBLIC, metadata.LOGIN, metadata.GROUP)) else visibility,
        "others": Collection.objects.exclude(slug=shown.slug).values_list("slug", "title")[:_MOST],
        "directions": metadata.DIRECTIONS,
        "behaviors": metadata.BEHAVIORS,
        "members": sorted(rows, key=lambda row: row["at"]) if len(members) <= _MOST else [],
        "too_many": len(members) > _MOST,
        "most": _MOST,
    }
    return render(request, "desk/collection.html", context, status=422 if wrong else 200)
