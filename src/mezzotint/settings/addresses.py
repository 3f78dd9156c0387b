"""Settings that are addresses of the web. What each raises for other texts is a ValueError that says what is right."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def parse_http_url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # whose reading may raise too
        raise ValueError("an address that starts with http:// or https://")
    return text.strip().rstrip("/")


def parse_viewers(text: str) -> tuple[tuple[str, str], ...]:
    """`Name=https://viewer.example/?manifest={manifest}, ...`. Raises ValueError."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, address = part.partition("=")
        if not (equals and name.strip() and "{manifest}" in address and re.match(r"https?://[^/\s]+", address.strip())):
            raise ValueError("NAME=https://...{manifest}..., one after the other, with commas between")
        found.append((name.strip(), address.strip()))
    return tuple(found)


def parse_origins(text: str) -> tuple[str, ...]:
    """`https://app.example, http://localhost:3000`, or `*` for all. Raises ValueError."""
    found = tuple(part.rstrip("/").lower() for part in re.split(r"[\s,]+", text.strip()) if part)
    for one in found:
        parts = urlsplit(one)
        plain = (
            parts.scheme in {"http", "https"} and parts.hostname and not (parts.path or parts.query or parts.fragment)
        )
        if one != "*" and (not plain or "@" in parts.netloc or "*" in one):
            raise ValueError("origins such as https://app.example, or * for all")
    return found


def parse_addresses(text: str) -> tuple[str, ...]:
    """`https://a.example/hook, https://b.example/hook`. Raises ValueError."""
    return tuple(dict.fromkeys(parse_http_url(part) for part in re.split(r"[\s,]+", text.strip()) if part))
