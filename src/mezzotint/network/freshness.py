"""How long an origin's answer is good for (RFC 9111 section 4.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_GUESSED_SHARE = 0.1
_MOST = 2**31
_DIRECTIVE = re.compile(r'(?P<name>[^\s,="]+)\s*(?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^,]*)))?[^,]*')


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
        date = moment(headers.get("date"))
        age = max(_number(headers.get("age", "")) or 0, 0 if date is None else now - date)  # section 4.2.3
        for name in ("s-maxage", "max-age"):
            if name in directives:
                return (_number(directives[name]) or 0) - age  # what is no number counts as stale
        date = now if date is None else date
        if "expires" in headers:
            expires = moment(headers["expires"])
            return 0 if expires is None else expires - date - age
        modified = moment(headers.get("last-modified"))
        return (self.unsaid if modified is None else max(0.0, date - modified) * _GUESSED_SHARE) - age


def cache_control(text: str) -> dict[str, str]:
    """Directives in lower case, and what they are first set to."""
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(text):
        quoted = match["quoted"]
        found.setdefault(match["name"].lower(), (match["plain"] or "").strip() if quoted is None else quoted)
    return found


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds, from a number or a date (RFC 9110 section 10.2.3)."""
    seconds, at = _number(text or ""), moment(text)
    return max(0.0, at - now) if seconds is None and at is not None else seconds


def moment(text: str | None) -> float | None:
    """An HTTP date as seconds since the epoch; None where it is none. One without a zone is in UTC."""
    try:
        found = parsedate_to_datetime(text) if text else None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Seconds; more than can be meant is the most (RFC 9111 section 1.2.2)."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    return _MOST if len(text) > len(str(_MOST)) else float(min(int(text), _MOST))
