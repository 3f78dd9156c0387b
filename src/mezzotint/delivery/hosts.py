"""Which names this server answers to: a page of somebody else's whose name leads here all at once (DNS rebinding) asks
under its own."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from mezzotint.network.addresses import Patterns
from mezzotint.settings import Settings
from mezzotint.settings.parsing import HOST

_LOCAL = "localhost"


class Hosts:
    """Addresses and localhost are always answered to: nobody else can have them for a name."""

    def __init__(self, settings: Settings) -> None:
        names = settings.hosts or ()
        self._any = not names
        own = urlsplit(settings.public_url or "").hostname
        self._names = Patterns.of([*names, *([own] if own else [])])
        self.knows = lru_cache(1024)(self._knows)

    def _knows(self, header: str | None) -> bool:
        """A Host header's value; None where there is none, which no browser sends."""
        if self._any or header is None:
            return True
        match = HOST.fullmatch(header)
        host = match["name"].strip("[]").lower().removesuffix(".") if match else ""
        return host == _LOCAL or _is_address(host) or self._names.name(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
