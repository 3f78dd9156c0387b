"""Answers that browsers show: taken as they are meant, within bounds."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput, OriginError, OriginFailed
from mezzotint.network import heads, loops
from mezzotint.network.addresses import Patterns, Policy
from mezzotint.network.client import Client
from mezzotint.network.codings import MOST_RATIO
from mezzotint.network.heads import mended
from mezzotint.network.urls import parse_url
from tests.network.host import Host, leading, load, resolving, saying, status
from tests.origin import Asked, Origin

BODY = b"\xff\xd8\xff" + bytes(range(256)) * 30
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1")) as started:
        yield started


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def raw(*fields: bytes, body: bytes = BODY, first: bytes = OK) -> bytes:
    return first + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
ODD = {
    "a header of 60 kB": raw(b"X: " + b"x" * 60_000, LENGTH.strip()),
    "900 headers": raw(*(b"X-%d: v" % n for n in range(900)), LENGTH.strip()),
    "a line without a colon": raw(b"No colon here", LENGTH.strip()),
    "a name with spaces": raw(b"X Y: z", b"Content-Type : image/jpeg", LENGTH.strip()),
    "no name": raw(b": z", LENGTH.strip()),
    "a folded line": raw(b"X: a", b"  b", LENGTH.strip()),
    "a control character": raw(b"X: a\x00\x01b", LENGTH.strip()),
    "bytes that are no UTF-8": raw(b"X: \xff\xfe", LENGTH.strip()),
    "a length that is repeated": raw(LENGTH.strip(), LENGTH.strip()),
    "a length that is listed": raw(LENGTH.strip() + b", %d" % len(BODY)),
    "a length and chunks": raw(b"Transfer-Encoding: chunked", LENGTH.strip(), body=CHUNKED),
    "identity chunks": raw(b"Transfer-Encoding: identity", LENGTH.strip()),
    "no length": raw(),
    "bytes behind the end": raw(LENGTH.strip(), body=BODY + b"\r\n<!-- 0.2 s -->"),
    "lines of LF": raw(LENGTH.strip()).replace(b"\r\n", b"\n", 2).replace(b"\n\r\n", b"\n\n", 1),
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + raw(LENGTH.strip()),
    "no reason": raw(LENGTH.strip(), first=b"HTTP/1.1 200\r\n"),
    "HTTP/1.0": raw(first=b"HTTP/1.0 200 OK\r\n"),
    "203": raw(LENGTH.strip(), first=b"HTTP/1.1 203 Non-Authoritative Information\r\n"),
    "206 of everything": raw(
        LENGTH.strip(), b"Content-Range: bytes 0-%d/%d" % (len(BODY) - 1, len(BODY)), first=b"HTTP/1.1 206 Partial\r\n"
    ),
}  # fmt: skip
PLAIN = [
    "",
    "none",
    "binary",
    "utf-8",
    "aws-chunked",
    "identity",
    "UTF-8, none",
    "gzip",
    "br",
    "x-gzip, none",
    "deflate",
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_head_costs_no_picture(host: Host, origin: Origin, name: str) -> None:
    origin.answers["/a"] = saying(ODD[name])
    assert host.load(origin.url("/a"))[1] == BODY


@pytest.mark.parametrize("coding", PLAIN)
def test_bytes_that_are_not_coded_as_they_say_are_left_as_they_are(host: Host, origin: Origin, coding: str) -> None:
    origin.answers["/a"] = saying(raw(b"Content-Encoding: " + coding.encode(), LENGTH.strip()))
    assert host.load(origin.url("/a"))[1] == BODY


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODED = {
    "gzip": packed(BODY),
    "X-GZIP": packed(BODY),
    "gzip, identity": packed(BODY),
    "deflate": zlib.compress(BODY),
    "Deflate": deflated(BODY),
    "x-deflate": zlib.compress(BODY),
    "gzip,gzip": packed(packed(BODY)),
    "deflate, gzip": packed(zlib.compress(BODY)),
    "gzip, none": packed(BODY[:100]) + packed(BODY[100:]),
    "gzip,": packed(BODY) + b"and more",
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("drip", [False, True])
def test_what_is_compressed_is_inflated(host: Host, origin: Origin, coding: str, drip: bool) -> None:
    body = CODED[coding]

    async def answer(asked: Asked) -> None:
        await asked.raw(raw(b"Content-Encoding: " + coding.encode(), b"Content-Length: %d" % len(body), body=b""))
        for at in range(0, len(body), 100 if drip else len(body)):
            await asked.raw(body[at : at + (100 if drip else len(body))])
            await asyncio.sleep(0)

    origin.answers["/a"] = answer
    response, arrived = host.load(origin.url("/a"))
    assert (arrived, response.length) == (BODY, None)


def test_what_is_compressed_is_bounded_by_what_came(host: Host, origin: Origin) -> None:
    fine, bomb = bytes(1 << 20), bytes(1 << 28)
    assert host.load(origin.picture("/a", packed(fine), content_encoding="gzip"))[1] == fine
    arrived = 0

    async def work(client: Client) -> None:
        nonlocal arrived
        async with client.get(parse_url(url), {}) as response:
            async for chunk in response.chunks:
                arrived += len(chunk)

    url = origin.picture("/b", packed(bomb), content_encoding="gzip")
    with pytest.raises(OriginFailed):
        host.run(work)
    assert arrived < 2 * MOST_RATIO * len(packed(bomb))


@pytest.mark.parametrize("body", [packed(BODY)[:-20], packed(BODY)[:50] + b"x" * 50, b"\x1f\x8b"])
def test_what_is_compressed_and_damaged_is_a_failure(host: Host, origin: Origin, body: bytes) -> None:
    with pytest.raises(OriginFailed) as caught:
        host.load(origin.picture("/a", body, content_encoding="gzip"))
    assert caught.value.again


@pytest.mark.parametrize(
    "answer",
    [
        raw(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
        raw(b"Content-Range: bytes 0-9/100", b"Content-Length: 10", body=b"0123456789", first=b"HTTP/1.1 206 Part\r\n"),
        raw(b"Content-Range: bytes 5-9/10", b"Content-Length: 5", body=b"01234", first=b"HTTP/1.1 206 Part\r\n"),
        raw(b"Content-Range: bytes 0-9/*", b"Content-Length: 10", body=b"0123456789", first=b"HTTP/1.1 206 Part\r\n"),
        raw(*(b"X-%d: v" % n for n in range(5000)), LENGTH.strip()),
        OK + b"X: " + b"x" * 400_000,
    ],
)
def test_what_may_mean_two_things_or_is_without_bounds_is_refused(host: Host, origin: Origin, answer: bytes) -> None:
    origin.answers["/a"] = saying(answer)
    with pytest.raises(OriginError):
        host.load(origin.url("/a"))


def test_a_head_that_drips_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece costs what it is long, however much came before it."""
    searched = 0

    class Counting:
        def search(self, text: bytes, start: int = 0) -> None:
            nonlocal searched
            searched += len(text) - start

    async def main() -> None:
        monkeypatch.setattr(heads, "_END", Counting())
        protocol = heads.Tolerant(loop=asyncio.get_running_loop())
        protocol.set_response_params()
        for _ in range(5000):
            protocol.data_received(b"x")

    asyncio.run(main())
    assert searched < 5000 * 5


