"""Pages that are one JPEG and nothing else: passed on as they are, which costs nothing and loses nothing."""

from __future__ import annotations

import ctypes
import io
from typing import Any

import pypdfium2.raw as c
from PIL import Image, ImageChops, ImageFilter, ImageStat

from mezzotint.transforms.pdf.asking import POINTS, PageSize

_OFF = 0.5
"""pixels that the picture's edges may lie off the page's"""
_DEVICE = {c.FPDF_COLORSPACE_DEVICEGRAY, c.FPDF_COLORSPACE_DEVICERGB}
_LEVELS = (ctypes.c_ubyte * 1024)(*(one for level in range(256) for one in (level, 255 - level, level ^ 0x5A, 255)))
"""16 x 16 pixels, BGRx"""
_UNLIKE, _FAR_OFF, _AROUND = 6.0, 48, 3
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
    if c.FPDFImageObj_GetImageFilterCount(found) != 1 or _filter(found) != b"DCTDecode\0":
        return None
    length = c.FPDFImageObj_GetImageDataRaw(found, None, 0)
    buffer = ctypes.create_string_buffer(length)
    c.FPDFImageObj_GetImageDataRaw(found, buffer, length)
    return buffer.raw if _is_plain(buffer.raw, size) else None


def is_shown_plainly(page: Any, size: PageSize) -> bool:
    """Whether the one image of the page is shown as it is, by all that lies outside of it: its colours, edge to edge.

    Another picture is put in its place, in which every level of every colour is; the page has to show just that. So
    what the graphics state, a clip or optional content do to it is seen, and no JPEG is decoded. Afterwards the image
    is good for nothing, on any page of the document.
    """
    found = c.FPDFPage_GetObject(page, 0)
    about = c.FPDF_IMAGEOBJ_METADATA()
    if not c.FPDFImageObj_GetImageMetadata(found, page, about) or about.colorspace not in _DEVICE:
        return False
    if (about.width, about.height) != (size.width, size.height):
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
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        image.draft("RGB" if image.mode == "RGB" else "L", glance.size)
        shown = image.convert("RGB").resize(glance.size, Image.Resampling.BOX)
    off = ImageChops.difference(shown, glance.convert("RGB"))
    most = max(max(band.tobytes()) for band in off.filter(ImageFilter.BoxBlur(_AROUND)).split())
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


def _filter(found: Any) -> bytes:
    buffer = ctypes.create_string_buffer(32)
    c.FPDFImageObj_GetImageFilter(found, 0, buffer, 32)
    return buffer.raw[: buffer.raw.index(b"\0") + 1] if b"\0" in buffer.raw else buffer.raw


def _is_plain(jpeg: bytes, size: PageSize) -> bool:
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
