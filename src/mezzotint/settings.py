"""One typed, frozen `Settings`, read from the environment once.

Every field names its environment variable, how it is read and its default;
`docs/configuration.md` is held to this list by a test.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from mezzotint import __version__
from mezzotint.errors import InvalidInput
from mezzotint.files import make_directory, sync, temporary

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
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
    """Raises ValueError."""
    parts = urlsplit(text.strip())
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path) or parts.port == 0:
        raise ValueError("redis://host:port/number, rediss://... or unix:///path")
    return text.strip()


def parse_bool(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError("true or false") from None


def parse_bind(text: str) -> tuple[str, int]:
    """`127.0.0.1:8000` or `[::1]:8000`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("host:port")
    return host.strip("[]"), int(port)


def parse_workers(text: str) -> int:
    count = int(text) if text.strip().isdecimal() else 0
    if not 1 <= count <= 256:
        raise ValueError("a whole number from 1 to 256")
    return count


def parse_url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # whose reading may raise too
        raise ValueError("an address that starts with http:// or https://")
    return text.strip().rstrip("/")


def parse_patterns(text: str) -> tuple[str, ...]:
    """Networks and hosts: `10.0.0.0/8, *.example.com`. Raises ValueError."""
    patterns = tuple(part.lower() for part in re.split(r"[\s,]+", text.strip()) if part)
    for pattern in patterns:
        if "/" in pattern or ":" in pattern or pattern.replace(".", "").isdecimal():
            ipaddress.ip_network(pattern, strict=False)
        elif not re.fullmatch(r"[a-z0-9.*_-]+", pattern):
            raise ValueError("networks such as 10.0.0.0/8, and hosts such as *.example.com")
    return patterns


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


def parse_resize_format(text: str) -> str:
    name = text.strip().lower()
    if name not in {"jpeg", "png", "webp", "avif", "gif", "tiff", "bmp"}:
        raise ValueError("jpeg png webp avif gif tiff bmp")
    return name


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _setting(variable: str, parse: Callable[[str], Any], default: str | None, **aliases: Callable[[str], Any]) -> Any:
    """`aliases` are other variables for the same, and how they are read."""
    return field(metadata={"variables": {variable: parse} | aliases, "default": default})


