"""One typed, frozen `Settings`, read from the environment once.

Every field names its environment variable, how it is read and its default;
`docs/configuration.md` is held to this list by a test.
"""

from __future__ import annotations

import os
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
from mezzotint.host.files import place, sync, temporary
from mezzotint.settings.parsing import (
    one_of,
    parse_bind,
    parse_bool,
    parse_bytes,
    parse_count,
    parse_dpi,
    parse_duration,
    parse_host,
    parse_hosts,
    parse_http_url,
    parse_megabytes,
    parse_natural,
    parse_page_format,
    parse_path,
    parse_patterns,
    parse_ports,
    parse_positive,
    parse_redis_url,
    parse_resize_format,
    parse_seconds,
    parse_workers,
    setting,
)

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """All that can be set. Sizes are in bytes, areas in pixels."""

    data: Path = setting("MEZZOTINT_DATA", parse_path, "./data")
    bind: tuple[str, int] = setting("MEZZOTINT_BIND", parse_bind, "127.0.0.1:8000")
    public_url: str | None = setting("MEZZOTINT_PUBLIC_URL", parse_http_url, None)
    workers: int | None = setting("MEZZOTINT_WORKERS", parse_workers, None, GUNICORN_WORKERS=parse_workers)
    store: str | None = setting("MEZZOTINT_STORE", str, None)
    database_url: str | None = setting("DATABASE_URL", str, None)
    secret: str | None = setting("MEZZOTINT_SECRET_KEY", str, None, DJANGO_SECRET_KEY=str)
    redis_url: str | None = setting("REDIS_URL", parse_redis_url, None)
    cache_dir: Path | None = setting("MEZZOTINT_CACHE_DIR", parse_path, None, COVER_ART_CACHE_DIR=parse_path)
    cache_max_size: int = setting(
        "MEZZOTINT_CACHE_MAX_SIZE", parse_bytes, "10G", COVER_ART_CACHE_MAX_SIZE=parse_megabytes
    )
    cleanup_interval: float = setting("COVER_ART_CACHE_CLEANUP_INTERVAL", parse_seconds, "300")
    memory_cache: int = setting("MEZZOTINT_MEMORY_CACHE", parse_bytes, "32M")
    public_read: bool = setting("MEZZOTINT_PUBLIC_READ", parse_bool, "true")
    max_pixels: int = setting("MEZZOTINT_MAX_PIXELS", parse_count, "250M")
    max_output_pixels: int = setting("MEZZOTINT_MAX_OUTPUT_PIXELS", parse_count, "64M")
    max_upload: int = setting("MEZZOTINT_MAX_UPLOAD", parse_bytes, "2G")
    render_queue: int = setting("MEZZOTINT_RENDER_QUEUE", parse_positive, "64")
    allow_svg: bool = setting("MEZZOTINT_ALLOW_SVG", parse_bool, "false")
    read_only: bool = setting("MEZZOTINT_READ_ONLY", parse_bool, "false")
    store_timeout: int = setting("MEZZOTINT_STORE_TIMEOUT", parse_positive, "30")
    store_connections: int = setting("MEZZOTINT_STORE_CONNECTIONS", parse_positive, "16")
    checkpoint_segments: int = setting("MEZZOTINT_CHECKPOINT_SEGMENTS", parse_positive, "1000")
    checkpoint_bytes: int = setting("MEZZOTINT_CHECKPOINT_BYTES", parse_bytes, "64M")
    grace: float = setting("MEZZOTINT_GRACE", parse_duration, "7d")
    fetch_allow: tuple[str, ...] | None = setting("MEZZOTINT_FETCH_ALLOW", parse_patterns, None)
    fetch_deny: tuple[str, ...] | None = setting("MEZZOTINT_FETCH_DENY", parse_patterns, None)
    fetch_ports: frozenset[int] | None = setting("MEZZOTINT_FETCH_PORTS", parse_ports, "80,443")
    fetch_keep: tuple[str, ...] = setting("MEZZOTINT_FETCH_KEEP", parse_hosts, "*")
    fetch_for_all: bool = setting("MEZZOTINT_FETCH_FOR_ALL", parse_bool, "false")
    fetch_timeout: float = setting("MEZZOTINT_FETCH_TIMEOUT", parse_duration, "120s")
    fetch_min_age: float = setting("MEZZOTINT_FETCH_MIN_AGE", parse_duration, "1h")
    fetch_max_age: float = setting("MEZZOTINT_FETCH_MAX_AGE", parse_duration, "30d")
    user_agent: str | None = setting("MEZZOTINT_USER_AGENT", str, None)
    peers_file: Path | None = setting("MEZZOTINT_PEERS", parse_path, None)
    max_downloads_file: Path | None = setting("MEZZOTINT_MAX_DOWNLOADS", parse_path, None)
    cover_art_upstream: str = setting("MEZZOTINT_COVER_ART_UPSTREAM", parse_http_url, "https://coverartarchive.org")
    cover_art_rewrite: bool = setting("MEZZOTINT_COVER_ART_REWRITE", parse_bool, "true")
    resize_format: str = setting("MEZZOTINT_RESIZE_FORMAT", parse_resize_format, "jpeg")
    log_format: str = setting("MEZZOTINT_LOG_FORMAT", one_of("logfmt", "json"), "logfmt")
    log_level: str = setting("MEZZOTINT_LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info")
    # The existing composite handler's, with its defaults.
    debug: bool = setting("DJANGO_DEBUG", parse_bool, "false")
    cache_url: str | None = setting("CACHE_URL", str, None)
    scratch: Path = setting("SCRATCH_DIRECTORY", parse_path, "/tmp/scratch")  # noqa: S108  its documented place
    web_scheme: str = setting("WEB_SERVER_SCHEME", one_of("http", "https"), "http")
    web_host: str = setting("WEB_SERVER_HOSTNAME", parse_host, "localhost:8000")
    origin_chunk_size: int = setting("ORIGIN_CHUNK_SIZE", parse_positive, "8192")
    page_renderers: int = setting("PDF_RASTERIZER_THREAD_COUNT", parse_positive, "3")
    page_dpi: int = setting("PDF_RASTERIZER_DPI", parse_dpi, "500")
    page_fallback_dpi: int = setting("PDF_RASTERIZER_FALLBACK_DPI", parse_dpi, "200")
    page_format: str = setting("PDF_RASTERIZER_FORMAT", parse_page_format, "jpg")
    page_max_length: int = setting("PDF_RASTERIZER_MAX_LENGTH", parse_natural, "0")
    page_crop: bool = setting("PDF_RASTERIZER_USE_CROPBOX", parse_bool, "false")
    dlcs_root: str | None = setting("DLCS_API_ROOT", parse_http_url, None)
    dlcs_bucket: str = setting("DLCS_S3_BUCKET_NAME", str, "dlcs-composite-images")
    dlcs_prefix: str = setting("DLCS_S3_OBJECT_KEY_PREFIX", str, "composites")
    dlcs_origin: str | None = setting("DLCS_S3_ORIGIN", parse_http_url, None)
    dlcs_upload_threads: int = setting("DLCS_S3_UPLOAD_THREADS", parse_positive, "8")
    dlcs_batch_size: int = setting("DLCS_BATCH_SIZE", parse_positive, "100")
    engine_workers: int = setting("ENGINE_WORKER_COUNT", parse_natural, "2")
    engine_timeout: float = setting("ENGINE_WORKER_TIMEOUT", parse_seconds, "3600")
    engine_retry: float = setting("ENGINE_WORKER_RETRY", parse_seconds, "4500")
    engine_max_attempts: int = setting("ENGINE_WORKER_MAX_ATTEMPTS", parse_natural, "0")
    sqs_queue: str | None = setting("SQS_BROKER_QUEUE_NAME", str, None)

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
            return parse_path(self.database_url.removeprefix("sqlite:///"))
        if self.database_url.startswith(("postgresql://", "postgres://", "psql://", "pgsql://")):
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

    if not path.exists():
        with temporary(path.parent) as (part, stream):
            part.chmod(0o600)
            stream.write(secrets.token_urlsafe(48).encode())
            sync(stream)
            place(part, path, only_if_absent=True)
    return path.read_text()
