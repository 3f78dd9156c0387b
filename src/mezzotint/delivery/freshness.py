"""How long an answer may be kept, and by whom (RFC 9111; RFC 5861 for what is stale)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

DAY, YEAR = 86_400, 31_536_000


@dataclass(frozen=True)
class Freshness:
    """In seconds. Caches that others share may keep what is `public`; what is `immutable` needs no asking again."""

    public: bool
    max_age: int
    immutable: bool = False
    stale_while_revalidate: int = 0
    stale_if_error: int = 0

    @cached_property
    def header(self) -> tuple[bytes, bytes]:
        said = ["public" if self.public else "private", f"max-age={self.max_age}"]
        said += ["immutable"] if self.immutable else []
        if self.stale_while_revalidate:
            said.append(f"stale-while-revalidate={self.stale_while_revalidate}")
        if self.stale_if_error:
            said.append(f"stale-if-error={self.stale_if_error}")
        return b"cache-control", ", ".join(said).encode()


class _Unstored(Freshness):
    header = (b"cache-control", b"no-store")


UNSTORED = _Unstored(public=False, max_age=0)
"""made for one answer alone, and kept by nobody"""


def lasting(public: bool) -> Freshness:
    """Of what never changes under its name."""
    return Freshness(public, YEAR, immutable=True)
