"""What is asked of a cover art archive, and what its answers lead to. Pure.

The paths are those of the Cover Art Archive's API: `/release/{mbid}`, `/release/{mbid}/front-500.jpg` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mezzotint.cache.places import RELEASE, RELEASE_GROUP
from mezzotint.errors import InvalidInput, NotFound

SIZES = (250, 500, 1200)
_ALIASES = {"small": 250, "large": 500}
FRONT, BACK = "front", "back"
_MBID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PICTURE = re.compile(r"(?P<what>[^-.]*)(?:-(?P<size>[^.]*))?(?:\.(?P<extension>.*))?")
ID = re.compile(r"[1-9][0-9]{0,19}")
"""of a picture, as the archive gives them"""
_PIXELS = re.compile(r"[1-9][0-9]{0,4}")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,5}")
_LED_TO = (
    # as the archive's own storage names it, and as the archive and other caches of it do
    re.compile(rf".*/mbid-(?P<mbid>{_MBID.pattern})-(?P<id>{ID.pattern})(?:_thumb[0-9]+)?\.[A-Za-z0-9]+"),
    re.compile(rf".*/release/(?P<mbid>{_MBID.pattern})/(?P<id>{ID.pattern})(?:-[0-9]+)?(?:\.[A-Za-z0-9]+)?"),
)


@dataclass(frozen=True, slots=True)
class CoverRequest:
    """`what` is `front`, `back`, a picture's id, or None for the listing; `size` None is the original."""

    entity: str
    mbid: str
    what: str | None = None
    size: int | None = None

    @property
    def path(self) -> str:
        """Without an extension, which means nothing."""
        picture = "" if self.what is None else f"/{self.what}{_dashed(self.size)}"
        return f"/{self.entity}/{self.mbid}{picture}"

    @property
    def group(self) -> str:
        """What its files' names begin with."""
        return f"{self.entity}/{self.mbid}"

    @property
    def by_id(self) -> bool:
        return self.what is not None and self.what.isdecimal()


@dataclass(frozen=True, slots=True)
class Place:
    """A picture of a release, whatever its size: an id that never means another one, or, of an archive that does not
    tell ids, what was asked for and a part of the hash of what came: `front.0123456789abcdef`."""

    mbid: str
    id: str
    entity: str = RELEASE

    @property
    def lasting(self) -> bool:
        return self.id.isdecimal()

    @property
    def what(self) -> str:
        """What it is asked for as."""
        return self.id.partition(".")[0]

    def name(self, size: int | None, extension: str) -> str:
        """Of a cached file: always the same bytes, the archive's."""
        return f"{self.entity}/{self.mbid}-{self.id}{_dashed(size)}.{extension}"

    def path(self, size: int | None) -> str:
        return f"/{self.entity}/{self.mbid}/{self.id}{_dashed(size)}"


def parse_path(path: str) -> CoverRequest:
    """Raises InvalidInput naming `entity`, `mbid`, `id` or `size`, NotFound."""
    entity, _, rest = path.removeprefix("/").partition("/")
    mbid, _, rest = rest.partition("/")
    picture, _, below = rest.partition("/")
    if entity not in {RELEASE, RELEASE_GROUP}:
        raise InvalidInput("entity", f"cannot be {entity!r:.40}", f"{RELEASE} or {RELEASE_GROUP}")
    if not _MBID.fullmatch(mbid):
        raise InvalidInput("mbid", f"cannot be {mbid!r:.50}", "a UUID of lowercase hex digits")
    if below:
        raise NotFound("there is nothing below a picture")
    if not picture:
        return CoverRequest(entity, mbid)
    match = _PICTURE.fullmatch(picture)
    what, size, extension = (match["what"], match["size"], match["extension"]) if match else (picture, None, None)
    if entity == RELEASE_GROUP and what != FRONT:
        raise InvalidInput("id", f"cannot be {what!r:.40} of a release group", FRONT)
    if what not in {FRONT, BACK} and not ID.fullmatch(what):
        raise InvalidInput("id", f"cannot be {what!r:.40}", f"{FRONT}, {BACK} or a picture's number")
    if extension is not None and not _EXTENSION.fullmatch(extension):
        raise InvalidInput("id", f"ends in {extension!r:.40}", "an extension of 1 to 5 letters and digits")
    return CoverRequest(entity, mbid, what, None if size is None else _nearest(size))


def _nearest(text: str) -> int:
    """The archive's size that is nearest to what is asked for, the larger of two. Raises InvalidInput."""
    if text in _ALIASES:
        return _ALIASES[text]
    if not _PIXELS.fullmatch(text):
        raise InvalidInput("size", f"cannot be {text!r:.40}", " ".join(map(str, [*SIZES, *_ALIASES])))
    return min(SIZES, key=lambda size: (abs(size - int(text)), -size))


def parse_line(text: str) -> CoverRequest:
    """The release or release group that a line of a list names: an MBID, `release-group/<mbid>`, or an address that
    ends so. Raises InvalidInput."""
    *before, mbid = text.strip().rstrip("/").split("/")
    entity = before[-1] if before else RELEASE
    return parse_path(f"/{entity}/{mbid}")


def led_to(address: str) -> Place | None:
    """The picture that a redirect of the archive leads to, where its path says so."""
    path = re.split("[?#]", address, maxsplit=1)[0]
    for pattern in _LED_TO:
        if match := pattern.fullmatch(path):
            return Place(match["mbid"], match["id"])
    return None


def _dashed(size: int | None) -> str:
    return "" if size is None else f"-{size}"
