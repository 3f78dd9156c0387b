"""How many downloads at once from a domain: `max_downloads.json`, re-read when it changes."""

from __future__ import annotations

import json
from pathlib import Path

from mezzotint.errors import InvalidInput
from mezzotint.host.watched import Watched

DEFAULT = 8
ALL = "*"
MOST = 1000
_LOOK_AGAIN = 1.0


def read_limits(path: Path) -> dict[str, int]:
    """`{"example.com": 4, "*": 8}`; without the file, the default for all. Raises InvalidInput."""
    try:
        limits = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {ALL: DEFAULT}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(path.name, f"is no JSON: {error}", '{"example.com": 4, "*": 8}') from None
    if not isinstance(limits, dict):
        raise InvalidInput(path.name, "is no object", '{"example.com": 4, "*": 8}')
    for domain, limit in limits.items():
        if type(limit) is not int or not 1 <= limit <= MOST:
            raise InvalidInput(path.name, f"{domain!r} has the limit {limit!r}", f"1 to {MOST}")
    return {ALL: DEFAULT} | {domain.lower(): limit for domain, limit in limits.items()}


class DomainLimits:
    """A domain that is named counts together with all below it; of the others each host counts by itself."""

    def __init__(self, path: Path) -> None:
        self._limits = Watched(path, read_limits, {ALL: DEFAULT}, every=_LOOK_AGAIN)

    def of(self, host: str) -> tuple[str, int]:
        """The domain that `host` counts for, and how many downloads it allows at once."""
        limits, name = self._limits.now(), host
        while name:
            if name in limits:
                return name, limits[name]
            name = name.partition(".")[2]
        return host, limits[ALL]
