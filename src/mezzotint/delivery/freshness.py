"""How long an answer may be kept, and by whom (RFC 9111; RFC 5861 for what is stale)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

DAY, YEAR = 86_400, 31_536_000


@dataclass(frozen=True)
class Freshness:
    """In seconds. Caches that others share may keep what is `public`; what is `immutable` needs no asking again; what
    is not `stored` nobody keeps."""

    public: bool
    max_age: int = 0
    immutable: bool = False
    stale_while_revalidate: int = 0
    stale_if_error: int = 0
    stored: bool = True

    def until(self, seconds: int) -> Freshness:
        """The same, for what ends in so many seconds."""
        if not self.stored or seconds >= self.max_age + max(self.stale_while_revalidate, self.stale_if_error):
            return self
        return Freshness(self.public, min(self.max_age, max(0, seconds)))

    @cached_property
    def header(self) -> tuple[bytes, bytes]:
        if not self.stored:
            return b"cache-control", b"no-store"
        said = ["public" if self.public else "private", f"max-age={self.max_age}"]
        said += ["immutable"] if self.immutable else []
        if self.stale_while_revalidate:
            said.append(f"stale-while-revalidate={self.stale_while_revalidate}")
        if self.stale_if_error:
            said.append(f"stale-if-error={self.stale_if_error}")
        return b"cache-control", ", ".join(said).encode()


UNSTORED = Freshness(public=False, stored=False)
"""made for one answer alone"""


def lasting(public: bool) -> Freshness:
    """Of what never changes under its name."""
    return Freshness(public, YEAR, immutable=True)
