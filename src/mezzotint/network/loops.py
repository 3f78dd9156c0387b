"""Downloads that come back to this very server: each says whom it is for (RFC 8586, CDN-Loop).

What is believed is what this installation has signed: whoever could make it up would have turns at an origin beyond its
limit.
"""

from __future__ import annotations

import hmac
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass

from mezzotint.errors import InvalidInput
from mezzotint.network.urls import Url

HEADER = "CDN-Loop"
MOST = 5
_LONGEST = 4096
_ENTRY = re.compile(
    r'mezzotint; for=([0-9a-f]{16}); at="([0-9A-Za-z.:\[\]_-]{1,260})"; on=([0-9a-f]{1,12}); by=([0-9a-f]{32})'
)
_GOOD = 600
"""seconds: whoever has seen what was signed may say it again for so long"""


@dataclass(frozen=True, slots=True)
class Link:
    """A download that is under way: the first 16 digits of its URL's key, and the origin that it is from."""

    key: str
    origin: str


behind: ContextVar[tuple[Link, ...]] = ContextVar("behind", default=())
"""those that wait for the request that is worked on"""


def links(header: str | None, secret: str) -> tuple[Link, ...]:
    """What a request's CDN-Loop says of downloads of this installation."""
    if not header or len(header) > _LONGEST:
        return ()
    found: list[Link] = []
    for key, origin, on, by in _ENTRY.findall(header)[: MOST + 1]:
        link, at = Link(key, origin), int(on, 16)
        if hmac.compare_digest(by, _signed(link, at, secret)) and abs(time.time() - at) < _GOOD and link not in found:
            found.append(link)
    return tuple(found)


def _signed(link: Link, at: int, secret: str) -> str:
    text = f"cdn-loop {link.key} {link.origin} {at}"
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()[:32]


def check(target: Url) -> None:
    """Raises InvalidInput where this would go on for ever."""
    if any(link.key == target.key[:16] for link in behind.get()):
        raise InvalidInput("url", "leads back to itself", "an address that does not have this server ask for it again")
    if len(behind.get()) >= MOST:
        raise InvalidInput("url", "has this server ask itself again and again", f"{MOST} times")


def level(target: Url) -> int:
    """How many of those behind have a turn at this origin."""
    return sum(link.origin == target.origin for link in behind.get())


def said(first: Url, target: Url, secret: str) -> str:
    """For a request to `target`, on behalf of the download of `first`."""
    chain, now = (*behind.get(), Link(first.key[:16], target.origin)), int(time.time())
    return ", ".join(
        f'mezzotint; for={link.key}; at="{link.origin}"; on={now:x}; by={_signed(link, now, secret)}' for link in chain
    )
