"""How often one client may have something done."""

from __future__ import annotations

import os
import time
from itertools import count

import pytest

from mezzotint.errors import InvalidInput, TooMuchForOne
from mezzotint.front.heads import client_of
from mezzotint.front.limits import Limits
from mezzotint.host.rates import Meter, Rate, client_network
from mezzotint.settings import Settings

_clients = count(1)


def meter(rate: Rate | None, monkeypatch: pytest.MonkeyPatch) -> tuple[Meter, list[float]]:
    """One, and its clock, in seconds."""
    now = [1000.0 * next(_clients)]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return Meter("renders", rate, "MEZZOTINT_RENDER_RATE", lambda client: client == "proxy"), now


def client() -> str:
    return f"client {next(_clients)}"


def taken(one: Meter, who: str, most: int = 100) -> int:
    for number in range(most):
        try:
            one.take(who)
        except TooMuchForOne:
            return number
    return most


def test_so_many_at_once_and_as_many_again_as_time_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    one, now = meter(Rate(10, 60), monkeypatch)
    who = client()
    assert taken(one, who) == 10
    with pytest.raises(TooMuchForOne) as refused:
        one.take(who)
    assert refused.value.retry_after == 6
    assert "MEZZOTINT_RENDER_RATE" in str(refused.value)
    now[0] += 6
    assert taken(one, who) == 1
    now[0] += 30
    assert taken(one, who) == 5
    now[0] += 100_000
    assert taken(one, who) == 10


def test_one_clients_share_is_not_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = meter(Rate(3, 60), monkeypatch)
    first, second = client(), client()
    assert (taken(one, first), taken(one, second), taken(one, first)) == (3, 3, 0)


def test_a_network_of_ipv6_is_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = meter(Rate(3, 60), monkeypatch)
    assert taken(one, "2001:db8:1:2::1") == 3
    assert taken(one, "2001:db8:1:2:ffff::9") == 0
    assert taken(one, "2001:db8:1:3::1") == 3
    assert taken(one, "192.0.2.1") == 3
    assert taken(one, "192.0.2.2") == 3


def test_who_is_exempt_and_what_has_no_rate_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = meter(Rate(3, 60), monkeypatch)
    assert taken(one, "proxy") == 100
    assert taken(meter(None, monkeypatch)[0], client()) == 100


def test_all_processes_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = meter(Rate(10, 60), monkeypatch)
    who = client()
    child = os.fork()
    if not child:
        os._exit(taken(one, who, 7))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert taken(one, who) == 3


def test_a_client_is_told_by_its_address_however_a_proxy_writes_it() -> None:
    limits = Limits(proxies=Settings.read({}).trusted_proxies)
    written = {
        "::ffff:192.0.2.1": "192.0.2.1",
        "192.0.2.1:1234": "192.0.2.1",
        "192.0.2.1": "192.0.2.1",
        "[2001:db8::1]:80": "2001:db8::1",
        "2001:db8::1": "2001:db8::1",
        "192.0.2.7, 192.0.2.1:9, 127.0.0.1:5": "192.0.2.1",
    }
    for text, address in written.items():
        assert client_of(("127.0.0.1", 1), [(b"x-forwarded-for", text.encode())], limits)[0] == address
    assert client_network("2001:db8:1:2:3::1") == client_network("2001:db8:1:2::2") == "2001:db8:1:2::"


def test_rates_are_read() -> None:
    assert Settings.read({"MEZZOTINT_RENDER_RATE": "5/s"}).render_rate == Rate(5, 1)
    assert Settings.read({"MEZZOTINT_LOGIN_RATE": "NONE"}).login_rate is None
    for wrong in ("0/m", "5", "5/d", "-1/s", "1.5/s", "5/m extra", "٣/s"):
        with pytest.raises(InvalidInput, match="MEZZOTINT_FETCH_RATE"):
            Settings.read({"MEZZOTINT_FETCH_RATE": wrong})
