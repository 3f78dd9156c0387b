"""The Date header, made anew once a second (RFC 9110 section 6.6.1)."""

from __future__ import annotations

import time
from email.utils import formatdate

_at, _line = 0, b""


def date_line() -> bytes:
    """With its end of line."""
    global _at, _line
    if (now := int(time.time())) != _at:
        _line = b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        _at = now
    return _line
