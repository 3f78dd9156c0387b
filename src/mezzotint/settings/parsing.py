"""How the values of environment variables are read. Each raises ValueError, saying what would have been right."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mezzotint.errors import InvalidInput
from mezzotint.host.rates import Rate

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
"""and its port, as a Host header has them (RFC 9110 section 7.2)"""
KEY_ID, _LEAST_SECRET = "[A-Za-z0-9_-]{1,32}", 16
_COUNTS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def parse_bytes(text: str) -> int:
    """`10G` is 10 * 2**30 bytes. Raises ValueError."""
    return _suffixed(text, _UNITS)


def parse_count(text: str) -> int:
    """`250M` is 250 million. Raises ValueError."""
    return _suffixed(text, _COUNTS)


def _suffixed(text: str, units: dict[str, int]) -> int:
    match = re.fullmatch(r"([0-9]+)([KMGT]?)", text.strip().upper())
    if not match or match[2] not in units:
        raise ValueError(f"a whole number, or one with a suffix of {' '.join(u for u in units if u)}")
    return int(match[1]) * units[match[2]]


def parse_positive(text: str) -> int:
    """`parse_count`, and more than zero. Raises ValueError."""
    count = parse_count(text)
    if count < 1:
        raise ValueError("a whole number from 1")
    return count


def parse_umask(text: str) -> int:
    """Octal, as umask(1) has it. Raises ValueError."""
    if not re.fullmatch(r"0?[0-7]{3}", text) or text[-3] != "0":
        raise ValueError("022, 027 or 077: the rights that others do not get to files, octal")
    return int(text, 8)


def keep_private(environment: Mapping[str, str]) -> None:
    """What this process makes is its user's alone, unless MEZZOTINT_UMASK says otherwise."""
    try:
        os.umask(parse_umask(environment.get("MEZZOTINT_UMASK") or "077"))
    except ValueError:  # as is told where the settings are read
        os.umask(0o077)


def parse_duration(text: str) -> float:
    """`7d` is 604800 seconds; `s m h d` are seconds, minutes, hours, days. Raises ValueError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text.strip().lower())
    if not match:
        raise ValueError("a number with a suffix of s m h d")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def parse_seconds(text: str) -> float:
    """`300`, or a duration with a suffix. Raises ValueError."""
    try:
        seconds = parse_duration(text if text.strip()[-1:].isalpha() else f"{text.strip()}s")
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ValueError("seconds, more than 0")
    return seconds


def parse_megabytes(text: str) -> int:
    """`100` is 100 * 2**20 bytes; with a suffix, as `parse_bytes`. Raises ValueError."""
    text = text.strip()
    return parse_bytes(text) if text[-1:].isalpha() else int(parse_bytes(f"{text}M"))


def parse_redis_url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path) or parts.port == 0:
        raise ValueError("redis://host:port/number, rediss://... or unix:///path")
    return text.strip()


def parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in {"true", "1", "yes", "y", "on", "ok"}:
        return True
    if word in {"false", "0", "no", "n", "off"}:
        return False
    raise ValueError("true or false")


BASE_FORMATS = frozenset({"jpg", "png", "webp", "avif", "heic", "jxl", "gif", "tif", "bmp", "jp2"})
"""what may be let in; SVG has a setting of its own"""


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if (word := text.strip().lower()) not in words:
            raise ValueError(" ".join(words))
        return word

    return parse


def parse_name(text: str) -> str:
    """Raises ValueError."""
    name = " ".join(text.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise ValueError("1 to 100 characters that can be printed")
    return name


def parse_formats(text: str) -> frozenset[str]:
    """`jpg png webp`, of BASE_FORMATS. Raises ValueError."""
    formats = frozenset(part for part in re.split(r"[\s,]+", text.strip().lower()) if part)
    if not formats or not formats <= BASE_FORMATS:
        raise ValueError("some of " + " ".join(sorted(BASE_FORMATS)))
    return formats


def parse_flag(name: str, given: object) -> bool:
    """Of a request: as `parse_bool`, and true where it is named without a value. Raises InvalidInput."""
    try:
        return given if isinstance(given, bool) else parse_bool(str(given).strip() or "true")
    except ValueError as error:
        raise InvalidInput(name, f"cannot be {given!r:.40}", str(error)) from None


def parse_bind(text: str) -> tuple[str, int]:
    """`127.0.0.1:8000` or `[::1]:8000`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("host:port")
    return host.strip("[]"), int(port)


