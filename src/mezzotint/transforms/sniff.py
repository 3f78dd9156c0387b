"""What a file is, by its first bytes and nothing else. An allow-list."""

from __future__ import annotations

from collections.abc import Collection

from mezzotint.errors import NotAnImage
from mezzotint.names import FORMATS

HEAD = 512

_MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
    (b"II+\x00", "tif"),
    (b"MM\x00+", "tif"),
    (b"BM", "bmp"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
)
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"}


def sniff(head: bytes, accepted: Collection[str] = FORMATS) -> str:
    """The format of a file that begins with `head` (HEAD bytes, or the whole of it).

    One of the keys of FORMATS. Raises NotAnImage, also where it is none of the `accepted`.
    """
    found = _found(head)
    if found in accepted:
        return found
    if found == "svg":
        raise NotAnImage("file", "SVG is switched off here", "MEZZOTINT_ALLOW_SVG=true to accept it")
    listed = " ".join(name for name in FORMATS if name in accepted)
    if found:
        raise NotAnImage("file", f"{FORMATS[found].media_type} is switched off here", f"{listed}, MEZZOTINT_FORMATS")
    raise NotAnImage("file", "is not a picture of an accepted format", listed)


def _found(head: bytes) -> str:
    """Or nothing."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = {head[i : i + 4] for i in range(8, min(len(head), int.from_bytes(head[:4], "big")), 4)}
        if brands & _AVIF:
            return "avif"
        if brands & _HEIC:
            return "heic"
    return "svg" if _is_svg(head) else ""


def _is_svg(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--", b"<!DOCTYPE")) and b"<svg" in text)
