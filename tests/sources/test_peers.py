"""Peers: the list of them, and pictures that they have, or only say they have."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from mezzotint.errors import InvalidInput, OriginBusy, OriginError, OriginFailed
from mezzotint.names import Ident
from mezzotint.network.breaker import DEAD
from mezzotint.network.urls import parse_url
from mezzotint.sources.peer_client import PeerClient, PeerRefused
from mezzotint.sources.peers import Peer, PeerList, read_peers
from mezzotint.sources.records import RemoteRecord
from mezzotint.sources.remote import How, RemoteImages
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_peer_client
from tests.network.host import status
from tests.origin import Asked, Origin
from tests.pictures import jpeg
from tests.sources.fetching import fetching, get, left_in_incoming, noted, record, run, stored, whole
from tests.waiting import until_async

T = TypeVar("T")
PICTURE, OTHER = jpeg(200, 100, seed=1), jpeg(200, 100, seed=2)
IDENT = Ident(hashlib.sha256(PICTURE).hexdigest())
B = {"name": "b", "url": "https://b.example", "token": "secret", "clone": True}


def written(directory: Path, content: object) -> Path:
    path = directory / "peers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_peers_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path, [B, {"name": "c", "url": "http://10.0.0.1:8000/"}])
    b, c = read_peers(path)
    assert (b.name, b.url, b.token, b.clone) == ("b", "https://b.example", "secret", True)
    assert (c.name, c.url, c.token, c.clone) == ("c", "http://10.0.0.1:8000", "", False)
    assert "secret" not in repr(b)
    assert read_peers(tmp_path / "absent.json") == ()
    assert read_peers(written(tmp_path, [])) == ()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[" * 100_000, {}, B, "null", ["b"], [[]], [{}], [{"name": "b"}], [{"url": "https://b.example"}],
     [B | {"name": ""}], [B | {"name": " "}], [B | {"name": 1}], [B | {"url": "b.example"}], [B | {"url": ""}],
     [B | {"url": "ftp://b.example"}], [B | {"url": "https://"}], [B | {"url": None}], [B | {"url": "http://[::1"}],
     [B | {"token": 1}], [B | {"clone": "yes"}], [B | {"clone": 1}], [B | {"colne": True}], [B, B | {"url": "http://c"}],
     [B | {"url": "https://b.example:port"}], [B | {"token": "se\r\ncret"}]],
    ids=lambda content: json.dumps(content)[:70],
)  # fmt: skip
def test_a_list_that_is_wrong_is_refused_and_the_token_not_told(tmp_path: Path, content: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_peers(written(tmp_path, content))
    assert caught.value.field == "peers.json"
    assert "secret" not in str(caught.value)


def test_the_list_is_read_again_when_it_changes_and_stays_when_it_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peers = PeerList(tmp_path / "peers.json")
    assert peers.all() == ()
    written(tmp_path, [B])
    assert [peer.name for peer in peers.all()] == ["b"]
    written(tmp_path, "[{")
    with caplog.at_level(logging.WARNING):
        assert [peer.name for peer in peers.all()] == ["b"]
    assert "peers.json" in caplog.text
    written(tmp_path, [B, B | {"name": "c"}])
    assert peers.named("c") is not None
    assert peers.named("d") is None
    (tmp_path / "peers.json").unlink()
    assert peers.all() == ()


@pytest.fixture
def peer() -> Iterator[Origin]:
    with Origin() as started:
        yield started


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.1.1",)) as started:
        yield started


@pytest.fixture
def engine(tmp_path: Path, peer: Origin) -> Iterator[Engine]:
    written(tmp_path, [{"name": "b", "url": peer.url(""), "token": "secret"}])
    with fetching(tmp_path / "data", MEZZOTINT_PEERS=str(tmp_path / "peers.json")) as opened:
        yield opened


def has(peer: Origin, url: str, body: bytes = PICTURE, status: int = 200, hangs_up: bool = False, **other: Any) -> None:
    """The peer gives `body` out as the picture of `url`; `other` headers than it should."""
    there = RemoteRecord(url, IDENT, 1000.0, 2000.0, 1e11, '"e"', "then", "origin")
    headers = {"x_image_ident": IDENT, "x_remote_record": there.to_json().decode()} | other

    async def answer(asked: Asked) -> None:
        if hangs_up:
            await asked.raw(
                b"HTTP/1.1 200 OK\r\n"
                + b"".join(f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in headers.items())
                + b"Content-Length: %d\r\n\r\n" % len(body)
                + body[:100]
            )
            asked.reset()
        else:
            await asked.send(status, body, **{name: value for name, value in headers.items() if value is not None})

    peer.default = answer


def located(origin: Origin, path: str = "/a") -> str:
    """At an origin that has the picture."""
    origin.picture(path, PICTURE)
    return origin.url(path, "127.0.1.1")


def test_what_a_peer_has_is_taken_from_it(engine: Engine, peer: Origin, origin: Origin) -> None:
    url = located(origin)
    has(peer, url)
    found = get(engine, url, ask_peers=True)
    assert found.how == How.PEER
    assert (found.record.url, found.record.ident, found.record.via) == (url, IDENT, "peer:b")
    assert (found.record.etag, found.record.last_modified) == ('"e"', "then")
    assert whole(engine, IDENT) == PICTURE
    assert record(engine, url) == found.record
    assert [note["via"] for note in noted(engine)] == ["peer:b"]
    assert not origin.seen
    [asked] = peer.seen
    parts = urlsplit(asked.path)
    assert (parts.path, parse_qs(parts.query)) == ("/get_image", {"url": [url], "only_send_if_local": ["true"]})
    assert asked.headers["authorization"] == "Bearer secret"
    assert get(engine, url, ask_peers=True).how == How.HIT
    assert len(peer.seen) == 1


def test_peers_are_asked_only_where_that_is_wanted(engine: Engine, peer: Origin, origin: Origin) -> None:
    url = located(origin)
    has(peer, url)
    assert get(engine, url).how == How.MISS
    assert not peer.seen


LIE = "12" * 32


@pytest.mark.parametrize(
    "says",
    [{"status": 404}, {"status": 503}, {"status": 500}, {"status": 401}, {"status": 206}, {"status": 204, "body": b""},
     {"status": 302, "location": "http://127.0.1.1/"}, {"hangs_up": True}, {"body": OTHER}, {"body": b""},
     {"body": PICTURE[:-1]}, {"body": PICTURE + b"x"}, {"content_length": str(len(PICTURE) - 1)},
     {"x_image_ident": LIE}, {"x_image_ident": None}, {"x_image_ident": IDENT.upper()}, {"x_remote_record": None},
     {"x_remote_record": "x"}, {"x_remote_record": "{}"}, {"x_remote_record": "[" * 5000},
     {"x_remote_record": RemoteRecord("u", IDENT, 1.0, 2.0, float("inf")).to_json().decode()},
     {"x_remote_record": RemoteRecord("u", Ident(LIE), 1.0, 2.0, 3.0).to_json().decode()},
     {"x_remote_record": RemoteRecord("u", Ident(LIE), 1.0, 2.0, 3.0).to_json().decode(), "x_image_ident": LIE}],
    ids=lambda says: str(says)[:60],
)  # fmt: skip
def test_a_peer_that_fails_or_lies_is_as_one_that_has_it_not(
    engine: Engine, peer: Origin, origin: Origin, says: dict[str, Any]
) -> None:
    url = located(origin)
    has(peer, url, **says)
    found = get(engine, url, ask_peers=True)
    assert peer.seen
    assert (found.how, found.record.ident, found.record.via) == (How.MISS, IDENT, "origin")
    assert stored(engine, "images/") == [f"images/{IDENT}"]
    assert whole(engine, IDENT) == PICTURE
    assert not left_in_incoming(engine)
    assert origin.asked == {"/a": 1}


def test_bytes_that_are_no_picture_are_none_though_a_peer_vouches_for_them(
    engine: Engine, peer: Origin, origin: Origin
) -> None:
    body = b"<html></html>"
    ident = hashlib.sha256(body).hexdigest()
    url = located(origin)
    there = RemoteRecord(url, Ident(ident), 1.0, 2.0, 1e11)
    has(peer, url, body, x_image_ident=ident, x_remote_record=there.to_json().decode())
    assert get(engine, url, ask_peers=True).how == How.MISS
    assert stored(engine, "images/") == [f"images/{IDENT}"]


def test_a_peer_that_is_down_costs_no_picture_and_is_left_alone_after_a_while(tmp_path: Path, origin: Origin) -> None:
    with Origin() as gone:
        path = written(tmp_path, [{"name": "b", "url": gone.url("")}])
    with fetching(tmp_path / "data", MEZZOTINT_PEERS=str(path)) as engine:
        for number in range(6):
            assert get(engine, located(origin, f"/{number}"), ask_peers=True).how == How.MISS
        with pytest.raises(OriginBusy):
            engine.breaker.check("peer:b")


def test_the_second_peer_is_asked_where_the_first_has_it_not(tmp_path: Path, peer: Origin, origin: Origin) -> None:
    with Origin() as second:
        peers = [{"name": name, "url": at.url("")} for name, at in (("b", peer), ("c", second))]
        path = written(tmp_path, peers)
        url = located(origin)
        has(second, url)
        with fetching(tmp_path / "data", MEZZOTINT_PEERS=str(path)) as engine:
            found = get(engine, url, ask_peers=True)
        assert (found.how, found.record.via) == (How.PEER, "peer:c")
        assert len(peer.seen) == 1
        assert "authorization" not in second.seen[0].headers


def with_peer(engine: Engine, work: Callable[[PeerClient, Peer], Awaitable[T]]) -> T:
    async def main() -> T:
        client = open_peer_client(engine)
        try:
            return await work(client, engine.peers.all()[0])
        finally:
            await client.close()

    return asyncio.run(main())


def push(engine: Engine) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield PICTURE[:1000]
        yield PICTURE[1000:]

    there = RemoteRecord("http://a.test/a?b", IDENT, 1.0, 2.0, 3.0)
    with_peer(engine, lambda client, peer: client.push(peer, there, chunks(), len(PICTURE)))


def taking(peer: Origin, status: int, ident: str = IDENT) -> list[bytes]:
    """What the peer is sent, which answers with `status`."""
    bodies: list[bytes] = []

    async def answer(asked: Asked) -> None:
        bodies.append(await asked.reader.readexactly(int(asked.headers["content-length"])))
        await asked.send(status, b"because", x_image_ident=ident)

    peer.default = answer
    return bodies


@pytest.mark.parametrize("status", [200, 201])
def test_a_picture_is_pushed_with_its_record(engine: Engine, peer: Origin, status: int) -> None:
    bodies = taking(peer, status)
    push(engine)
    assert bodies == [PICTURE]
    [asked] = peer.seen
    assert (urlsplit(asked.path).path, parse_qs(urlsplit(asked.path).query)) == (
        "/clone_image",
        {"url": ["http://a.test/a?b"]},
    )
    assert asked.headers["authorization"] == "Bearer secret"
    sent = RemoteRecord.from_json(asked.headers["x-remote-record"])
    assert sent is not None
    assert (sent.ident, sent.url, asked.headers["x-image-ident"]) == (IDENT, "http://a.test/a?b", IDENT)


@pytest.mark.parametrize(
    ("status", "ident", "error"),
    [(400, IDENT, PeerRefused), (413, IDENT, PeerRefused), (415, IDENT, PeerRefused), (422, IDENT, PeerRefused),
     (200, LIE, OriginFailed), (202, IDENT, OriginFailed), (401, IDENT, OriginFailed), (404, IDENT, OriginFailed),
     (302, IDENT, OriginFailed),
     (500, IDENT, OriginFailed), (507, IDENT, OriginFailed), (503, IDENT, OriginBusy)],
)  # fmt: skip
def test_what_a_peer_does_not_take_is_told(
    engine: Engine, peer: Origin, status: int, ident: str, error: type[OriginError]
) -> None:
    taking(peer, status, ident)
    with pytest.raises(error) as caught:
        push(engine)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("how", "sent"),
    [
        ({}, ("authorization", "Bearer secret", "")),
        ({"token_header": "X-Auth-Token"}, ("x-auth-token", "secret", "")),
        ({"token_parameter": "key"}, ("authorization", None, "secret")),
    ],
)
def test_another_program_that_only_gives_out_pictures_is_a_peer(
    tmp_path: Path, peer: Origin, origin: Origin, how: dict[str, str], sent: tuple[str, str | None, str]
) -> None:
    """Its answer is a picture and no more; its bytes are looked at as any other's."""
    entry = {"name": "old", "url": peer.url(""), "token": "secret", "plain": True} | how
    url, broken = located(origin), located(origin, "/broken")

    async def answer(asked: Asked) -> None:
        query = parse_qs(urlsplit(asked.path).query)
        assert query["only_send_if_local"] == ["true"]
        if query["url"] == [url]:
            await asked.send(200, PICTURE, cache_control="max-age=100")
        else:
            await asked.send(200, b"<html>an error page")

    peer.default = answer
    with fetching(tmp_path / "data", MEZZOTINT_PEERS=str(written(tmp_path, [entry]))) as engine:
        found = get(engine, url, ask_peers=True)
        assert (found.how, found.record.ident, found.record.via) == (How.PEER, IDENT, "peer:old")
        assert get(engine, broken, ask_peers=True).how is How.MISS
    header, value, parameter = sent
    assert peer.seen[0].headers.get(header) == value
    assert parse_qs(urlsplit(peer.seen[0].path).query).get("key", [""]) == [parameter]


