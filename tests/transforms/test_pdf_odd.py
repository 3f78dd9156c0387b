"""Documents that are locked, damaged, too large or malicious, and renderers that end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mezzotint.errors import DocumentRefused, RendererEnded
from mezzotint.transforms.pdf import PageSpec, Rasteriser
from mezzotint.transforms.pdf import rasteriser as module
from tests.documents import Page, encrypted, pdf, rebuilt, text_page, text_pdf, with_objects
from tests.transforms.paging import refused, sizes
from tests.transforms.rendering import saved
from tests.waiting import IN_TIME, PATIENCE

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is not a PDF"),
        (b"<html></html>", "it is not a PDF"),
        (b"%PDF-1.7\n", "it is damaged"),
        (text_pdf(5)[:700], "it is damaged"),
        (pdf([]), "it has no pages"),
        (encrypted(text_pdf(1), "secret"), "it needs a password"),
    ],
    ids=["nothing", "html", "head only", "cut off", "no pages", "locked"],
)
def test_a_document_that_is_refused_says_why(tmp_path: Path, data: bytes, why: str) -> None:
    assert refused(tmp_path, data) == why


def test_a_document_that_opens_without_a_password_is_read(tmp_path: Path) -> None:
    assert sizes(tmp_path, encrypted(text_pdf(1), "")) == [(300, 400)]


def test_junk_before_and_after_is_no_damage(tmp_path: Path) -> None:
    assert sizes(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n" + text_pdf(2) + b"\n<!-- served by -->\n") == [(300, 400)] * 2


def test_a_page_that_is_too_large_has_fewer_dots_or_is_named(tmp_path: Path) -> None:
    data = pdf([text_page("good"), text_page("huge", (14400, 14400))])
    assert sizes(tmp_path, data, max_pixels=200_000) == [(300, 400), (400, 400)]
    why = refused(tmp_path, data, PageSpec(dpi=72, max_pixels=100))
    assert why == "page 2: a page of 14400 x 14400 points is too large"


def test_a_page_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms that draw each other ten times, ten deep."""
    objects = {}
    for level in range(60, 70):
        content = b"/X Do " * 10 if level < 69 else b"0 0 1 1 re f " * 1000
        below = b"/Resources << /XObject << /X %d 0 R >> >>" % (level + 1) if level < 69 else b""
        objects[level] = (
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 300 400] %s /Length %d >>\nstream\n%s\nendstream"
            % (below, len(content), content)
        )
    data = pdf([Page(b"/X Do")]).replace(b"/XObject <<", b"/XObject << /X 60 0 R ")
    data = with_objects(rebuilt(data), objects)
    begun = time.monotonic()
    out = tmp_path / "pages"
    out.mkdir()
    ended = pytest.raises(DocumentRefused, match=r"page 1 took (more|longer) than")
    with Rasteriser(saved(tmp_path, data), PageSpec(dpi=72), 1, seconds=1) as one, ended:
        list(one.pages([1], out, 1))
    assert time.monotonic() - begun < IN_TIME
    assert list(out.iterdir()) == []


def test_a_renderer_that_needs_more_memory_than_it_may_have_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BASE_MEMORY", 700 << 20)
    monkeypatch.setattr(module, "_BYTES_A_PIXEL", 0)
    why = refused(
        tmp_path, pdf([text_page("x", (14400, 14400), b"1 0 0 rg")]), PageSpec(dpi=72, max_pixels=250_000_000)
    )
    assert "memory" in why or "broke its renderer" in why


def test_a_renderer_that_is_killed_is_told_and_the_others_end(tmp_path: Path) -> None:
    out = tmp_path / "pages"
    out.mkdir()
    with Rasteriser(saved(tmp_path, text_pdf(40)), PageSpec(dpi=150), 2) as one:
        pages = one.pages(range(1, 41), out, 2)
        next(pages)
        one._renderers[0]._process.kill()
        with pytest.raises(RendererEnded, match="was killed"):
            list(pages)
        assert all(renderer._process.wait(PATIENCE) < 0 for renderer in one._renderers)


def test_stopping_ends_at_once(tmp_path: Path) -> None:
    out = tmp_path / "pages"
    out.mkdir()
    with Rasteriser(saved(tmp_path, text_pdf(400)), PageSpec(dpi=150), 2) as one:
        pages = one.pages(range(1, 401), out, 2)
        next(pages)
        pages.close()
        assert all(renderer._process.wait(PATIENCE) < 0 for renderer in one._renderers)
