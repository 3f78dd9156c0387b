"""Asking a peer for a picture, giving it one, having it delete one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
from yarl import URL

from mezzotint import tracing
from mezzotint.errors import OriginBusy, OriginFailed, OriginLacks
from mezzotint.names import Ident
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.client import told
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.urls import Url
from mezzotint.sources.peers import SENDING, Peer
from mezzotint.sources.records import RemoteRecord

RECORD_HEADER = "X-Remote-Record"
IDENT_HEADER = "X-Image-Ident"
_CONNECT, _GAP = 3.0, 15.0
_PROBE, _PROBE_AGAIN = 3.0, 2.0
_MOST_AGE = 30 * 86_400.0
_REFUSALS = {400, 413, 415, 422}


class PeerRefused(OriginFailed):
    """It answered, and does not want what it is sent; asking again brings nothing else."""


class PeerClient:
    """Of one event loop. Close it at the end. The operator named the peers, so their addresses are as they are."""

    def __init__(self, breaker: CircuitBreaker, agent: str) -> None:
        self._breaker, self._agent = breaker, agent
        self._session: aiohttp.ClientSession | None = None
        self._probes: dict[str, tuple[float, asyncio.Task[str]]] = {}

    async def close(self) -> None:
        for _, task in self._probes.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._probes.values()), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(
        self, peer: Peer, target: Url, *, known: bool = True
    ) -> AsyncIterator[tuple[RemoteRecord, AsyncIterator[bytes]]]:
        """What it has itself, and its bytes; it asks nobody else. For who is not `known` here it is asked without our
        token: what it shows to everybody. Raises OriginError, and so do the bytes."""
        peer = peer if known else replace(peer, token="")
        params = {"url": target.url, "only_send_if_local": "true"}
        async with self._send("GET", peer, "/get_image", params) as answer:
            if answer.status in {404, 204}:
                raise OriginLacks
            if peer.plain and answer.status == 200:
                yield self._plain(target, answer), self._chunks(peer, target.url, answer)
                return
            record = RemoteRecord.from_json(answer.headers.get(RECORD_HEADER, ""))
            if answer.status != 200 or record is None or answer.headers.get(IDENT_HEADER) != record.ident:
                raise OriginFailed(f"{peer.name} answered {answer.status}")
            yield record, self._chunks(peer, target.url, answer)

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
            if answer.status in {*_REFUSALS, 401, 403}:
                raise PeerRefused(f"{peer.name} answered {answer.status}: {(await answer.text())[:200]}")
            if answer.status not in {200, 404}:
                raise OriginFailed(f"{peer.name} answered {answer.status}: {(await answer.text())[:200]}")

    async def probe(self, peer: Peer) -> str:
        """Nothing where it answers, and then it may be asked again; otherwise why not."""
        try:
            where = f"{peer.url}/" if peer.plain else f"{peer.url}/health"
            async with asyncio.timeout(_PROBE), self._opened().get(where, allow_redirects=False) as answer:
                if answer.status != 200 and not (peer.plain and answer.status < 500):
                    return f"answered {answer.status}"
                self._breaker.half_open(peer.origin)
                return ""
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
        address, given = params["url"], peer.headers
        if asked := tracing.request_id.get():
            given["X-Request-Id"] = asked
        with ExitStack() as stack:
            try:
                stack.enter_context(self._breaker.trying(peer.origin))
            except OriginBusy:
                self._look_soon(peer)
                raise
            with told(lambda: self._breaker.failed(peer.origin, address)):
                answer = await self._opened().request(
                    method,
                    URL(peer.url + path).with_query({**params, **peer.parameters}),
                    headers={**given, **(headers or {}), "Accept-Encoding": "identity"},
                    data=body,
                    allow_redirects=False,
                )
            stack.callback(answer.close)
            if answer.status >= 500 and answer.status != 507:
                self._breaker.failed(peer.origin, address, broken=True)
                raise OriginBusy(peer.name, 5) if answer.status == 503 else OriginFailed(f"answered {answer.status}")
            self._breaker.answered(peer.origin)
            yield answer

    def _look_soon(self, peer: Peer) -> None:
        """Whether one that is left alone is back: nobody waits for it."""
        now, last = time.monotonic(), self._probes.get(peer.name)
        if last is None or (last[1].done() and now - last[0] > _PROBE_AGAIN):
            self._probes[peer.name] = now, asyncio.get_running_loop().create_task(self.probe(peer))

    def _plain(self, target: Url, answer: aiohttp.ClientResponse) -> RemoteRecord:
        """What it says of a picture: no more than how long it is good for."""
        now = time.time()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        expires = now + Lifetimes(0, _MOST_AGE).of(headers, now)
        return RemoteRecord(target.url, Ident(""), now, now, expires)

    async def _chunks(self, peer: Peer, address: str, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with told(lambda: self._breaker.failed(peer.origin, address)):
            async for chunk in answer.content.iter_any():
                yield chunk

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": self._agent},
                timeout=aiohttp.ClientTimeout(total=SENDING, sock_connect=_CONNECT, sock_read=_GAP),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
