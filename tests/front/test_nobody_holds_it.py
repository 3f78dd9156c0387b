"""Clients that take their time: each has its end, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mezzotint.front.heads import client_of
from mezzotint.front.limits import Limits, plain_address
from tests.front.serving import LOOPBACK, Client, Front, answer, echo, run, serving
from tests.waiting import until_async

pytestmark = pytest.mark.processes
SHORT = Limits(head_seconds=0.5, idle_seconds=0.5, start_seconds=0.5, rate=100_000, linger_seconds=0.5)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def alone(front: Front) -> None:
    await until_async(lambda: not len(front.crowd) and not front.tasks)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"G", b"408"),
        (GET[:-2], b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"408"),
    ],
    ids=["nothing", "a letter", "half a head", "half a body", "half a chunk"],
)
def test_what_does_not_come_is_not_waited_for(sent: bytes, status: bytes) -> None:
    async def work() -> None:
        async with serving(echo, SHORT) as front:
            said = await front.said(sent)
            assert said[9:12] == status and (not said or b"Connection: close" in said)
            await alone(front)

    run(work)


@pytest.mark.parametrize("body", [b"", b"Content-Length: 1000000\r\n"], ids=["head", "body"])
def test_a_byte_now_and_then_is_not_enough(body: bytes) -> None:
    async def work() -> None:
        async with serving(echo, SHORT) as front, await front.client() as client:
            client.write(b"POST / HTTP/1.1\r\nHost: a\r\n" + (body + b"\r\n" if body else b"X: "))

            async def drip() -> None:
                while True:
                    client.write(b"a")
                    await asyncio.sleep(0.05)

            dripping = asyncio.ensure_future(drip())
            assert (await client.rest())[9:12] == b"408"
            dripping.cancel()

    run(work)


def test_a_body_that_comes_slowly_but_comes_is_taken() -> None:
    async def work() -> None:
        async with serving(echo, Limits(start_seconds=0.5, rate=10)) as front, await front.client() as client:
            client.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n")
            for _ in range(30):
                client.write(b"ab")
                await asyncio.sleep(0.1)
            assert (await client.answer())[2] == b"POST /  " + b"ab" * 30

    run(work)


def test_an_answer_that_takes_long_to_make_is_the_applications_own_time() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(3)
        await answer(send, b"at last")

    async def work() -> None:
        async with serving(slow, SHORT) as front, await front.client() as client:
            client.write(GET)
            assert (await client.answer())[2] == b"at last"

    run(work)


@pytest.mark.parametrize("way", ["quick", "at once", "in pieces", "a file"])
def test_who_does_not_read_is_cut_off(way: str, tmp_path: Any) -> None:
    large = b"a" * (32 << 20)
    path = tmp_path / "large"
    path.write_bytes(large)
    length = b"%d" % len(large)
    ended: list[str] = []

    async def sending(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        if way == "a file":
            with path.open("rb") as file:
                whole = {"file": file.fileno(), "offset": 0, "count": len(large)}
                await send({"type": "http.response.zerocopysend", **whole})
        elif way == "at once":
            await send({"type": "http.response.body", "body": large})
        else:
            for at in range(0, len(large), 1 << 16):
                await send({"type": "http.response.body", "body": large[at : at + (1 << 16)], "more_body": True})
            await send({"type": "http.response.body"})
        ended.append(way)

    def quick(data: bytes) -> tuple[bytes, bytes] | None:
        return (b"HTTP/1.1 200 OK\r\ncontent-length: %b\r\n\r\n" % length, large) if way == "quick" else None

    async def work() -> None:
        async with serving(sending, replace(SHORT, rate=50_000_000), quick) as front:  # the kernel takes some by itself
            with socket.create_connection((LOOPBACK, front.port)) as stuck:
                stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                stuck.sendall(GET)
                await until_async(lambda: len(front.crowd) == 1)
                await alone(front)
            assert way == "quick" or ended, "the application has got to its end"

    run(work)


def test_who_reads_slowly_but_reads_gets_all_of_it() -> None:
    large = b"a" * (1 << 20)

    async def sending(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, large)

    async def work() -> None:
        limits = Limits(start_seconds=0.5, rate=1000)
        async with serving(sending, limits) as front, await front.client() as client:
            client.write(GET)
            await client.reader.readuntil(b"\r\n\r\n")
            received = 0
            while received < len(large):
                received += len(await client.reader.read(20_000))
                await asyncio.sleep(0.03)
            assert received == len(large)

    run(work)


async def connected(front: Front, count: int, sent: bytes = GET) -> list[Client]:
    clients = [await front.client() for _ in range(count)]
    for client in clients:
        client.write(sent)
        if sent == GET:
            await client.answer()
    return clients


def test_those_that_only_wait_make_room() -> None:
    async def work() -> None:
        async with serving(echo, Limits(connections=10, proxies=(ip_network("127.0.0.1"),))) as front:
            waiting = await connected(front, 10)
            newcomers = await connected(front, 5)
            assert len(front.crowd) == 10
            for client in newcomers:
                client.write(GET)
                assert (await client.answer())[0] == 200
            gone = [client.reader.at_eof() for client in waiting]
            await until_async(lambda: sum(client.reader.at_eof() for client in waiting) == 5)
            assert gone == sorted(gone, reverse=True)
            for client in (*waiting, *newcomers):
                client.writer.transport.abort()

    run(work)


@pytest.mark.parametrize("trusted", [True, False])
def test_one_address_has_a_share(trusted: bool) -> None:
    limits = Limits(connections=20, per_client=5, proxies=(ip_network("127.0.0.0/8"),) if trusted else ())

    async def work() -> None:
        async with serving(echo, limits) as front:
            busy = await connected(front, 5, GET[:-2])
            await until_async(lambda: len(front.crowd) == 5)
            async with await front.client() as another:
                another.write(GET)
                status, headers, _ = await another.answer()
                assert status == (200 if trusted else 503)
                assert trusted or headers["retry-after"]
            for client in busy:
                client.writer.transport.abort()
            await until_async(lambda: len(front.crowd) == 0)
            [client] = await connected(front, 1)
            client.writer.transport.abort()

    run(work)


def test_nobody_is_looked_at_where_nobody_is() -> None:
    async def work() -> None:
        async with serving(echo) as front:
            async with await front.client() as client:
                client.write(GET)
                await client.answer()
                assert front.crowd._timer is not None
            await until_async(lambda: front.crowd._timer is None)

    run(work)


def test_who_goes_away_in_the_middle_of_a_file_leaves_nothing(tmp_path: Any) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"a" * (32 << 20))

    async def sending(scope: Any, receive: Any, send: Any) -> None:
        length = b"%d" % (32 << 20)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        with path.open("rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 0, "count": 32 << 20})

    async def work() -> None:
        async with serving(sending) as front:
            stuck = []
            for n in range(20):
                one = socket.create_connection((LOOPBACK, front.port))
                one.sendall(GET)
                await asyncio.sleep(0.001 * n)
                one.setblocking(False)
                with suppress(BlockingIOError):
                    one.recv(1 << 20)
                one.shutdown(socket.SHUT_WR)  # and it reads nothing more, without closing
                stuck.append(one)
            await alone(front)
            for one in stuck:
                one.close()

    run(work)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::ffff:1:2", "::ffff:1:2")],
)
def test_an_address_is_one_however_it_is_written(text: str, plain: str) -> None:
    assert plain_address(text) == plain
    assert Limits(proxies=(ip_network("127.0.0.1"),)).trusts(plain_address(text)) == (plain == "127.0.0.1")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ([], "10.0.0.1"), ([b"1.2.3.4"], "1.2.3.4"), ([b"6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ([b"6.6.6.6", b"1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ([b"10.0.0.3"], "10.0.0.1"), ([b""], "10.0.0.1"), ([b"nonsense"], "nonsense"), ([b"a" * 1000], "a" * 64),
    ],
)  # fmt: skip
def test_who_asked_a_trusted_proxy(said: list[bytes], address: str) -> None:
    headers = [(b"x-forwarded-for", value) for value in said]
    limits = Limits(proxies=(ip_network("10.0.0.0/8"),))
    assert client_of(("10.0.0.1", 5), headers, limits)[0] == address
