"""The JPEGs that lie in a PDF's file as they are, and what their dictionaries say.

PDFium tells half of what is in an image's dictionary; the rest (a mask, a Decode array) makes another picture of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BEGINS = b"\xff\xd8\xff"
_KEY = slice(1024, 1056)
"""of a JPEG's bytes: behind what is the same in all that come from one machine"""
_BEFORE, _PIECE = 1024, 1 << 20
_MOST, _MOST_ALIKE = 100_000, 20
_NUMBER = rb"\s+\d+(?:\s+\d+\s+R)?"
_PLAIN = re.compile(
    rb"\sobj\s*<<(?:\s*/(?:Type\s*/XObject|Subtype\s*/Image|Width\s+\d+|Height\s+\d+|BitsPerComponent\s+8"
    rb"|ColorSpace\s*/Device(?:RGB|Gray)|Filter\s*(?:/DCTDecode|\[\s*/DCTDecode\s*\])"
    rb"|Name\s*/[\w.+-]+|Interpolate\s+(?:true|false)|Length" + _NUMBER + rb"|Metadata" + _NUMBER + rb"))*"
    rb"\s*>>\s*stream\r?\n\Z"
)


class Jpegs:
    """Of one file, which is read once, when the first is asked for. Close it."""

    def __init__(self, path: Path) -> None:
        self._stream = open(path, "rb")  # noqa: SIM115  closed by close()
        self._places: dict[bytes, list[int]] | None = None

    def close(self) -> None:
        self._stream.close()

    def are_plain(self, jpeg: bytes) -> bool:
        """Whether these bytes are an image in the file, and all that its dictionary says is how large it is.

        False where that cannot be told: in an object of another form, a file of too many pictures, a small picture.
        """
        if self._places is None:
            self._places = self._found()
        alike = self._places.get(jpeg[_KEY], [])
        places = [place for place in alike if self._read(place, len(jpeg)) == jpeg]
        return len(places) > 0 and len(alike) < _MOST_ALIKE and all(map(self._is_plain, places))

    def _is_plain(self, place: int) -> bool:
        start = max(0, place - _BEFORE)
        return _PLAIN.search(self._read(start, place - start)) is not None

    def _found(self) -> dict[bytes, list[int]]:
        places: dict[bytes, list[int]] = {}
        for count, (place, key) in enumerate(self._all()):
            if count == _MOST:
                return {}
            alike = places.setdefault(key, [])
            if len(alike) < _MOST_ALIKE:
                alike.append(place)
        return places

    def _all(self) -> Iterator[tuple[int, bytes]]:
        """Where each may begin, and its key. A piece is looked through for beginnings whose key it has."""
        start, data = 0, b""
        self._stream.seek(0)
        while more := self._stream.read(_PIECE):
            data += more
            at = data.find(_BEGINS)
            while at >= 0 and at + _KEY.stop <= len(data):
                yield start + at, data[at + _KEY.start : at + _KEY.stop]
                at = data.find(_BEGINS, at + 1)
            rest = at if at >= 0 else max(0, len(data) - len(_BEGINS) + 1)
            start, data = start + rest, data[rest:]

    def _read(self, place: int, count: int) -> bytes:
        self._stream.seek(place)
        return self._stream.read(count)
