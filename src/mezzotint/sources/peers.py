"""Other nodes that may have a picture already, or are to have what is new here: the alternative clouds."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from mezzotint.errors import InvalidInput, OriginBusy, OriginFailed, OriginLacks
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.client import told
from mezzotint.network.urls import Url
from mezzotint.settings.parsing import parse_http_url
from mezzotint.sources.records import RemoteRecord

log = logging.getLogger(__name__)
RECORD_HEADER = "X-Remote-Record"
IDENT_HEADER = "X-Image-Ident"
SENDING = 300.0
"""seconds that a picture may be on its way, from a peer or to it"""
_CONNECT, _GAP = 3.0, 15.0
_PROBE = 3.0
_LONGEST_NAME = 80
_REFUSALS = {400, 413, 415, 422}
_KNOWN = {"name", "url", "token", "clone"}


@dataclass(frozen=True, slots=True)
class Peer:
    """`clone`: it is sent every picture that is new here."""

    name: str
    url: str
    token: str = field(default="", repr=False)
    clone: bool = False

    @property
    def origin(self) -> str:
        return f"peer:{self.name}"


def read_peers(path: Path) -> tuple[Peer, ...]:
    """`[{"name": "b", "url": "https://b.example", "token": "...", "clone": true}]`. Raises InvalidInput."""
    try:
        members = json.loads(path.read_text())
    except FileNotFoundError:
        return ()
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidInput(path.name, f"cannot be read: {error}", "a list of peers as JSON") from None
    if not isinstance(members, list):
        raise InvalidInput(path.name, "is no list", '[{"name": ..., "url": ..., "token": ..., "clone": true}]')
    peers = tuple(_peer(path.name, number, member) for number, member in enumerate(members, start=1))
    if len({peer.name for peer in peers}) < len(peers):
        raise InvalidInput(path.name, "has two peers of one name", "a name each")
    return peers


def _peer(file: str, number: int, member: Any) -> Peer:
    """Its token is in no message."""
    which = f"has a peer, number {number},"
    if not isinstance(member, dict) or not {"name", "url"} <= member.keys() <= _KNOWN:
        raise InvalidInput(file, f"{which} of other members", f"an object of {' '.join(sorted(_KNOWN))}")
    name, url, token, clone = member["name"], member["url"], member.get("token", ""), member.get("clone", False)
    if not all(isinstance(text, str) for text in (name, url, token)) or not isinstance(clone, bool):
        raise InvalidInput(file, f"{which} whose members are of other kinds", "texts; clone is true or false")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InvalidInput(file, f"{which} without a proper name", f"1 to {_LONGEST_NAME} characters")
    if not re.fullmatch(r"[!-~]*", token):
        raise InvalidInput(file, f"{which} whose token is none", "as `mezzotint token issue` prints it")
    try:
        if "@" in url:
            raise ValueError("an address without a name or a password in it")
        return Peer(name, parse_http_url(url), token, clone)
    except ValueError as error:
        raise InvalidInput(file, f"{which} whose url cannot be one", str(error)) from None


class PeerList:
    """The peers of a file, re-read when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int] | None = None
        self._peers: tuple[Peer, ...] = ()

    def all(self) -> tuple[Peer, ...]:
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_ino)
        except OSError:
            version = None
        if version != self._version:
            self._version = version
            try:
                self._peers = read_peers(self._path)
            except InvalidInput as error:
                log.warning("the peers stay as they were: %s", error)
        return self._peers

    def named(self, name: str) -> Peer | None:
        return next((peer for peer in self.all() if peer.name == name), None)


class PeerRefused(OriginFailed):
    """It answered, and does not want what it is sent; asking again brings nothing else."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A picture that a peer has. `chunks` raise OriginFailed, OriginTimedOut."""

    record: RemoteRecord
    chunks: AsyncIterator[bytes]


class PeerClient:
    """Of one event loop. Close it at the end. The operator named the peers, so their addresses are as they are."""

    def __init__(self, breaker: CircuitBreaker, agent: str) -> None:
        self._breaker, self._agent = breaker, agent
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(self, peer: Peer, target: Url) -> AsyncIterator[Offer]:
        """What it has itself; it asks nobody else. Raises OriginError."""
        params = {"url": target.url, "only_send_if_local": "true"}
        async with self._send("GET", peer, "/get_image", params) as answer:
            if answer.status == 404:
                raise OriginLacks(f"{peer.name} has no such picture")
            record = RemoteRecord.from_json(answer.headers.get(RECORD_HEADER, ""))
            if answer.status != 200 or record is None or answer.headers.get(IDENT_HEADER) != record.ident:
                raise OriginFailed(f"{peer.name} answered {answer.status}")
            yield Offer(record, self._chunks(peer, answer))

    async def push(self, peer: Peer, record: RemoteRecord, chunks: AsyncIterator[bytes], size: int) -> None:
        """Give it a picture; it looks at the bytes before it says yes. Raises OriginError."""
        headers = {
            RECORD_HEADER: record.to_json().decode(),
            IDENT_HEADER: record.ident,
            "Content-Length": str(size),
            "Content-Type": "application/octet-stream",
        }
        async with self._send("POST", peer, "/clone_image", {"url": record.url}, headers, chunks) as answer:
            if answer.status in _REFUSALS:
                raise PeerRefused(f"{peer.name} answered {answer.status}: {(await answer.text())[:200]}")
            if answer.status not in {200, 201} or answer.headers.get(IDENT_HEADER) != record.ident:
                raise OriginFailed(f"{peer.name} answered {answer.status}: {(await answer.text())[:200]}")

    async def delete(self, peer: Peer, url: str) -> None:
        """There and nowhere else. Raises OriginError."""
        async with self._send("DELETE", peer, "/delete_image", {"url": url, "only_here": "true"}) as answer:
            if answer.status not in {200, 404}:
                raise OriginFailed(f"{peer.name} answered {answer.status}: {(await answer.text())[:200]}")

    async def probe(self, peer: Peer) -> str:
        """Nothing where it answers, otherwise why not."""
        try:
            async with asyncio.timeout(_PROBE), self._opened().get(f"{peer.url}/health") as answer:
                return "" if answer.status == 200 else f"answered {answer.status}"
        except TimeoutError:
            return f"no answer within {_PROBE:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return str(error) or type(error).__name__

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        peer: Peer,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        self._breaker.check(peer.origin)
        given = {"Authorization": f"Bearer {peer.token}"} if peer.token else {}
        with told(self._failed(peer)):
            answer = await self._opened().request(
                method,
                URL(peer.url + path).with_query(params),
                headers={**given, **(headers or {}), "Accept-Encoding": "identity"},
                data=body,
                allow_redirects=False,
            )
        try:
            if answer.status >= 500 and answer.status != 507:
                self._breaker.failed(peer.origin)
                raise OriginBusy(peer.name, 5) if answer.status == 503 else OriginFailed(f"answered {answer.status}")
            self._breaker.answered(peer.origin)
            yield answer
        finally:
            answer.close()

    async def _chunks(self, peer: Peer, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with told(self._failed(peer)):
            async for chunk in answer.content.iter_any():
                yield chunk

    def _failed(self, peer: Peer) -> Callable[[], None]:
        return lambda: self._breaker.failed(peer.origin)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": self._agent},
                timeout=aiohttp.ClientTimeout(total=SENDING, sock_connect=_CONNECT, sock_read=_GAP),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
