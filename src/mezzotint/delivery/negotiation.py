"""Which format `auto` is, from the client's Accept (RFC 9110 section 12.5.1) and the picture."""

from __future__ import annotations

from mezzotint.names import FORMATS, OUTPUTS, Facts, Format
from mezzotint.names.formats import PREFERRED

Accepted = tuple[Format, ...]
"""the newer formats that a client names, the preferred one first"""


def accepted(accept: str | None) -> Accepted:
    """Browsers name what they can show; a wildcard says nothing of newer formats."""
    named = {kind for kind, weight in map(_preference, (accept or "").split(",")) if weight > 0}
    return tuple(one for one in PREFERRED if FORMATS[one].media_type in named)


def candidates(named: Accepted, facts: Facts) -> list[Format]:
    """What a picture is given as, where the one before cannot hold it: what moves goes on moving, and what is
    transparent stays so. The last of them every client shows."""
    if facts.animated:
        return [*(one for one in named if OUTPUTS[one].animation), Format.GIF, Format.JPG]
    return [*named, Format.PNG if facts.alpha else Format.JPG]


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
