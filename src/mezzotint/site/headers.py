"""What pages tell browsers to allow, caches to keep, and whoever forgets a slash: middleware of Django's."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

from mezzotint.wiring import engine

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_OF_DOCS = _POLICY | {"style-src": "'self' 'unsafe-inline'"}
"""for Swagger UI, which styles its elements one by one"""
_OF_DESK = _POLICY | {"img-src": "'self' data: blob:"}
"""for pictures that are shown before they are sent"""
_DOCS = "/api/docs/"
_NOTHING = ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")


class _Moved(HttpResponsePermanentRedirect):
    """To the same method and body, which 301 is not (RFC 9110 section 15.4.9)."""

    status_code = 308


class Common(CommonMiddleware):
    response_redirect_class = _Moved


def _said(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in policy.items())


class Headers:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._policy, self._of_docs, self._of_desk = map(_said, (_POLICY, _OF_DOCS, _OF_DESK))
        self._permissions = ", ".join(f"{name}=()" for name in _NOTHING)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", self._policy_of(request.path))
        response.headers.setdefault("Permissions-Policy", self._permissions)
        if _is_private(request):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _policy_of(self, path: str) -> str:
        if path == _DOCS:
            return self._of_docs
        return self._of_desk if path.startswith("/desk/") else self._policy


def _is_private(request: HttpRequest) -> bool:
    """Whether what is answered may be for whoever has asked alone."""
    return (
        not engine().settings.public_read
        or request.path.startswith("/admin/")
        or "Authorization" in request.headers
        or settings.SESSION_COOKIE_NAME in request.COOKIES
    )
