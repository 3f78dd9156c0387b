"""What every page says."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest

from mezzotint.wiring import engine


def installation(request: HttpRequest) -> dict[str, Any]:
    return {"installation": engine().settings.name or "Mezzotint", "known": _is_known(request)}


def _is_known(request: HttpRequest) -> bool:
    """Whether who asks has logged in; nobody has, where the database does not answer: that is told by a page, too."""
    try:
        return hasattr(request, "user") and request.user.is_authenticated
    except DatabaseError:
        return False
