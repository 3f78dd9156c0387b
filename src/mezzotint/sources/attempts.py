"""What every download has in common: a few tries, validators, whose fault it was, and that it is remembered."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from mezzotint.errors import DamagedImage, InvalidInput, OriginBusy, OriginError, OriginFailed, OriginRefuses
from mezzotint.network.urls import Url
from mezzotint.sources.failures import Failure
from mezzotint.sources.records import RemoteRecords

log = logging.getLogger(__name__)
T = TypeVar("T")

LACKS, FAILS = 600.0, 60.0
"""seconds that nobody asks again after a 4xx, and after anything else"""
ATTEMPTS = 3
_BACKOFF = 0.2
_NO_MORE_AFTER = 10.0
"""seconds: somebody waits"""
_LONGEST = 500


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Retries with exponential backoff and jitter, where that may help. Raises what the last attempt raises."""
    until = time.monotonic() + _NO_MORE_AFTER
    for count in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except OriginFailed as error:
            if not error.again or time.monotonic() > until:
                raise
            await asyncio.sleep(_BACKOFF * 4**count * random.uniform(0.5, 1.5))
    return await attempt()


def conditions(etag: str, last_modified: str) -> dict[str, str]:
    """The headers that ask whether it is still the same (RFC 9110 section 13.1)."""
    asked = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in asked.items() if value}


def validators(headers: Mapping[str, str]) -> tuple[str, str]:
    """ETag and Last-Modified, where they can be sent back as they came."""
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    return _sendable(etag), _sendable(modified)


def _sendable(text: str) -> str:
    return text if len(text) <= _LONGEST and text.isascii() and text.isprintable() else ""


@contextmanager
def origins_fault() -> Iterator[None]:
    """What is wrong with the bytes is the origin's fault, and not that of whoever asked."""
    try:
        yield
    except DamagedImage as error:
        raise OriginFailed(str(error), again=True) from None
    except InvalidInput as error:
        raise OriginFailed(str(error)) from None


def remember_failure(records: RemoteRecords, target: Url, error: OriginError, now: float) -> None:
    """For a while nobody asks again."""
    log.info("%s: %s", target.url, error.reason)
    seconds = LACKS if isinstance(error, OriginRefuses) else FAILS
    if isinstance(error, OriginBusy):
        seconds = min(seconds, error.retry_after)
    records.fail(target.key, Failure.of(error, now + seconds * random.uniform(0.9, 1.1)))