@pytest.mark.parametrize(
    "more",
    [{"plain": 1}, {"plain": True, "clone": True}, {"token_header": "X Y"}, {"token_parameter": "a=b"},
     {"token_header": "a", "token_parameter": "b"}, {"token_header": 1}],
)  # fmt: skip
def test_where_a_token_goes_is_looked_at(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_peers(written(tmp_path, [{"name": "old", "url": "http://c", "token": "secret"} | more]))
    assert "secret" not in str(caught.value)


def test_a_peer_is_asked_again_as_soon_as_it_is_back(engine: Engine, peer: Origin, origin: Origin) -> None:
    for number in range(DEAD):
        engine.breaker.failed("peer:b", str(number))
    url, later = located(origin), located(origin, "/later")
    has(peer, url)

    async def work(remote: RemoteImages) -> tuple[How, How]:
        first = await remote.get(parse_url(url), ask_peers=True)
        await until_async(lambda: engine.breaker.standing("peer:b").closed == 0)
        has(peer, later)
        return first.how, (await remote.get(parse_url(later), ask_peers=True)).how

    peer.answers["/health"] = status(200)
    assert run(engine, work) == (How.MISS, How.PEER)
    assert not engine.breaker.standing("peer:b").has_failed


def test_a_peer_that_is_only_healthy_is_left_alone_for_longer_each_time(
    engine: Engine, peer: Origin, origin: Origin
) -> None:
    for number in range(DEAD):
        engine.breaker.failed("peer:b", str(number))
    peer.answers["/health"] = status(200)
    peer.default = status(500)

    async def work(remote: RemoteImages) -> None:
        await remote.get(parse_url(located(origin, "/1")), ask_peers=True)
        await until_async(lambda: engine.breaker.standing("peer:b").closed == 0)
        assert (await remote.get(parse_url(located(origin, "/2")), ask_peers=True)).how is How.MISS

    run(engine, work)
    assert engine.breaker.standing("peer:b").probes == 1
    with pytest.raises(OriginBusy):
        engine.breaker.check("peer:b")


def test_a_probe_that_fails_leaves_it_alone(engine: Engine, peer: Origin, origin: Origin) -> None:
    for number in range(DEAD):
        engine.breaker.failed("peer:b", str(number))
    peer.answers["/health"] = status(503)
    assert get(engine, located(origin), ask_peers=True).how is How.MISS
    with pytest.raises(OriginBusy):
        engine.breaker.check("peer:b")


@pytest.mark.parametrize("code", [401, 403])
def test_a_peer_that_may_not_be_told_to_delete_is_told_once(engine: Engine, peer: Origin, code: int) -> None:
    peer.default = status(code)
    with pytest.raises(PeerRefused):
        with_peer(engine, lambda client, one: client.delete(one, "http://a.test/x.jpg"))
