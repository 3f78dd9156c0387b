"""What every page says."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.translation import get_language, gettext

from mezzotint.repository.api.auth import has
from mezzotint.repository.api.sessions import ANY_CHANGE
from mezzotint.wiring import engine


def installation(request: HttpRequest) -> dict[str, Any]:
    known, works = _is_known(request)
    settings = engine().settings
    return {
        "installation": settings.name or "Mezzotint",
        "logo": settings.logo is not None,
        "colours": settings.colours is not None,
        "footer": settings.footer,
        "untitled": gettext("Untitled"),
        "language": (get_language() or "en").partition("-")[0],
        "known": known,
        "works": works,
    }


def _is_known(request: HttpRequest) -> tuple[bool, bool]:
    """Whether who asks has logged in, and whether they may change anything; nobody, where the database does not answer:
    that is told by a page, too."""
    try:
        known = hasattr(request, "user") and request.user.is_authenticated
        return known, known and has(request, *ANY_CHANGE)
    except DatabaseError:
        return False, False
