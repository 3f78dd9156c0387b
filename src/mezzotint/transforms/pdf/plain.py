"""Which images of a PDF are JPEGs whose dictionaries say no more than how large they are.

PDFium tells half of what is in an image's dictionary; the rest (a mask, a Decode array) makes another picture of its
bytes. So dictionaries are read in the file itself, strictly; and that a page's image is one of those is seen by PDFium
not finding it any more in a file where they are no objects.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

_BEGINS = b"\xff\xd8\xff"
_BEFORE, _PIECE = 1024, 1 << 20
_MOST = 100_000
_NO_OBJECT = b"xbj"
_WHITE = rb"[\0\t\n\f\r ]"
_NUMBER = _WHITE + rb"+\d+(?:%s+\d+%s+R)?" % (_WHITE, _WHITE)
_ENTRIES = (
    rb"Type_*/XObject", rb"Subtype_*/Image", rb"Width#", rb"Height#", rb"BitsPerComponent_+8",
    rb"ColorSpace_*/Device(?:RGB|Gray)", rb"Filter_*(?:/DCTDecode|\[_*/DCTDecode_*\])", rb"Length#", rb"Metadata#",
    rb"StructParent#", rb"Name_*/[A-Za-z0-9.+-]+", rb"Intent_*/[A-Za-z]+", rb"Interpolate_+(?:true|false)",
    rb"ImageMask_+false", rb"Decode_*\[(?:_*0_+1){1,4}_*\]",
)  # fmt: skip
"""of a dictionary that changes nothing; _ is white space, # a number or a reference to one"""
_PLAIN = re.compile(
    rb"_(?P<word>obj)_*<<(?:_*/(?:%s))*_*>>_*stream\r?\n\Z".replace(b"_", _WHITE)
    % b"|".join(_ENTRIES).replace(b"_", _WHITE).replace(b"#", _NUMBER)
)


class WithoutPlain(io.RawIOBase):
    """The file of a PDF, in which images that are plain JPEGs are no objects. Close it."""

    def __init__(self, path: Path) -> None:
        self._stream = open(path, "rb")  # noqa: SIM115  closed by close()
        self._words = sorted(self._found())
        self._stream.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = self._stream.tell()
        count = self._stream.readinto(buffer)
        view = memoryview(buffer).cast("B")
        first, end = (bisect_left(self._words, at) for at in (start - len(_NO_OBJECT) + 1, start + count))
        for word in self._words[first:end]:
            for at, byte in enumerate(_NO_OBJECT, word - start):
                if 0 <= at < count:
                    view[at] = byte
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _found(self) -> Iterator[int]:
        """Where the word "obj" of each stands. None where there are too many pictures to look at."""
        places = list(self._beginnings())
        for place in places if len(places) <= _MOST else ():
            start = max(0, place - _BEFORE)
            self._stream.seek(start)
            if (found := _PLAIN.search(self._stream.read(place - start))) is not None:
                yield start + found.start("word")

    def _beginnings(self) -> Iterator[int]:
        """Of what may be JPEGs; no more than one too many."""
        start, data, count = 0, b"", 0
        while count <= _MOST and (more := self._stream.read(_PIECE)):
            data += more
            at = data.find(_BEGINS)
            while at >= 0 and count <= _MOST:
                yield start + at
                count += 1
                at = data.find(_BEGINS, at + 1)
            kept = len(_BEGINS) - 1
            start, data = start + max(0, len(data) - kept), data[-kept:]
