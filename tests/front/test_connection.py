"""HTTP/1.1 as it comes over a socket: whole, in pieces, and several at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.front.serving import CLOSE, HOST, answer, echo, get, post, run, serving, statuses
from tests.waiting import until_async

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("pipelined", [1, 2, 100])
def test_several_at_once_are_answered_in_order(pipelined: int) -> None:
    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            client.write(b"".join(get(b"/%d" % number) for number in range(pipelined)))
            for number in range(pipelined):
                assert (await client.answer())[2] == b"GET /%d  " % number

    run(work)


def test_more_than_a_hundred_at_once_end_the_connection() -> None:
    async def work() -> None:
        async with serving(echo) as front:
            said = statuses(await front.said(get(b"/") * 5000))
            assert (said[:-1], said[-1]) == ([200] * 101, 503)

    run(work)


def test_a_request_may_be_cut_anywhere() -> None:
    whole = post(b"body of it") + get(b"/next?a=1%20", CLOSE)

    async def work() -> None:
        async with serving(echo) as front:
            for cut in range(1, len(whole)):
                async with await front.client() as client:
                    client.write(whole[:cut])
                    await asyncio.sleep(0.001)
                    client.write(whole[cut:])
                    said = await client.rest()
                    assert b"POST /a  body of it" in said and said.endswith(b"GET /next a=1%20 "), cut

    run(work)


@pytest.mark.parametrize("expects", [True, False])
def test_a_body_in_chunks_comes_as_it_was_sent(expects: bool) -> None:
    more = b"Expect: 100-continue\r\n" if expects else b""
    head = b"POST /a HTTP/1.1\r\n" + HOST + CLOSE + b"Transfer-Encoding: chunked\r\n" + more + b"\r\n"

    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            client.write(head)
            if expects:
                assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.write(b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n")
            assert (await client.rest()).endswith(b"POST /a  abc0123456789abcdef")

    run(work)


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://there/a%20b?c=d", "/a b", b"there"),
        (b"http://there", "/", b"there"),
        (b"HTTPS://there?c", "/", b"there"),
        (b"/http://x", "/http://x", b"here"),
        (b"//x/y", "//x/y", b"here"),
        (b"/%ff%C3%A9", "/\ufffd\u00e9", b"here"),
    ],
)
def test_targets(target: bytes, path: str, host: bytes) -> None:
    found: list[tuple[str, list[bytes]]] = []

    async def looking(scope: Any, receive: Any, send: Any) -> None:
        found.append((scope["path"], [value for name, value in scope["headers"] if name == b"host"]))
        await answer(send, b"")

    async def work() -> None:
        async with serving(looking) as front:
            await front.said(get(target, CLOSE))

    run(work)
    assert found == [(path, [host])]


def test_the_same_bytes_at_once_or_by_the_application() -> None:
    """What the hot path takes has to be one whole request, and the connection free."""
    seen = []

    def quick(data: bytes) -> tuple[bytes, bytes] | None:
        seen.append(data)
        return (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b"q") if data == get(b"/quick") else None

    async def work() -> None:
        async with serving(echo, quick=quick) as front, await front.client() as client:
            client.write(get(b"/quick"))
            assert (await client.answer())[2] == b"q"
            client.write(get(b"/quick") * 2)
            assert [(await client.answer())[2] for _ in range(2)] == [b"GET /quick  "] * 2
            client.write(post(b"12345678")[:-4])
            await until_async(lambda: len(seen) == 3)
            client.write(get(b"/quick")[:4])
            assert (await client.answer())[2] == b"POST /a  1234GET "
            client.write(get(b"/quick"))
            assert (await client.answer())[2] == b"q"

    run(work)
