"""What an archive has: releases with their art, and the files that archive.org keeps for each."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from tests.archive.thumbnails import SIZES, thumbnail

Shape = Literal["new", "old"]

_TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "pdf": "application/pdf"}
_OPENED = datetime(2020, 1, 1, tzinfo=UTC)
_FIRST_EDIT = 17_462_565


@dataclass(frozen=True)
class Art:
    """One picture of a release. The first with `front` is the release's front, the first with `back` its back."""

    id: int
    data: bytes
    extension: str = "jpg"
    types: tuple[str, ...] = ("Front",)
    front: bool = True
    back: bool = False
    comment: str = ""
    approved: bool = True


@dataclass(frozen=True)
class File:
    data: bytes
    content_type: str
    changed: datetime

    def headers(self) -> dict[str, str]:
        etag = hashlib.sha256(self.data).hexdigest()[:16]
        changed = format_datetime(self.changed, usegmt=True)
        return {"content-type": self.content_type, "etag": f'"{etag}"', "last-modified": changed}


@dataclass(frozen=True)
class Release:
    """The item `mbid-{mbid}` of archive.org. `shape`: whether its listing is of today or as it was in 2012."""

    mbid: str
    images: tuple[Art, ...]
    shape: Shape
    changed: datetime

    def art(self, number: int) -> Art | None:
        return next((art for art in self.images if art.id == number), None)

    def front(self) -> Art | None:
        return next((art for art in self.images if art.front), None)

    def back(self) -> Art | None:
        return next((art for art in self.images if art.back), None)

    def place(self, art: Art | None = None, size: int | None = None) -> str:
        """Where archive.org has this picture, or the listing."""
        item = f"mbid-{self.mbid}"
        if not art:
            return f"{item}/index.json"
        return f"{item}/{item}-{art.id}" + (f"_thumb{size}.jpg" if size else f".{art.extension}")

    def file(self, place: str) -> File | None:
        if self.images and place == self.place():
            return File(self.listing(), "application/json", self.changed)
        for art in self.images:
            if place == self.place(art):
                return File(art.data, _TYPES[art.extension], self.changed)
            for size in SIZES:
                if place == self.place(art, size):
                    return File(thumbnail(art.data, size), _TYPES["jpg"], self.changed)
        return None

    def listing(self) -> bytes:
        images = [self._listed(art, _FIRST_EDIT + number) for number, art in enumerate(self.images)]
        release = f"{self._scheme}://musicbrainz.org/release/{self.mbid}"
        return json.dumps({"images": images, "release": release}, separators=(",", ":")).encode()

    @property
    def _scheme(self) -> str:
        return "http" if self.shape == "old" else "https"

    def _listed(self, art: Art, edit: int) -> dict[str, Any]:
        url = f"{self._scheme}://coverartarchive.org/release/{self.mbid}/{art.id}"
        named = {"small": f"{url}-250.jpg", "large": f"{url}-500.jpg"}
        sized = {str(size): f"{url}-{size}.jpg" for size in SIZES}
        return {
            "approved": art.approved,
            "back": art.back,
            "comment": art.comment,
            "edit": edit,
            "front": art.front,
            "id": str(art.id) if self.shape == "old" else art.id,
            "image": f"{url}.{art.extension}",
            "thumbnails": named if self.shape == "old" else sized | named,
            "types": list(art.types),
        }


class Holdings:
    """Whatever is changed is changed a second later than what was changed before, and may be changed while it is read.

    An MBID that was merged stands for the one that it was merged into.
    """

    def __init__(self) -> None:
        self._releases: dict[str, Release] = {}
        self._groups: dict[str, str] = {}
        self._merged: dict[str, str] = {}
        self._clock = _OPENED
        self._ids = random.Random(0)

    def put(self, mbid: str | None, images: Iterable[Art], shape: Shape) -> str:
        self._clock += timedelta(seconds=1)
        release = Release(mbid or self._id(), tuple(images), shape, self._clock)
        self._releases[release.mbid] = release
        return release.mbid

    def group(self, release: str, mbid: str | None) -> str:
        mbid = mbid or self._id()
        self._groups[mbid] = release
        return mbid

    def _id(self) -> str:
        """The same in every run, so that what fails with one fails again."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def merge(self, old: str, new: str) -> None:
        """Of releases or of release groups. What the old one had is gone."""
        self._merged[old] = new
        self._releases.pop(old, None)
        self._groups.pop(old, None)

    def choose_front(self, mbid: str, number: int) -> None:
        release = self.release(mbid)
        assert release.art(number), f"release {mbid} has no picture {number}"
        images = [replace(art, front=art.id == number) for art in release.images]
        self.put(release.mbid, images, release.shape)

    def release(self, mbid: str) -> Release:
        """One without images where there is none."""
        mbid = self._now(mbid)
        return self._releases.get(mbid) or Release(mbid, (), "new", _OPENED)

    def chosen(self, group: str) -> Release:
        """The release whose front is the group's."""
        return self.release(self._groups.get(self._now(group), ""))

    def file(self, place: str) -> File | None:
        return self.release(place.partition("/")[0].removeprefix("mbid-")).file(place)

    def _now(self, mbid: str) -> str:
        while mbid in self._merged:
            mbid = self._merged[mbid]
        return mbid
