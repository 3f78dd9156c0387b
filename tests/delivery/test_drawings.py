"""An SVG is a document that a browser runs: whoever gives it out says what it may not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mezzotint.wiring import Engine
from tests import pictures
from tests.delivery.asking import asked
from tests.origin import Origin
from tests.sources.fetching import fetching, get

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80"><script>alert(1)</script><rect width="60"/></svg>'
)
FORBIDS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fetching(tmp_path / "data", MEZZOTINT_ALLOW_SVG="true") as opened:
        yield opened


def assert_harmless(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["content-security-policy"] == FORBIDS
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_drawing_runs_nothing(engine: Engine) -> None:
    ident = engine.bases.add([SVG]).ident
    answer = asked(engine, f"/images/{ident}")
    assert_harmless(answer)
    assert answer.content == SVG
    assert_harmless(asked(engine, f"/images/{ident}", "HEAD"))


def test_nor_does_one_that_came_from_elsewhere(engine: Engine) -> None:
    with Origin() as origin:
        url = origin.picture("/a.svg", SVG, content_type="image/svg+xml")
        get(engine, url)
    answer = asked(engine, "/get_image", params={"url": url})
    assert_harmless(answer)
    assert answer.content == SVG


def test_pictures_need_no_such_words(engine: Engine) -> None:
    drawn, taken = engine.bases.add([SVG]).ident, engine.bases.add([pictures.jpeg(60, 40)]).ident
    for name in (f"{drawn}-60x40.png", taken):
        answer = asked(engine, f"/images/{name}")
        assert (answer.status_code, "content-security-policy" in answer.headers) == (200, False)
