"""Addresses of pictures for pages and listings, which sign what they show."""

from __future__ import annotations

import time

from mezzotint.wiring import engine

_HALF_DAY = 43_200


def picture(ident: str, rendition: str = "") -> str:
    """Where reading is private, with a signature that ends in half a day to a whole one: whoever sees it has been let
    in, and the address stays the same for a while, so that browsers can cache."""
    address, here = f"/images/{ident}{rendition}", engine()
    if not here.settings.public_read:
        return here.signer.sign(address, expires=(int(time.time()) // _HALF_DAY + 2) * _HALF_DAY)
    return address if here.settings.renditions == "any" else here.signer.sign(address)
