"""Cover art in the cache: pictures by release, what `front` and `back` lead to, listings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from mezzotint.cache import Cache, CachedFile
from mezzotint.cache.places import RELEASE
from mezzotint.derivatives import Bases
from mezzotint.derivatives.intake import Spool
from mezzotint.errors import InvalidInput, NotAnImage
from mezzotint.host.files import full_is_told, temporary
from mezzotint.names import FORMATS
from mezzotint.sources.coverart.asking import CoverRequest, Place
from mezzotint.sources.coverart.listing import normalised

FORMAT = 1
PDF = "pdf"
MEDIA = {name: FORMATS[name].media_type for name in ("jpg", "png", "gif", "webp")} | {PDF: "application/pdf"}
"""what the archive holds, by extension; the first ones are looked for first"""
_PDF = b"%PDF-"
_TOLD = 16


@dataclass(frozen=True, slots=True)
class Pointer:
    """What something leads to, which may change: `front` to a picture. `path` is where the archive was asked; `expires`
    in seconds since the epoch; the validators are those of what has no id."""

    place: Place
    path: str
    expires: float
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    document: dict[str, Any]
    expires: float
    etag: str = ""
    last_modified: str = ""


class Keeping:
    """Every method touches the disk."""

    def __init__(self, cache: Cache, bases: Bases) -> None:
        self._cache, self._bases = cache, bases

    def pointers(self, asked: CoverRequest) -> Iterator[Pointer]:
        """A picture's id leads to itself for ever; of `front` and `back` it is known, or not: of all sizes, then of
        this one."""
        if asked.by_id:
            assert asked.what is not None
            yield Pointer(Place(asked.mbid, asked.what), asked.path, float("inf"))
            return
        for name in _pointer_names(asked):
            members = self._read(name)
            with suppress(KeyError, TypeError, ValueError):
                place = Place(_text(members.pop("mbid")), _text(members.pop("id")), _text(members.pop("entity")))
                yield Pointer(place, _text(members["path"]), *_validity(members))

    def point(self, asked: CoverRequest, pointer: Pointer) -> None:
        """Remember it. Raises StorageFull."""
        of_all, of_size = _pointer_names(asked)[0], _pointer_names(asked)[-1]
        members = asdict(pointer)
        place = members.pop("place")
        # of what has no id each size is known by itself
        self._write(of_all if pointer.place.lasting else of_size, members | place)

    def forget(self, asked: CoverRequest) -> None:
        """There is nothing any more under this path; other sizes may be there."""
        if asked.what is None:
            names = [_listing_name(asked)]
        else:
            names = [name for name in _pointer_names(asked) if self._read(name).get("path") == asked.path]
        for name in names:
            self._cache.purge_file(name)

    def listing(self, asked: CoverRequest) -> Listing | None:
        members = self._read(_listing_name(asked))
        with suppress(KeyError, TypeError, ValueError, InvalidInput):
            return Listing(normalised(members["document"]), *_validity(members))
        return None

    def keep_listing(self, asked: CoverRequest, listing: Listing) -> None:
        """Raises StorageFull."""
        self._write(_listing_name(asked), {name: getattr(listing, name) for name in listing.__slots__})

    def may_have(self, place: Place, size: int | None) -> bool:
        """Whether a file has its name; at once, without a look into it."""
        return any(map(self._cache.has, _names(place, size)))

    def has(self, place: Place, size: int | None) -> bool:
        return any(map(self._is_good, _names(place, size)))

    def _is_good(self, name: str) -> bool:
        """A file that is there, but not as it was written, goes: it would be in the way."""
        file = self._cache.open(name)
        if file is None:
            self._cache.purge_file(name)
            return False
        file.close()
        return True

    def picture(self, place: Place, size: int | None) -> CachedFile | None:
        for name in _names(place, size):
            if (file := self._cache.open(name)) is not None:
                return file
        return None

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """Somewhere to write a picture's bytes to, for `keep`. Gone afterwards.

        Raises FileNotFoundError where somebody removes the whole cache meanwhile: trying again helps.
        """
        with full_is_told("a cover"), temporary(self._cache.directory / RELEASE, durable=False) as (path, stream):
            yield Spool(path, stream, self._bases.intake.max_bytes)

    def keep(self, place: Place, size: int | None, spool: Spool) -> Place:
        """Verify what was spooled and give it its name; returns its place, which of what has no id the bytes tell.

        Raises NotAnImage, DamagedImage, TooManyPixels, StorageFull.
        """
        extension = self.verified(spool)
        if not place.lasting:
            place = replace(place, id=f"{place.what}.{spool.digest()[:_TOLD]}")
        self._cache.place(place.name(size, extension), spool.path, spool.size, spool.digest())
        return place

    def keep_made(self, place: Place, size: int, data: bytes) -> Place:
        """A picture of a place that was made here. Raises as `keep`."""
        with self.spool() as spool:
            spool.write(data)
            return self.keep(replace(place, id=place.what), size, spool)

    def verified(self, spool: Spool) -> str:
        spool.finish()
        with spool.path.open("rb") as stream:
            if stream.read(len(_PDF)) == _PDF:
                return PDF
        image_format = self._bases.intake.verified(spool)[1].facts.format
        if image_format not in MEDIA:
            raise NotAnImage("file", f"is a {image_format}", " ".join(MEDIA))
        return image_format

    def _read(self, name: str) -> dict[str, Any]:
        """Nothing, where there is none, or where it is none of ours."""
        file = self._cache.open(name)
        try:
            members = json.loads(file.read()) if file is not None else {}
        except (ValueError, RecursionError):
            return {}
        return members if isinstance(members, dict) and members.pop("format", None) == FORMAT else {}

    def _write(self, name: str, members: dict[str, Any]) -> None:
        self._cache.put(name, json.dumps({"format": FORMAT} | members).encode())


def _names(place: Place, size: int | None) -> Iterator[str]:
    """What its file may be called, the likeliest first."""
    return (place.name(size, extension) for extension in MEDIA)


def _text(member: Any) -> str:
    if not isinstance(member, str):
        raise TypeError
    return member


def _validity(members: dict[str, Any]) -> tuple[float, str, str]:
    """Until when it is good, and its validators."""
    return float(members["expires"]), _text(members["etag"]), _text(members["last_modified"])


def _pointer_names(asked: CoverRequest) -> list[str]:
    """Of all sizes, and of this one."""
    assert asked.what is not None
    of_all = f"{asked.group}-{asked.what}"
    return [f"{of_all}.json", f"{of_all}-{asked.size}.json"] if asked.size else [f"{of_all}.json"]


def _listing_name(asked: CoverRequest) -> str:
    return f"{asked.group}.json"
