"""What a picture says of itself in IPTC and XMP, in the words of our fields.

XMP is read as the IPTC Photo Metadata Standard maps it (https://iptc.org/std/photometadata/specification/), IIM records
as its version 4.2 has them, inside Photoshop's image resources. Where both say something XMP is newer. Positions are
never read; the names of places that somebody wrote are tags.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

from mezzotint.transforms.exif import decoded

_MOST = 4 << 20
"""bytes of a block that are looked at"""
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_CORE = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_CC = "{http://creativecommons.org/ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_FROM_XMP = {
    "title": (f"{_DC}title", f"{_PHOTOSHOP}Headline"),
    "description": (f"{_DC}description",),
    "creator": (f"{_DC}creator",),
    "rights": (f"{_DC}rights", f"{_RIGHTS}UsageTerms"),
    "licence": (f"{_CC}license", f"{_RIGHTS}WebStatement"),
    "source": (f"{_PHOTOSHOP}Source", f"{_DC}source"),
    "alt": (f"{_CORE}AltTextAccessibility",),
    "captured": (f"{_PHOTOSHOP}DateCreated", f"{_EXIF}DateTimeOriginal", f"{_XMP}CreateDate"),
}
"""for each field, the properties that say it: the first that is there"""
_TAGS_OF_XMP = (f"{_DC}subject", f"{_CORE}Location", f"{_PHOTOSHOP}City", f"{_PHOTOSHOP}State", f"{_PHOTOSHOP}Country")
_OF_IIM = {5: "title", 120: "description", 80: "creator", 116: "rights", 115: "source", 55: "captured"}
_TAGS_OF_IIM = (25, 92, 90, 95, 101)
_UTF8 = b"\x1b%G"
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d(?::\d\d)?))?)?)?", re.ASCII)


def read_described(xmp: bytes | None, iptc: bytes | None) -> dict[str, Any]:
    """Texts by field, `tags` as a list; a block that cannot be read says nothing."""
    found: dict[str, Any] = _of_iptc(iptc[:_MOST]) if iptc else {}
    if xmp and len(xmp) <= _MOST:
        with suppress(ElementTree.ParseError, ValueError, LookupError, RecursionError):
            found |= _of_xmp(xmp)
    return {name: value for name, value in found.items() if value}


def _of_xmp(data: bytes) -> dict[str, Any]:
    text = data.strip(b"\0 \t\r\n")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # XMP has none; who sends one means harm
        return {}
    properties: dict[str, list[str]] = {}
    for description in ElementTree.fromstring(text).iter(f"{_RDF}Description"):  # noqa: S314  it has no DTD
        for name, value in description.attrib.items():
            properties.setdefault(name, [value])
        for child in description:
            properties.setdefault(child.tag, _values(child))
    found: dict[str, Any] = {}
    for field, names in _FROM_XMP.items():
        said = next((values for name in names if (values := [v for v in properties.get(name, []) if v.strip()])), [])
        if said:
            found[field] = "; ".join(said) if field == "creator" else said[0].strip()
    if "captured" in found:
        found["captured"] = _moment(found["captured"])
    tags = [value.strip() for name in _TAGS_OF_XMP for value in properties.get(name, [])]
    found["tags"] = list(dict.fromkeys(filter(None, tags)))
    return {name: value for name, value in found.items() if value}


def _values(element: ElementTree.Element) -> list[str]:
    """A text, the items of a bag or a sequence, or what an alternative says in no language first."""
    items = list(element.iter(f"{_RDF}li"))
    if not items:
        return [element.get(f"{_RDF}resource") or element.text or ""]
    items.sort(key=lambda item: item.get(_LANGUAGE) not in {None, "x-default"})
    return [item.text or "" for item in items]


def _moment(text: str) -> str:
    """Without a zone, as precise as it is said."""
    match = _DATE.match(text.strip())
    if match is None or match[1] == "0000":
        return ""
    day = "-".join(part for part in match.groups()[:3] if part)
    return f"{day}T{match[4]}" if match[4] else day


def _of_iptc(data: bytes) -> dict[str, Any]:
    records = list(_records(_iim(data)))
    is_utf8 = any(record == 1 and number == 90 and value == _UTF8 for record, number, value in records)
    found: dict[str, Any] = {"tags": []}
    for record, number, value in records:
        if record != 2:
            continue
        text = decoded(value, "utf-8" if is_utf8 else "cp1252").strip("\0 \t\r\n")
        if number in _TAGS_OF_IIM and text and text not in found["tags"]:
            found["tags"].append(text)
        elif (field := _OF_IIM.get(number)) is not None and text:
            found[field] = f"{found[field]}; {text}" if field == "creator" and field in found else text
    if "captured" in found:
        day = str(found["captured"])
        found["captured"] = _moment(f"{day[:4]}-{day[4:6]}-{day[6:8]}") if re.fullmatch(r"\d{8}", day, re.ASCII) else ""
        found["captured"] = re.sub("(-00)+$", "", found["captured"])
    return found


def _iim(data: bytes) -> bytes:
    """The IIM stream: alone, or as resource 0x0404 of Photoshop's (each `8BIM`, id, padded name, size, padded data)."""
    start = data.find(b"8BIM")
    if data[:1] == b"\x1c" or start < 0:
        return data
    while data[start : start + 4] == b"8BIM" and start + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, start + 4)
        name = data[start + 6] + 1
        at = start + 6 + name + name % 2
        if at + 4 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, at)
        if number == 0x0404:
            return data[at + 4 : at + 4 + size]
        start = at + 4 + size + size % 2
    return b""


def _records(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Record, number and value of each data set; none of an extended length has text."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", data, at + 1)
        if size & 0x8000:
            return
        yield record, number, data[at + 5 : at + 5 + size]
        at += 5 + size
