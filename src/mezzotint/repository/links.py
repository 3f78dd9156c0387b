"""Addresses of pictures for pages that a person has been let in to see."""

from __future__ import annotations

import time
from functools import lru_cache

from mezzotint import tokens
from mezzotint.wiring import engine

_HALF_DAY = 43_200


def picture(ident: str, rendition: str = "") -> str:
    """Where private, with a read token of a day: delivery knows tokens, not logins."""
    address = f"/images/{ident}{rendition}"
    settings = engine().settings
    if settings.public_read:
        return address
    return f"{address}?token={_token(settings.secret_key, int(time.time()) // _HALF_DAY)}"


@lru_cache(maxsize=2)
def _token(secret: str, _half_day: int) -> str:
    """One for half a day in each process, so that addresses stay the same for a while and browsers can cache."""
    return tokens.issue(secret, tokens.Scope.READ, days=1, name="page")
