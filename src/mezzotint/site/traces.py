"""OpenTelemetry, where its own variables name somebody to send traces to; otherwise it is not even imported."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from mezzotint import __version__, tracing

_METHOD = "http.request.method"
_PATIENCE = 3.0
"""seconds that a collector has for what is left at the end"""
_WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def begin(role: str, given: Mapping[str, str]) -> None:
    """In this process, which forks no more: sending is done in a thread.

    `given` are OpenTelemetry's variables, those of a `.env` among them.
    """
    for name, value in given.items():
        os.environ.setdefault(name, value)
    if not any(os.environ.get(name) for name in _WANTED) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", "mezzotint")
    about = Resource.create({"service.version": __version__, "mezzotint.role": role})
    provider = TracerProvider(resource=about, shutdown_on_exit=False)  # how much is sampled its own variables say
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    tracer = provider.get_tracer("mezzotint", __version__)

    def span(name: str, attributes: dict[str, Any]) -> AbstractContextManager[Any]:
        identity = tracing.request_id.get()
        more = {"mezzotint.request": identity} if identity else {}
        kind = trace.SpanKind.SERVER if _METHOD in attributes else trace.SpanKind.INTERNAL
        # what is raised is most often no error, and its text is for the operator alone
        return tracer.start_as_current_span(
            name, kind=kind, attributes=attributes | more, record_exception=False, set_status_on_exception=False
        )

    tracing.trace_with(span)
    atexit.register(end)


def request_span(scope: Any) -> AbstractContextManager[Any]:
    """Of one request over HTTP; part of the caller's trace, where its headers name one (W3C Trace Context)."""
    if not tracing.is_on():
        return tracing.span("")
    from opentelemetry import context, propagate

    context.attach(propagate.extract(dict(_texts(scope["headers"]))))
    return tracing.span(scope["method"], **{_METHOD: scope["method"], "url.path": scope["path"]})


def note_status(status: int) -> None:
    """Of the answer to the request that is worked on."""
    if tracing.is_on():
        from opentelemetry import trace

        trace.get_current_span().set_attribute("http.response.status_code", status)


def end() -> None:
    """Send what is left. A collector that does not answer keeps nobody from ending: the library would wait for it."""
    if tracing.is_on():
        from opentelemetry import trace

        provider: Any = trace.get_tracer_provider()
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(_PATIENCE)


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
