"""What Prometheus is shown beside requests: by `serve`, and by roles that are no server. What goes along with a queued
request; traces."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import pictures
from tests.backends.processes import lasting_port
from tests.conftest import Server, engine_on, figure
from tests.documents import anything, request
from tests.figures import shown, total
from tests.origin import Origin
from tests.servers import PROGRAM, environment, run
from tests.waiting import HANGS, PATIENCE, until

OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}


@contextmanager
def role(directory: Path, *command: str, **variables: str) -> Iterator[tuple[str, Path]]:
    """A role of this program: the address of its figures, and its log."""
    where, log = f"127.0.0.1:{lasting_port()}", directory / f"{command[0]}.log"
    given = environment(directory / "data", MEZZOTINT_METRICS_BIND=where, **variables)
    with log.open("w") as output:
        process = subprocess.Popen([PROGRAM, *command], env=given, stdout=output, stderr=output, cwd=directory)
    try:
        until(lambda: process.poll() is not None or "Ctrl-C stops it" in log.read_text())
        yield f"http://{where}/metrics", log
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_a_server_shows_how_database_store_and_disks_are(serve: Callable[..., Server]) -> None:
    server = serve()
    server.upload(pictures.png(seed=31))
    until(lambda: figure(server, "mezzotint_commit_live") > 0)
    until(lambda: figure(server, "mezzotint_commit_durable") > 0)
    found = shown(f"{server.url}/metrics")
    assert total(found, "mezzotint_alarm") == 0
    assert total(found, "mezzotint_changes_waiting") == 0
    assert total(found, "mezzotint_store_seconds_count", operation="put") > 1
    assert total(found, "mezzotint_store_failures_total") == 0
    for directory in ("data", "cache", "store"):
        free = total(found, "mezzotint_disk_free_bytes", directory=directory)
        assert 0 < free <= total(found, "mezzotint_disk_bytes", directory=directory)
    assert total(found, "mezzotint_build") == 1
    server.stop()


def test_refusals_are_counted_by_what_they_are(serve: Callable[..., Server]) -> None:
    server = serve()
    assert server.http.get(f"/images/{'0' * 64}-w10.jpg").status_code == 404
    assert server.http.get("/images/nonsense").status_code == 400
    found = shown(f"{server.url}/metrics")
    assert total(found, "mezzotint_image_refusals_total", error="NotFound") == 1
    assert total(found, "mezzotint_image_refusals_total", error="InvalidName") == 1
    server.stop()


def test_damaged_bases_are_shown(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(pictures.png(seed=32))
    [path] = (server.data / "store").rglob(ident)
    path.chmod(0o644)
    path.write_bytes(b"rot" + path.read_bytes()[3:])
    run(server.data, "verify")
    server.stop()
    again = serve(server.data)
    until(lambda: figure(again, "mezzotint_damaged_bases") == 1)
    again.stop()


def test_a_worker_shows_what_waits_and_what_it_did(tmp_path: Path, origin: Origin) -> None:
    lists = tmp_path / "list"
    lists.write_text(origin.picture("/a.png", pictures.png(seed=33), content_type="image/png") + "\n")
    assert run(tmp_path / "data", "prefetch", "--no-wait", str(lists), **OPEN).returncode == 0
    with role(tmp_path, "work", **OPEN) as (address, _):
        until(lambda: total(shown(address), "mezzotint_store_seconds_count", operation="put") >= 1)
        until(lambda: total(shown(address), "mezzotint_prefetch_waiting") == 0 and origin.asked["/a.png"])
        found = shown(address)
        assert ("mezzotint_documents", (("status", "PENDING"),)) in found
        assert total(found, "process_resident_memory_bytes") > 0


def test_a_cleaner_shows_how_full_the_cache_is_and_what_it_removed(tmp_path: Path) -> None:
    with engine_on(tmp_path / "data") as engine:
        for width in range(100, 140):
            engine.cache.put(f"{'ab' * 32}-{width}x10.jpg", b"x" * 1000)
    with role(tmp_path, "clean", "--loop", MEZZOTINT_CACHE_MAX_SIZE="20K") as (address, log):
        until(lambda: total(shown(address), "mezzotint_cache_evicted_files_total") > 0, 0.2)
        found = shown(address)
        assert total(found, "mezzotint_cache_bytes") <= 20 << 10, log.read_text()
        assert total(found, "mezzotint_cache_evicted_bytes_total") >= 1000


def test_a_worker_says_for_which_request_it_works(tmp_path: Path, serve: Callable[..., Server]) -> None:
    """The id goes from the request through the queue to the worker's lines."""
    server = serve(tmp_path / "data", ENGINE_WORKER_COUNT="0", **OPEN)
    named = {"X-Request-Id": "mine-7"}
    sent = request(anything() | {"origin": "http://127.0.0.1:9/none.pdf"})
    asked = server.writer.post("/customers/1/queue", json=sent, headers=named)
    assert asked.status_code < 300, asked.text
    with role(tmp_path, "work", MEZZOTINT_LOG_FORMAT="json", **OPEN) as (_, log):

        def lines() -> list[dict[str, Any]]:
            return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

        until(lambda: any(line.get("request") == "mine-7" for line in lines()))
    server.stop()


