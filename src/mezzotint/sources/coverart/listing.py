"""The archive's listings in one shape, whatever their age, and led to another host. Pure.

The shape is that of the Cover Art Archive's API today: ids are numbers, addresses are https, thumbnails have their
sizes as names, `small` and `large` beside.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.sources.coverart.asking import parse_path

_DEEPEST = 20
ARCHIVE = "https://coverartarchive.org"
_ADDRESS = re.compile(r"https?://[^/?#]+(?P<path>/release/[^?#]*)")
_ALIASES = (("250", "small"), ("500", "large"))
_DEFAULTS: dict[str, Any] = {
    "approved": True, "back": False, "comment": "", "edit": None, "front": False, "types": [],
}  # fmt: skip


def parse_listing(data: bytes) -> Any:
    """Raises InvalidInput, also for numbers that JSON does not have, and for what is nested too deeply."""
    try:
        document = json.loads(data, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidInput("listing", "is no JSON", "an object with images") from None
    _check_depth(document, _DEEPEST)
    return document


def _refused(number: str) -> float:
    raise ValueError(number)


def _finite(number: str) -> float:
    return found if math.isfinite(found := float(number)) else _refused(number)


def _check_depth(document: Any, left: int) -> None:
    if left == 0:
        raise InvalidInput("listing", "is nested too deeply", f"{_DEEPEST} levels")
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for one in inner:
        _check_depth(one, left - 1)


def normalised(document: Any) -> dict[str, Any]:
    """Its addresses are the archive's own. Raises InvalidInput for what is no listing."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise InvalidInput("listing", "is none", '{"images": [...], "release": "..."}')
    release = document.get("release")
    return {
        **document,
        "images": [_image(image) for image in images],
        **({"release": _secure(release)} if isinstance(release, str) else {}),
    }


def led_to_host(listing: dict[str, Any], base: str) -> dict[str, Any]:
    """A normalised listing whose pictures are at `base`, an address without a slash at its end."""
    return {**listing, "images": [_image(image, base) for image in listing["images"]]}


def _image(image: dict[str, Any], base: str = ARCHIVE) -> dict[str, Any]:
    made = _DEFAULTS | image
    number = made.get("id")
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) <= 20:
        made["id"] = int(number)
    if isinstance(made.get("image"), str):
        made["image"] = _led(made["image"], base)
    given = made.get("thumbnails")
    given = given if isinstance(given, dict) else {}
    thumbnails = {name: _led(address, base) for name, address in given.items() if isinstance(address, str)}
    for size, alias in _ALIASES:
        for known, other in ((size, alias), (alias, size)):
            if known in thumbnails:
                thumbnails.setdefault(other, thumbnails[known])
    return made | {"thumbnails": thumbnails}


def _led(address: str, base: str) -> str:
    """A picture's address at `base`; what is none of the archive's pictures is left where it is, but https."""
    match = _ADDRESS.fullmatch(address)
    with suppress(InvalidInput, NotFound):
        if match is not None and parse_path(match["path"]).by_id:
            return base + match["path"]
    return _secure(address)


def _secure(address: str) -> str:
    return f"https://{address.removeprefix('http://')}" if address.startswith("http://") else address
