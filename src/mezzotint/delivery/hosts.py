"""Which names this server answers to: a page of somebody else's whose name leads here all at once (DNS rebinding) asks
under its own."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from mezzotint.delivery.request import Request
from mezzotint.network.addresses import Patterns
from mezzotint.settings import Settings
from mezzotint.settings.parsing import HOST

_LOCAL = "localhost"


def named_by(settings: Settings, request: Request) -> str | None:
    """This host's address, as the settings or the request have it, without a slash at its end; None where neither
    says."""
    return settings.address_as_asked(
        request.header(b"host") or "", request.header(b"x-forwarded-proto") or request.scheme
    )


class Hosts:
    """Addresses and localhost are always answered to: nobody else can have them for a name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        names = settings.hosts or ()
        self._any = not names
        own = urlsplit(settings.public_url or "").hostname
        self._names = Patterns.of([*names, *([own] if own else [])])
        self.knows = lru_cache(1024)(self._knows)

    @property
    def is_named(self) -> bool:
        """Whether the settings say where this server is, and not each request."""
        return self._settings.public_url is not None

    def address(self, request: Request) -> str:
        """Where this server is, for who has asked."""
        return named_by(self._settings, request) or self._settings.address

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
