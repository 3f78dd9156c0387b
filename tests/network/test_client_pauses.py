"""Origins that want to be left alone, or fail too often: nothing reaches them until it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from mezzotint.errors import OriginBusy, OriginFailed, OriginLacks, OriginTimedOut
from mezzotint.network import resolver
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.client import Client
from tests.network.host import Host, in_turn, leading, load, outcome, resolving, saying, status
from tests.origin import Answer, Asked, Origin
from tests.waiting import PATIENCE
from tests.waiting import until_async as until

BODY = b"\x89PNG and so on"
FAILURES = 5
"""addresses in a row where nobody answers, after which an origin is left alone"""
BROKEN = 20
"""those that it answers with 5xx"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1")) as started:
        started.picture("/a", BODY)
        yield started


def left_alone(host: Host, origin: Origin, url: str | None = None) -> int:
    """Whoever asks now is told to wait, without a connection to the origin; for how many seconds."""
    before, connections = origin.asked.total(), origin.most_connections.copy()
    origin.most_connections.clear()
    with pytest.raises(OriginBusy) as caught:
        host.load(url or origin.url("/a"))
    assert (origin.asked.total(), origin.most_connections["127.0.0.1"]) == (before, 0)
    origin.most_connections.update(connections)
    return caught.value.retry_after


def asks(host: Host, origin: Origin) -> bool:
    """Whether a download reaches the origin, which succeeds."""
    try:
        return host.load(origin.url("/a"))[1] == BODY
    except OriginBusy:
        return False


async def refuse(asked: Asked) -> None:
    asked.reset()


def fail(host: Host, origin: Origin, times: int = FAILURES) -> None:
    """At as many addresses."""
    for n in range(times):
        origin.answers[f"/fails{n}"] = refuse
        with pytest.raises(OriginFailed):
            host.load(origin.url(f"/fails{n}"))


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("dated", [False, True])
def test_retry_after_is_waited_for_by_all(host: Host, origin: Origin, code: int, dated: bool) -> None:
    origin.answers["/busy"] = status(code, retry_after=formatdate(time.time() + 100, usegmt=True) if dated else "100")
    with pytest.raises(OriginBusy) as caught:
        host.load(origin.url("/busy"))
    assert 97 <= caught.value.retry_after <= 100
    assert 95 <= left_alone(host, origin) <= 100
    host.ahead = 95
    left_alone(host, origin)
    host.ahead = 102
    assert asks(host, origin)


def test_another_host_is_none_of_its_business(host: Host, origin: Origin) -> None:
    origin.answers["/busy"] = status(429, retry_after="100")
    with pytest.raises(OriginBusy):
        host.load(origin.url("/busy"))
    assert host.load(origin.url("/a", "127.0.1.1"))[1] == BODY


def test_no_redirect_leads_there_meanwhile(host: Host, origin: Origin) -> None:
    origin.answers |= {"/busy": status(429, retry_after="100"), "/redirect": leading(origin.url("/a"))}
    with pytest.raises(OriginBusy):
        host.load(origin.url("/busy"))
    with pytest.raises(OriginBusy):
        host.load(origin.url("/redirect", "127.0.1.1"))
    assert "/a" not in origin.asked


@pytest.mark.parametrize(
    ("said", "most"), [({}, 120), ({"retry_after": "soon"}, 120), ({"retry_after": "-5"}, 120),
                       ({"retry_after": "1e9"}, 120), ({"retry_after": "99999999"}, 3600),
                       ({"retry_after": "9" * 400}, 3600), ({"retry_after": "9" * 5000}, 3600),
                       ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600)],
)  # fmt: skip
def test_whatever_429_says_the_pause_is_no_longer_than_an_hour(
    host: Host, origin: Origin, said: dict[str, str], most: int
) -> None:
    origin.answers["/busy"] = status(429, 0.0, **said)
    with pytest.raises(OriginBusy):
        host.load(origin.url("/busy"))
    assert 1 <= left_alone(host, origin) <= most
    host.ahead = most + 1
    assert asks(host, origin)


