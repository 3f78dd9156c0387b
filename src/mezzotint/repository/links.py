"""Addresses of pictures for pages and listings, which sign what they show."""

from __future__ import annotations

import time
import unicodedata
from urllib.parse import urlencode

from django.http import HttpRequest

from mezzotint.names import Facts, canonical
from mezzotint.names.canonical import output_size
from mezzotint.names.grammar import parse_rendition
from mezzotint.repository.models import Image
from mezzotint.wiring import engine

_HALF_DAY = 43_200


def fitted(image: Image, side: int) -> tuple[int, int]:
    """Width and height of an image in a box of so many pixels a side; never enlarged."""
    facts = Facts(image.width, image.height, image.format, image.bytes)
    return output_size(canonical(parse_rendition(f"-fit{side}x{side}.jpg"), facts), facts)


def ratio(width: int, height: int) -> int:
    """Width by height in hundredths, in steps of a twentieth within 0.4 and 3: the class that pages have for it."""
    return min(300, max(40, round(20 * width / height) * 5))


def picture(ident: str, rendition: str = "", download: str = "") -> str:
    """Where it is not for everybody, with a signature that ends in half a day to a whole one: who sees it has been let
    in, and the address stays the same for a while, so that browsers can cache. `download` is what it is
    called where it is saved."""
    address, here = f"/images/{ident}{rendition}", engine()
    address += f"?{urlencode({'download': download})}" if download else ""
    if not (here.settings.public_bytes or (here.settings.public_read and here.host.shown.has(ident))):
        return here.signer.sign(address, expires=(int(time.time()) // _HALF_DAY + 2) * _HALF_DAY)
    return address if here.settings.renditions == "any" else here.signer.sign(address)


def file_name(image: Image, size: str = "") -> str:
    """What an image is called where it is saved, without what says its format: its title, or the name it came in by."""
    stem = image.title or image.file_name.rpartition(".")[0] or image.file_name or image.ident[:12]
    plain = "".join(" " if c in "/\\:" or unicodedata.category(c).startswith(("C", "Z")) else c for c in stem)
    return " ".join([*plain[:150].split(), *([size] if size else [])]).strip(". ") or image.ident[:12]


def address_of(request: HttpRequest) -> str:
    """As the Image API's door has it, which the manifests lead to."""
    settings, headers = engine().settings, request.headers
    asked = settings.address_as_asked(headers.get("Host", ""), headers.get("X-Forwarded-Proto", request.scheme or ""))
    return asked or settings.address