@dataclass(frozen=True)
class Settings:
    """All that can be set. Sizes are in bytes, areas in pixels."""

    data: Path = _setting("MEZZOTINT_DATA", _path, "./data")
    bind: tuple[str, int] = _setting("MEZZOTINT_BIND", parse_bind, "127.0.0.1:8000")
    public_url: str | None = _setting("MEZZOTINT_PUBLIC_URL", parse_url, None)
    workers: int | None = _setting("MEZZOTINT_WORKERS", parse_workers, None)
    store: str | None = _setting("MEZZOTINT_STORE", str, None)
    database_url: str | None = _setting("DATABASE_URL", str, None)
    secret: str | None = _setting("MEZZOTINT_SECRET_KEY", str, None, DJANGO_SECRET_KEY=str)
    redis_url: str | None = _setting("REDIS_URL", parse_redis_url, None)
    cache_dir: Path | None = _setting("MEZZOTINT_CACHE_DIR", _path, None, COVER_ART_CACHE_DIR=_path)
    cache_max_size: int = _setting(
        "MEZZOTINT_CACHE_MAX_SIZE", parse_bytes, "10G", COVER_ART_CACHE_MAX_SIZE=parse_megabytes
    )
    cleanup_interval: float = _setting("COVER_ART_CACHE_CLEANUP_INTERVAL", parse_seconds, "300")
    memory_cache: int = _setting("MEZZOTINT_MEMORY_CACHE", parse_bytes, "32M")
    public_read: bool = _setting("MEZZOTINT_PUBLIC_READ", parse_bool, "true")
    max_pixels: int = _setting("MEZZOTINT_MAX_PIXELS", parse_count, "250M")
    max_output_pixels: int = _setting("MEZZOTINT_MAX_OUTPUT_PIXELS", parse_count, "64M")
    max_upload: int = _setting("MEZZOTINT_MAX_UPLOAD", parse_bytes, "2G")
    render_queue: int = _setting("MEZZOTINT_RENDER_QUEUE", parse_positive, "64")
    allow_svg: bool = _setting("MEZZOTINT_ALLOW_SVG", parse_bool, "false")
    read_only: bool = _setting("MEZZOTINT_READ_ONLY", parse_bool, "false")
    store_timeout: int = _setting("MEZZOTINT_STORE_TIMEOUT", parse_positive, "30")
    store_connections: int = _setting("MEZZOTINT_STORE_CONNECTIONS", parse_positive, "16")
    checkpoint_segments: int = _setting("MEZZOTINT_CHECKPOINT_SEGMENTS", parse_positive, "1000")
    checkpoint_bytes: int = _setting("MEZZOTINT_CHECKPOINT_BYTES", parse_bytes, "64M")
    grace: float = _setting("MEZZOTINT_GRACE", parse_duration, "7d")
    fetch_allow: tuple[str, ...] | None = _setting("MEZZOTINT_FETCH_ALLOW", parse_patterns, None)
    fetch_deny: tuple[str, ...] | None = _setting("MEZZOTINT_FETCH_DENY", parse_patterns, None)
    fetch_ports: frozenset[int] | None = _setting("MEZZOTINT_FETCH_PORTS", parse_ports, "80,443")
    fetch_keep: tuple[str, ...] = _setting("MEZZOTINT_FETCH_KEEP", parse_hosts, "*")
    fetch_for_all: bool = _setting("MEZZOTINT_FETCH_FOR_ALL", parse_bool, "false")
    fetch_timeout: float = _setting("MEZZOTINT_FETCH_TIMEOUT", parse_duration, "120s")
    fetch_min_age: float = _setting("MEZZOTINT_FETCH_MIN_AGE", parse_duration, "1h")
    fetch_max_age: float = _setting("MEZZOTINT_FETCH_MAX_AGE", parse_duration, "30d")
    user_agent: str | None = _setting("MEZZOTINT_USER_AGENT", str, None)
    peers_file: Path | None = _setting("MEZZOTINT_PEERS", _path, None)
    max_downloads_file: Path | None = _setting("MEZZOTINT_MAX_DOWNLOADS", _path, None)
    cover_art_upstream: str = _setting("MEZZOTINT_COVER_ART_UPSTREAM", parse_url, "https://coverartarchive.org")
    cover_art_rewrite: bool = _setting("MEZZOTINT_COVER_ART_REWRITE", parse_bool, "true")
    resize_format: str = _setting("MEZZOTINT_RESIZE_FORMAT", parse_resize_format, "jpeg")
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """the variables of other systems that open the store: OS_*, ST_*, AWS_*"""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """From `environment`, or the process's own and a `.env` file in the working directory.

        Raises InvalidInput naming the variable and what it takes.
        """
        if environment is None:
            environment = {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}
        given = {k: v for k, v in environment.items() if k.startswith(("OS_", "ST_", "AWS_")) and v}
        own = {f.name: _value(f.metadata, environment) for f in fields(cls) if f.metadata}
        return cls(**own, credentials=given)

    @property
    def store_url(self) -> str:
        return self.store or f"file://{self.data / 'store'}"

    @property
    def store_directory(self) -> Path | None:
        """Where the store is a directory: which."""
        parts = urlsplit(self.store_url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def sqlite(self) -> Path | None:
        """The SQLite file; None where `DATABASE_URL` names PostgreSQL. Raises InvalidInput for anything else."""
        if self.database_url is None:
            return self.data / "mezzotint.sqlite3"
        if self.database_url.startswith("sqlite:///"):
            return _path(self.database_url.removeprefix("sqlite:///"))
        if self.database_url.startswith(("postgresql://", "postgres://")):
            return None
        raise InvalidInput("DATABASE_URL", "names no database that is known", "sqlite:///path or postgresql://...")

    @property
    def cache(self) -> Path:
        return self.cache_dir or self.data / "cache"

    @property
    def nginx(self) -> Path:
        """What nginx keeps, and what it writes down for the cleaner."""
        return self.data / "nginx"

    @property
    def peers(self) -> Path:
        return self.peers_file or self.data / "peers.json"

    @property
    def max_downloads(self) -> Path:
        return self.max_downloads_file or self.data / "max_downloads.json"

    @property
    def agent(self) -> str:
        """What this installation calls itself when it fetches."""
        where = f"+{self.public_url}" if self.public_url else f"at {socket.gethostname()}"
        return self.user_agent or f"Mezzotint/{__version__} ({where})"

    @property
    def worker_count(self) -> int:
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def render_threads(self) -> int:
        """Renders at once in one worker: its share of the cores, and one more, because
        connections are not spread over the workers evenly."""
        cores = len(os.sched_getaffinity(0))
        return min(cores, cores // self.worker_count + 1)

    @cached_property
    def secret_key(self) -> str:
        """The given key, or the one that is made at the first start and kept in `data`."""
        return self.secret or _kept_secret(self.data / "secret-key")


def _value(metadata: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    variables: Mapping[str, Callable[[str], Any]] = metadata["variables"]
    for variable, parse in variables.items():
        text = environment.get(variable, "")
        if text.strip():
            try:
                return parse(text)
            except ValueError as error:
                raise InvalidInput(variable, f"cannot be {text!r}", str(error)) from None
    default = metadata["default"]
    return None if default is None else next(iter(variables.values()))(default)


def _kept_secret(path: Path) -> str:
    import secrets

    make_directory(path.parent)
    if not path.exists():
        with temporary(path.parent) as (part, stream):
            part.chmod(0o600)
            stream.write(secrets.token_urlsafe(48).encode())
            sync(stream)
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
    return path.read_text()