def test_downloads_that_wait_for_a_turn_when_it_asks_for_a_pause_are_not_sent(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.answers["/busy"] = status(429, 0.1, retry_after="100")

    async def work(client: Client) -> list[bytes | Exception]:
        first = asyncio.ensure_future(outcome(client, origin.url("/busy")))
        await until(lambda: origin.asked["/busy"] == 1)
        return await asyncio.gather(first, *(outcome(client, origin.url("/a")) for _ in range(5)))

    told = host.run(work)
    assert origin.asked == {"/busy": 1}
    assert all(isinstance(one, OriginBusy) for one in told)


@pytest.mark.parametrize("other", [status(200, 0.2), status(500, 0.2), status(404, 0.2)], ids=["200", "500", "404"])
def test_what_was_under_way_when_it_asked_for_a_pause_does_not_end_it(
    host: Host, origin: Origin, other: Answer
) -> None:
    origin.answers |= {"/busy": status(429, retry_after="100"), "/other": other}

    async def work(client: Client) -> None:
        under_way = asyncio.ensure_future(outcome(client, origin.url("/other")))
        await until(lambda: origin.asked["/other"] == 1)
        assert isinstance(await outcome(client, origin.url("/busy")), OriginBusy)
        await under_way

    host.run(work)
    assert left_alone(host, origin) > 90


ANSWERING = [status(500), status(503)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [*((answer, OriginFailed) for answer in ANSWERING), (refuse, OriginFailed), (saying(b"?"), OriginFailed),
     (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), OriginFailed),
     (saying(b"", end=False), OriginTimedOut),
     (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", end=False), OriginTimedOut)],
    ids=["500", "503", "reset", "no HTTP", "breaks off", "silence", "silence in the body"],
)  # fmt: skip
def test_an_origin_that_fails_again_and_again_is_left_alone(
    host: Host, origin: Origin, answer: Answer, error: type[Exception]
) -> None:
    gap = 0.1 if error is OriginTimedOut else PATIENCE  # nobody but who hangs is to be too slow
    for n in range(BROKEN if answer in ANSWERING else FAILURES):
        origin.answers[f"/fails{n}"] = answer
        assert asks(host, origin) if n == 0 else True
        with pytest.raises(error):
            host.load(origin.url(f"/fails{n}"), gap=gap)
    assert 5 <= left_alone(host, origin) <= 15


def test_an_origin_that_is_down_is_left_alone_too(host: Host) -> None:
    with Origin() as gone:
        url = gone.url("/a")
    for n in range(FAILURES):
        with pytest.raises(OriginFailed):
            host.load(f"{url}{n}")
    with pytest.raises(OriginBusy):
        host.load(url)


def test_one_that_is_too_slow_as_a_whole_is_left_alone_too(host: Host, origin: Origin) -> None:
    for n in range(FAILURES):
        origin.answers[f"/slow{n}"] = status(200, 60)
        with pytest.raises(OriginTimedOut):
            host.load(origin.url(f"/slow{n}"), total=0.1)
    left_alone(host, origin)


def test_one_success_in_between_is_a_new_beginning(host: Host, origin: Origin) -> None:
    for _ in range(2):
        fail(host, origin, FAILURES - 1)
        assert asks(host, origin)


def test_that_there_is_no_such_picture_is_no_failure(host: Host, origin: Origin) -> None:
    for _ in range(FAILURES * 2):
        with pytest.raises(OriginLacks):
            host.load(origin.url("/nothing"))
    assert asks(host, origin)


def test_downloads_that_wait_for_a_turn_when_it_has_failed_too_often_are_not_sent(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.answers |= {f"/fails{n}": refuse for n in range(30)}

    async def work(client: Client) -> None:
        await asyncio.gather(*(outcome(client, origin.url(f"/fails{n}")) for n in range(30)))

    host.run(work)
    assert origin.asked.total() == FAILURES


def test_after_the_pause_one_may_try_and_its_success_lets_all_in(host: Host, origin: Origin) -> None:
    fail(host, origin)
    host.ahead = 15
    origin.picture("/a", BODY, delay=0.2)

    async def work(client: Client) -> list[bytes | Exception]:
        return await asyncio.gather(*(outcome(client, origin.url("/a")) for _ in range(5)))

    told = host.run(work)
    assert origin.asked["/a"] == 1
    assert sum(isinstance(one, OriginBusy) for one in told) == 4
    assert host.run(work) == [BODY] * 5


def test_each_failed_trial_makes_the_pause_longer_up_to_ten_minutes(host: Host, origin: Origin) -> None:
    fail(host, origin)
    pauses = [left_alone(host, origin)]
    for _ in range(12):
        host.ahead += pauses[-1] + 1
        fail(host, origin, 1)
        pauses.append(left_alone(host, origin))
    assert pauses[0] < pauses[2] < pauses[4]
    assert 400 <= pauses[-1] <= 800
    host.ahead += 800
    assert asks(host, origin)
    fail(host, origin, FAILURES - 1)
    assert asks(host, origin)


def test_a_client_that_dies_as_it_tries_again_stops_the_others_only_for_a_while(host: Host, origin: Origin) -> None:
    fail(host, origin)
    host.ahead = 15
    origin.answers["/hangs"] = status(200, 60)

    async def work(client: Client) -> None:
        trial = asyncio.ensure_future(load(client, origin.url("/hangs")))
        await until(lambda: origin.asked["/hangs"] == 1)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)

    host.run(work)
    host.ahead += 120
    assert asks(host, origin)


def test_500_and_then_200_is_well_again(host: Host, origin: Origin) -> None:
    origin.answers["/flaky"] = in_turn(status(500), origin.answers["/a"])
    with pytest.raises(OriginFailed) as caught:
        host.load(origin.url("/flaky"))
    assert caught.value.again
    assert host.load(origin.url("/flaky"))[1] == BODY


@pytest.mark.parametrize("answer", [status(500), refuse], ids=["500", "reset"])
def test_a_picture_that_is_broken_does_not_close_its_neighbours(host: Host, origin: Origin, answer: Answer) -> None:
    """However often it is asked for, and however many there are of them while the others are well."""
    for n in range(BROKEN * 2):
        origin.answers[f"/bad{n % 4}"] = answer
        with pytest.raises(OriginFailed):
            host.load(origin.url(f"/bad{n % 4}"))
    assert asks(host, origin)


def test_another_port_of_the_host_is_another_origin(host: Host, origin: Origin) -> None:
    fail(host, origin)
    with Origin() as other:
        assert host.load(other.picture("/a", BODY))[1] == BODY


def test_a_probe_that_is_asked_to_wait_a_second_waits_no_longer(host: Host, origin: Origin) -> None:
    fail(host, origin)
    host.ahead = 15
    origin.answers["/busy"] = status(503, retry_after="1")
    with pytest.raises(OriginBusy):
        host.load(origin.url("/busy"))
    assert left_alone(host, origin) <= 1
    host.ahead = 17
    assert asks(host, origin)


def test_what_was_under_way_when_the_circuit_opened_makes_the_pause_no_longer(host: Host, origin: Origin) -> None:
    origin.answers |= {f"/late{n}": status(500, 0.3) for n in range(6)}

    async def work(client: Client) -> None:
        late = [asyncio.ensure_future(outcome(client, origin.url(f"/late{n}"))) for n in range(6)]
        await until(lambda: origin.asked.total() == 6)
        for n in range(FAILURES):
            origin.answers[f"/now{n}"] = refuse
            await outcome(client, origin.url(f"/now{n}"))
        await asyncio.gather(*late)

    host.limit(all=20)
    host.run(work)
    assert left_alone(host, origin) <= 13


def test_trouble_of_this_servers_own_is_not_the_origins(
    host: Host, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MOST_AT_ONCE", 0)
    for n in range(FAILURES + 1):
        with pytest.raises(OriginBusy, match="just now"):
            host.load(f"http://a.test:{origin.port}/{n}")
    monkeypatch.undo()
    closed = resolving(closed_test="127.0.0.2")
    for n in range(FAILURES + 1):
        with pytest.raises(OriginFailed):
            host.load(f"http://closed.test:{origin.port}/{n}", resolve=closed)


def test_two_processes_that_count_come_to_one_number(host: Host, origin: Origin) -> None:
    facts = host.cache.host.facts
    one, other = CircuitBreaker(facts), CircuitBreaker(facts)
    one.standing("a.test:80"), other.standing("a.test:80")
    for n in range(3):
        one.failed("a.test:80", f"/one{n}")
    one.close()
    for n in range(2):
        other.failed("a.test:80", f"/other{n}")
    other.close()
    assert CircuitBreaker(facts).standing("a.test:80").has_failed


def test_a_pause_that_another_process_was_asked_for_is_not_forgotten(host: Host) -> None:
    facts = host.cache.host.facts
    one, other = CircuitBreaker(facts), CircuitBreaker(facts)
    one.standing("a.test:80")
    other.asked_for_pause("a.test:80", 600)
    other.close()
    one.failed("a.test:80", "/x")
    one.close()
    assert CircuitBreaker(facts).standing("a.test:80").pause > time.time() + 500


def test_a_probe_that_learns_nothing_leaves_it_to_the_next(host: Host, origin: Origin) -> None:
    fail(host, origin)
    host.ahead = 15

    async def work(client: Client) -> bytes | Exception:
        origin.answers["/hangs"] = status(200, 60)
        trial = asyncio.ensure_future(load(client, origin.url("/hangs")))
        await until(lambda: origin.asked["/hangs"] == 1)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        return await outcome(client, origin.url("/a"))

    assert host.run(work) == BODY
