"""The one network client: hardened for addresses that strangers name.

Every hop is checked in full: scheme, port, host, and each address before it is connected to. No redirect is followed
unseen, nothing is sent but a GET, nothing is decompressed, and everything has its time. What went wrong is told in the
same words whatever lies behind it, so that nobody learns from it what is reachable from here; `reason` is for the
operator.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from mezzotint.errors import InvalidInput, OriginBusy, OriginFailed, OriginLacks, OriginTimedOut
from mezzotint.host.locks import HostLocks
from mezzotint.network.addresses import Policy
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.freshness import retry_after
from mezzotint.network.limits import DomainLimits
from mezzotint.network.resolver import Gate, Resolve, Resolver, system_resolve
from mezzotint.network.slots import Slots
from mezzotint.network.urls import Url

REDIRECTS = 5
_REDIRECTING = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_CONDITIONS = {"If-None-Match", "If-Modified-Since"}
_CONNECT, _GAP = 10.0, 20.0
PIECE = 1 << 16
_PAUSE = 30.0
"""seconds that an origin is left alone which wants that, and does not say for how long"""


@dataclass(frozen=True, slots=True)
class Times:
    """Limits in seconds. `patience`: for a turn at a domain that allows no more downloads now."""

    total: float
    patience: float
    connect: float = _CONNECT
    gap: float = _GAP


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect: where it leads to, and what was said with it."""

    target: Url
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """200 or 304, or the redirect that whoever asked wanted to know. Header names are in lower case."""

    status: int
    target: Url
    """where the redirects led"""
    headers: Mapping[str, str]
    length: int | None
    chunks: AsyncIterator[bytes]
    """raises OriginFailed, OriginTimedOut"""
    hops: tuple[Hop, ...] = ()


