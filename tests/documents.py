"""PDFs made for tests: small, by hand, so that each says exactly what it is to say."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pypdf import PdfReader, PdfWriter

from tests import pictures

_IMAGE = b"/Type /XObject /Subtype /Image /Width %d /Height %d %s"
TEXT = b"BT /F1 24 Tf 30 %d Td (%s) Tj ET"


@dataclass(frozen=True)
class Page:
    """`size` in points, or None where the pages' tree has it; `more` goes into the page's dictionary as it is."""

    content: bytes = b""
    size: tuple[float, float] | None = (300, 400)
    more: bytes = b""
    images: Sequence[tuple[int, int, bytes, bytes]] = ()
    """width, height, the dictionary's further entries, the stream: /Im0, /Im1 and so on"""


@dataclass
class _Writer:
    objects: list[bytes] = field(default_factory=list)

    def add(self, body: bytes) -> int:
        self.objects.append(body)
        return len(self.objects)

    def stream(self, data: bytes, more: bytes = b"") -> int:
        return self.add(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more, data))

    def written(self, root: int, info: int | None) -> bytes:
        out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
        for number, body in enumerate(self.objects, start=1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        about = b"" if info is None else b" /Info %d 0 R" % info
        out += b"trailer\n<< /Size %d /Root %d 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1,
            root,
            about,
            start,
        )
        return bytes(out)


def pdf(pages: Sequence[Page], *, tree: bytes = b"", catalog: bytes = b"", info: bytes = b"") -> bytes:
    """`tree`, `catalog` and `info` go into those dictionaries as they are."""
    writer = _Writer()
    font = writer.add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    parent = len(writer.objects) + 1
    writer.add(b"")
    kids = []
    for page in pages:
        content = writer.stream(zlib.compress(page.content), b"/Filter /FlateDecode")
        images = b" ".join(
            b"/Im%d %d 0 R" % (number, writer.stream(data, _IMAGE % (width, height, more)))
            for number, (width, height, more, data) in enumerate(page.images)
        )  # fmt: skip
        box = b"/MediaBox [0 0 %g %g]" % page.size if page.size is not None else b""
        resources = b"<< /Font << /F1 %d 0 R >> /XObject << %s >> >>" % (font, images)
        kids.append(
            writer.add(
                b"<< /Type /Page /Parent %d 0 R /Contents %d 0 R /Resources %s %s %s >>"
                % (parent, content, resources, box, page.more)
            )
        )
    writer.objects[parent - 1] = b"<< /Type /Pages /Count %d /Kids [%s] %s >>" % (
        len(kids), b" ".join(b"%d 0 R" % kid for kid in kids), tree,
    )  # fmt: skip
    root = writer.add(b"<< /Type /Catalog /Pages %d 0 R %s >>" % (parent, catalog))
    return writer.written(root, writer.add(b"<< %s >>" % info) if info else None)


def text_page(text: str, size: tuple[float, float] = (300, 400), colour: bytes = b"0 g") -> Page:
    return Page(colour + b" " + TEXT % (int(size[1] - 60), text.encode("latin-1")), size)


def text_pdf(count: int, name: str = "Page", size: tuple[float, float] = (300, 400), **options: bytes) -> bytes:
    return pdf([text_page(f"{name} {number}", size) for number in range(1, count + 1)], **options)


def scan_page(width: int, height: int, dpi: int, seed: int = 0, data: bytes | None = None, more: bytes = b"") -> Page:
    """One JPEG, edge to edge, so many pixels to an inch."""
    across, down = width * 72 / dpi, height * 72 / dpi
    return Page(
        b"q %f 0 0 %f 0 0 cm /Im0 Do Q" % (across, down),
        (across, down),
        images=[
            (
                width,
                height,
                b"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode " + more,
                data if data is not None else pictures.jpeg(width, height, seed=seed),
            )
        ],
    )


def with_objects(data: bytes, objects: dict[int, bytes]) -> bytes:
    """Appended, as an editor saves (ISO 32000-1, 7.5.6)."""
    start = int(data.rpartition(b"startxref\n")[2].split()[0])
    trailer = data[data.rindex(b"trailer") :]
    root = trailer.split(b"/Root ")[1].split()[0]
    out, entries = bytearray(data), b""
    for number, body in objects.items():
        entries += b"%d 1\n%010d 00000 n \n" % (number, len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n" + entries
    out += b"trailer\n<< /Size 200 /Root %b 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (root, start, at)
    return bytes(out)


def rebuilt(data: bytes) -> bytes:
    """With the offsets put right, after bytes were put in."""
    body = data[: data.rindex(b"xref\n0 ")]
    trailer = data[data.rindex(b"trailer") : data.rindex(b"startxref")]
    places = []
    number = 1
    while (at := body.find(b"\n%d 0 obj\n" % number)) >= 0:
        places.append(at + 1)
        number += 1
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(body)


def encrypted(data: bytes, password: str, owner: str = "owner") -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(password, owner, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def anything(**members: Any) -> dict[str, Any]:
    """A member of a request."""
    return {
        "@type": "vocab:Composite",
        "id": "page-{:03d}",
        "space": 7,
        "origin": "http://a.test/a.pdf",
        "incrementSeed": 1,
    } | members


def request(*members: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "@context": "http://www.w3.org/ns/hydra/context.jsonld", "@type": "Collection", "member": list(members),
    } | more  # fmt: skip
