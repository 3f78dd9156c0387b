"""How often one client may search, and try to log in: a middleware of Django's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mezzotint.browse.views import error_page
from mezzotint.errors import TooMuchForOne, Unauthorized
from mezzotint.host.rates import client_network
from mezzotint.repository import filters
from mezzotint.repository.api.auth import shown_token
from mezzotint.repository.api.problems import plain
from mezzotint.wiring import engine

_LOGINS = {"/login/", "/admin/login/"}
_ASKED = ("search", "q")


class Rated:
    """Whoever shows a token, or is logged in, searches as often as they like."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            if request.method == "POST" and request.path in _LOGINS:
                engine().rates.logins.take(address(request))
            elif any(request.GET.get(name) for name in _asked(request.path)) and not _is_known(request):
                engine().rates.searches.take(address(request))
        except TooMuchForOne as error:
            return plain(error) if request.path.startswith("/api/") else error_page(request, error)
        return self._get_response(request)


def _asked(path: str) -> Sequence[str]:
    """What costs a search: the front page counts what any filter finds."""
    return filters.names() if path == "/" else _ASKED


def address(request: HttpRequest) -> str:
    return client_network(str(request.META.get("REMOTE_ADDR", "")))


def locked(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    """What django-axes answers whoever has tried to log in too often."""
    wait = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return error_page(request, TooMuchForOne("too many logins have failed; try again later", wait))


def _is_known(request: HttpRequest) -> bool:
    try:
        return bool(request.user.is_authenticated) or shown_token(request) is not None
    except Unauthorized:
        return False
