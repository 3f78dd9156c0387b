"""Which addresses a picture may be fetched from, and what an operator may open and close."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.network.addresses import Patterns, Policy, is_public
from mezzotint.network.urls import parse_url

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "9.9.9.9", "93.184.215.14", "151.101.1.140", "185.15.59.224", "130.92.9.55", "11.0.0.1",
    "9.255.255.255", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "1.0.0.0",
    "223.255.255.255", "168.63.129.15", "168.63.129.17",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2620:fe::fe", "2a00:1450:4001::1", "2a04:4e42::81", "2400:cb00::1",
    "2001:620::1", "2001:200::1", "2001:db7:ffff::1", "2001:db9::", "2003::1", "2c0f:fb50::1", "2800:3f0::1",
]  # fmt: skip

DANGEROUS = [
    "64:ff9b::a9fe:a9fe", "fec0::1", "::127.0.0.1", "224.0.0.1", "ff02::1", "168.63.129.16", "5f00::1",
    "2002:a9fe:a9fe::", "64:ff9b:1::1", "192.0.0.8",
]  # fmt: skip

# Metadata services: AWS, GCP, Azure and others; ECS; Alibaba; Oracle; AWS and GCP over IPv6.
CLOUDS = [
    "169.254.169.254", "169.254.170.2", "169.254.169.253", "169.254.169.123", "100.100.100.200", "192.0.0.192",
    "fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe", "::ffff:169.254.169.254",
]  # fmt: skip

# IANA's special-purpose registries, and multicast (RFC 5771, RFC 4291); those that are of global reach are left out.
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29",
    "192.0.0.8/32", "192.0.0.170/31", "192.0.2.0/24", "192.88.99.2/32", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
    "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
    "fec0::/10", "ff00::/8", "4000::/3", "8000::/1", "200::/7",
]  # fmt: skip

CARRIERS = {
    "mapped": lambda inner: 0xFFFF << 32 | inner,
    "compatible": lambda inner: inner,
    "translated": lambda inner: 0xFFFF << 48 | inner,
    "6to4": lambda inner: 0x2002 << 112 | inner << 80 | 1,
    "6to4 without a host": lambda inner: 0x2002 << 112 | inner << 80,
    "NAT64": lambda inner: 0x0064FF9B << 96 | inner,
    "local NAT64": lambda inner: 0x0064FF9B0001 << 80 | inner,
    "Teredo's client": lambda inner: 0x20010000 << 96 | 0x08080808 << 64 | inner ^ 0xFFFFFFFF,
    "Teredo's server": lambda inner: 0x20010000 << 96 | inner << 64 | 0x08080808 ^ 0xFFFFFFFF,
    "ISATAP": lambda inner: 0x2A000001 << 96 | 0x00005EFE << 32 | inner,
    "ISATAP of a universal address": lambda inner: 0x2A000001 << 96 | 0x02005EFE << 32 | inner,
    "link-local ISATAP": lambda inner: 0xFE80 << 112 | 0x00005EFE << 32 | inner,
}  # fmt: skip
INNER = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0",
         "168.63.129.16", "224.0.0.1", "255.255.255.255"]  # fmt: skip

specials = st.sampled_from([ip_network(text) for text in SPECIAL])
inside = specials.flatmap(lambda network: st.ip_addresses(network=network))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_public_internet_are_open(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", [*DANGEROUS, *CLOUDS])
def test_addresses_that_lead_inside_are_closed(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", SPECIAL)
def test_a_special_range_is_closed_from_end_to_end(text: str) -> None:
    network = ip_network(text)
    assert (
        not is_public(network[0]) and not is_public(network[-1]) and not is_public(network[network.num_addresses // 2])
    )


@given(inside)
def test_no_address_of_a_special_range_is_public(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address)


@given(st.ip_addresses())
def test_what_python_takes_for_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    assert not (is_public(address) and (address.is_private or address.is_multicast or address.is_reserved))


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_address_that_carries_a_closed_one_is_closed(carrier: str, inner: str) -> None:
    assert not is_public(IPv6Address(CARRIERS[carrier](int(IPv4Address(inner)))))


@given(st.sampled_from(sorted(CARRIERS)), st.ip_addresses(v=4))
def test_no_address_is_more_public_than_the_one_it_carries(carrier: str, inner: IPv4Address) -> None:
    assert is_public(inner) or not is_public(IPv6Address(CARRIERS[carrier](int(inner))))


def test_an_isatap_address_below_6to4_is_closed_by_either() -> None:
    public, closed = 0x08080808, 0x0A000001
    for outer, inner in [(public, closed), (closed, public), (closed, closed)]:
        assert not is_public(IPv6Address(0x2002 << 112 | outer << 80 | 0x5EFE << 32 | inner))


@pytest.mark.parametrize("text", ["2606:4700:4700::1111%eth0", "fe80::1%eth0", "2001:4860:4860::8888%1"])
def test_an_address_with_a_zone_is_closed(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", [*PUBLIC[:6], *PUBLIC[-6:]])
def test_a_policy_that_says_nothing_lets_public_addresses_through(text: str) -> None:
    assert Policy().allows("example.com", ip_address(text))


@pytest.mark.parametrize("text", [*DANGEROUS, *CLOUDS, *INNER])
def test_a_policy_that_says_nothing_lets_no_others_through(text: str) -> None:
    assert not Policy().allows("example.com", ip_address(text))


@pytest.mark.parametrize(
    ("pattern", "open_", "closed"),
    [
        ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
        ("10.1.2.3/16", "10.1.0.0", "10.0.255.255"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("fd00:1::/32", "fd00:1:ffff::1", "fd00:2::1"),
        ("fd00::1", "fd00::1", "fd00::2"),
        ("0.0.0.0/0", "127.0.0.1", "::1"),
        ("::/0", "::1", "127.0.0.1"),
    ],
)
def test_a_network_that_is_allowed_is_open_and_no_other(pattern: str, open_: str, closed: str) -> None:
    policy = Policy(allow=Patterns.of([pattern]))
    assert policy.allows("example.com", ip_address(open_))
    assert not policy.allows("example.com", ip_address(closed))
    assert policy.allows("example.com", ip_address("8.8.8.8"))


@pytest.mark.parametrize(
    ("pattern", "named", "others"),
    [
        ("images.internal", ["images.internal"], ["a.images.internal", "images.internal.example", "ximages.internal"]),
        ("Images.INTERNAL", ["images.internal"], ["internal"]),
        ("*.internal", ["a.internal", "a.b.internal"], ["internal", "xinternal", "a.internal.example"]),
        ("localhost", ["localhost"], ["localhost.example", "127.0.0.1"]),
    ],
)
def test_a_host_that_is_allowed_may_be_anywhere_and_no_other(pattern: str, named: list[str], others: list[str]) -> None:
    policy = Policy(allow=Patterns.of([pattern]))
    assert all(policy.allows(host, ip_address("10.0.0.1")) for host in named)
    assert not any(policy.allows(host, ip_address("10.0.0.1")) for host in others)


@pytest.mark.parametrize("allow", [["example.com"], ["*"], ["0.0.0.0/0", "::/0"], ["10.0.0.0/8", "8.8.8.8", "::/0"]])
def test_what_is_denied_is_closed_whatever_is_allowed(allow: list[str]) -> None:
    inner, outer = ip_address("10.0.0.1"), ip_address("8.8.8.8")
    opened = Policy(allow=Patterns.of(allow))
    assert opened.allows("example.com", inner) and opened.allows("example.com", outer)
    for deny in (["example.com"], ["*.com"], ["10.0.0.0/8", "8.8.8.0/24"], ["0.0.0.0/0"], ["10.0.0.1", "8.8.8.8"]):
        policy = Policy(Patterns.of(allow), Patterns.of(deny))
        assert not policy.allows("example.com", inner) and not policy.allows("example.com", outer), deny


def test_what_is_denied_closes_nothing_else() -> None:
    policy = Policy(deny=Patterns.of(["8.8.8.0/24", "2606:4700::/32", "bad.example", "*.worse.example"]))
    assert not policy.allows("good.example", ip_address("8.8.8.8"))
    assert not policy.allows("good.example", ip_address("2606:4700:4700::1111"))
    assert not policy.allows("bad.example", ip_address("1.1.1.1"))
    assert not policy.allows("a.worse.example", ip_address("1.1.1.1"))
    for host in ("good.example", "a.bad.example", "worse.example", "bad.example.com", "xbad.example"):
        assert policy.allows(host, ip_address("1.1.1.1")) and policy.allows(host, ip_address("2a00:1450:4001::1")), host


@pytest.mark.parametrize("carrier", ["mapped", "compatible", "6to4", "NAT64", "ISATAP"])
@pytest.mark.parametrize("allow", [["images.internal"], ["::/0"]])
def test_a_denied_address_is_denied_inside_another_too(allow: list[str], carrier: str) -> None:
    policy = Policy(Patterns.of(allow), Patterns.of(["169.254.0.0/16", "8.8.8.8"]))
    for inner in ("169.254.169.254", "8.8.8.8"):
        assert not policy.allows("images.internal", ip_address(inner))
        assert not policy.allows("images.internal", IPv6Address(CARRIERS[carrier](int(IPv4Address(inner))))), inner


def test_a_network_that_is_none_is_an_error_not_a_host() -> None:
    for text in ("10.0.0.0/33", "10.0.0.256", "1.2.3", "fd00::/129", "example.com/8", "example.com:80", "::g"):
        with pytest.raises(ValueError):
            Patterns.of([text])


def judged(policy: Policy, url: str) -> bool:
    """Whether nothing speaks against the address before anybody is asked for its host's address."""
    target = parse_url(url)
    if policy.permits(target):
        policy.check(target)
        return True
    with pytest.raises(InvalidInput) as caught:
        policy.check(target)
    assert caught.value.field == "url"
    return False


