"""Which hosts and addresses may be asked for a picture: the defence against SSRF (server-side request forgery). Pure.

Public addresses are open, all others are closed: whoever can name an address to fetch from must not reach what
only this machine can. `ipaddress` knows of fewer special ranges than there are, so they are listed here
(IANA's special-purpose registries for IPv4 and IPv6, and the addresses of cloud providers' own services).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mezzotint.errors import InvalidInput
from mezzotint.network.urls import Address, Url

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_CLOSED_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
]  # fmt: skip
_OPEN_6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_6 = [
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
]  # fmt: skip
_LAST_32 = [ipaddress.IPv6Network(network) for network in ("::/96", "::ffff:0:0/96", "64:ff9b::/96")]
_MASK = 0xFFFFFFFF
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Whether anybody may be there, as far as the address itself tells; those that carry another one are
    as public as that. Mapped, compatible, NAT64 and Teredo addresses are none that a host's name should lead to."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    if address.scope_id is not None or address not in _OPEN_6 or any(address in network for network in _CLOSED_6):
        return False
    return all(map(is_public, carried(address)))


def carried(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that one of IPv6 may lead to: mapped, compatible, NAT64, 6to4, Teredo, ISATAP."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found, number = [address.sixtofour, *(address.teredo or ())], int(address)
    if any(address in network for network in _LAST_32) or (number >> 32) & _MASK in _ISATAP:
        found.append(ipaddress.IPv4Address(number & _MASK))
    return [one for one in found if one is not None]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Networks such as `10.0.0.0/8`, and hosts such as `example.com` or `*.example.com`."""

    networks: tuple[IPNetwork, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Patterns:
        """Raises ValueError for a network that is none."""
        networks, hosts = [], []
        for text in texts:
            if "/" in text or ":" in text or text.replace(".", "").isdecimal():
                networks.append(ipaddress.ip_network(text, strict=False))
            else:
                hosts.append(text.lower().removesuffix("."))
        return cls(tuple(networks), tuple(hosts))

    def name(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self.hosts)

    def hold(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Policy:
    """`allow` opens what is closed by default; `deny` closes, whatever `allow` says. `ports` None: any."""

    allow: Patterns = Patterns()
    deny: Patterns = Patterns()
    ports: frozenset[int] | None = frozenset({80, 443})

    def check(self, target: Url) -> None:
        """What can be told of an address without asking anybody. Raises InvalidInput."""
        if self.ports is not None and target.port not in self.ports:
            raise InvalidInput("url", f"has the port {target.port}", "those of MEZZOTINT_FETCH_PORTS")
        literal = target.literal
        if self.deny.name(target.host) or (literal is not None and not self.allows(target.host, literal)):
            raise InvalidInput("url", "is of a host that nothing is fetched from", "a public address")

    def permits(self, target: Url) -> bool:
        """Whether `check` has nothing against it."""
        try:
            self.check(target)
        except InvalidInput:
            return False
        return True

    def allows(self, host: str, address: Address) -> bool:
        """Whether `host`, which this is an address of, may be asked there."""
        if self.deny.name(host) or any(map(self.deny.hold, (address, *carried(address)))):
            return False
        return is_public(address) or self.allow.hold(address) or self.allow.name(host)
