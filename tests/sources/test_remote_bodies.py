"""What an origin may send instead of a picture: an error, nothing left behind, and no memory filled."""

from __future__ import annotations

import asyncio
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mezzotint.errors import InvalidInput, OriginFailed
from mezzotint.network.urls import parse_url
from mezzotint.wiring import Engine
from tests.origin import Asked, Origin
from tests.pictures import jpeg, png
from tests.sources.fetching import fetching, get, left_in_incoming, noted, record, run, stored, whole

MOST_BYTES, MOST_PIXELS = 200_000, 100_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(params=["*", "kept.example"], ids=["kept", "cached"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with fetching(
        tmp_path / "data",
        MEZZOTINT_FETCH_KEEP=request.param,
        MEZZOTINT_MAX_UPLOAD=str(MOST_BYTES),
        MEZZOTINT_MAX_PIXELS=str(MOST_PIXELS),
    ) as opened:
        yield opened


def refused(engine: Engine, url: str) -> None:
    with pytest.raises(OriginFailed) as caught:
        get(engine, url)
    assert str(caught.value) == OriginFailed.told
    assert record(engine, url) is None
    assert stored(engine) == []
    assert not left_in_incoming(engine)
    files = [path for path in (engine.cache.directory / "native").rglob("*") if path.is_file()]
    assert not files
    [note] = noted(engine)
    assert note["failure"]
    assert "ident" not in note


def bomb() -> bytes:
    """Few bytes, many pixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


def frames() -> bytes:
    """Each frame is small enough, all together they are not."""
    buffer = io.BytesIO()
    images = [Image.new("RGB", (250, 250), (30 * number, 0, 0)) for number in range(8)]
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:])
    assert Image.open(io.BytesIO(buffer.getvalue())).n_frames == 8  # type: ignore[attr-defined]
    return buffer.getvalue()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html><body>Not found</body></html>", b"\x1f\x8b\x08\x00" + b"\x00" * 50, b"%PDF-1.7\n", b"\xff\xd8\xff",
     b"\x00" * 5000, bomb(), png(500, 400), b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'],
    ids=["empty", "html", "gzip", "pdf", "three bytes", "zeros", "pixel bomb", "too many pixels", "svg"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_though_it_is_called_one(engine: Engine, origin: Origin, body: bytes) -> None:
    refused(engine, origin.picture("/a", body, content_type="image/jpeg"))


@pytest.mark.parametrize("cut", [10, 2000])
def test_a_picture_that_is_cut_off_is_refused_after_three_attempts(engine: Engine, origin: Origin, cut: int) -> None:
    refused(engine, origin.picture("/a", jpeg(200, 100)[:-cut]))
    assert origin.asked == {"/a": 3}


def test_a_length_that_is_too_short_makes_no_picture(engine: Engine, origin: Origin) -> None:
    refused(engine, origin.picture("/a", jpeg(200, 100), content_length="3000"))


def test_a_length_that_is_too_long_makes_no_picture(engine: Engine, origin: Origin) -> None:
    body = jpeg(200, 100)

    async def answer(asked: Asked) -> None:
        await asked.raw(HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body)
        asked.writer.close()

    origin.answers["/a"] = answer
    refused(engine, origin.url("/a"))


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "image/svg+xml", "", "nonsense"])
def test_a_picture_is_one_whatever_it_is_called(engine: Engine, origin: Origin, content_type: str) -> None:
    body = jpeg(200, 100)
    found = get(engine, origin.picture("/a", body, content_type=content_type))
    assert whole(engine, found.record.ident) == body


def test_what_is_announced_as_too_large_is_not_read(engine: Engine, origin: Origin) -> None:
    async def answer(asked: Asked) -> None:
        await asked.raw(HEAD + b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1))
        await asyncio.sleep(60)

    origin.answers["/a"] = answer
    refused(engine, origin.url("/a"))
    assert origin.asked == {"/a": 1}


@pytest.mark.parametrize("chunked", [False, True])
def test_an_endless_body_is_cut_off_at_the_limit(engine: Engine, origin: Origin, chunked: bool) -> None:
    sent = 0

    async def answer(asked: Asked) -> None:
        nonlocal sent
        await asked.raw(
            HEAD + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n\xff\xd8\xff"[: 2 if chunked else 5]
        )
        while True:
            piece = b"\xff\xd8\xff" + b"x" * 65_533
            await asked.raw(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
            sent += len(piece)

    origin.answers["/a"] = answer
    tracemalloc.start()
    try:
        refused(engine, origin.url("/a"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert origin.asked == {"/a": 1}
    assert sent < 30_000_000
    assert peak < 20_000_000


def streamed(origin: Origin, body: bytes) -> str:
    """Given out piece by piece, so that the origin takes no memory of its own."""

    async def answer(asked: Asked) -> None:
        await asked.raw(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 1 << 18):
            await asked.raw(body[start : start + (1 << 18)])

    origin.answers["/large"] = answer
    return origin.url("/large")


def tiff(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, "TIFF")
    return buffer.getvalue()


@pytest.mark.parametrize("keep", ["*", "kept.example"])
@pytest.mark.parametrize("height", [1000, 1048, 1049, 2097, 3000])
def test_pictures_of_some_megabytes_arrive_whole(tmp_path: Path, origin: Origin, height: int, keep: str) -> None:
    body = tiff(1000, height)
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_KEEP=keep) as engine:
        found = get(engine, streamed(origin, body))
        assert whole(engine, found.record.ident) == body
        assert not left_in_incoming(engine)


def test_a_large_picture_goes_through_little_memory(tmp_path: Path, origin: Origin) -> None:
    body = tiff(6000, 5000)
    url = streamed(origin, body)
    with fetching(tmp_path / "data") as engine:
        tracemalloc.start()
        try:
            found = get(engine, url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert engine.store.stat(f"images/{found.record.ident}").size == len(body)
    assert peak < 15_000_000


def test_many_frames_count_as_many_pixels(engine: Engine, origin: Origin) -> None:
    refused(engine, origin.picture("/a", frames(), content_type="image/gif"))


def test_a_closed_address_is_told_before_anything_is_sent(tmp_path: Path, origin: Origin) -> None:
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_ALLOW="127.0.0.2/32") as engine:
        for url in (origin.picture("/a", jpeg(20, 10)), "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/"):
            with pytest.raises(InvalidInput):
                get(engine, url)
        assert run(engine, lambda remote: remote.find(parse_url(origin.url("/a")))) is None
        assert noted(engine) == []
    assert not origin.most_connections
