"""The one network client: hardened for addresses that strangers name.

Every hop is checked in full: scheme, port, host, and each address before it is connected to. No redirect is followed
unseen, nothing is sent but a GET, nothing is inflated without bounds, and everything has its time. What browsers take
is taken (`heads`, `codings`, `judging`): the bytes are looked at anyway. But for a status of 4xx, what went wrong is
told in the same words whatever lies behind it, so that nobody learns from it what is reachable from here; `reason` is
for the operator.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from mezzotint.errors import InvalidInput, OriginBusy, OriginFailed, OriginRefuses, OriginTimedOut
from mezzotint.host.locks import HostLocks
from mezzotint.network import loops
from mezzotint.network.addresses import Policy
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.codings import inflated, layers
from mezzotint.network.heads import MOST_FIELD, MOST_FIELDS, Tolerant
from mezzotint.network.judging import WHOLE, judge
from mezzotint.network.limits import DomainLimits
from mezzotint.network.resolver import Closed, Gate, Overburdened, Resolve, Resolver
from mezzotint.network.slots import Slots
from mezzotint.network.urls import Url

REDIRECTS = 10
_CONDITIONS = {"If-None-Match", "If-Modified-Since"}
_CONNECT, _GAP = 10.0, 20.0
PIECE = 1 << 16
_MOST_COOKIES = 8192
_DRAINING = 1.0
"""seconds that the words of a redirect may take"""
_STAND_IN = 1.0
"""seconds that one who is asked by this very server waits for a turn"""


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
        resolve: Resolve | None = None,
        piece: int = PIECE,
        secret: str = "",
    ) -> None:
        self._piece, self._secret = piece, secret
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
        loops.check(target)
        deadline, hops, chain = _Deadline(self._times.total), tuple[Hop, ...](), _Chain(target, self._secret)
        while True:
            try:
                async with self._hop(target, headers, deadline, chain) as (response, location):
                    if location is None:
                        yield replace(response, hops=hops)
                        return
            except OriginRefuses as error:
                error.redirects = len(hops)
                raise
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
        self, target: Url, headers: Mapping[str, str], deadline: _Deadline, chain: _Chain
    ) -> AsyncIterator[tuple[Response, str | None]]:
        """The response, and where it leads to, or None where the picture follows."""
        origin, patience = target.origin, self._times.patience if not loops.behind.get() else _STAND_IN
        self._breaker.check(origin)
        turn = self._slots.take(target.authority, patience, loops.level(target))
        async with turn as slot, deadline.kept(self._failed(target)):
            with self._breaker.trying(origin):  # much may have happened while a turn was waited for
                with told(self._failed(target)):
                    await slot.go_to((target.scheme, target.host, target.port), self._open_slot)
                    slot.gate.begin(self._allows, target.host if target.literal else None)
                    answer = await slot.session.get(
                        URL(target.url, encoded=True),
                        headers={**headers, **chain.headers(target), "Accept-Encoding": "identity"},
                        allow_redirects=False,
                    )
                try:
                    location = judge(self._breaker, target, answer, not _CONDITIONS.isdisjoint(headers))
                    if location is not None:
                        chain.remember(target, answer)
                        if 0 < (answer.content_length or 0) <= PIECE:
                            await _drained(answer)
                    said = {name.lower(): value for name, value in answer.headers.items()}
                    chunks, length = self._chunks(target, answer), answer.content_length
                    if (coding := said.get("content-encoding", "")) and layers(coding):
                        chunks, length = inflated(chunks, coding), None
                    status = 200 if answer.status in WHOLE else answer.status
                    yield Response(status, target, said, length, chunks), location
                finally:
                    answer.close()  # of a body that was read to its end nothing is left to close

    def _allows(self, host: str, address: str) -> bool:
        return self._policy.allows(host, ipaddress.ip_address(address.partition("%")[0]))

    def _failed(self, target: Url) -> Callable[[], None]:
        return lambda: self._breaker.failed(target.origin, target.url)

    async def _chunks(self, target: Url, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with told(self._failed(target)):
            async for chunk in answer.content.iter_any():
                yield chunk
        self._breaker.answered(target.origin)

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
        connector._factory = _factory(asyncio.get_running_loop())
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._agent, "Accept": "image/*, */*;q=0.5"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect, sock_read=self._times.gap),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=self._piece,
            max_line_size=MOST_FIELD,
            max_field_size=MOST_FIELD,
            max_headers=MOST_FIELDS,
        )
        session._retry_connection = False  # a second request is for whoever counts them to make
        return gate, session


async def _drained(answer: aiohttp.ClientResponse) -> None:
    """Words that nobody reads: where they come, the connection stays good for the next one."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(_DRAINING):
            async for _ in answer.content.iter_any():
                pass


def _factory(loop: asyncio.AbstractEventLoop) -> Any:
    return partial(Tolerant, loop=loop)


class _Chain:
    """What goes from one hop of a download to the next, and nowhere else: cookies, and whom it is for."""

    def __init__(self, first: Url, secret: str) -> None:
        self._first, self._secret = first, secret
        self._jars: dict[str, aiohttp.CookieJar] = {}

    def headers(self, target: Url) -> dict[str, str]:
        given = {loops.HEADER: loops.said(self._first, target, self._secret)}
        found = [
            f"{name}={one.coded_value}"
            for scheme, jar in self._jars.items()
            if scheme in {target.scheme, "http"}  # what was said over https is for nobody to read
            for name, one in jar.filter_cookies(URL(target.url, encoded=True)).items()
        ]
        if found and len(cookies := "; ".join(found)) <= _MOST_COOKIES:
            given["Cookie"] = cookies
        return given

    def remember(self, target: Url, answer: aiohttp.ClientResponse) -> None:
        """For the very host that has set them: which names belong to one site is not known here."""
        for cookie in answer.cookies.values():
            cookie["domain"] = ""
        if answer.cookies:
            jar = self._jars.setdefault(target.scheme, aiohttp.CookieJar(unsafe=True))
            jar.update_cookies(answer.cookies, URL(target.url, encoded=True))


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
        if isinstance(ours := getattr(error, "os_error", error), Overburdened):
            raise OriginBusy("this name", 5) from None
        if not isinstance(ours, Closed):
            failed()
        raise OriginFailed(str(error) or type(error).__name__, again=True) from None
    except (aiohttp.ClientError, ValueError) as error:
        failed()
        raise OriginFailed(str(error) or type(error).__name__) from None
