"""Upload of 1,000 images to Swift against a bare python-swiftclient loop with as many threads."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from swiftclient.client import Connection
from tests.backends.swift import SwiftCluster

from bench.figures import Figure, fresh, paired, seconds
from bench.photographs import thousand
from mezzotint.host.files import CHUNK
from mezzotint.settings import Settings
from mezzotint.wiring import open_engine

THREADS = 8


def upload() -> list[Figure]:
    files = sorted(thousand().glob("*.jpg"))
    with tempfile.TemporaryDirectory(prefix="bench-swift-") as place:  # it takes some 15 GB
        cluster = SwiftCluster.start(Path(place) / "swift")
        try:
            a, b, ratio = paired(lambda: _ours(cluster, files), lambda: _bare(cluster, files))
        finally:
            cluster.stop()
    what = f"upload of 1,000 images to Swift, {THREADS} threads, against a bare python-swiftclient loop"
    return [Figure(what, f"{a:.1f} s", f"{b:.1f} s", ratio, "at most 1.3", ratio <= 1.3)]


def _ours(cluster: SwiftCluster, files: list[Path]) -> float:
    """Hashed, verified, spooled and stored, as every upload is."""
    url = f"swift://{cluster.new_container()}/bench"
    settings = Settings.read({**cluster.environment(), "MEZZOTINT_DATA": str(fresh("upload")), "MEZZOTINT_STORE": url})
    engine = open_engine(settings)

    def one(path: Path) -> None:
        with path.open("rb") as stream:
            engine.bases.add(iter(lambda: stream.read(CHUNK), b""))

    try:
        return _all(one, files)
    finally:
        engine.close()


def _bare(cluster: SwiftCluster, files: list[Path]) -> float:
    container = cluster.new_container()
    local = threading.local()

    def one(path: Path) -> None:
        if not hasattr(local, "connection"):
            local.connection = Connection(cluster.auth_url, cluster.user, cluster.key)
        with path.open("rb") as stream:
            local.connection.put_object(container, path.name, stream, content_length=path.stat().st_size)

    return _all(one, files)


def _all(one: Callable[[Path], None], files: list[Path]) -> float:
    with ThreadPoolExecutor(THREADS) as threads:
        return seconds(lambda: list(threads.map(one, files)))
