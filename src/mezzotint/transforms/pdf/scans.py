"""Pages that are one JPEG and nothing else: passed on as they are, which costs nothing and loses nothing."""

from __future__ import annotations

import ctypes
import io
import re
from typing import Any

import pypdfium2.raw as c
from PIL import Image, ImageChops, ImageFilter, ImageStat

from mezzotint.transforms.pdf.asking import POINTS, PageSize

_OFF = 0.5
"""pixels that the picture's edges may lie off the page's"""
_DEVICE = {"L": c.FPDF_COLORSPACE_DEVICEGRAY, "RGB": c.FPDF_COLORSPACE_DEVICERGB}
_LEVELS = (ctypes.c_ubyte * 1024)(*(one for level in range(256) for one in (level, 255 - level, level ^ 0x5A, 255)))
"""16 x 16 pixels, BGRx; each of blue, green and red has all 256"""
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_USUAL_FRAMES = {0xC0, 0xC1, 0xC2}
_APPLICATION = set(range(0xE0, 0xF0))
_TABLES, _SCAN, _INTERVAL, _END = {0xC4, 0xDB}, 0xDA, 0xDD, 0xD9
_NEXT, _RESTART = re.compile(rb"\xff[^\x00\xd0-\xd7]"), re.compile(rb"\xff[\xd0-\xd7]")
_UNLIKE, _FAR_OFF, _AROUND = 2.5, 48, 3
"""steps of 255 that the JPEG may differ from the page at a glance: in the mean, and in the mean around any pixel"""


def only_scan(page: Any, size: PageSize) -> bytes | None:
    """The bytes of the JPEG that is all there is on the page, upright, edge to edge, a pixel for each of `size`."""
    if c.FPDFPage_CountObjects(page) != 1 or c.FPDFPage_GetAnnotCount(page) or page.get_rotation():
        return None
    if c.FPDFPage_HasTransparency(page):
        return None
    found = c.FPDFPage_GetObject(page, 0)
    if c.FPDFPageObj_GetType(found) != c.FPDF_PAGEOBJ_IMAGE or not _fills(found, page, size):
        return None
    if c.FPDFPageObj_HasTransparency(found) or c.FPDFClipPath_CountPaths(c.FPDFPageObj_GetClipPath(found)) > 0:
        return None
    if c.FPDFImageObj_GetImageFilterCount(found) != 1:
        return None
    name = ctypes.create_string_buffer(32)
    c.FPDFImageObj_GetImageFilter(found, 0, name, 32)
    if name.value != b"DCTDecode":
        return None
    length = c.FPDFImageObj_GetImageDataRaw(found, None, 0)
    buffer = ctypes.create_string_buffer(length)
    c.FPDFImageObj_GetImageDataRaw(found, buffer, length)
    return buffer.raw if _fits(buffer.raw, size) else None


def is_sound(jpeg: bytes) -> bool:
    """Whether its markers are those of a JPEG that everybody decodes (ITU-T T.81, annex B), and nothing in it changes
    its colours where only some look. What its coefficients are is not looked at."""
    seen: set[int] = set()
    at, restarts = 2, False
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4])
        if marker in _FRAMES and (marker not in _USUAL_FRAMES or seen & _FRAMES):
            return False
        if not 0xC0 <= marker <= 0xFE or 0xD0 <= marker <= 0xD9 or (marker in _APPLICATION and seen & _FRAMES):
            return False
        seen.add(marker)
        restarts = restarts or (marker == _INTERVAL and jpeg[at + 4 : at + 6] != b"\0\0")
        at += 2 + size
        if marker == _SCAN:
            if not (seen & _FRAMES and seen >= _TABLES):
                return False
            found = _NEXT.search(jpeg, at)
            if found is None or restarts is not (_RESTART.search(jpeg, at, found.start()) is not None):
                return False
            at = found.start()
            if jpeg[at + 1] == _END:
                return True
    return False


def is_shown_plainly(page: Any, jpeg: bytes) -> bool:
    """Whether the one image of the page is shown as it is, by all that lies outside of it: its colours, edge to edge.

    Another picture is put in its place, in which every level of every colour is; the page has to show just that. So
    what the graphics state, a clip or optional content do to it is seen, and no JPEG is decoded. Afterwards the image
    is good for nothing, on any page of the document.
    """
    found = c.FPDFPage_GetObject(page, 0)
    about = c.FPDF_IMAGEOBJ_METADATA()
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        wanted = (*image.size, _DEVICE[image.mode])
    if not c.FPDFImageObj_GetImageMetadata(found, page, about):
        return False
    if (about.width, about.height, about.colorspace) != wanted:
        return False
    put = c.FPDFBitmap_CreateEx(16, 16, c.FPDFBitmap_BGRx, _LEVELS, 64)
    shown = (ctypes.c_ubyte * len(_LEVELS))()
    bitmap = c.FPDFBitmap_CreateEx(16, 16, c.FPDFBitmap_BGRx, shown, 64)
    try:
        pages = (c.FPDF_PAGE * 1)(page.raw)
        if not c.FPDFImageObj_SetBitmap(pages, 1, found, put):
            return False
        c.FPDF_RenderPageBitmap(bitmap, page, 0, 0, 16, 16, 0, c.FPDF_ANNOT)
    finally:
        c.FPDFBitmap_Destroy(bitmap)
        c.FPDFBitmap_Destroy(put)
    return all(bytes(shown)[band::4] == bytes(_LEVELS)[band::4] for band in range(3))


def looks_like(jpeg: bytes, glance: Image.Image) -> bool:
    """Whether the JPEG by itself shows what the page shows: a mask, a Decode array, a colour space or a clip may make
    another picture of it."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            image.draft("RGB" if image.mode == "RGB" else "L", glance.size)
            shown = image.convert("RGB").resize(glance.size, Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError):
        return False
    around = ImageFilter.BoxBlur(_AROUND)  # two ways of reducing differ from pixel to pixel
    off = ImageChops.difference(shown.filter(around), glance.convert("RGB").filter(around))
    most = max(max(band.tobytes()) for band in off.split())
    return max(ImageStat.Stat(off).mean) < _UNLIKE and most < _FAR_OFF


def _fills(found: Any, page: Any, size: PageSize) -> bool:
    matrix = c.FS_MATRIX()
    if not c.FPDFPageObj_GetMatrix(found, matrix):
        return False
    left, bottom, right, top = page.get_bbox()
    pixel = POINTS / size.dpi
    wanted = (right - left, 0, 0, top - bottom, left, bottom)
    placed = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
    return all(abs(one - other) <= _OFF * pixel for one, other in zip(placed, wanted, strict=True))


def _fits(jpeg: bytes, size: PageSize) -> bool:
    """A whole JPEG of these pixels, gray or of three colours, that says nothing of its own of turning and of colour."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.size != (size.width, size.height) or image.mode not in {"L", "RGB"}:
                return False
            if {"exif", "icc_profile"} & image.info.keys() or image.info.get("adobe_transform", 1) != 1:
                return False
            return jpeg.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
    except (OSError, ValueError, SyntaxError):
        return False
