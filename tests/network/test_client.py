"""The client at an origin that misbehaves: an error in time, the same words whatever it was, and nothing believed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.errors import OriginBusy, OriginError, OriginFailed, OriginLacks, OriginRefuses, OriginTimedOut
from mezzotint.network.client import Client
from mezzotint.network.urls import parse_url
from tests.network.host import AGENT, Host, dripping, leading, load, resolving, saying, status
from tests.origin import Answer, Asked, Origin
from tests.waiting import HANGS, IN_TIME

BODY = b"\x89PNG and so on"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


def test_a_picture_arrives_byte_for_byte(host: Host, origin: Origin) -> None:
    body = bytes(range(256)) * 4000
    response, arrived = host.load(origin.picture("/a?b=c", body, etag='"x"', LAST_modified="now"))
    assert arrived == body
    assert (response.status, response.length, response.target.url) == (200, len(body), origin.url("/a?b=c"))
    assert (response.headers["etag"], response.headers["last-modified"]) == ('"x"', "now")


def test_validators_are_sent_and_304_is_an_answer(host: Host, origin: Origin) -> None:
    origin.answers["/a"] = status(304, etag='"x"')
    response, body = host.load(origin.url("/a"), {"If-None-Match": '"x"', "If-Modified-Since": "then"})
    assert (response.status, body) == (304, b"")
    sent = origin.seen[0].headers
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('"x"', "then")


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
        dripping(HEAD + b"Content-Length: 1000\r\n\r\n", b"x", 0.05),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
        dripping(HEAD + b"\r\n", b"x", 0.05),
    ],
    ids=["header", "interim answers", "body", "chunked body", "body of no length"],
)
def test_an_origin_that_drips_is_given_up_when_its_time_is_over(host: Host, origin: Origin, answer: Answer) -> None:
    origin.answers["/a"] = answer
    begun = time.monotonic()
    with pytest.raises(OriginTimedOut):
        host.load(origin.url("/a"), total=0.4)
    assert 0.3 < time.monotonic() - begun < IN_TIME


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", HEAD + b"Content-Length: 9\r\n\r\nabc"])
def test_an_origin_that_falls_silent_is_given_up_long_before_the_end(host: Host, origin: Origin, said: bytes) -> None:
    origin.answers["/a"] = saying(said, end=False)
    begun = time.monotonic()
    with pytest.raises(OriginTimedOut):
        host.load(origin.url("/a"), total=HANGS, gap=0.2)
    assert time.monotonic() - begun < IN_TIME


def test_an_address_where_nobody_accepts_is_given_up_soon(host: Host) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (first, second):
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        with pytest.raises(OriginTimedOut):
            host.load(f"http://127.0.0.1:{full.getsockname()[1]}/a", connect=0.3, total=HANGS)


def test_the_time_is_that_of_all_redirects_together(host: Host, origin: Origin) -> None:
    for number in range(6):
        origin.answers[f"/{number}"] = status(302, 1, location=f"/{number + 1}")
    with pytest.raises(OriginTimedOut):
        host.load(origin.url("/0"), total=2.5)
    assert origin.asked.total() <= 3


def test_the_time_covers_what_is_done_with_the_body(host: Host, origin: Origin) -> None:
    async def dawdle(client: Client) -> None:
        async with client.get(parse_url(origin.picture("/a", BODY)), {}):
            await asyncio.sleep(5)

    with pytest.raises(OriginTimedOut):
        host.run(dawdle, total=0.3)


def test_endless_headers_are_cut_off_early(host: Host, origin: Origin) -> None:
    sent = 0

    async def answer(asked: Asked) -> None:
        nonlocal sent
        await asked.raw(HEAD)
        while True:
            await asked.raw(b"".join(b"X-%d: %s\r\n" % (sent + line, b"y" * 1000) for line in range(100)))
            sent += 100

    origin.answers["/a"] = answer
    with pytest.raises(OriginError):
        host.load(origin.url("/a"), total=1.5)
    assert sent < 20_000, "20 MB of headers were taken in"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 100\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\nabc\r\n",
        HEAD + b"Content-Length: many\r\n\r\nabc",
        HEAD + b"Content-Length: -3\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_or_ends_too_early_is_a_failure(host: Host, origin: Origin, data: bytes) -> None:
    origin.answers["/a"] = saying(data)
    with pytest.raises(OriginFailed):
        host.load(origin.url("/a"))


def test_a_reset_half_way_is_a_failure_that_may_be_tried_again(host: Host, origin: Origin) -> None:
    async def answer(asked: Asked) -> None:
        await asked.raw(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 5000)
        await asyncio.sleep(0.05)
        asked.reset()

    origin.answers["/a"] = answer
    with pytest.raises(OriginFailed) as caught:
        host.load(origin.url("/a"))
    assert caught.value.again


@pytest.mark.parametrize("hang_up", [Asked.reset, lambda asked: asked.writer.close()], ids=["reset", "close"])
def test_an_origin_that_hangs_up_is_not_asked_again_at_once(
    host: Host, origin: Origin, hang_up: Callable[[Asked], None]
) -> None:
    async def answer(asked: Asked) -> None:
        hang_up(asked)

    origin.answers["/a"] = answer
    with pytest.raises(OriginFailed):
        host.load(origin.url("/a"))
    assert origin.asked == {"/a": 1}


def test_what_follows_a_body_that_was_announced_too_short_is_nobodys_answer(host: Host, origin: Origin) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    origin.answers["/a"] = saying(HEAD + b"Content-Length: 3\r\n\r\nabc" + forged, end=False)
    origin.picture("/b", BODY)

    async def both(client: Client) -> tuple[bytes, bytes]:
        return (await load(client, origin.url("/a")))[1], (await load(client, origin.url("/b")))[1]

    assert host.run(both) == (b"abc", BODY)


def test_bytes_that_say_nothing_of_being_compressed_are_left_as_they_are(host: Host, origin: Origin) -> None:
    body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert host.load(origin.picture("/a", body, content_encoding="identity"))[1] == body


@pytest.mark.parametrize(
    ("code", "error", "again"),
    [(404, OriginLacks, None), (410, OriginLacks, None), (204, OriginFailed, False), (206, OriginFailed, False)]
    + [(code, OriginRefuses, None) for code in (400, 401, 402, 403, 406, 414, 418, 451, 499)]
    + [(code, OriginFailed, False) for code in (300, 302, 405, 407, 413, 416, 431)]
    + [(code, OriginFailed, True) for code in (408, 425, 500, 502, 503, 504)]
    + [(429, OriginBusy, None)],
)
def test_what_is_neither_200_nor_304_is_an_error(
    host: Host, origin: Origin, code: int, error: type[OriginError], again: bool | None
) -> None:
    origin.answers["/a"] = status(code)
    with pytest.raises(error) as caught:
        host.load(origin.url("/a"))
    assert getattr(caught.value, "again", None) == again


def test_the_words_are_the_same_whatever_was_the_matter(host: Host, origin: Origin) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        origin.answers |= {
            "/500": status(500),
            "/405": status(405),
            "/ssh": saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "/nothing": saying(b""),
            "/inside": leading("http://10.0.0.1/"),
            "/port": leading(f"http://127.0.0.1:{unused.getsockname()[1]}/"),
            "/name": leading("http://inside.test/"),
            "/scheme": leading("file:///etc/passwd"),
            "/loop": leading("/loop"),
        }
        urls = [origin.url(path) for path in origin.answers] + [
            f"http://127.0.0.1:{unused.getsockname()[1]}/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://inside.test/",
            "http://no-such-name.test/",
        ]
        told = set()
        for url in urls:
            host.cache.host.facts.forget("origin:127.0.0.1")
            with pytest.raises(OriginError) as caught:
                host.load(url, resolve=resolving(inside_test="10.0.0.1"))
            told.add((type(caught.value), caught.value.title, caught.value.detail, str(caught.value)))
    assert len(told) == 1
    assert not any(part in str(told) for part in ("10.0.0.1", "closed", "refused", "500", "redirect"))


def test_it_says_who_it_is_and_nothing_more(host: Host, origin: Origin) -> None:
    origin.picture("/a", BODY, set_cookie="session=1; Path=/")

    async def twice(client: Client) -> None:
        for _ in range(2):
            await load(client, origin.url("/a"))

    host.run(twice)
    for asked in origin.seen:
        assert set(asked.headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection", "cdn-loop"}
        assert asked.headers["user-agent"] == AGENT
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["host"] == f"127.0.0.1:{origin.port}"
    assert len(origin.seen) == 2


def test_the_environment_names_no_proxy_and_no_password(
    host: Host, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Origin() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert host.load(origin.picture("/a", BODY))[1] == BODY
        assert not proxy.seen
    assert "authorization" not in origin.seen[0].headers


def test_what_is_raised_within_is_passed_on(host: Host, origin: Origin) -> None:
    async def work(client: Client) -> None:
        async with client.get(parse_url(origin.picture("/a", BODY)), {}):
            raise KeyError("of whoever reads")

    with pytest.raises(KeyError, match="of whoever reads"):
        host.run(work)
