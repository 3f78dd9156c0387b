"""What an archive of many small covers is asked, and what the right answers are."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
from PIL import Image

from tests import pictures
from tests.archive import Archive, Art
from tests.archive.thumbnails import SIZES

_GROUPS = 50
_NOWHERE = tuple(str(uuid.UUID(int=n)) for n in range(20))
"""releases that there are not"""
_EXTENSIONS = ("", "", ".jpg", ".png")


@dataclass(frozen=True)
class Ask:
    """`id` None: the listing of `mbid`, or nothing where there is no such release."""

    path: str
    mbid: str
    id: int | None = None
    size: int | None = None


@dataclass
class Shelves:
    """`base` is the address that is asked. Raises AssertionError for an answer that is not right."""

    archive: Archive
    count: int
    base: str = ""
    releases: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for n in range(self.count):
            arts = [
                Art(_front(n), _cover(_front(n), 300, 260)),
                Art(_back(n), _cover(_back(n), 200, 260), front=False, back=True, types=("Back",)),
            ]
            self.releases.append(self.archive.release(str(uuid.UUID(int=random.Random(n).getrandbits(128))), arts))
        for mbid in self.releases[:_GROUPS]:
            self.groups[self.archive.release_group(mbid)] = mbid

    def asks(self, seed: int) -> Iterator[Ask]:
        """Without end. Some releases are asked for more often than others."""
        chance = random.Random(seed)
        while True:
            n = int(self.count * chance.random() ** 3)
            yield self._ask(chance, n, self.releases[n])

    def _ask(self, chance: random.Random, n: int, mbid: str) -> Ask:
        kind = chance.choices(
            ("front", "back", "id", "listing", "group", "group listing", "nothing"), (6, 2, 5, 2, 2, 1, 0.5)
        )[0]
        size = chance.choice((None, *SIZES))
        end = f"{f'-{size}' if size else ''}{chance.choice(_EXTENSIONS)}"
        group = chance.choice(list(self.groups))
        match kind:
            case "front":
                return Ask(f"/release/{mbid}/front{end}", mbid, _front(n), size)
            case "back":
                return Ask(f"/release/{mbid}/back{end}", mbid, _back(n), size)
            case "id":
                id = chance.choice((_front(n), _back(n)))
                return Ask(f"/release/{mbid}/{id}{end}", mbid, id, size)
            case "listing":
                return Ask(f"/release/{mbid}{chance.choice(('', '/'))}", mbid)
            case "group":
                of = self.groups[group]
                return Ask(f"/release-group/{group}/front{end}", of, _front(self.releases.index(of)), size)
            case "group listing":
                return Ask(f"/release-group/{group}", self.groups[group])
            case _:
                nowhere = chance.choice(_NOWHERE)
                return Ask(f"/release/{nowhere}/front{end}", nowhere)

    def check(self, ask: Ask, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if ask.mbid in _NOWHERE:
            assert (status, list(json.loads(body))) == (404, ["error"]), ask
            return
        assert status == 200, (ask, status, body[:300])
        assert headers["Access-Control-Allow-Origin"] == "*", ask
        assert headers["X-Cache-Status"] in {"HIT", "MISS", "STALE"}, (ask, headers)
        assert int(headers["Content-Length"]) == len(body), ask
        tag = headers["ETag"].strip('"')
        is_nginxs_own = "X-Served-By" in headers and len(tag) < 64
        assert is_nginxs_own or tag == hashlib.sha256(body).hexdigest(), (ask, headers)
        if ask.id is None:
            assert json.loads(body) == self._listing(ask.mbid), ask
            return
        assert headers["Content-Type"] == "image/jpeg", (ask, headers)
        if ask.size is None:
            assert body == self.archive.original(ask.mbid, ask.id), ask
        else:
            assert body == self.archive.thumbnail(ask.mbid, ask.id, ask.size), ask

    def _listing(self, mbid: str) -> dict[str, Any]:
        listing = json.loads(self.archive.listing(mbid))
        for image in listing["images"]:
            image["image"] = self._led(image["image"])
            image["thumbnails"] = {name: self._led(url) for name, url in image["thumbnails"].items()}
        return dict(listing)

    def _led(self, url: str) -> str:
        return url.replace("https://coverartarchive.org", self.base)


def _front(n: int) -> int:
    return 1_000_000 + 2 * n


def _back(n: int) -> int:
    return _front(n) + 1


def _cover(seed: int, width: int, height: int) -> bytes:
    small = numpy.random.default_rng(seed).integers(0, 256, (9, 10, 3), dtype="uint8")
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return pictures.encoded(large, comment=b"cover %d" % seed)
