"""What is asked of coverartarchive.org, as its own program reads it (metabrainz/artwork-redirect)."""

from __future__ import annotations

import re

from tests.archive.holdings import Art, Holdings, Release

_ENTITIES = ("release", "release-group")
_MBID = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}")
_PICTURE = re.compile(r"(front|back|[0-9]+)(-(250|500|1200))?(\.\w+)?")
_THUMBNAIL = re.compile(r"-(250|500|1200)[^-]*$")


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def place(holdings: Holdings, path: str) -> str:
    """Where archive.org has it, e.g. `mbid-M/mbid-M-1_thumb500.jpg`.

    An extension means nothing, and a size that there is not is as none. Raises Refused.
    """
    entity, mbid, name = _parts(path)
    return (_of_group if entity == "release-group" else _of_release)(holdings, mbid, name)


def check(path: str) -> None:
    """OPTIONS is stricter about names, and does not look whether there is art. Raises Refused."""
    name = _parts(path)[2]
    if name and not _PICTURE.fullmatch(name):
        raise Refused(400, f"{name} is no picture")


def _parts(path: str) -> tuple[str, str, str]:
    entity, mbid, name = (*path.split("/")[1:], "", "", "")[:3]
    if entity not in _ENTITIES:
        raise Refused(400, f"Only the following entities are supported: {', '.join(_ENTITIES)}")
    if not _MBID.fullmatch(mbid):
        raise Refused(400, "invalid MBID specified")
    return entity, mbid, name


def _of_release(holdings: Holdings, mbid: str, name: str) -> str:
    release = holdings.release(mbid)
    if name:
        return release.place(_art(release, mbid, name), _size(name))
    if not release.images:
        raise Refused(404, f"No cover art found for release {mbid}")
    return release.place()


def _of_group(holdings: Holdings, mbid: str, name: str) -> str:
    release = holdings.chosen(mbid)
    if not release.front():
        raise Refused(404, f"No cover art found for release group {mbid}")
    if not name:
        return release.place()
    if not name.startswith("front"):
        raise Refused(400, f"{name} not supported for release groups.")
    return release.place(release.front(), _size(name))


def _art(release: Release, mbid: str, name: str) -> Art:
    if name.startswith("front"):
        found, lacking = release.front(), f"No front cover image found for release with identifier {mbid}"
    elif name.startswith("back"):
        found, lacking = release.back(), f"No back cover image found for release with identifier {mbid}"
    elif number := re.match(r"[0-9]+", name):
        found, lacking = release.art(int(number[0])), f"cover image with id {number[0]} not found"
    else:
        raise Refused(400, f"{name} does not contain a valid cover image id")
    if not found:
        raise Refused(404, lacking)
    return found


def _size(name: str) -> int | None:
    found = _THUMBNAIL.search(name)
    return int(found[1]) if found else None
