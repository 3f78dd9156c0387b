"""Answers as they go out: framed once, in their turn, files too, and what an application does wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.front.limits import Limits
from tests.front.serving import CLOSE, answer, get, run, serving, statuses
from tests.waiting import until_async

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("more", [False, True])
def test_a_length_is_said_once_however_it_is_spelled(more: bool) -> None:
    """Django keeps the case of headers."""

    async def spelled(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", b"4"), (b"Connection", b"keep-alive")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ab" if more else b"abcd", "more_body": more})
        if more:
            await send({"type": "http.response.body", "body": b"cd"})

    async def work() -> None:
        async with serving(spelled) as front:
            said = (await front.said(get(b"/", CLOSE))).lower()
            assert (said.count(b"content-length: 4"), said.count(b"content-length")) == (1, 1)
            assert b"transfer-encoding" not in said and said.endswith(b"\r\n\r\nabcd")

    run(work)


def test_an_application_that_fails_after_its_answer_takes_nothing_back() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"a" * 1_000_000)
        raise ValueError

    async def work() -> None:
        async with serving(failing) as front, await front.client() as client:
            for _ in range(3):
                client.write(get(b"/"))
                assert len((await client.answer())[2]) == 1_000_000

    run(work)


def test_http_1_0_is_answered_and_closed() -> None:
    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def work() -> None:
        async with serving(streaming) as front:
            said = await front.said(b"GET / HTTP/1.0\r\n\r\n")
            assert said.endswith(b"\r\n\r\npiecepiecepiece") and b"chunked" not in said
            said = await front.said(get(b"/", CLOSE))
            assert said.endswith(b"\r\n\r\n5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n")

    run(work)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1 << 16) * 80)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(("offset", "count"), [(0, 80 << 16), (5, 1), (1 << 20, 3 << 20)])
def test_files_go_out_whole_in_their_turn(file: int, offset: int, count: int) -> None:
    async def sending(scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.zerocopysend" in scope["extensions"]
        headers = [(b"content-length", b"%d" % count)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.zerocopysend", "file": file, "offset": offset, "count": count})

    async def work() -> None:
        async with serving(sending) as front, await front.client() as client:
            client.write(get(b"/") * 3)
            for _ in range(3):
                assert (await client.answer())[2] == os.pread(file, count, offset)

    run(work)


@pytest.mark.parametrize("kind", ["raises", "says nothing", "says half", "says too much", "breaks a header"])
def test_an_application_that_fails_is_a_500_or_a_broken_answer_and_no_lie(kind: str, caplog: Any) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        if kind == "raises":
            raise ValueError("secret")
        if kind == "says nothing":
            return
        value = b"a\r\nX-Injected: 1" if kind == "breaks a header" else b"a"
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5"), (b"x", value)]}
        )
        await send({"type": "http.response.body", "body": b"abc" * (1 + 2 * (kind == "says too much"))})

    async def work() -> None:
        async with serving(failing) as front:
            said = await front.said(get(b"/"))
            assert statuses(said) in ([500], []) or said.endswith(b"\r\n\r\nabc"), "and no more: it breaks off"
            assert b"secret" not in said and b"injected" not in said.lower()

    run(work)
    assert caplog.records


def test_a_refused_body_is_not_read_on_and_its_sender_sees_why() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", 401)

    async def work() -> None:
        async with serving(refusing, Limits(linger_seconds=1)) as front:
            async with await front.client() as client:
                client.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
                status, headers, _ = await client.answer()
                assert (status, headers["connection"]) == (401, "close")
                client.write(b"a" * 10_000_000)
                await until_async(client.reader.at_eof)
            await until_async(lambda: not len(front.crowd))

    run(work)
