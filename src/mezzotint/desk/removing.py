"""Taking pictures away, and bringing them back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.sessions import PAGE
from mezzotint.repository import paging, queries, services
from mezzotint.repository.api.auth import COMMIT, require, who
from mezzotint.repository.api.reading import reader
from mezzotint.repository.links import picture
from mezzotint.repository.models import Removal


@desk_page("repository.delete_image")
def remove(request: HttpRequest, ident: str) -> HttpResponse:
    """Asked first, done by POST, at the version that was shown; it can be taken back."""
    image = queries.image(ident, reader(request))
    if request.method == "POST":
        require(request, COMMIT)
        version = request.POST.get("version")
        services.at_once(who(request), lambda session: services.remove_image(session, ident, version))
        messages.success(request, f"“{image}” is removed. It can be brought back from here.")
        return redirect("desk-removed")
    question = {
        "title": f"Remove “{image}”?",
        "detail": "It is gone from lists and pages at once, and can be brought back for a while.",
        "does": "Remove it",
        "version": image.version,
        "back": f"/desk/images/{ident}/",
        "picture": picture(ident, "-fit300x300.jpg"),
    }
    return render(request, "desk/sure.html", question)


@desk_page("repository.view_removal")
def removed(request: HttpRequest) -> HttpResponse:
    found = paging.page(Removal.objects.all(), "-seq", request.GET.get("cursor", ""), PAGE)
    return render(request, "desk/removed.html", {"removals": found.items, **found.around()})


@desk_page("repository.add_image", writes=True)
def bring_back(request: HttpRequest, ident: str) -> HttpResponse:
    require(request, COMMIT)
    services.at_once(who(request), lambda session: services.bring_back(session, ident))
    messages.success(request, "It is back, as it was.")
    return redirect("image", ident)
