"""What pictures say of themselves in IPTC and XMP."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mezzotint.repository import services
from mezzotint.transforms.described import read_described
from mezzotint.wiring import Engine
from tests import pictures

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:cc="http://creativecommons.org/ns#"
 xmlns:c="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" photoshop:City="Łódź" photoshop:DateCreated="%s">
<dc:title><rdf:Alt><rdf:li xml:lang="de">Der Hafen</rdf:li>
<rdf:li xml:lang="x-default">The harbour</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Anna</rdf:li><rdf:li>Béla</rdf:li></rdf:Seq></dc:creator>
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>ship</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
<c:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">Ships at a quay</rdf:li></rdf:Alt>
</c:AltTextAccessibility>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def record(number: int, text: bytes, section: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, section, number, len(text)) + text


def resources(iim: bytes) -> bytes:
    """As Photoshop writes them, behind another resource of an odd name and size."""
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\x03odd" + struct.pack(">I", 3) + b"abc\0"
    return b"Photoshop 3.0\0" + other + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(iim)) + iim


IIM = (
    record(5, b"A harbour") + record(80, b"Anna") + record(80, b"Bert") + record(116, b"(c) Anna") + record(25, b"sea")
    + record(25, b"ship") + record(101, b"Poland") + record(55, b"19010700") + record(120, "Caf\xe9".encode("latin-1"))
)  # fmt: skip


def test_xmp_is_read_in_the_words_of_our_fields() -> None:
    assert read_described((XMP % "1901-07-03T10:20:30+02:00").encode(), None) == {
        "title": "The harbour",
        "creator": "Anna; Béla",
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "alt": "Ships at a quay",
        "captured": "1901-07-03T10:20:30",
        "tags": ["sea", "ship", "Łódź"],
    }


@pytest.mark.parametrize("block", [IIM, resources(IIM)], ids=["as in TIFF", "as in JPEG"])
def test_iptc_is_read(block: bytes) -> None:
    assert read_described(None, block) == {
        "title": "A harbour",
        "creator": "Anna; Bert",
        "rights": "(c) Anna",
        "description": "Café",
        "captured": "1901-07",
        "tags": ["sea", "ship", "Poland"],
    }


def test_xmp_is_newer_than_iptc() -> None:
    both = read_described((XMP % "1901").encode(), resources(IIM))
    assert (both["title"], both["captured"], both["rights"]) == ("The harbour", "1901", "(c) Anna")


@pytest.mark.parametrize(
    "data",
    [b"", b"<", b"<a/>", b"\0" * 100, XMP.encode()[:400], b'<?xml version="1.0" encoding="nope"?><a/>',
     b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a>" * 10_000, b"\xff\xfe<\0a\0"],
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(data: bytes) -> None:
    assert read_described(data, data) == {}


@given(st.binary(max_size=200), st.integers(0, len(resources(IIM))))
def test_no_bytes_are_an_error(noise: bytes, at: int) -> None:
    block = resources(IIM)
    read_described(noise, block[:at] + noise + block[at:])
    read_described((XMP % "x").encode()[:at] + noise, block[:at])


def encoded(**options: Any) -> bytes:
    buffer = io.BytesIO()
    pictures.photograph(60, 40).save(buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "TIFF", "PNG"])
def test_what_a_picture_says_is_filled_in_where_it_comes_in(repository: Engine, image_format: str) -> None:
    xmp = (XMP % "1901-07").encode()
    if image_format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        told = PngInfo()
        told.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = encoded(format="PNG", pnginfo=told)
    elif image_format == "TIFF":
        data = encoded(format="TIFF", tiffinfo={700: xmp})
    else:
        data = encoded(format=image_format, xmp=xmp)
    base = repository.bases.add([data])
    session = services.open_session("tester")
    (upload,) = services.add_images(session, [services.Addition(base, {"creator": "Said by hand"}, {})])
    assert upload.fields["title"] == "The harbour" and upload.fields["tags"] == ["sea", "ship", "Łódź"]
    assert (upload.fields["captured"], upload.fields["creator"]) == ("1901-07", "Said by hand")


@pytest.mark.parametrize(
    ("xmp", "fields", "title"),
    [
        ((XMP % "1901").encode(), {"file_name": "DSC_0042.JPG"}, "The harbour"),
        (b"", {"file_name": "harbour_at_dusk.v2.jpg"}, "harbour at dusk.v2"),
        (b"", {"file_name": "harbour.jpg", "title": ""}, ""),
        (b"", {"file_name": ""}, ""),
        (b"", {}, ""),
    ],
)
def test_a_title_is_said_by_somebody_by_the_picture_or_by_its_files_name(
    repository: Engine, xmp: bytes, fields: dict[str, str], title: str
) -> None:
    """In this order, whichever door it comes in by: an ingest gave all pictures the names of their files."""
    base = repository.bases.add([encoded(format="JPEG", xmp=xmp)])
    (upload,) = services.add_images(services.open_session("tester"), [services.Addition(base, fields, {})])
    assert upload.fields.get("title", "") == title


def test_iptc_of_a_jpeg_is_filled_in(repository: Engine) -> None:
    block = resources(IIM)
    plain = encoded(format="JPEG")
    segment = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    base = repository.bases.add([plain[:2] + segment + plain[2:]])
    assert base.described["title"] == "A harbour"
    assert Image.open(io.BytesIO(plain)).size == (60, 40)


def test_too_much_is_cut_and_odd_is_left_out(repository: Engine) -> None:
    xmp = (XMP % "soon").replace("The harbour", "x" * 3000).replace(">sea<", ">" + "t" * 300 + "<").encode()
    base = repository.bases.add([encoded(format="JPEG", xmp=xmp)])
    session = services.open_session("tester")
    (upload,) = services.add_images(session, [services.Addition(base, {}, {})])
    assert len(upload.fields["title"]) == 500 and "captured" not in upload.fields
    assert max(map(len, upload.fields["tags"])) == 100
