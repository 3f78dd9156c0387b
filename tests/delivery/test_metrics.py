"""`/metrics` for Prometheus and `/health`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import http, pictures
from tests.conftest import Server, figure
from tests.waiting import until


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(pictures.jpeg(500, 400, seed=120))


def answers(server: Server, answer: str) -> float:
    return figure(server, "mezzotint_image_requests_total", answer=answer)


def test_a_server_says_that_it_is_there(server: Server) -> None:
    answer = server.http.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    assert answer.headers["cache-control"] == "no-store"
    head = server.http.head("/health")
    assert (head.status_code, head.content) == (200, b"")


def test_the_figures_are_in_prometheus_text_format(server: Server, ident: str) -> None:
    server.http.get(f"/images/{ident}-100x80.jpg").raise_for_status()
    answer = server.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    names = {sample.name for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    assert names >= {
        "mezzotint_image_requests_total",
        "mezzotint_image_bytes_total",
        "mezzotint_render_seconds_count",
        "mezzotint_render_seconds_sum",
        "mezzotint_base_decodes_total",
        "mezzotint_render_queue",
        "mezzotint_cache_bytes",
        "mezzotint_cache_files",
        "mezzotint_cache_max_bytes",
    }


def test_a_miss_and_then_hits_are_counted_as_such(server: Server, ident: str) -> None:
    misses, hits, renders = (
        answers(server, "miss"),
        answers(server, "hit"),
        figure(server, "mezzotint_render_seconds_count"),
    )
    seconds = figure(server, "mezzotint_render_seconds_sum")
    for _ in range(4):
        server.http.get(f"/images/{ident}-110x88.jpg").raise_for_status()
    assert answers(server, "miss") - misses == 1
    assert answers(server, "hit") - hits == 3
    assert figure(server, "mezzotint_render_seconds_count") - renders == 1
    assert figure(server, "mezzotint_render_seconds_sum") > seconds


def test_bases_conditions_and_errors_are_told_apart(server: Server, ident: str) -> None:
    kinds = ("base", "not_modified", "error")
    before = {kind: answers(server, kind) for kind in kinds}
    etag = server.http.get(f"/images/{ident}").headers["etag"]
    server.http.get(f"/images/{ident}", headers={"if-none-match": etag})
    server.http.get(f"/images/{'0' * 64}")
    assert {kind: answers(server, kind) - before[kind] for kind in kinds} == {
        "base": 1,
        "not_modified": 1,
        "error": 1,
    }


def test_bytes_are_those_that_were_sent(server: Server, ident: str) -> None:
    before = figure(server, "mezzotint_image_bytes_total")
    whole = len(server.http.get(f"/images/{ident}").content)
    server.http.head(f"/images/{ident}")
    server.http.get(f"/images/{ident}", headers={"range": "bytes=0-99"})
    small = len(server.http.get(f"/images/{ident}-120x96.png").content)
    assert figure(server, "mezzotint_image_bytes_total") - before == whole + 100 + small


def test_the_cache_is_as_large_as_what_was_put_in(server: Server, ident: str) -> None:
    files, size = figure(server, "mezzotint_cache_files"), figure(server, "mezzotint_cache_bytes")
    made = server.http.get(f"/images/{ident}-130x104.png").content
    assert figure(server, "mezzotint_cache_files") - files == 1
    assert figure(server, "mezzotint_cache_bytes") - size == len(made)


def test_the_figures_are_those_of_all_workers_together(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_WORKERS="2")
    ident = server.upload(pictures.jpeg(100, 80, seed=121))
    for _ in range(24):
        http.get(f"{server.url}/images/{ident}").raise_for_status()  # a connection of its own, to either worker
    until(lambda: answers(server, "base") >= 24, 0.2)  # the other worker brings its counts within a second or so
    assert answers(server, "base") == 24
