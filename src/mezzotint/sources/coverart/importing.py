"""The directory of another cover art cache, taken over: what its paths and files tell; the rest is left alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mezzotint.cache.places import RELEASE, RELEASE_GROUP
from mezzotint.errors import InvalidInput
from mezzotint.host.files import CHUNK
from mezzotint.sources.coverart.asking import BACK, FRONT, ID, CoverRequest, Place
from mezzotint.sources.coverart.fetching import MOST_LISTING
from mezzotint.sources.coverart.keeping import Keeping, Listing, Pointer
from mezzotint.sources.coverart.listing import normalised, parse_listing

_NAME = re.compile(
    r"(?:mbid-)?(?P<mbid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    rf"(?:[-_.](?!(?:250|500|1200)(?:\.|$))(?P<what>{FRONT}|{BACK}|{ID.pattern}))?(?:[-_](?:thumb)?(?P<size>250|500|1200))?"
    r"(?:[-_.](?:index|listing|metadata))?(?:\.[A-Za-z0-9]{1,8})?"
)
_SEVERAL = re.compile(r"[/\\]+")


@dataclass(slots=True)
class Taken:
    """How many files: pictures and listings that are here now, or were; those that say nothing, and those that are
    nothing of what their names say."""

    pictures: int = 0
    listings: int = 0
    here: int = 0
    unknown: int = 0
    refused: int = 0


def meant(path: str) -> CoverRequest | None:
    """What the file at a path of another cache answers, as far as its name and the directories around it tell: an MBID
    in its name, or in that of a directory (`<mbid>/front-250.jpg`)."""
    parts = _SEVERAL.split(path)
    entity = RELEASE_GROUP if any(part.startswith(RELEASE_GROUP) for part in parts) else RELEASE
    for count in (1, 2):
        name = "-".join(parts[-count:]).removeprefix(f"{entity}-")
        if match := _NAME.fullmatch(name):
            size = int(match["size"]) if match["size"] else None
            if match["what"] is None and size is not None:
                return None
            if entity == RELEASE_GROUP and match["what"] not in {None, FRONT}:
                return None
            return CoverRequest(entity, match["mbid"], match["what"], size)
    return None


def take_over(
    directory: Path, keeping: Keeping, progress: Callable[[int], None] = lambda count: None, *, really: bool = True
) -> Taken:
    """Copy what can be told into the cache; nothing of `directory` is changed. Which picture a front is, by its id, is
    for the archive to say once it is asked for: a listing beside it may be of another day.

    Raises StorageFull.
    """
    taken = Taken()
    for count, path in enumerate(_files(directory), start=1):
        progress(count)
        asked = meant(str(path.relative_to(directory)))
        if asked is None:
            taken.unknown += 1
        elif asked.what is not None:
            _picture(path, asked, keeping, taken, really=really)
        else:
            _listing(path, asked, keeping, taken, really=really)
    return taken


def _listing(path: Path, asked: CoverRequest, keeping: Keeping, taken: Taken, *, really: bool) -> None:
    try:
        if path.stat().st_size > MOST_LISTING:
            raise InvalidInput("listing", "is too long", f"{MOST_LISTING} bytes")
        document = normalised(parse_listing(path.read_bytes()))
    except (InvalidInput, OSError):
        taken.refused += 1
        return
    if keeping.listing(asked) is not None:
        taken.here += 1
        return
    taken.listings += 1
    if really:
        keeping.keep_listing(asked, Listing(document, expires=time.time()))


def _picture(path: Path, asked: CoverRequest, keeping: Keeping, taken: Taken, *, really: bool) -> None:
    assert asked.what is not None
    place = Place(asked.mbid, asked.what) if asked.by_id else Place(asked.mbid, asked.what, asked.entity)
    if any(keeping.has(pointer.place, asked.size) for pointer in keeping.pointers(asked)):
        taken.here += 1
        return
    try:
        with keeping.spool() as spool, path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                spool.write(chunk)
            if really:
                place = keeping.keep(place, asked.size, spool)
            else:
                keeping.verified(spool)
    except (InvalidInput, OSError):
        taken.refused += 1
        return
    taken.pictures += 1
    if really and not asked.by_id:
        keeping.point(asked, Pointer(place, asked.path, expires=time.time()))


def _files(directory: Path) -> Iterator[Path]:
    for top, _, names in os.walk(directory):
        for name in sorted(names):
            path = Path(top, name)
            if path.is_file() and not name.startswith("."):
                yield path
