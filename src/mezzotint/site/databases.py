"""From addresses to Django's settings: the database, its cache, and the queue."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.db.utils import DatabaseError, OperationalError

from mezzotint.errors import InvalidInput, first_line
from mezzotint.settings import Settings

_LATER = 120


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
    try:
        parts = urlsplit(settings.database_url)
        name, port = unquote(parts.path.lstrip("/")), str(parts.port or "")
    except ValueError:
        name = ""
    if not name or "/" in name:
        raise InvalidInput("DATABASE_URL", "names no database", "postgresql://user:password@host:port/database")
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 10,
            "application_name": "mezzotint",
            "keepalives_idle": 30,
            "tcp_user_timeout": 30_000,  # ms; who works on something has to notice that nobody hears of it
        }
        | options,
    }


_REFUSALS = (
    "authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied",
)  # fmt: skip
"""PostgreSQL's words, which has no codes for refusing a connection"""


def check_refusal(error: DatabaseError) -> None:
    """Raises InvalidInput where a database answers that it is not to be asked so; one that is late does not answer."""
    refused = isinstance(error, OperationalError) and any(word in str(error) for word in _REFUSALS)
    if refused or "permission denied" in str(error):
        whose = "a database, a user, and a password that are there, and may do everything in it"
        raise InvalidInput("DATABASE_URL", f"cannot be used: {first_line(error)}", whose)


def cache(settings: Settings) -> dict[str, Any]:
    """As django-environ reads `CACHE_URL`; each process's own memory without. Raises InvalidInput."""
    import environ

    if settings.cache_url is None:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    try:
        return dict(environ.Env.cache_url_config(settings.cache_url))
    except (ValueError, KeyError, environ.ImproperlyConfigured):
        raise InvalidInput(
            "CACHE_URL", "names no cache", "dbcache://table, locmem://, redis://host:port/number"
        ) from None


def queue(settings: Settings) -> dict[str, Any]:
    """django-q2's: SQS where its queue has a name, Redis where there is one, the database otherwise."""
    common: dict[str, Any] = {
        "name": settings.sqs_queue or "composites",
        "label": "Queue",
        "workers": max(1, settings.engine_workers),
        "timeout": int(settings.engine_timeout) + _LATER,  # ours comes first, and says why
        "retry": int(max(settings.engine_retry, settings.engine_timeout + 2 * _LATER)),
        "max_attempts": settings.engine_max_attempts,
        "ack_failures": True,  # the table says when it is tried again
        "queue_limit": max(1, settings.engine_workers),
        "catch_up": False,
    }
    if settings.sqs_queue:
        return common | {"sqs": {"receive_message_wait_time_seconds": 5}}
    if settings.redis_url:
        limits = "socket_connect_timeout=5&socket_timeout=15"
        return common | {"redis": f"{settings.redis_url}{'&' if '?' in settings.redis_url else '?'}{limits}"}
    return common | {"orm": "default"}
