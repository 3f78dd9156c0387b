"""The language that a visitor's browser asks for, on the pages that are for everybody. The API, the desk and the admin
speak English."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

_PAGES = ("/image/", "/collection/", "/login/")


class Language(LocaleMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        if _is_for_everybody(request.path):
            super().process_request(request)
        else:
            translation.activate(settings.LANGUAGE_CODE)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        said: HttpResponse = response
        return super().process_response(request, said) if _is_for_everybody(request.path) else said


def _is_for_everybody(path: str) -> bool:
    return path == "/" or path.startswith(_PAGES)
