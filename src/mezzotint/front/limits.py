"""What one client, and all of them, may hold."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address


@dataclass(frozen=True)
class Limits:
    """Of one worker. Bytes, seconds, and bytes a second.

    The least rate works as in Apache's mod_reqtimeout: `start_seconds`, and one more for each `rate` bytes, counting
    only the time in which it is the client that is waited for.
    """

    connections: int = 4096
    per_client: int = 256
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """whose X-Forwarded-For is believed, and who may have any number of connections"""
    head_bytes: int = 32 << 10
    head_seconds: float = 10
    idle_seconds: float = 75
    start_seconds: float = 20
    rate: int = 1024
    body_seconds: float = 3600
    linger_seconds: float = 5
    linger_most: float = 30
    linger_bytes: int = 64 << 20
    """what is read, and thrown away, of a refused body: who is cut off while sending does not see the answer"""

    def trusts(self, address: str) -> bool:
        try:
            one = ip_address(address)
        except ValueError:
            return False
        return any(one in network for network in self.proxies)


def plain_address(text: str) -> str:
    """An IPv4 address as such, also where a socket for both has it as IPv6 (RFC 4291 section 2.5.5.2)."""
    mapped = text.removeprefix("::ffff:")
    return mapped if "." in mapped else text