def test_bytes_behind_the_end_are_no_answer_to_the_next_request(host: Host, origin: Origin) -> None:
    origin.answers["/a"] = saying(raw(LENGTH.strip(), body=BODY + raw(b"Content-Length: 6", body=b"forged")), end=False)
    origin.picture("/b", b"true")

    async def both(client: Client) -> list[bytes]:
        return [(await load(client, origin.url(path)))[1] for path in ("/a", "/b")]

    assert host.run(both) == [BODY, b"true"]


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_a_mended_head_is_one_head(lines: list[bytes]) -> None:
    head, length = mended(OK + b"\r\n".join(lines).replace(b"\n\r\n", b"") + b"\r\n\r\n")
    assert head.startswith(OK) and head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1
    assert all(b":" in line and not line[:1].isspace() for line in head[len(OK) : -2].splitlines() if line)
    assert length is None or length >= 0


def test_cookies_go_along_one_chain_of_redirects_and_no_further(host: Host, origin: Origin) -> None:
    async def wants_a_cookie(asked: Asked) -> None:
        if asked.headers.get("cookie") == "seen=yes":
            await asked.send(200, BODY)
        else:
            await asked.send(302, b"", location=origin.url("/a"), set_cookie="seen=yes; Path=/")

    origin.answers |= {
        "/a": wants_a_cookie,
        "/out": status(302, location=origin.url("/b", "127.0.1.1"), set_cookie="x=y"),
    }
    origin.picture("/b", BODY)

    async def work(client: Client) -> list[bytes]:
        return [(await load(client, origin.url(path)))[1] for path in ("/a", "/out", "/b")]

    assert host.run(work) == [BODY] * 3
    assert [asked.headers.get("cookie") for asked in origin.seen] == [None, "seen=yes", None, None, None]


