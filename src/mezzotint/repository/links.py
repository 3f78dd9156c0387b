"""Addresses of pictures for pages that a person has been let in to see."""

from __future__ import annotations

from mezzotint import tokens
from mezzotint.wiring import engine


def picture(ident: str, rendition: str = "") -> str:
    """Where private, with a read token of a day: delivery knows tokens, not logins."""
    address = f"/images/{ident}{rendition}"
    settings = engine().settings
    if settings.public_read:
        return address
    return f"{address}?token={tokens.issue(settings.secret_key, tokens.Scope.READ, days=1, name='page')}"
