"""Who is let in, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from mezzotint.browse.views import error_page, told
from mezzotint.errors import Conflict, Forbidden, InvalidInput, MezzotintError
from mezzotint.repository.api.auth import has, require
from mezzotint.repository.api.sessions import ANY_CHANGE

View = Callable[..., HttpResponseBase]


def desk_page(*needed: str, writes: bool = False) -> Callable[[View], View]:
    """For a login that has one of the permissions, of any that change something where none is named. A page that
    `writes` is for POST; what it is told wrong is said on the page that it came from."""

    def decorated(view: View) -> View:
        @require_http_methods(["POST"] if writes else ["GET", "HEAD", "POST"])
        @never_cache
        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if not request.user.is_authenticated and request.method == "POST":
                    return _held(request)
                if not request.user.is_authenticated:
                    return redirect(f"/login/?{urlencode({'next': request.get_full_path()})}")
                if request.path == "/desk/" and not has(request, *ANY_CHANGE):
                    return redirect("/")  # who has just logged in to look
                require(request, *(needed or ANY_CHANGE))
                return view(request, *args, **kwargs)
            except (InvalidInput, Conflict) as error:
                back = request.POST.get("back", "")
                if not writes or not back.startswith("/desk/"):
                    return error_page(request, error)
                messages.error(request, f"Nothing was changed: {error}")
                return redirect(back)
            except (MezzotintError, DatabaseError) as error:
                return told(request, error)

        return shown

    return decorated


@never_cache
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Where it comes from one of our own pages, the login has changed since that was opened: a form of the desk is
    kept, to be sent again. What other sites send is refused."""
    try:
        if request.path.startswith("/desk/") and _is_from_here(request):
            return _held(request)
    except DatabaseError as error:
        return told(request, error)
    return error_page(request, Forbidden("this form was not sent from here, or your login has changed: open it again"))


def _held(request: HttpRequest) -> HttpResponseBase:
    context = {
        "known": request.user.is_authenticated,
        "fields": [(k, v) for k, some in request.POST.lists() for v in some if k != "csrfmiddlewaretoken"],
        "files": bool(request.FILES),
    }
    return render(request, "desk/held.html", context, status=403)


def _is_from_here(request: HttpRequest) -> bool:
    """As the browser says, which scripts cannot have say otherwise (Fetch Metadata; Origin where there is none)."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    own = {f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS}
    return site == "same-origin" if site is not None else origin in own
