"""Figures for Prometheus: of all processes of `serve` together, or of another role's one process."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mezzotint import __version__
from mezzotint.delivery import allotted
from mezzotint.derivatives.manager import Observer
from mezzotint.wiring import Engine

allotted.install()

REQUESTS = Counter("mezzotint_image_requests", "Requests for images, by how they were answered", ["answer"])
REFUSALS = Counter("mezzotint_image_refusals", "Requests for images that were refused, by the kind of error", ["error"])
BYTES = Counter("mezzotint_image_bytes", "Bytes of images sent")
RENDERS = Histogram(
    "mezzotint_render_seconds",
    "Seconds a derivative took to make, waiting not counted",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DECODES = Counter("mezzotint_base_decodes", "Times a base was decoded, to derive from it or to make a level")
QUEUE = Gauge("mezzotint_render_queue", "Derivatives being made or waiting to be", multiprocess_mode="livesum")
STORE = Histogram(
    "mezzotint_store_seconds",
    "Seconds that the object store took to answer, each attempt by itself, waiting for a connection included",
    ["operation"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30),
)
STORE_FAILURES = Counter(
    "mezzotint_store_failures", "Attempts that the object store did not answer, or had no room for", ["operation"]
)
EVICTED_FILES = Counter("mezzotint_cache_evicted_files", "Files that the cleaner removed from the cache")
EVICTED_BYTES = Counter("mezzotint_cache_evicted_bytes", "Bytes of them")
ANSWERS = ("hit", "miss", "base", "not_modified", "error")


class PrometheusObserver(Observer):
    def rendered(self, seconds: float) -> None:
        RENDERS.observe(seconds)

    def decoded_base(self) -> None:
        DECODES.inc()

    def asked_store(self, operation: str, seconds: float, failed: bool) -> None:
        STORE.labels(operation).observe(seconds)
        if failed:
            STORE_FAILURES.labels(operation).inc()

    def evicted(self, files: int, size: int) -> None:
        EVICTED_FILES.inc(files)
        EVICTED_BYTES.inc(size)


class Tally:
    """Counts on the hot path: plain additions, brought to Prometheus when somebody looks or a second has gone."""

    def __init__(self) -> None:
        self.answers = dict.fromkeys(ANSWERS, 0)
        self.bytes = 0
        self._lock = threading.Lock()

    def refused(self, error: Exception) -> None:
        self.answers["error"] += 1
        REFUSALS.labels(type(error).__name__).inc()

    def flush(self, queue: int) -> None:
        with self._lock:
            for answer, count in self.answers.items():
                if count:
                    REQUESTS.labels(answer).inc(count)
                    self.answers[answer] -= count
            sent, self.bytes = self.bytes, 0
            BYTES.inc(sent)
            QUEUE.set(queue)


class Figures(Collector):
    """All that is counted, and what is looked up when somebody asks. Waits for nothing outside of this host."""

    def __init__(self, engine: Engine, counted: Collector) -> None:
        self._engine, self._counted = engine, counted

    def collect(self) -> Iterable[Metric]:
        yield from self._counted.collect()
        yield from self._looked_up()

    def _looked_up(self) -> Iterator[Metric]:
        engine = self._engine
        build = GaugeMetricFamily("mezzotint_build", "Always 1", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        totals = engine.cache.totals()
        yield GaugeMetricFamily("mezzotint_cache_bytes", "Bytes in the cache", totals.bytes)
        yield GaugeMetricFamily("mezzotint_cache_files", "Files in the cache", totals.files)
        yield GaugeMetricFamily("mezzotint_cache_disk_bytes", "What they take on the disk, at most", totals.on_disk)
        yield GaugeMetricFamily("mezzotint_cache_max_bytes", "The cache's size limit", engine.cache.max_size)
        here = GaugeMetricFamily("mezzotint_cache_index_available", "1 where the cache's index can be asked")
        here.add_metric([], engine.cache.index.available)
        yield here
        size = GaugeMetricFamily("mezzotint_disk_bytes", "Size of the disk that has a directory", labels=["directory"])
        free = GaugeMetricFamily("mezzotint_disk_free_bytes", "What is free on it", labels=["directory"])
        for name, directory in engine.settings.directories.items():
            try:
                disk = shutil.disk_usage(directory)
            except OSError:
                continue  # it was not needed yet
            size.add_metric([name], disk.total)
            free.add_metric([name], disk.free)
        yield from (size, free)


def figures(engine: Engine) -> CollectorRegistry:
    """Of all processes that share PROMETHEUS_MULTIPROC_DIR, or of this one alone."""
    counted: Collector = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = multiprocess.MultiProcessCollector(None)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    registry.register(Figures(engine, counted))
    return registry


def forget_the_dead() -> None:
    """Processes of this server that were killed: what they said last is no longer so."""
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        for path in Path(directory).glob("gauge_live*_*.db"):
            if not Path("/proc", path.stem.rpartition("_")[2]).exists():
                path.unlink(missing_ok=True)  # another process may do the same


def exposition(engine: Engine) -> bytes:
    """In the text format."""
    return generate_latest(figures(engine))
