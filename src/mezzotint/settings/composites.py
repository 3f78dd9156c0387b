"""What composites are set by: the variables of the existing composite handler, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mezzotint.settings.parsing import (
    parse_bool,
    parse_dpi,
    parse_host,
    parse_http_url,
    parse_natural,
    parse_page_format,
    parse_path,
    parse_positive,
    parse_scheme,
    parse_seconds,
    setting,
)


@dataclass(frozen=True)
class CompositeSettings:
    debug: bool = setting("DJANGO_DEBUG", parse_bool, "false")
    cache_url: str | None = setting("CACHE_URL", str, None)
    scratch: Path = setting("SCRATCH_DIRECTORY", parse_path, "/tmp/scratch")  # noqa: S108  its documented place
    web_scheme: str = setting("WEB_SERVER_SCHEME", parse_scheme, "http")
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