def test_the_ports_of_the_web_are_open_until_others_are_named() -> None:
    assert judged(Policy(), "http://example.com/") and judged(Policy(), "https://example.com/")
    assert judged(Policy(), "http://example.com:443/") and judged(Policy(), "https://example.com:80/")
    assert not any(judged(Policy(), f"http://example.com:{port}/") for port in (22, 25, 81, 6379, 8080, 11211, 65535))
    only = Policy(ports=frozenset({8080}))
    assert judged(only, "http://example.com:8080/") and not judged(only, "http://example.com/")
    assert all(judged(Policy(ports=None), f"http://example.com:{port}/") for port in (1, 80, 8080, 65535))
    assert not judged(Policy(Patterns.of(["example.com"])), "http://example.com:22/")


LITERALS = [
    "127.0.0.1", "\uff11\uff12\uff17.0.0.1", "10.0.0.1.", "0.0.0.0", "[::1]", "[::ffff:8.8.8.8]", "[::ffff:a00:1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", LITERALS)
def test_an_address_in_place_of_a_name_is_judged_at_once(host: str) -> None:
    assert not judged(Policy(), f"http://{host}/")
    assert judged(Policy(allow=Patterns.of(["0.0.0.0/0", "::/0"])), f"http://{host}/")


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700:4700::1111]"])
def test_a_public_address_in_place_of_a_name_is_open_until_it_is_denied(host: str) -> None:
    assert judged(Policy(), f"http://{host}/")
    assert not judged(Policy(deny=Patterns.of(["8.8.8.8", "2606::/16"])), f"http://{host}/")