def test_a_download_says_whom_it_is_for_and_is_refused_where_it_comes_back(host: Host, origin: Origin) -> None:
    origin.picture("/a", BODY)
    host.load(origin.url("/a"))
    links = loops.links(origin.seen[-1].headers["cdn-loop"], "")
    target = parse_url(origin.url("/a"))
    assert links == (loops.Link(target.key[:16], target.origin),)

    async def behind(client: Client, chain: tuple[loops.Link, ...], path: str) -> bytes:
        token = loops.behind.set(chain)
        try:
            return (await load(client, origin.url(path)))[1]
        finally:
            loops.behind.reset(token)

    with pytest.raises(InvalidInput, match="itself"):
        host.run(lambda client: behind(client, links, "/a"))
    with pytest.raises(InvalidInput, match="again and again"):
        host.run(lambda client: behind(client, (loops.Link("0" * 16, "b.test:80"),) * loops.MOST, "/a"))


def test_who_is_asked_by_a_download_does_not_wait_for_its_turn(host: Host, origin: Origin) -> None:
    """An origin that has this server ask it once more, before it answers, where one download at a time is allowed."""
    host.limit(all=1)
    origin.picture("/inner", BODY)

    async def work(client: Client) -> bytes:
        async def answer(asked: Asked) -> None:
            loops.behind.set(loops.links(asked.headers["cdn-loop"], ""))
            await asked.send(200, (await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inner(), loop)))[1])

        async def inner() -> tuple[object, bytes]:
            loops.behind.set(loops.links(origin.seen[0].headers["cdn-loop"], ""))
            return await load(client, origin.url("/inner"))

        loop = asyncio.get_running_loop()
        origin.answers["/outer"] = answer
        return (await load(client, origin.url("/outer")))[1]

    assert host.run(work) == BODY


FORGED = f'mezzotint; for={"0" * 16}; at="a.test:80"; on=0; by={"0" * 32}'


@pytest.mark.parametrize("field", [None, "", "other", "mezzotint", "mezzotint; for=x; at=y", "," * 10_000, FORGED])
def test_what_others_say_of_loops_is_none_of_ours(field: str | None) -> None:
    assert loops.links(field, "secret") == ()


def test_what_another_installation_has_signed_is_none_of_ours_nor_what_was_signed_long_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = parse_url("http://a.test/x.jpg")
    said = loops.said(target, target, "theirs")
    assert len(loops.links(f"{said}, {said}, {said}", "theirs")) == 1 and loops.links(said, "ours") == ()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 700)
    assert loops.links(said, "theirs") == ()


@pytest.mark.parametrize("cut", range(-3, 4))
def test_members_are_found_wherever_they_are_cut(host: Host, origin: Origin, cut: int) -> None:
    one, other = packed(BODY[:1000]), packed(BODY[1000:])
    body = one + other

    async def answer(asked: Asked) -> None:
        await asked.raw(raw(b"Content-Encoding: gzip", b"Content-Length: %d" % len(body), body=b""))
        for piece in (body[: len(one) + cut], body[len(one) + cut :]):
            await asked.raw(piece)
            await asyncio.sleep(0.05)

    origin.answers["/a"] = answer
    assert host.load(origin.url("/a"))[1] == BODY


def test_members_and_layers_that_hold_nothing_are_bounded_too(host: Host, origin: Origin) -> None:
    for coding, body in (("gzip", packed(b"") * 50_000), ("gzip, gzip", packed(packed(b"") * 50_000)),
                         ("gzip, gzip, gzip", packed(packed(packed(BODY))))):  # fmt: skip
        origin.picture("/many", body, content_encoding=coding)
        with pytest.raises(OriginFailed):
            host.load(origin.url("/many"))


def test_cookies_are_for_the_host_that_has_set_them(host: Host, origin: Origin) -> None:
    """Whatever it says of a domain: two names below `co.test` may be of two sites."""
    origin.answers["/out"] = status(
        302, location=f"http://b.co.test:{origin.port}/in", set_cookie="stolen=yes; Domain=.co.test; Path=/"
    )
    origin.picture("/in", BODY)
    names = resolving(a_co_test="127.0.0.1", b_co_test="127.0.0.1")
    policy = Policy(allow=Patterns.of(["127.0.0.1/32"]), ports=None)
    assert host.load(f"http://a.co.test:{origin.port}/out", resolve=names, policy=policy)[1] == BODY
    assert "cookie" not in origin.seen[-1].headers


@pytest.mark.parametrize("end", [True, False])
def test_a_redirect_whose_words_do_not_come_leads_on(host: Host, origin: Origin, end: bool) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 500\r\n\r\n<html>"
    origin.answers["/r"] = saying(head, end=end)
    origin.picture("/there", BODY)
    assert host.load(origin.url("/r"))[1] == BODY


def test_a_location_with_a_space_leads_where_it_leads_in_a_browser(host: Host, origin: Origin) -> None:
    origin.answers["/r"] = leading("/a b.jpg")
    origin.picture("/a%20b.jpg", BODY)
    assert host.load(origin.url("/r"))[1] == BODY
