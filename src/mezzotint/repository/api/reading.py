"""What is there for whoever asks."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from mezzotint import tokens
from mezzotint.repository.readers import EVERYTHING, Reader

_DESCRIBING = [f"repository.{verb}_{what}" for verb in ("change", "view") for what in ("image", "collection")]


def reader(request: HttpRequest | Request) -> Reader:
    """What is there for who asks: a page's visitor, or who has a token or a login at the API. Who may change or view
    what is described sees everything."""
    shown = getattr(request, "auth", None)
    if isinstance(shown, tokens.Token):
        return Reader(everything=shown.allows(tokens.Scope.WRITE), known=True)
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return Reader()
    if any(map(user.has_perm, _DESCRIBING)):
        return EVERYTHING
    return Reader(known=True, groups=frozenset(user.groups.values_list("name", flat=True)))
