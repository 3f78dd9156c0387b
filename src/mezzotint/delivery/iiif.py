"""The door of the IIIF Image API, 2.1 and 3.0: the same bytes as under the pictures' own names."""

from __future__ import annotations

import json
import math
import re
from urllib.parse import unquote_to_bytes

from mezzotint.delivery.answer import VARY, Answer, Headers, headers
from mezzotint.delivery.door import Door
from mezzotint.delivery.freshness import DAY, Freshness, lasting
from mezzotint.delivery.hosts import Hosts
from mezzotint.delivery.pictures import Alias, Pictures
from mezzotint.delivery.renditions import Renditions
from mezzotint.delivery.request import Request
from mezzotint.errors import InvalidRendition, NotFound
from mezzotint.names import Ident, Largest, is_ident
from mezzotint.names.iiif import PROFILES, Asked, Version, description, meant

PREFIX = "/iiif/"
INFO = "info.json"
_VERSIONS: dict[str, Version] = {"2": 2, "3": 3}
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NUMBER = "(?:0|[1-9][0-9]*)"
_PLAIN = re.compile(
    rf"(?:full|square|{_NUMBER}(?:,{_NUMBER}){{3}})/\^?(?:max|full|!?{_NUMBER},{_NUMBER}|{_NUMBER},|,{_NUMBER})"
    rf"/!?{_NUMBER}/[a-z]+\.[a-z0-9]+"
)
"""addresses that viewers ask for; of all others, which are without number, memory has none"""
_JSON, _LINKED = "application/json", "application/ld+json"


class IiifDoor(Door):
    def __init__(
        self, pictures: Pictures, renditions: Renditions, hosts: Hosts, largest: Largest, *, public: bool
    ) -> None:
        super().__init__(public=public)
        self._pictures, self._renditions, self._hosts, self._largest = pictures, renditions, hosts, largest
        self._lasting = lasting(public)
        # what says where this server is, by what a request says of it, is for whoever has asked
        self._for_a_day = Freshness(public and hosts.is_named, DAY, stale_while_revalidate=DAY)

    def takes(self, path: str) -> bool:
        return path.startswith(tuple(f"{PREFIX}{version}/" for version in _VERSIONS))

    async def answer(self, request: Request) -> Answer:
        version, ident, parts = _split(request)
        self._renditions.check_shown(request, ident)
        self._renditions.check_signed(request)
        address = request.target if request.signed is None else request.signed.address
        known = request.signed is not None or request.token is not None or self._renditions.is_free(address)
        key = address if _PLAIN.fullmatch("/".join(parts)) and "?" not in address else None
        if known and (kept := self._pictures.remembered(key, request)) is not None:
            return kept
        if not parts or parts == [""]:
            where = f"{self._hosts.address(request)}{PREFIX}{version}/{ident}/{INFO}"
            return Answer(303, headers(location=where, cache_control="no-cache"))
        facts = await self._pictures.facts(ident)
        if parts == [INFO]:
            place = f"{self._hosts.address(request)}{PREFIX}{version}/{ident}"
            said = description(place, facts, version, self._largest)
            kind: Headers = [(b"content-type", _media_type(request, version).encode()), VARY, _profile(version)]
            return self._pictures.data(json.dumps(said).encode(), kind, self._for_a_day)
        found = meant(Asked.of(parts), facts, version, self._largest)
        await self._renditions.check(request, ident, found.rendition)
        canonical = f'<{PREFIX}{version}/{ident}/{found.canonical}>;rel="canonical"'
        link = (b"link", f'{canonical}, <{PROFILES[version]}>;rel="profile"'.encode())
        alias = Alias(self._lasting, [link], key, math.inf, linked=True)
        return await self._pictures.derivative(ident, found.rendition, request, alias=alias)


def _split(request: Request) -> tuple[Version, Ident, list[str]]:
    """The identifier, and what is behind it, each decoded once from the address as it was sent (section 9).

    Raises NotFound for what cannot be an identifier, InvalidRendition.
    """
    path = request.target.partition("?")[0]
    _, _, version, ident, *parts = [*path.split("/"), "", "", ""]
    parts = parts[:-3] if len(parts) > 3 else []
    if not path.startswith(PREFIX) or version not in _VERSIONS:
        raise NotFound("there is no image of this identifier")
    if _ESCAPE.search(path):
        raise InvalidRendition("address", "has a % that is no escape", "%25 for one that is meant")
    try:
        ident, *parts = (unquote_to_bytes(part.encode("latin-1")).decode() for part in (ident, *parts))
    except UnicodeDecodeError:
        raise InvalidRendition("address", "is not of UTF-8", "percent-encoded UTF-8") from None
    if not is_ident(ident):
        raise NotFound("there is no image of this identifier")
    return _VERSIONS[version], Ident(ident), parts


def _profile(version: Version) -> tuple[bytes, bytes]:
    return b"link", f'<{PROFILES[version]}>;rel="profile"'.encode()


def _media_type(request: Request, version: Version) -> str:
    """Section 5.1 of 3.0, where JSON-LD is the rule, and 5 of 2.1, where it is JSON."""
    context = f'{_LINKED};profile="http://iiif.io/api/image/{version}/context.json"'
    given = {}
    for part in (request.header(b"accept") or "").lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        given[media_type] = float(weight) if re.fullmatch(r"[01](\.[0-9]{0,3})?", weight) else 0.0
    json_wanted, linked_wanted = given.get(_JSON, 0.0), given.get(_LINKED, 0.0)
    if version == 2:
        return context if linked_wanted > 0 and linked_wanted >= json_wanted else _JSON
    return _JSON if json_wanted > linked_wanted else context