class Client:
    """Of one event loop. Close it at the end. `piece` is how many bytes are read at a time."""

    def __init__(
        self,
        policy: Policy,
        limits: DomainLimits,
        locks: HostLocks,
        breaker: CircuitBreaker,
        times: Times,
        agent: str,
        resolve: Resolve = system_resolve,
        piece: int = PIECE,
    ) -> None:
        self._piece = piece
        self._policy, self._breaker, self._times, self._agent = policy, breaker, times, agent
        self._slots = Slots(locks, limits, self._open_slot)
        self._names = Resolver(resolve)
        self._tls = ssl.create_default_context()

    async def close(self) -> None:
        await self._slots.close()
        self._names.close()

    @asynccontextmanager
    async def get(
        self, target: Url, headers: Mapping[str, str], enough: Callable[[Url], bool] = lambda place: False
    ) -> AsyncIterator[Response]:
        """One GET, redirects followed: 200 or 304. No retry.

        Where it is `enough` to know what place a redirect leads to, that is not asked, and the response is the
        redirect.

        Raises OriginLacks, OriginBusy, OriginFailed, OriginTimedOut; whatever is raised within is passed on.
        """
        deadline = _Deadline(self._times.total)
        hops: tuple[Hop, ...] = ()
        while True:
            async with self._hop(target, headers, deadline) as (response, location):
                if location is None:
                    yield replace(response, hops=hops)
                    return
            if len(hops) == REDIRECTS:
                raise OriginFailed(f"more than {REDIRECTS} redirects")
            try:
                target = target.moved(location)
                self._policy.check(target)
            except InvalidInput as error:
                raise OriginFailed(f"a redirect to where nothing is fetched: {error}") from None
            hops = (*hops, Hop(target, response.headers))
            if enough(target):
                yield replace(response, hops=hops)
                return

    @asynccontextmanager
    async def _hop(
        self, target: Url, headers: Mapping[str, str], deadline: _Deadline
    ) -> AsyncIterator[tuple[Response, str | None]]:
        """The response, and where it leads to, or None where the picture follows."""
        self._breaker.check(target.host)
        turn = self._slots.take(target.host, self._times.patience)
        async with turn as slot, deadline.kept(lambda: self._breaker.failed(target.host)):
            self._breaker.begin(target.host)  # much may have happened while a turn was waited for
            with told(lambda: self._breaker.failed(target.host)):
                await slot.go_to((target.scheme, target.host, target.port), self._open_slot)
                slot.gate.begin(self._allows, target.host if target.literal else None)
                answer = await slot.session.get(
                    URL(target.url, encoded=True),
                    headers={**headers, "Accept-Encoding": "identity"},
                    allow_redirects=False,
                )
            try:
                location = self._judged(target, answer, not _CONDITIONS.isdisjoint(headers))
                if location is not None and 0 < (answer.content_length or 0) <= PIECE:
                    async for _ in self._chunks(target, answer):
                        pass  # words that nobody reads, but the connection stays good for the next one
                said = {name.lower(): value for name, value in answer.headers.items()}
                response = Response(answer.status, target, said, answer.content_length, self._chunks(target, answer))
                yield response, location
            finally:
                answer.close()  # of a body that was read to its end nothing is left to close

    def _allows(self, host: str, address: str) -> bool:
        return self._policy.allows(host, ipaddress.ip_address(address.partition("%")[0]))

    def _judged(self, target: Url, answer: aiohttp.ClientResponse, conditional: bool) -> str | None:
        """Where it leads to. Raises what anything but a picture deserves."""
        status, host = answer.status, target.host
        pause = retry_after(answer.headers.get("Retry-After"), time.time())
        if status == 429 or (status == 503 and pause is not None):
            raise OriginBusy(host, self._breaker.asked_for_pause(host, _PAUSE if pause is None else pause))
        if status >= 500:
            self._breaker.failed(host)
            raise OriginFailed(f"the origin answered {status}", again=True)
        if status != 200:
            self._breaker.answered(host)  # otherwise when its body has come
        if status in _REDIRECTING and "Location" in answer.headers:
            return _location(answer.headers["Location"])
        if status in _GONE:
            raise OriginLacks(f"the origin answered {status}")
        if status not in {200, 304}:
            raise OriginFailed(f"the origin answered {status}")
        if status == 304 and not conditional:
            raise OriginFailed("the origin answered 304, and was not asked whether anything had changed")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise OriginFailed(f"the origin sends {answer.headers['Content-Encoding']}, which was not asked for")
        return None

    async def _chunks(self, target: Url, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with told(lambda: self._breaker.failed(target.host)):
            async for chunk in answer.content.iter_any():
                yield chunk
        self._breaker.answered(target.host)

    def _open_slot(self) -> tuple[Gate, aiohttp.ClientSession]:
        gate = Gate(self._names)
        connector = aiohttp.TCPConnector(
            limit=1,
            resolver=gate,
            use_dns_cache=False,
            ssl=self._tls,
            socket_factory=gate.open_socket,
            keepalive_timeout=30,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._agent, "Accept": "image/*, */*;q=0.5"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect, sock_read=self._times.gap),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=self._piece,
        )
        session._retry_connection = False  # a second request is for whoever counts them to make
        return gate, session


def _location(text: str) -> str:
    """Bytes that are no UTF-8 are escaped."""
    return re.sub(r"[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


class _Deadline:
    """Begins with the first turn that is had, not while one is waited for."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._at = seconds, 0.0

    @asynccontextmanager
    async def kept(self, missed: Callable[[], None]) -> AsyncIterator[None]:
        """Raises OriginTimedOut."""
        self._at = self._at or asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._at) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            missed()
            raise OriginTimedOut(f"took longer than {self._seconds:g} s") from None


@contextmanager
def told(failed: Callable[[], None]) -> Iterator[None]:
    """What the network does, as an error of ours. Raises OriginFailed, OriginTimedOut."""
    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        failed()
        raise OriginTimedOut(str(error)) from None
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
        failed()
        raise OriginFailed(str(error) or type(error).__name__, again=True) from None
    except (aiohttp.ClientError, ValueError) as error:
        failed()
        raise OriginFailed(str(error) or type(error).__name__) from None
