"""What is no request, what has no end, and what offers another protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.front.serving import CLOSE, HOST, UPGRADES, echo, get, run, serving, statuses

pytestmark = pytest.mark.processes


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
            for _ in range(100):
                client.write(b"a" * 1000)
                await asyncio.sleep(0.001)
            assert statuses(await client.rest()) == [431]

    run(work)


@pytest.mark.parametrize("more", UPGRADES, ids=["h2c", "websocket"])
def test_another_protocol_is_not_taken_up(more: bytes) -> None:
    async def work() -> None:
        async with serving(echo) as front:
            said = await front.said(get(b"/a", more) + get(b"/smuggled"))
            assert statuses(said) == [200] and b"Connection: close" in said and b"smuggled" not in said

    run(work)
