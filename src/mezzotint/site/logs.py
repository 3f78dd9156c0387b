"""Log lines: key=value or JSON, each with the id of the request that it belongs to (structlog)."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from mezzotint.errors import visible
from mezzotint.tracing import LONGEST_ID, request_id

_GIVEN = re.compile(rf"[A-Za-z0-9._:/+=@-]{{1,{LONGEST_ID}}}")
_ORDER = ["timestamp", "level", "logger", "request", "event"]


class RequestIds:
    """Of one process, made after it was forked: what a request is called in the log, and in its answer."""

    def __init__(self) -> None:
        self._prefix, self._count = secrets.token_hex(8), itertools.count(1)

    def of(self, given: str | None) -> str:
        """As a proxy in front has called it (X-Request-Id), where that can stand in a log; otherwise a new one."""
        if given is not None and _GIVEN.fullmatch(given):
            return given
        return f"{self._prefix}{next(self._count):x}"


class Formatter(logging.Formatter):
    """Imports structlog with the first line: most commands write none."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form
        self._inner: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._inner is None:
            self._inner = _formatter(self._form)
        return self._inner.format(record)


def config(form: str, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: this program's own lines from `level`, others' from `warning`."""
    others = "INFO" if level == "debug" else "ERROR" if level == "error" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": Formatter, "form": form}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": others},
        "loggers": {"mezzotint": {"level": level.upper()}, "django-q": {"level": others}},
    }


def _formatter(form: str) -> logging.Formatter:
    import structlog

    render: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if form == "logfmt":
        render = structlog.processors.LogfmtRenderer(key_order=_ORDER, drop_missing=True, bool_as_flag=False)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _add_request,
        _show_controls,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
    )


def _show_controls(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = visible(value)
    return line


def _add_request(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if identity := request_id.get():
        line["request"] = identity
    return line
