"""What an installation has of its own on every page: its logo and its colours."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from mezzotint.browse.views import error_page
from mezzotint.errors import NotFound
from mezzotint.wiring import engine

_MEDIA = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
_HELD = {"Cache-Control": "public, max-age=300"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@require_safe
def logo(request: HttpRequest) -> HttpResponseBase:
    path = engine().settings.logo
    media = _MEDIA.get(path.suffix.lower()) if path is not None else None
    if path is None or media is None or not path.is_file():
        return error_page(request, NotFound("there is no logo"))
    return FileResponse(path.open("rb"), content_type=media, headers=_HELD | {"Content-Security-Policy": _POLICY})


@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    light, dark = engine().settings.colours or ("", "")
    if not light:
        return error_page(request, NotFound("there are no colours of its own"))
    style = f":root {{ --link: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --link: {dark}; }} }}\n"
    return HttpResponse(style, "text/css; charset=utf-8", headers=_HELD)
