"""Figures for Prometheus, summed over all server processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mezzotint.derivatives.manager import Observer
from mezzotint.wiring import Engine

REQUESTS = Counter("mezzotint_image_requests", "Requests for images, by how they were answered", ["answer"])
BYTES = Counter("mezzotint_image_bytes", "Bytes of images sent")
RENDERS = Histogram(
    "mezzotint_render_seconds",
    "Seconds a derivative took to make, waiting not counted",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DECODES = Counter("mezzotint_base_decodes", "Times a base was decoded, to derive from it or to make a level")
QUEUE = Gauge("mezzotint_render_queue", "Derivatives being made or waiting to be", multiprocess_mode="livesum")
ANSWERS = ("hit", "miss", "base", "not_modified", "error")


class PrometheusObserver(Observer):
    def rendered(self, seconds: float) -> None:
        RENDERS.observe(seconds)

    def decoded_base(self) -> None:
        DECODES.inc()


class Tally:
    """Counts on the hot path: plain additions, brought to Prometheus when somebody looks or a second has gone."""

    def __init__(self) -> None:
        self.answers = dict.fromkeys(ANSWERS, 0)
        self.bytes = 0
        self._lock = threading.Lock()

    def flush(self, queue: int) -> None:
        with self._lock:
            for answer, count in self.answers.items():
                if count:
                    REQUESTS.labels(answer).inc(count)
                    self.answers[answer] -= count
            sent, self.bytes = self.bytes, 0
            BYTES.inc(sent)
            QUEUE.set(queue)


class _CacheCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        totals = self._engine.cache.totals()
        yield GaugeMetricFamily("mezzotint_cache_bytes", "Bytes in the cache", totals.bytes)
        yield GaugeMetricFamily("mezzotint_cache_files", "Files in the cache", totals.files)
        yield GaugeMetricFamily("mezzotint_cache_max_bytes", "The cache's size limit", self._engine.cache.max_size)


def exposition(engine: Engine) -> bytes:
    """The text format, of all processes that share PROMETHEUS_MULTIPROC_DIR, or of this one alone."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        for metric in (REQUESTS, BYTES, RENDERS, DECODES, QUEUE):
            registry.register(metric)
    registry.register(_CacheCollector(engine))
    return generate_latest(registry)
