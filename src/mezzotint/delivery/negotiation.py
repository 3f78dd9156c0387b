"""Which format `auto` is, from the client's Accept (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from mezzotint.names import FORMATS, Format
from mezzotint.names.formats import PREFERRED


def negotiate(accept: str | None) -> Format:
    """AVIF or WebP where the client names it; JPEG otherwise, `image/*` and `*/*` included.

    Browsers name what they can show; a wildcard says nothing of newer formats.
    """
    named = {kind for kind, weight in map(_preference, (accept or "").split(",")) if weight > 0}
    return next((one for one in PREFERRED if FORMATS[one].media_type in named), Format.JPG)


def _preference(item: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in item.split(";"))
    weight = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                weight = float(parameter[2:])
            except ValueError:
                weight = 0.0
    return kind, weight
