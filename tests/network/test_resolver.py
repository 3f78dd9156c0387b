"""Names into addresses, by a real name server on loopback: how long an answer is good for, and who waits for whom."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from mezzotint.network import resolver
from mezzotint.network.resolver import Resolver
from tests.waiting import IN_TIME

T = TypeVar("T")


class NameServer(asyncio.DatagramProtocol):
    """Of UDP (RFC 1035). Names that begin with `slow` are not answered; those that it does not know do not exist."""

    def __init__(self, **names: tuple[str, int]) -> None:
        self.names = {name.replace("_", "."): found for name, found in names.items()}
        self.asked: Counter[str] = Counter()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode())
            at += 1 + length
        name, (kind,) = ".".join(labels).lower(), struct.unpack(">H", data[at + 1 : at + 3])
        self.asked[name] += kind == 1
        if name.startswith("slow"):
            return
        found = self.names.get(name)
        answers = b""
        if found is not None and kind == 1:
            answers = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, found[1], 4) + socket.inet_aton(found[0])
        flags = 0x8180 if found else 0x8183
        head = data[:2] + struct.pack(">HHHHH", flags, 1, bool(answers), 0, 0)
        self.transport.sendto(head + data[12 : at + 5] + answers, sender)


@asynccontextmanager
async def asking(server: NameServer) -> AsyncIterator[Resolver]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
    names = Resolver(servers=[f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
    try:
        yield names
    finally:
        names.close()
        transport.close()


def run(server: NameServer, work: Callable[[Resolver], Awaitable[T]]) -> T:
    async def main() -> T:
        async with asking(server) as names:
            return await work(names)

    return asyncio.run(main())


async def addresses(names: Resolver, host: str) -> list[str]:
    return [info[4][0] for info in await names.look_up(host, 80)]


@pytest.mark.parametrize(("ttl", "floor", "ceiling", "asked"), [(60, 0, 300, 1), (0, 60, 300, 1), (60, 0, 0, 2)])
def test_an_answer_is_good_for_its_ttl_within_bounds(
    monkeypatch: pytest.MonkeyPatch, ttl: int, floor: float, ceiling: float, asked: int
) -> None:
    monkeypatch.setattr(resolver, "FLOOR", floor)
    monkeypatch.setattr(resolver, "CEILING", ceiling)
    server = NameServer(a_test=("192.0.2.7", ttl))

    async def work(names: Resolver) -> None:
        for _ in range(2):
            assert await addresses(names, "a.test") == ["192.0.2.7"]

    run(server, work)
    assert server.asked["a.test"] == asked


def test_that_there_is_no_such_name_is_remembered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    server = NameServer()

    async def work(names: Resolver) -> None:
        for _ in range(3):
            with pytest.raises(OSError):
                await names.look_up("nowhere.test", 80)

    run(server, work)
    assert server.asked["nowhere.test"] == 1


def test_all_who_ask_at_once_share_one_lookup() -> None:
    server = NameServer(a_test=("192.0.2.7", 60))
    found = run(server, lambda names: asyncio.gather(*(addresses(names, "a.test") for _ in range(50))))
    assert found == [["192.0.2.7"]] * 50
    assert server.asked["a.test"] == 1


def test_names_whose_servers_hang_delay_no_other() -> None:
    server = NameServer(good_test=("192.0.2.7", 60))

    async def work(names: Resolver) -> float:
        slow = [asyncio.ensure_future(names.look_up(f"slow{n}.test", 80)) for n in range(300)]
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        assert await addresses(names, "good.test") == ["192.0.2.7"]
        took = time.monotonic() - begun
        assert not any(one.done() for one in slow)
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return took

    assert run(server, work) < IN_TIME


def test_threads_that_hang_delay_no_other() -> None:
    """Where a machine's own functions are asked."""

    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        time.sleep(1 if host.startswith("slow") else 0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

    async def main() -> float:
        names = Resolver(resolve)
        slow = [asyncio.ensure_future(names.look_up(f"slow{n}.test", 80)) for n in range(300)]
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await names.look_up("good.test", 80)
        took = time.monotonic() - begun
        await asyncio.gather(*slow)
        names.close()
        return took

    assert asyncio.run(main()) < 0.9


def test_there_is_a_bound_to_what_is_looked_up_at_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(resolver, "MOST_REMEMBERED", 3)
    server = NameServer(**{f"n{n}_test": ("192.0.2.7", 60) for n in range(9)})

    async def work(names: Resolver) -> None:
        slow = [asyncio.ensure_future(names.look_up(f"slow{n}.test", 80)) for n in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="too many"):
            await names.look_up("n0.test", 80)
        for one in slow:
            one.cancel()
        names.close()
        await asyncio.gather(*slow, return_exceptions=True)

    run(server, work)

    async def many(names: Resolver) -> None:
        for n in range(9):
            await names.look_up(f"n{n}.test", 80)
        assert len(names._known) == 3

    run(server, many)


def test_what_this_machine_alone_knows_is_asked_of_it() -> None:
    assert "127.0.0.1" in run(NameServer(), lambda names: addresses(names, "localhost"))
