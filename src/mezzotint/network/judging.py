"""What an origin's answer means: a picture, where it is, or whose fault it is that there is none."""

from __future__ import annotations

import re
import time

import aiohttp

from mezzotint.errors import OriginBusy, OriginFailed, OriginLacks, OriginRefuses
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.freshness import retry_after
from mezzotint.network.urls import Url

WHOLE = {200, 203, 206}
"""with the picture in the answer, where a part is all of it"""
_REDIRECTING = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_OURS = {405, 407, 408, 413, 416, 421, 425, 426, 428, 431}
"""of 4xx: what they find fault with is this server's request, not what was asked for"""
_AGAIN = {408, 421, 425}
_PAUSE = 30.0
"""seconds that an origin is left alone which wants that, and does not say for how long"""
_RANGE = re.compile(r"bytes\s+0-(?P<last>[0-9]{1,18})/(?P<all>[0-9]{1,18})", re.IGNORECASE)


def judge(breaker: CircuitBreaker, target: Url, answer: aiohttp.ClientResponse, conditional: bool) -> str | None:
    """Where a redirect leads to; None where a picture follows, or nothing has changed since a `conditional` request.

    Raises OriginBusy, OriginFailed, OriginLacks, OriginRefuses.
    """
    status, origin = answer.status, target.origin
    pause = retry_after(answer.headers.get("Retry-After"), time.time())
    if status == 429 or (status == 503 and pause is not None):
        raise OriginBusy(origin, breaker.asked_for_pause(origin, _PAUSE if pause is None else pause))
    if status >= 500:
        breaker.failed(origin, target.url, broken=True)
        raise OriginFailed(f"the origin answered {status}", again=True)
    if status not in WHOLE:
        breaker.answered(origin)  # otherwise when its body has come
    if status in _REDIRECTING and "Location" in answer.headers:
        return _location(answer.headers["Location"])
    if status in _GONE:
        raise OriginLacks(status)
    if 400 <= status < 500 and status not in _OURS:
        raise OriginRefuses(status)
    if status not in {*WHOLE, 304} or (status == 206 and not _is_whole(answer)):
        raise OriginFailed(f"the origin answered {status}", again=status in _AGAIN)
    if status == 304 and not conditional:
        raise OriginFailed("the origin answered 304, and was not asked whether anything had changed")
    return None


def _is_whole(answer: aiohttp.ClientResponse) -> bool:
    """A part that is everything (RFC 9110 section 14.4)."""
    part = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    return part is not None and int(part["last"]) + 1 == int(part["all"])


def _location(text: str) -> str:
    """Bytes that are no UTF-8 are escaped."""
    return re.sub(r"[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)