def parse_patterns(text: str) -> tuple[str, ...]:
    """Networks and hosts: `10.0.0.0/8, *.example.com`. Raises ValueError."""
    patterns = tuple(part.lower() for part in re.split(r"[\s,]+", text.strip()) if part)
    for pattern in patterns:
        if "/" in pattern or ":" in pattern or pattern.replace(".", "").isdecimal():
            ipaddress.ip_network(pattern, strict=False)
        elif not re.fullmatch(r"[a-z0-9.*_-]+", pattern):
            raise ValueError("networks such as 10.0.0.0/8, and hosts such as *.example.com")
    return patterns


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks: `127.0.0.1, 10.0.0.0/8`; none, where it is empty. Raises ValueError."""
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in re.split(r"[\s,]+", text.strip()) if part)
    except ValueError:
        raise ValueError("addresses and networks, such as 127.0.0.1, 10.0.0.0/8") from None


def parse_hosts(text: str) -> tuple[str, ...]:
    """`*.example.com, example.org`. Raises ValueError."""
    hosts = parse_patterns(text)
    if any("/" in host or ":" in host for host in hosts):
        raise ValueError("hosts such as *.example.com, and no networks")
    return hosts


def parse_ports(text: str) -> frozenset[int] | None:
    """`80,443`, or `*` for any (None). Raises ValueError."""
    if text.strip() == "*":
        return None
    ports = frozenset(int(part) if part.isdecimal() else 0 for part in re.split(r"[\s,]+", text.strip()) if part)
    if not ports or not all(1 <= port <= 65535 for port in ports):
        raise ValueError("port numbers, separated by commas, or *")
    return ports


parse_resize_format = one_of(
    "jpeg", "png", "webp", "avif", "gif", "tiff", "bmp", "jxl", "jpeg2000", "ppm", "ico", "pdf"
)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """For a number in digits."""

    def parse(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= (most or int(text)):
            raise ValueError(f"a whole number from {least}" + (f" to {most}" if most else ""))
        return int(text)

    return parse


parse_workers = whole(1, 256)
parse_dpi = whole(1, 4800)
parse_natural = whole(0)


parse_gone = one_of("keep", "drop")
parse_order = one_of("lru", "oldest")


def parse_contact(text: str) -> str:
    """Raises ValueError."""
    if not re.fullmatch(r"[!-~](?:[ -~]{0,198}[!-~])?", text.strip()) or set(text) & set("()\\"):
        raise ValueError("an address or a mailbox of ASCII characters, without brackets")
    return text.strip()


def parse_page_format(text: str) -> str:
    """The file name extension of a page's format. Raises ValueError."""
    formats = {"ppm": "ppm", "jpeg": "jpg", "jpg": "jpg", "png": "png", "tiff": "tif", "tif": "tif"}
    if text.strip().lower() not in formats:
        raise ValueError("ppm jpeg jpg png tiff")
    return formats[text.strip().lower()]


def parse_host(text: str) -> str:
    """`example.com`, or `example.com:8000`. Raises ValueError."""
    host = text.strip()
    if not HOST.fullmatch(host):
        raise ValueError("a host, with a port or without")
    return host


def parse_rate(text: str) -> Rate | None:
    """`600/m`: so many at once, and as many again in each second, minute or hour. `none` is no limit. Raises
    ValueError."""
    if text.strip().lower() == "none":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([smh])", text.strip().lower())
    if not match:
        raise ValueError("a number for each second, minute or hour, such as 600/m; or none")
    return Rate(int(match[1]), {"s": 1, "m": 60, "h": 3600}[match[2]])


def parse_keys(text: str) -> dict[str, str]:
    """`shop:secret, old:secret`, the first to sign with. Raises ValueError, which says nothing of the secrets."""
    keys: dict[str, str] = {}
    for part in re.split(r"[\s,]+", text.strip()):
        name, _, secret = part.partition(":")
        if not re.fullmatch(KEY_ID, name) or len(secret) < _LEAST_SECRET or name in keys:
            raise ValueError(
                f"id:secret, separated by commas: an id of letters, digits, - and _, a secret of {_LEAST_SECRET} "
                "characters at least without a comma or a space in it, each id once"
            )
        keys[name] = secret
    return keys


def parse_secret(text: str) -> str:
    """Raises ValueError, which says nothing of it."""
    text = text.strip()
    try:
        base64.b64decode(text.removeprefix("whsec_") if text.startswith("whsec_") else "", validate=True)
    except ValueError:
        raise ValueError("base64 behind whsec_") from None
    if len(text) < _LEAST_SECRET:
        raise ValueError(f"{_LEAST_SECRET} characters at least")
    return text


SECRET = {parse_keys, parse_secret}
"""what they read stands in no message"""


def parse_path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def setting(variable: str, parse: Callable[[str], Any], default: str | None, **aliases: Callable[[str], Any]) -> Any:
    """`aliases` are other variables for the same, and how they are read."""
    return field(repr=False, metadata={"variables": {variable: parse} | aliases, "default": default})


def credential(given: Mapping[str, str], name: str, instead: str = "") -> str:
    """That must be there. Raises InvalidInput."""
    if not given.get(name):
        wanted = f"{name} {instead}".strip()
        raise InvalidInput(name, "is not set, and a store of this kind needs it", wanted)
    return given[name]
