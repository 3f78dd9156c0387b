"""Letting browsers read with a login: delivery, which asks no database, knows it by a cookie that is good for a day."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase

from mezzotint import tokens
from mezzotint.errors import Unauthorized
from mezzotint.wiring import engine

_DAY = 86_400


class ReadingCookie:
    """Django middleware. Where everybody reads everything there is none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if engine().settings.public_bytes:
            return response
        held = request.COOKIES.get(tokens.COOKIE, "")
        if request.session.get(SESSION_KEY) and request.user.is_authenticated:  # by a login, not by a token
            name = request.user.get_username()
            if not _is_good(held, name):
                response.set_cookie(
                    tokens.COOKIE,
                    engine().tokens.of_login(name),
                    max_age=_DAY,
                    httponly=True,
                    samesite="Lax",
                    secure=bool(settings.SESSION_COOKIE_SECURE),
                )
        elif held:
            response.delete_cookie(tokens.COOKIE, samesite="Lax")
        return response


def _is_good(held: str, username: str) -> bool:
    """For this person, and for half a day at least."""
    with suppress(Unauthorized):
        token = engine().tokens.verify(held)
        return token.name == f"login {username}" and token.ends_in > _DAY // 2
    return False