def test_a_denied_host_is_refused_before_it_is_looked_up_however_it_is_spelled() -> None:
    policy = Policy(Patterns.of(["*"]), Patterns.of(["bad.example", "*.worse.example", "xn--bcher-kva.example"]))
    for host in ("bad.example", "BAD.example.", "a.WORSE.example", "\uff42ad.example", "b\u00fccher.example"):
        assert not judged(policy, f"http://{host}/"), host
    assert judged(policy, "http://good.example/") and judged(policy, "http://worse.example/")


def test_an_address_that_carries_one_which_is_closed_is_closed_where_its_network_was_opened() -> None:
    """Teredo (RFC 4380, 2.5): the server in clear, the client's address with its bits turned over."""
    policy = Policy(allow=Patterns.of(["2001::/32"]), deny=Patterns.of(["10.0.0.0/8", "9.9.9.9/32"]))
    for server, client, allowed in (
        ("8.8.8.8", "1.1.1.1", True),
        ("8.8.8.8", "10.1.2.3", False),
        ("9.9.9.9", "1.1.1.1", False),
    ):
        number = (0x20010000 << 96) | (int(IPv4Address(server)) << 64) | (~int(IPv4Address(client)) & 0xFFFFFFFF)
        assert policy.allows("a.test", IPv6Address(number)) is allowed
