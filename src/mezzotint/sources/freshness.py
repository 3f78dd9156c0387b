"""How long an origin's answer is good for (RFC 9111 section 4.2). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_GUESSED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """In seconds: at least `floor`, at most `ceiling`; `unsaid` where nothing is said."""

    floor: float
    ceiling: float
    unsaid: float = 86_400

    def of(self, headers: Mapping[str, str], now: float) -> float:
        """Of an answer with these headers, whose names are in lower case."""
        return min(self.ceiling, max(self.floor, self._said(headers, now)))

    def _said(self, headers: Mapping[str, str], now: float) -> float:
        directives = cache_control(headers.get("cache-control", ""))
        if directives.keys() & {"no-store", "no-cache", "private"}:
            return 0
        for name in ("s-maxage", "max-age"):
            if name in directives and (seconds := _number(directives[name])) is not None:
                return seconds - (_number(headers.get("age", "")) or 0)
        date = moment(headers.get("date")) or now
        if "expires" in headers:
            expires = moment(headers["expires"])
            return 0 if expires is None else expires - date
        modified = moment(headers.get("last-modified"))
        return self.unsaid if modified is None else max(0.0, date - modified) * _GUESSED_SHARE


def cache_control(text: str) -> dict[str, str]:
    """Directives in lower case, and what they are set to."""
    parts = (part.strip().partition("=") for part in text.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts if name}


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds, from a number or a date (RFC 9110 section 10.2.3)."""
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    at = moment(text)
    return None if at is None else max(0.0, at - now)


def moment(text: str | None) -> float | None:
    """An HTTP date as seconds since the epoch; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(int(text))
    except ValueError:
        return None
    return number if number >= 0 and math.isfinite(number) else None
