"""PDFium: one document, its pages as pixels. With `scans` the only importer of pypdfium2.

It runs in a process of its own (`child`): what a document does to it, it does to that process.
"""

from __future__ import annotations

import ctypes
import re
import resource
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as c
from PIL import Image, ImageChops

from mezzotint.errors import DocumentRefused
from mezzotint.transforms.pdf import scans
from mezzotint.transforms.pdf.asking import PageSize, PageSpec, page_size
from mezzotint.transforms.pdf.plain import WithoutPlain

_NEEDS_PASSWORD, _UNKNOWN_SECURITY = 4, 5
_EVERYWHERE = (-1e6, -1e6, 1e6, 1e6)
"""points; PDFium keeps of a CropBox what lies in the MediaBox, an inherited one too"""
_GLANCE = 600
"""pixels of the longer side of a glance at a page"""
_MOST_FORMS_IN_FORMS = 16
_MOST_TITLES = 10_000
_MOST_KEPT = 8 << 20
"""bytes"""


class Pdf:
    """An open document. Not safe for threads. Close it."""

    def __init__(self, path: Path) -> None:
        """Raises DocumentRefused."""
        self._path, self._buffer = path, bytearray()
        self._pdf = self._opened()
        self._least: int | None = None
        self._trials: tuple[Any, Any] | None = None
        self._without: WithoutPlain | None = None

    def _opened(self) -> Any:
        raw = c.FPDF_LoadDocument(str(self._path).encode() + b"\0", None)
        if not raw:
            raise DocumentRefused(_reason(self._path, c.FPDF_GetLastError()))
        if c.FPDF_GetPageCount(raw) < 1:
            raise DocumentRefused("it has no pages")
        opened = pdfium.PdfDocument(raw)
        opened.init_forms()  # before any page is loaded, or what was filled in is missing
        return opened

    def trials(self) -> tuple[Any, Any]:
        """The same document twice more: without its plain JPEGs, and one to be spoiled.

        Raises PdfiumError, OSError.
        """
        if self._trials is None:
            if self._without is None:
                self._without = WithoutPlain(self._path)
            self._trials = pdfium.PdfDocument(self._without), pdfium.PdfDocument(self._path)
        return self._trials

    @property
    def is_encrypted(self) -> bool:
        return bool(c.FPDF_GetSecurityHandlerRevision(self._pdf) >= 0)

    def renew(self) -> None:
        """Let go of what was read for earlier pages where it is much: PDFium keeps it while the document is open.

        Not while a page is open.
        """
        now = self._memory()
        if self._least is None:  # what the document itself takes shows after its first page
            self._least = now
        self._least = min(self._least, now)
        if now - self._least > _MOST_KEPT:
            with suppress(DocumentRefused, OSError):
                again = self._opened()
                self._close()
                _give_back()
                self._pdf, self._least = again, None

    def close(self) -> None:
        self._close()
        if self._without is not None:
            self._without.close()

    def _close(self) -> None:
        for one in (self._pdf, *(self._trials or ())):
            one.close()
        self._trials = None

    def _memory(self) -> int:
        """Bytes that this process has at the moment beside the pixels."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() - len(self._buffer)

    @property
    def pages(self) -> int:
        return len(self._pdf)

    def _language(self) -> str:
        size = c.FPDFCatalog_GetLanguage(self._pdf, None, 0)
        buffer = (ctypes.c_ushort * (size // 2))()
        c.FPDFCatalog_GetLanguage(self._pdf, buffer, size)
        return bytes(buffer)[:-2].decode("utf-16-le", "replace")

    def facts(self) -> dict[str, Any]:
        """What it says of itself: title, author, subject, keywords, created, modified, language, outline, labels."""
        said = {name.lower(): _text(value) for name, value in self._pdf.get_metadata_dict().items()}
        facts: dict[str, Any] = {name: said.get(name, "") for name in ("title", "author", "subject", "keywords")}
        facts["created"], facts["modified"] = _date(said.get("creationdate", "")), _date(said.get("moddate", ""))
        facts["language"] = _text(self._language())
        labels = [_text(self._pdf.get_page_label(number)) for number in range(self.pages)]
        facts["labels"] = labels if any(labels) else []
        facts["outline"] = self._outline()
        return facts

    def bitmap(self, size: PageSize, *, gray: bool) -> tuple[Any, Any, int]:
        """A white one of PDFium's, its bytes, and how many a row has. One at a time: it lies where the last one lay."""
        stride = (size.width + 3) // 4 * 4 if gray else size.width * 4
        if len(self._buffer) < stride * size.height:
            self._buffer = bytearray()  # first, or for a moment there are two
            self._buffer = bytearray(stride * size.height)
        pixels = (ctypes.c_ubyte * (stride * size.height)).from_buffer(self._buffer)
        kind = c.FPDFBitmap_Gray if gray else c.FPDFBitmap_BGRx
        bitmap = c.FPDFBitmap_CreateEx(size.width, size.height, kind, pixels, stride)
        if not bitmap:
            raise DocumentRefused(f"there is no memory for {size.width} x {size.height} pixels")
        c.FPDFBitmap_FillRect(bitmap, 0, 0, size.width, size.height, 0xFFFFFFFF)
        return bitmap, memoryview(pixels), stride

    def _outline(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for bookmark in self._pdf.get_toc(max_depth=15):
            if len(found) == _MOST_TITLES:
                break
            target = bookmark.get_dest()
            page = None if target is None else target.get_index() + 1
            found.append({"level": bookmark.level, "title": _text(bookmark.get_title()), "page": page})
        return found


class PdfPage:
    """Page `number`, from 1, as it is asked for. Close it."""

    def __init__(self, pdf: Pdf, number: int, asked: PageSpec) -> None:
        """Raises DocumentRefused."""
        self._of, self._document, self._number, self._crop = pdf, pdf._pdf, number, asked.crop
        self._page = _loaded(self._document, number, crop=asked.crop)
        width, height = self._page.get_size()
        self.size = page_size(width, height, asked)

    def close(self) -> None:
        self._page.close()

    def picture(self) -> Image.Image:
        """The page, as L where nothing is lost by it, else as RGBX. Good until the next one is made."""
        gray = self._seems_gray()
        image = self._rendered(self.size, gray=gray and not c.FPDFPage_HasTransparency(self._page))
        return image.getchannel(0) if image.mode != "L" and (gray or _is_gray(image)) else image

    def scan(self) -> bytes | None:
        """The JPEG that this page is, all of it and nothing else, in exactly the size that is asked for."""
        found = scans.only_scan(self._page, self.size)
        if found is None:
            return None
        return found if self._is_plain(found) or scans.looks_like(found, self._glance()) else None

    def _is_plain(self, jpeg: bytes) -> bool:
        """Whether it can be told without decoding it that the page shows this JPEG as it is."""
        if self._of.is_encrypted or not scans.is_sound(jpeg):
            return False
        try:
            without, spare = self._of.trials()
            with closing(_loaded(without, self._number, crop=self._crop)) as page:
                if c.FPDFPage_CountObjects(page):
                    return False
            with closing(_loaded(spare, self._number, crop=self._crop)) as page:
                return scans.is_shown_plainly(page, jpeg)
        except (pdfium.PdfiumError, DocumentRefused, OSError):
            return False

    def _glance(self) -> Image.Image:
        scale = min(1.0, _GLANCE / max(self.size.width, self.size.height))
        width, height = (max(1, round(side * scale)) for side in (self.size.width, self.size.height))
        return self._rendered(PageSize(width, height, self.size.dpi * scale), gray=False)

    def _seems_gray(self) -> bool:
        """No colour shows at a glance, and there is no picture whose colours might only have averaged out."""
        return not any(_is_coloured(one) for one in _images(self._page)) and _is_gray(self._glance())

    def _rendered(self, size: PageSize, *, gray: bool) -> Image.Image:
        bitmap, pixels, stride = self._of.bitmap(size, gray=gray)
        flags = c.FPDF_ANNOT | (0 if gray else c.FPDF_REVERSE_BYTE_ORDER)
        where = (0, 0, size.width, size.height, 0, flags)
        try:
            c.FPDF_RenderPageBitmap(bitmap, self._page, *where)
            if self._document.formenv is not None:
                c.FPDF_FFLDraw(self._document.formenv, bitmap, self._page, *where)
        finally:
            c.FPDFBitmap_Destroy(bitmap)
        mode = "L" if gray else "RGBX"
        return Image.frombuffer(mode, (size.width, size.height), pixels, "raw", mode, stride, 1)


def _give_back() -> None:
    """What is free between other things, too, where the C library can."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _loaded(document: Any, number: int, *, crop: bool) -> Any:
    try:
        page = document.get_page(number - 1)
        if not crop or not all(page.get_size()):  # a CropBox that lies off the page shows nothing of it
            page.set_cropbox(*_EVERYWHERE)
            page.close()
            page = document.get_page(number - 1)
    except pdfium.PdfiumError:
        raise DocumentRefused("it cannot be read") from None
    return page


def _is_gray(image: Image.Image) -> bool:
    red, green, blue = map(image.getchannel, range(3))
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox())


def _images(page: Any) -> Iterator[Any]:
    return (one for one in page.get_objects(filter=[c.FPDF_PAGEOBJ_IMAGE], max_depth=_MOST_FORMS_IN_FORMS))


def _is_coloured(image: Any) -> bool:
    about = c.FPDF_IMAGEOBJ_METADATA()
    if not c.FPDFImageObj_GetImageMetadata(image, image.page, about):
        return True
    return about.colorspace not in {c.FPDF_COLORSPACE_DEVICEGRAY, c.FPDF_COLORSPACE_CALGRAY}


def _reason(path: Path, code: int) -> str:
    """Only two of PDFium's codes can be relied on; the others may be left from before."""
    if code == _NEEDS_PASSWORD:
        return "it needs a password"
    if code == _UNKNOWN_SECURITY:
        return "it is encrypted in a way that is not known here"
    with open(path, "rb") as stream:
        head = stream.read(1024)
    return "it is damaged" if b"%PDF-" in head else "it is not a PDF"


def _text(value: str | None) -> str:
    """What can be shown, on one line."""
    return " ".join("".join(one if one.isprintable() else " " for one in value or "").split())[:2000]


def _date(text: str) -> str:
    """ISO 32000-1, 7.9.4, as ISO 8601; nothing where it is none."""
    match = re.match(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([-+])(\d\d)'?(\d\d)?|Z)?", text, re.ASCII)
    if match is None:
        return ""
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    try:
        moment = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
        away = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0)) * (-1 if match[7] == "-" else 1)
        return moment.replace(tzinfo=timezone(away)).isoformat()
    except ValueError:
        return ""
