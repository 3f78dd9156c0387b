"""One typed, frozen `Settings`, read from the environment once.

Every field names its environment variable, how it is read and its default;
`docs/configuration.md` is held to this list by a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from mezzotint import __version__
from mezzotint.errors import InvalidInput
from mezzotint.front.limits import Limits
from mezzotint.host.files import place_secret
from mezzotint.host.rates import Rate
from mezzotint.settings import addresses, appearance, machine
from mezzotint.settings import parsing as p
from mezzotint.settings.own_fields import OwnField, parse_own_fields
from mezzotint.settings.variables import check_names, value

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """All that can be set. Sizes are in bytes, areas in pixels."""

    data: Path = p.setting("MEZZOTINT_DATA", p.parse_path, "./data")
    bind: tuple[str, int] = p.setting("MEZZOTINT_BIND", p.parse_bind, "127.0.0.1:8000")
    public_url: str | None = p.setting("MEZZOTINT_PUBLIC_URL", addresses.parse_http_url, None)
    workers: int | None = p.setting("MEZZOTINT_WORKERS", p.parse_workers, None, GUNICORN_WORKERS=p.parse_workers)
    store: str | None = p.setting("MEZZOTINT_STORE", str, None)
    database_url: str | None = p.setting("DATABASE_URL", str, None)
    secret: str | None = p.setting("MEZZOTINT_SECRET_KEY", str, None, DJANGO_SECRET_KEY=str)
    redis_url: str | None = p.setting("REDIS_URL", p.parse_redis_url, None)
    cache_dir: Path | None = p.setting("MEZZOTINT_CACHE_DIR", p.parse_path, None, COVER_ART_CACHE_DIR=p.parse_path)
    cache_max_size: int = p.setting(
        "MEZZOTINT_CACHE_MAX_SIZE", p.parse_bytes, "10G", COVER_ART_CACHE_MAX_SIZE=p.parse_megabytes
    )
    cache_order: str = p.setting("MEZZOTINT_CACHE_ORDER", p.parse_order, "lru")
    cleanup_interval: float = p.setting("COVER_ART_CACHE_CLEANUP_INTERVAL", p.parse_seconds, "300")
    memory_cache: int = p.setting("MEZZOTINT_MEMORY_CACHE", p.parse_bytes, "32M")
    name: str | None = p.setting("MEZZOTINT_NAME", p.parse_name, None)
    logo: Path | None = p.setting("MEZZOTINT_LOGO", p.parse_path, None)
    colours: tuple[str, str] | None = p.setting("MEZZOTINT_COLOURS", appearance.parse_colours, None)
    footer: str | None = p.setting("MEZZOTINT_FOOTER", appearance.parse_footer, None)
    own_fields: tuple[OwnField, ...] | None = p.setting("MEZZOTINT_FIELDS", parse_own_fields, None)
    viewers: tuple[tuple[str, str], ...] | None = p.setting("MEZZOTINT_VIEWERS", addresses.parse_viewers, None)
    public_read: bool = p.setting("MEZZOTINT_PUBLIC_READ", p.parse_bool, "true")
    cors_origins: tuple[str, ...] | None = p.setting("MEZZOTINT_CORS_ORIGINS", addresses.parse_origins, None)
    webhook_addresses: tuple[str, ...] | None = p.setting("MEZZOTINT_WEBHOOKS", addresses.parse_addresses, None)
    webhook_secret: str | None = p.setting("MEZZOTINT_WEBHOOK_SECRET", p.parse_secret, None)
    looks: bool = p.setting("MEZZOTINT_LOOKS", p.parse_bool, "true")
    private_bytes: bool = p.setting("MEZZOTINT_PRIVATE_BYTES", p.parse_bool, "false")
    max_pixels: int = p.setting("MEZZOTINT_MAX_PIXELS", p.parse_count, "250M")
    max_output_pixels: int = p.setting("MEZZOTINT_MAX_OUTPUT_PIXELS", p.parse_count, "64M")
    max_enlarged_pixels: int = p.setting("MEZZOTINT_MAX_ENLARGED_PIXELS", p.parse_count, "4M")
    max_avif_pixels: int = p.setting("MEZZOTINT_MAX_AVIF_PIXELS", p.parse_count, "32M")
    max_frames: int = p.setting("MEZZOTINT_MAX_FRAMES", p.parse_positive, "1000")
    render_memory: int | None = p.setting("MEZZOTINT_RENDER_MEMORY", p.parse_bytes, None)
    decode_memory: int = p.setting("MEZZOTINT_DECODE_MEMORY", p.parse_bytes, "2G")
    render_timeout: float = p.setting("MEZZOTINT_RENDER_TIMEOUT", p.parse_duration, "60s")
    renditions: str = p.setting("MEZZOTINT_RENDITIONS", p.one_of("any", "listed", "signed"), "any")
    renditions_file: Path | None = p.setting("MEZZOTINT_RENDITIONS_FILE", p.parse_path, None)
    signing_keys: Mapping[str, str] | None = p.setting("MEZZOTINT_SIGNING_KEYS", p.parse_keys, None)
    max_upload: int = p.setting("MEZZOTINT_MAX_UPLOAD", p.parse_bytes, "2G")
    max_connections: int = p.setting("MEZZOTINT_MAX_CONNECTIONS", p.parse_positive, "4096")
    max_connections_per_client: int = p.setting("MEZZOTINT_MAX_CONNECTIONS_PER_CLIENT", p.parse_positive, "256")
    render_rate: Rate | None = p.setting("MEZZOTINT_RENDER_RATE", p.parse_rate, "1200/m")
    fetch_rate: Rate | None = p.setting("MEZZOTINT_FETCH_RATE", p.parse_rate, "600/m")
    search_rate: Rate | None = p.setting("MEZZOTINT_SEARCH_RATE", p.parse_rate, "120/m")
    login_rate: Rate | None = p.setting("MEZZOTINT_LOGIN_RATE", p.parse_rate, "20/m")
    hosts: tuple[str, ...] | None = p.setting("MEZZOTINT_HOSTS", p.parse_hosts, None)
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = p.setting(
        "MEZZOTINT_TRUSTED_PROXIES", p.parse_networks, "127.0.0.1, ::1"
    )
    umask: int = p.setting("MEZZOTINT_UMASK", p.parse_umask, "077")
    search_timeout: float = p.setting("MEZZOTINT_SEARCH_TIMEOUT", p.parse_duration, "5s")
    pyramids: str = p.setting("MEZZOTINT_PYRAMIDS", p.one_of("demand", "ingest", "off"), "demand")
    render_queue: int = p.setting("MEZZOTINT_RENDER_QUEUE", p.parse_positive, "64")
    formats: frozenset[str] = p.setting("MEZZOTINT_FORMATS", p.parse_formats, "jpg png webp avif heic jxl gif tif bmp")
    allow_svg: bool = p.setting("MEZZOTINT_ALLOW_SVG", p.parse_bool, "false")
    share_data: bool = p.setting("MEZZOTINT_SHARE_DATA", p.parse_bool, "false")
    read_only: bool = p.setting("MEZZOTINT_READ_ONLY", p.parse_bool, "false")
    store_timeout: int = p.setting("MEZZOTINT_STORE_TIMEOUT", p.parse_positive, "30")
    store_connections: int = p.setting("MEZZOTINT_STORE_CONNECTIONS", p.parse_positive, "16")
    checkpoint_segments: int = p.setting("MEZZOTINT_CHECKPOINT_SEGMENTS", p.parse_positive, "1000")
    checkpoint_bytes: int = p.setting("MEZZOTINT_CHECKPOINT_BYTES", p.parse_bytes, "64M")
    grace: float = p.setting("MEZZOTINT_GRACE", p.parse_duration, "7d")
    fetch_allow: tuple[str, ...] | None = p.setting("MEZZOTINT_FETCH_ALLOW", p.parse_patterns, None)
    fetch_deny: tuple[str, ...] | None = p.setting("MEZZOTINT_FETCH_DENY", p.parse_patterns, None)
    fetch_ports: frozenset[int] | None = p.setting("MEZZOTINT_FETCH_PORTS", p.parse_ports, "80,443")
    fetch_keep: tuple[str, ...] = p.setting("MEZZOTINT_FETCH_KEEP", p.parse_hosts, "*")
    fetch_for_all: bool = p.setting("MEZZOTINT_FETCH_FOR_ALL", p.parse_bool, "false")
    fetch_timeout: float = p.setting("MEZZOTINT_FETCH_TIMEOUT", p.parse_duration, "120s")
    fetch_min_age: float = p.setting("MEZZOTINT_FETCH_MIN_AGE", p.parse_duration, "1h")
    fetch_max_age: float = p.setting("MEZZOTINT_FETCH_MAX_AGE", p.parse_duration, "30d")
    fetch_max_bytes: int = p.setting("MEZZOTINT_FETCH_MAX_BYTES", p.parse_bytes, "100M")
    fetch_gone: str = p.setting("MEZZOTINT_FETCH_GONE", p.parse_gone, "keep")
    contact: str | None = p.setting("MEZZOTINT_CONTACT", p.parse_contact, None)
    user_agent: str | None = p.setting("MEZZOTINT_USER_AGENT", str, None)
    peers_file: Path | None = p.setting("MEZZOTINT_PEERS", p.parse_path, None)
    max_downloads_file: Path | None = p.setting("MEZZOTINT_MAX_DOWNLOADS", p.parse_path, None)
    cover_art_upstream: str = p.setting(
        "MEZZOTINT_COVER_ART_UPSTREAM", addresses.parse_http_url, "https://coverartarchive.org"
    )
    cover_art_rewrite: bool = p.setting("MEZZOTINT_COVER_ART_REWRITE", p.parse_bool, "true")
    resize_format: str = p.setting("MEZZOTINT_RESIZE_FORMAT", p.parse_resize_format, "jpeg")
    metrics_bind: tuple[str, int] | None = p.setting("MEZZOTINT_METRICS_BIND", p.parse_bind, None)
    log_format: str = p.setting("MEZZOTINT_LOG_FORMAT", p.one_of("logfmt", "json"), "logfmt")
    access_log: str = p.setting("MEZZOTINT_ACCESS_LOG", p.one_of("off", "plain", "json"), "off")
    log_level: str = p.setting("MEZZOTINT_LOG_LEVEL", p.one_of("debug", "info", "warning", "error"), "info")
    # The existing composite handler's, with its defaults.
    debug: bool = p.setting("DJANGO_DEBUG", p.parse_bool, "false")
    cache_url: str | None = p.setting("CACHE_URL", str, None)
    scratch: Path = p.setting("SCRATCH_DIRECTORY", p.parse_path, "/tmp/scratch")  # noqa: S108  its documented place
    web_scheme: str = p.setting("WEB_SERVER_SCHEME", p.one_of("http", "https"), "http")
    web_host: str = p.setting("WEB_SERVER_HOSTNAME", p.parse_host, "localhost:8000")
    origin_chunk_size: int = p.setting("ORIGIN_CHUNK_SIZE", p.parse_positive, "8192")
    page_renderers: int = p.setting("PDF_RASTERIZER_THREAD_COUNT", p.parse_positive, "3")
    page_dpi: int = p.setting("PDF_RASTERIZER_DPI", p.parse_dpi, "500")
    page_fallback_dpi: int = p.setting("PDF_RASTERIZER_FALLBACK_DPI", p.parse_dpi, "200")
    page_format: str = p.setting("PDF_RASTERIZER_FORMAT", p.parse_page_format, "jpg")
    page_max_length: int = p.setting("PDF_RASTERIZER_MAX_LENGTH", p.parse_natural, "0")
    page_crop: bool = p.setting("PDF_RASTERIZER_USE_CROPBOX", p.parse_bool, "false")
    dlcs_root: str | None = p.setting("DLCS_API_ROOT", addresses.parse_http_url, None)
    dlcs_bucket: str = p.setting("DLCS_S3_BUCKET_NAME", str, "dlcs-composite-images")
    dlcs_prefix: str = p.setting("DLCS_S3_OBJECT_KEY_PREFIX", str, "composites")
    dlcs_origin: str | None = p.setting("DLCS_S3_ORIGIN", addresses.parse_http_url, None)
    dlcs_upload_threads: int = p.setting("DLCS_S3_UPLOAD_THREADS", p.parse_positive, "8")
    dlcs_batch_size: int = p.setting("DLCS_BATCH_SIZE", p.parse_positive, "100")
    engine_workers: int = p.setting("ENGINE_WORKER_COUNT", p.parse_natural, "2")
    engine_timeout: float = p.setting("ENGINE_WORKER_TIMEOUT", p.parse_seconds, "3600")
    engine_retry: float = p.setting("ENGINE_WORKER_RETRY", p.parse_seconds, "4500")
    engine_max_attempts: int = p.setting("ENGINE_WORKER_MAX_ATTEMPTS", p.parse_natural, "0")
    sqs_queue: str | None = p.setting("SQS_BROKER_QUEUE_NAME", str, None)

    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """the variables of other systems that open the store: OS_*, ST_*, AWS_*"""
    telemetry: Mapping[str, str] = field(default_factory=dict, repr=False)
    """OpenTelemetry's own: OTEL_*"""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """From `environment`, or the process's own and a `.env` file in the working directory.

        Raises InvalidInput naming the variable and what it takes.
        """
        if environment is None:
            environment = {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}
        given = {k: v for k, v in environment.items() if k.startswith(("OS_", "ST_", "AWS_")) and v}
        telemetry = {k: v for k, v in environment.items() if k.startswith("OTEL_") and v}
        check_names(environment, {name for f in fields(cls) for name in f.metadata.get("variables", ())})
        own = {f.name: value(f.metadata, environment) for f in fields(cls) if f.metadata}
        return cls(**own, credentials=given, telemetry=telemetry)

    @property
    def store_url(self) -> str:
        return self.store or f"file://{self.data / 'store'}"

    @property
    def public_bytes(self) -> bool:
        """Whether who knows an ident has the picture."""
        return self.public_read and not self.private_bytes

    @property
    def store_directory(self) -> Path | None:
        """Where the store is a directory: which."""
        if not self.store_url.startswith("file:"):
            return None
        return Path(unquote(urlsplit(self.store_url).path))

    @property
    def directories(self) -> Mapping[str, Path]:
        """Everything on local disk that grows, by what it is called."""
        places = {"data": self.data, "cache": self.cache, "scratch": self.scratch}
        return places | ({"store": self.store_directory} if self.store_directory else {})

    @property
    def sqlite(self) -> Path | None:
        """The SQLite file; None where `DATABASE_URL` names PostgreSQL. Raises InvalidInput for anything else."""
        if self.database_url is None:
            return self.data / "mezzotint.sqlite3"
        if self.database_url.startswith("sqlite:///"):
            return p.parse_path(self.database_url.removeprefix("sqlite:///"))
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
    def listed_renditions(self) -> Path:
        return self.renditions_file or self.data / "renditions.json"

    @property
    def address(self) -> str:
        """Where people reach the server, as far as is known here."""
        host, port = self.bind
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def address_as_asked(self, host: str, scheme: str) -> str | None:
        """Where the server is, without a slash at its end: as the settings have it, or as a request's Host has it."""
        if self.public_url is not None:
            return self.public_url
        return f"{'https' if scheme == 'https' else 'http'}://{host}" if p.HOST.fullmatch(host) else None

    @property
    def agent(self) -> str:
        """What this installation calls itself when it fetches."""
        contact = self.contact or (f"+{self.public_url}" if self.public_url else "")
        return self.user_agent or f"Mezzotint/{__version__}" + (f" ({contact})" if contact else "")

    @property
    def worker_count(self) -> int:
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def webhooks(self) -> tuple[str, ...]:
        """Raises InvalidInput where there is nothing to sign with."""
        if self.webhook_addresses and not self.webhook_secret:
            raise InvalidInput("MEZZOTINT_WEBHOOK_SECRET", "is missing", "what MEZZOTINT_WEBHOOKS are signed with")
        return self.webhook_addresses or ()

    @property
    def limits(self) -> Limits:
        return Limits(self.max_connections, self.max_connections_per_client, self.trusted_proxies)

    @property
    def render_threads(self) -> int:
        """Renders at once in one worker: its share of the cores, and one more, because
        connections are not spread over the workers evenly."""
        cores = len(os.sched_getaffinity(0))
        return min(cores, cores // self.worker_count + 1)

    @property
    def memory_for_renders(self) -> int:
        """Bytes that all renders of this host may take at once: a quarter of what there is, where none are given."""
        return self.render_memory or max(machine.memory() // 4, 256 << 20)

    @property
    def accepted(self) -> frozenset[str]:
        """Formats of pictures that are let in."""
        return self.formats | ({"svg"} if self.allow_svg else set())

    @cached_property
    def secret_key(self) -> str:
        """The given key, or the one that is made at the first start and kept in `data`."""
        return self.secret or _kept_secret(self.data / "secret-key")


def _kept_secret(path: Path) -> str:
    import secrets

    if not path.exists():
        place_secret(path, secrets.token_urlsafe(48), only_if_absent=True)
    return path.read_text()
