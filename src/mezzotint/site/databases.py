"""From `DATABASE_URL` to Django's settings for one database."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mezzotint.errors import InvalidInput
from mezzotint.settings import Settings


def database(settings: Settings) -> dict[str, Any]:
    """Raises InvalidInput for an address that names no database."""
    if settings.sqlite is not None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(settings.sqlite),
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",  # a writer waits at the start, instead of failing half-way
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 134217728;",
            },
        }
    assert settings.database_url is not None
    parts = urlsplit(settings.database_url)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    name = unquote(parts.path.lstrip("/"))
    try:
        port = str(parts.port or "")
    except ValueError:
        name = ""
    if not name or "/" in name:
        raise InvalidInput("DATABASE_URL", "names no database", "postgresql://user:password@host:port/database")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "application_name": "mezzotint"} | options,
    }
