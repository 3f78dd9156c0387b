"""X-Request-Id: in every answer, of every door, and in the log lines that a request causes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import pictures
from tests.servers import Server, start_server
from tests.waiting import until

OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    return server.upload(pictures.jpeg(60, 40))


@pytest.mark.parametrize(
    "path",
    ["/images/{}-w30.jpg", "/images/{}", "/images/nonsense", "/", "/api/images/", "/static/browse/none.css", "/health",
     "/metrics", "/nothing-here", "/admin/"],
)  # fmt: skip
def test_every_answer_has_one(server: Server, image: str, path: str) -> None:
    for _ in range(3):  # the third comes from memory, where it can
        answer = server.http.get(path.format(image))
        assert len(answer.headers["x-request-id"]) > 16, path
        mine = server.http.get(path.format(image), headers={"X-Request-Id": "mine-1"})
        assert mine.headers.get_list("x-request-id") == ["mine-1"], path


def test_conditional_and_partial_answers_have_one(server: Server, image: str) -> None:
    path = f"/images/{image}-w30.jpg"
    etag = server.http.get(path).headers["etag"]
    for headers in ({"If-None-Match": etag}, {"Range": "bytes=0-9"}, {"Range": "bytes=999999-"}):
        assert server.http.get(path, headers=headers).headers["x-request-id"]
    assert server.http.head(path).headers["x-request-id"]


def test_a_line_in_the_log_says_which_request_it_is_of(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", MEZZOTINT_LOG_FORMAT="json", MEZZOTINT_LOG_LEVEL="debug", **OPEN)
    try:
        refused = server.writer.get(
            "/get_image", params={"url": "http://127.0.0.1:1/a.png"}, headers={"X-Request-Id": "one-of-mine"}
        )
        assert refused.is_error

        def lines() -> list[dict[str, str]]:
            return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]

        until(lambda: any(line.get("request") == "one-of-mine" for line in lines()))
        told = {line["logger"] for line in lines() if line.get("request") == "one-of-mine"}
        assert "mezzotint.sources.attempts" in told, "also from a thread"
    finally:
        server.stop()
