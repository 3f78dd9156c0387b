"""`/ready`: what this node lacks to do its work. Whoever sends it requests asks, so it never waits for long."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mezzotint.errors import MezzotintError
from mezzotint.host.lanes import Question
from mezzotint.names.keys import MARKER_KEY
from mezzotint.objects.protocol import find
from mezzotint.repository import standing
from mezzotint.wiring import engine

PATIENCE = 2.0
"""seconds; a store that needs longer counts as one that does not answer"""
_ASKED = Question("ready", lambda: find(engine().store, MARKER_KEY))


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    found = missing()
    return JsonResponse({"ready": not found, "missing": found}, status=503 if found else 200)


def missing() -> dict[str, str]:
    """What is missing, and why; nothing where all is well."""
    found = {"database": _database(), "store": _store()}
    return {name: why for name, why in found.items() if why}


def _database() -> str:
    try:
        return standing.installation().alarm
    except DatabaseError:
        return "the database does not answer (DATABASE_URL)"


def _store() -> str:
    try:
        _ASKED.answer(PATIENCE)
    except TimeoutError:
        return f"the object store does not answer within {PATIENCE:g} s (MEZZOTINT_STORE)"
    except MezzotintError as error:
        return str(error)
    return ""
