"""Downloads that come back to this very server: each says whom it is for (RFC 8586, CDN-Loop).

What a request says of itself is believed, because it can only be worse off for it: it is refused sooner, or has a turn
among those who say the same.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass

from mezzotint.errors import InvalidInput
from mezzotint.network.urls import Url

HEADER = "CDN-Loop"
MOST = 5
_ENTRY = re.compile(r'mezzotint *; *for="?([0-9a-f]{16})"? *; *at="?([0-9A-Za-z.:\[\]_-]{1,260})"?')


@dataclass(frozen=True, slots=True)
class Link:
    """A download that is under way: the first 16 digits of its URL's key, and the origin that it is from."""

    key: str
    origin: str


behind: ContextVar[tuple[Link, ...]] = ContextVar("behind", default=())
"""those that wait for the request that is worked on"""


def links(header: str | None) -> tuple[Link, ...]:
    """What a request's CDN-Loop says of downloads of this program."""
    return tuple(Link(*found) for found in _ENTRY.findall(header or "")[: MOST + 1]) if header else ()


def check(target: Url) -> None:
    """Raises InvalidInput where this would go on for ever."""
    if any(link.key == target.key[:16] for link in behind.get()):
        raise InvalidInput("url", "leads back to itself", "an address that does not have this server ask for it again")
    if len(behind.get()) >= MOST:
        raise InvalidInput("url", "has this server ask itself again and again", f"{MOST} times")


def level(target: Url) -> int:
    """How many of those behind have a turn at this origin."""
    return sum(link.origin == target.origin for link in behind.get())


def said(first: Url, target: Url) -> str:
    """For a request to `target`, on behalf of the download of `first`."""
    chain = (*behind.get(), Link(first.key[:16], target.origin))
    return ", ".join(f'mezzotint; for={link.key}; at="{link.origin}"' for link in chain)
