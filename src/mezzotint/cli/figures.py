"""Figures and traces of what is no server: of `work` and `clean --loop`."""

from __future__ import annotations

from mezzotint.cli.app import check_directories
from mezzotint.cli.output import fail


def show_figures(role: str) -> None:
    """Begin to trace, and to show figures to Prometheus at MEZZOTINT_METRICS_BIND, each where its variables are set.

    Call it before anything opens the engine: here it is opened with whoever counts. Ends the program where nothing can
    listen there.
    """
    from mezzotint.delivery.metrics import PrometheusObserver, figures
    from mezzotint.settings import Settings
    from mezzotint.site import traces
    from mezzotint.wiring import engine

    settings = Settings.read()
    traces.begin(role, settings.telemetry)
    if settings.metrics_bind is None:
        return
    from prometheus_client import start_wsgi_server

    check_directories(settings)  # which the engine makes
    registry, (host, port) = figures(engine(PrometheusObserver())), settings.metrics_bind
    try:
        start_wsgi_server(port, host, registry)
    except OSError as error:
        fail(f"MEZZOTINT_METRICS_BIND: cannot listen at {host}:{port}: {error.strerror}")