class Collector(ThreadingHTTPServer):
    """Takes traces as OpenTelemetry sends them (OTLP over HTTP)."""

    daemon_threads = True

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.roles: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                told = ExportTraceServiceRequest.FromString(handler.rfile.read(int(handler.headers["content-length"])))
                for one in told.resource_spans:
                    self.roles |= {a.value.string_value for a in one.resource.attributes if a.key == "mezzotint.role"}
                    self.spans += [span for scope in one.scope_spans for span in scope.spans]
                handler.send_response(200)
                handler.send_header("content-length", "0")
                handler.end_headers()

            def log_message(handler, *arguments: object) -> None:  # noqa: N805
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def named(self, name: str) -> list[Any]:
        return [span for span in list(self.spans) if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.shutdown()
    one.server_close()


def test_traces_are_sent_where_they_are_switched_on(serve: Callable[..., Server], collector: Collector) -> None:
    """A request is part of its caller's trace; what it has done in other threads is part of it."""
    address = f"http://127.0.0.1:{collector.server_port}"
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_BSP_SCHEDULE_DELAY="50")
    ident = server.upload(pictures.jpeg(60, 40))
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "mine-9"}
    server.http.get(f"/images/{ident}-w30.jpg", headers=headers).raise_for_status()
    [posted] = until(lambda: collector.named("POST"))
    [render] = until(lambda: [s for s in collector.named("render") if s.trace_id.hex() == trace])
    [request] = until(lambda: [s for s in collector.named("GET") if s.trace_id.hex() == trace])
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert render.parent_span_id == request.span_id
    said = {one.key: one.value.string_value or one.value.int_value for one in request.attributes}
    assert said["url.path"] == f"/images/{ident}-w30.jpg"
    assert (said["mezzotint.request"], said["http.response.status_code"]) == ("mine-9", 200)
    [stored] = [span for span in collector.named("store put") if span.parent_span_id == posted.span_id][:1]
    assert stored.trace_id == posted.trace_id, "also from a thread"
    assert collector.roles == {"serve"}
    server.stop()


def test_a_collector_that_never_answers_keeps_no_server_from_ending(serve: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_EXPORTER_OTLP_TIMEOUT=str(HANGS))
        server.upload(pictures.jpeg(60, 40))
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert "refused to gracefully stop" not in server.log.read_text()


def test_without_it_nothing_of_it_is_imported(tmp_path: Path) -> None:
    code = "import sys, mezzotint.site.server as s; s.Server(); print('opentelemetry' in sys.modules)"
    done = run(tmp_path / "data", "manage", "shell", "-c", code)
    assert done.stdout.split()[-1:] == ["False"], done.stderr
