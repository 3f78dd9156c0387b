"""What every page says."""

from __future__ import annotations

from django.http import HttpRequest

from mezzotint.wiring import engine


def installation(request: HttpRequest) -> dict[str, str]:
    return {"installation": engine().settings.name or "Mezzotint"}
