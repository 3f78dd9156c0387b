"""How many downloads at once from a domain: `max_downloads.json`, re-read when it changes."""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from pathlib import Path

from mezzotint.errors import InvalidInput
from mezzotint.host.watched import Watched
from mezzotint.network.urls import parse_url

log = logging.getLogger(__name__)

DEFAULT = 8
ALL = "*"
MOST = 1000
_LOOK_AGAIN = 1.0
_PORT = re.compile(r":[0-9]+$")


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
    return {ALL: DEFAULT} | {key: limit for domain, limit in limits.items() if (key := _key(path.name, domain))}


def _key(file: str, domain: str) -> str:
    """In the spelling that hosts are compared in; empty for what can match nothing, which is told."""
    if domain == ALL:
        return ALL
    prefix, name = ("*.", domain[2:]) if domain.startswith("*.") else ("", domain)
    with suppress(InvalidInput):
        target = parse_url(f"http://[{name}]/" if name.count(":") > 1 and "[" not in name else f"http://{name}/")
        authority = target.authority.removesuffix(":443")
        if target.url.count("/") == 3 and not (prefix and (":" in authority or target.literal)):
            return prefix + authority
    log.warning("%s: %r can match no host; a key is example.com, *.example.com, example.com:8080 or *", file, domain)
    return ""


class DomainLimits:
    """A domain that is named counts together with all below it, `*.` in front of it those below alone, whatever their
    ports; of the others each host and port counts by itself."""

    def __init__(self, path: Path) -> None:
        self._limits = Watched(path, read_limits, {ALL: DEFAULT}, every=_LOOK_AGAIN)

    def of(self, authority: str) -> tuple[str, int]:
        """The domain that a host, with its port where that is not the scheme's own, counts for, and how many downloads
        it allows at once."""
        limits = self._limits.now()
        if authority in limits:
            return authority, limits[authority]
        name, below = _PORT.sub("", authority), ""
        while name:
            for key in (name, below):
                if key in limits:
                    return key, limits[key]
            name = name.partition(".")[2]
            below = f"*.{name}"
        return authority, limits[ALL]
