"""HTTP/1.1 as it comes over a socket: whole, in pieces, several at once, and wrong."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.front.limits import Limits
from tests.front.serving import answer, echo, run, serving
from tests.waiting import until_async

pytestmark = pytest.mark.processes
HOST = b"Host: here\r\n"
CLOSE = b"Connection: close\r\n"


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
]


def get(path: bytes, *more: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(more) + b"\r\n"


def post(body: bytes, *more: bytes) -> bytes:
    return b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % len(body) + b"".join(more) + b"\r\n" + body


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


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


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("at_once", [False, True])
def test_the_body_of_a_request_that_offers_another_protocol_is_read(large: bool, framing: str, at_once: bool) -> None:
    """As clients send them that would rather speak HTTP/2."""
    body = b"hello" * (40_000 if large else 1)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if framing == "chunks" else body
    how = b"Transfer-Encoding: chunked\r\n" if framing == "chunks" else b"Content-Length: %d\r\n" % len(body)
    head = b"POST /a HTTP/1.1\r\n" + HOST + UPGRADES[0] + how + b"\r\n"

    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            client.write(head)
            if not at_once:
                await asyncio.sleep(0.01)
            client.write(sent + get(b"/smuggled"))
            said = await client.rest()
            assert statuses(said) == [200] and said.endswith(b"\r\n\r\nPOST /a  " + body)

    run(work)


@pytest.mark.parametrize("way", ["trailers", "extensions"])
def test_what_is_around_a_body_has_an_end(way: str) -> None:
    begun = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    begun += b"0\r\nX: " if way == "trailers" else b"1;x="

    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            client.write(begun)
            for _ in range(100):
                client.write(b"a" * 1000)
                await asyncio.sleep(0.001)
            assert statuses(await client.rest()) == [431]

    run(work)


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


WRONG = {
    "no HTTP": b"hello\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100f8010000f40303"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "a length too long": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "chunks that are none": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "not chunked last": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "a bare CR in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target that is none": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that is none": b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a version to come": b"GET / HTTP/3.0\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_request_is_refused_and_nothing_after_it_is_read(name: str) -> None:
    asked = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await echo(scope, receive, send)

    async def work() -> None:
        async with serving(counting) as front:
            said = await front.said(WRONG[name] + get(b"/smuggled", CLOSE))
            assert statuses(said) in ([400], [408], []), said
            assert "/smuggled" not in asked

    run(work)


def test_what_was_asked_before_something_wrong_is_answered() -> None:
    async def work() -> None:
        async with serving(echo) as front:
            said = await front.said(get(b"/first") + get(b"/second") + b"nonsense\r\n\r\n" + get(b"/third"))
            assert statuses(said) == [200, 200, 400] and b"third" not in said

    run(work)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        get(b"/", b"X: " + b"a" * 40_000 + b"\r\n"),
        get(b"/", b"".join(b"X-%d: 1\r\n" % number for number in range(5000))),
        get(b"/", b"X: " + b" " * 400_000 + b"\r\n"),
    ],
    ids=["target", "header", "headers", "spaces"],
)
@pytest.mark.parametrize("cut", [1 << 20, 1000])
def test_a_head_has_an_end(head: bytes, cut: int) -> None:
    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            for at in range(0, len(head), cut):
                client.write(head[at : at + cut])
                await asyncio.sleep(0)
            assert statuses(await client.rest()) == [431]

    run(work)


def test_a_header_that_never_ends_is_not_kept() -> None:
    async def work() -> None:
        async with serving(echo) as front, await front.client() as client:
            client.write(b"GET / HTTP/1.1\r\nX: ")
            with_room = True
            for _ in range(100):
                client.write(b"a" * 1000)
                await asyncio.sleep(0.001)
                with_room = with_room and not client.reader.at_eof()
            assert statuses(await client.rest()) == [431]

    run(work)


@pytest.mark.parametrize("more", UPGRADES, ids=["h2c", "websocket"])
def test_another_protocol_is_not_taken_up(more: bytes) -> None:
    async def work() -> None:
        async with serving(echo) as front:
            said = await front.said(get(b"/a", more) + get(b"/smuggled"))
            assert statuses(said) == [200] and b"connection: close" in said and b"smuggled" not in said

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


def test_the_same_bytes_at_once_or_by_the_application() -> None:
    """What the hot path takes has to be one whole request, and the connection free."""
    seen = []

    def quick(data: bytes) -> tuple[bytes, bytes] | None:
        seen.append(data)
        return (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", b"q") if data == get(b"/quick") else None

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
