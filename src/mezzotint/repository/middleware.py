"""What a person changes in the admin is durable before the answer goes out."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mezzotint.errors import MezzotintError
from mezzotint.repository import commits, standing
from mezzotint.repository.intake import capture

log = logging.getLogger(__name__)
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_ALWAYS = ("/admin/login/", "/admin/logout/", "/login/", "/logout/")


class Durable:
    """Django middleware: users, groups and permissions have no sessions; what was captured is committed here.

    Where nothing may be written the admin says so before anything is changed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in _SAFE or request.path.startswith(_ALWAYS):
            return self._get_response(request)
        if request.path.startswith("/admin/"):
            try:
                standing.check_writable()
            except MezzotintError as error:
                return HttpResponse(f"Nothing was changed: {error}\n", "text/plain; charset=utf-8", 503)
        response = self._get_response(request)
        try:
            if capture.pending():
                commits.flush(request.user.get_username() or "system")
        except (MezzotintError, DatabaseError) as error:
            log.warning("not durable yet: %s", error)
            if request.path.startswith("/admin/"):
                messages.warning(request, f"This is in the database, and not yet durable in the store: {error}")
        return response
