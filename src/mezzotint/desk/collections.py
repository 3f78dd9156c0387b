"""Collections: what they say, who sees them, and the order of their pictures."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.sessions import PAGE
from mezzotint.errors import Conflict, InvalidInput
from mezzotint.repository import metadata, paging, queries, services, slugs
from mezzotint.repository.api.auth import COMMIT, require, who
from mezzotint.repository.links import picture
from mezzotint.repository.models import Collection, Membership

_CHANGE = "repository.change_collection"
_MOST = 2000
"""pictures that are put in order on a page"""
_NEW = "+"


@desk_page(_CHANGE, "repository.add_collection")
def collections(request: HttpRequest) -> HttpResponse:
    found = paging.page(Collection.objects.all(), "slug", request.GET.get("cursor", ""), PAGE, tie="slug")
    following = urlencode({"cursor": found.next}) if found.next else ""
    return render(request, "desk/collections.html", {"collections": found.items, "next": following})


@desk_page(_CHANGE, "repository.add_collection")
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    """One that is there; a new one at `+`."""
    new = slug == _NEW
    shown = Collection() if new else queries.collection(slug)
    if request.method != "POST":
        return _form(request, shown)
    require(request, "repository.add_collection" if new else _CHANGE)
    require(request, COMMIT)
    fields: dict[str, Any] = {name: request.POST.get(name, "") for name in metadata.COLLECTION_FIELDS}
    fields["visibility"] = _visibility(request)
    try:
        slug = slugs.slug_of(fields["title"]) if new else slug
        if new and queries.find_collection(slug) is not None:
            raise InvalidInput("title", f"is that of {slug}, which is there", "another title")
        order = _order(request)
        change = partial(services.put_collection, slug=slug, fields=fields, images=order)
        services.at_once(who(request), partial(change, version=None if new else request.POST.get("version")))
    except InvalidInput as error:
        return _form(request, shown, {error.field: f"{error.detail}: {error.limit}" if error.limit else error.detail})
    except Conflict:
        told = "Somebody else has changed this collection meanwhile. Below is what you wrote; save again to keep it."
        return _form(request, shown, {"title": told})
    messages.success(request, "Saved, and live.")
    return redirect("desk-collection", slug)


@desk_page("repository.delete_collection")
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    shown = queries.collection(slug)
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


def _order(request: HttpRequest) -> list[str] | None:
    """The idents by the numbers beside them; those that are marked are taken out. None where the page had none."""
    idents = request.POST.getlist("ident")
    if not idents:
        return None
    out = set(request.POST.getlist("out"))
    numbers = [request.POST.get(f"at_{ident}", "") for ident in idents]
    wrong = next((number for number in numbers if number and not number.isdecimal()), None)
    if wrong is not None:
        raise InvalidInput("order", f"cannot be {wrong!r:.40}", "whole numbers")
    places = {
        ident: (int(number) if number else place, place)
        for place, (ident, number) in enumerate(zip(idents, numbers, strict=True), 1)
    }
    return [ident for ident in sorted(idents, key=places.__getitem__) if ident not in out]


def _form(request: HttpRequest, shown: Collection, wrong: dict[str, str] | None = None) -> HttpResponse:
    sent = request.POST if request.method == "POST" else None
    joined = Membership.objects.filter(collection=shown.pk).select_related("image").order_by("position", "pk")
    members = list(joined[: _MOST + 1])
    visibility = _visibility(request) if sent is not None else shown.visibility
    context = {
        "collection": shown,
        "values": {
            name: getattr(shown, name) if sent is None else sent.get(name, "") for name in metadata.COLLECTION_FIELDS
        },
        "wrong": wrong or {},
        "groups": [f"{metadata.GROUP}{name}" for name in Group.objects.order_by("name").values_list("name", flat=True)],
        "visibility": visibility,
        "from_day": "" if visibility.startswith((metadata.PUBLIC, metadata.LOGIN, metadata.GROUP)) else visibility,
        "directions": metadata.DIRECTIONS,
        "behaviors": metadata.BEHAVIORS,
        "members": [(member.image, picture(member.image.ident, "-fit120x120.jpg")) for member in members[:_MOST]]
        if len(members) <= _MOST
        else [],
        "too_many": len(members) > _MOST,
        "most": _MOST,
    }
    return render(request, "desk/collection.html", context, status=422 if wrong else 200)
