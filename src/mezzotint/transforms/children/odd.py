"""What libvips's own builds leave out, by Pillow and its plugins: BMP, JPEG 2000, HEIC, JPEG XL and TIFF of rarer
kinds. In a child only."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
from PIL import Image, ImageCms, ImageFile

from mezzotint.errors import DamagedImage
from mezzotint.transforms.children import bitmaps
from mezzotint.transforms.colour import icc
from mezzotint.transforms.colour.made import of_heif
from mezzotint.transforms.libvips.loading import first_line
from mezzotint.transforms.structure import boxes, tiff

Image.MAX_IMAGE_PIXELS = None  # MEZZOTINT_MAX_PIXELS is checked from the header, before any decoding
ImageFile.LOAD_TRUNCATED_IMAGES = False
_MOST_OF_16 = 65535
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}


@dataclass(frozen=True, slots=True)
class Pixels:
    """Rows of 8 or 16 bit samples; `profile`: of their colours, None for sRGB."""

    width: int
    height: int
    bands: int
    data: bytes
    deep: bool = False
    profile: bytes | None = None
    inks: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """`size` is width and height; `decode` gives the pixels."""

    size: tuple[int, int]
    alpha: bool
    gray: bool
    decode: Callable[[], Pixels]
    exif: bytes | None = None
    orientation: int = 1


def opened(data: bytes, image_format: str, shrink: int = 1) -> Opened:
    """Of JPEG 2000 at a resolution of its own that is reduced by `shrink`, where it has that.

    Raises DamagedImage, with the codec's words.
    """
    try:
        return _jp2(data, shrink) if image_format == "jp2" else OPENERS[image_format](data)
    except MemoryError:
        raise
    except Exception as error:
        raise DamagedImage("file", f"the {image_format} header cannot be read", first_line(error)) from error


def _by_pillow(data: bytes, codec: str, profile: Callable[[Image.Image], bytes | None], shrink: int = 1) -> Opened:
    image = Image.open(io.BytesIO(data), formats=[codec])
    if shrink > 1:
        image.reduce = shrink.bit_length() - 1  # type: ignore[method-assign,assignment]
    alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    gray = image.mode in {"1", "L", "LA", "I", *_DEEP}

    def decode() -> Pixels:
        image.load()
        return _pixels(image, profile(image))

    return Opened(image.size, alpha, gray, decode)


def _pixels(image: Image.Image, profile: bytes | None) -> Pixels:
    if image.mode in _DEEP:
        data = numpy.asarray(image).astype("uint16").tobytes()
        return Pixels(image.width, image.height, 1, data, True, profile)
    if image.mode == "I":
        values = numpy.asarray(image).astype("int32").view("uint32")
        deep = values if values.max(initial=0) <= _MOST_OF_16 else values >> 16  # some have numbers of 16 bits in 32
        return Pixels(image.width, image.height, 1, deep.astype("uint16").tobytes(), True, profile)
    image = _in_8_bits(image)
    bands, inks = len(image.getbands()), image.mode == "CMYK"
    return Pixels(image.width, image.height, bands, image.tobytes(), False, profile, inks)


def _in_8_bits(image: Image.Image) -> Image.Image:
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"P", "PA"}:
        return image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        relative = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB", renderingIntent=relative)
        assert converted is not None
        return converted
    return image if image.mode in {"L", "LA", "RGB", "RGBA", "CMYK"} else image.convert("RGB")


def _bmp(data: bytes) -> Opened:
    bitmap = bitmaps.read(data)

    def decode() -> Pixels:
        rows = bitmaps.pixels(data, bitmap)
        return Pixels(bitmap.width, bitmap.height, rows.shape[2], rows.tobytes(), False, bitmap.profile)

    return Opened((bitmap.width, bitmap.height), bool(bitmap.masks[3]), bitmap.gray, decode)


def _jp2(data: bytes, shrink: int = 1) -> Opened:
    told = boxes.jp2_colours(data) if data[:2] != b"\xff\x4f" else boxes.Jp2Colours()
    if told.palette and told.codestream is not None:
        return _by_palette(data[slice(*told.codestream)], told)
    shrink = min(shrink, 1 << boxes.jp2_resolutions(data, told))
    return _by_pillow(data, "JPEG2000", lambda image: told.icc, shrink)


def _by_palette(codestream: bytes, told: boxes.Jp2Colours) -> Opened:
    """Indices looked up here: Pillow makes one of entries that are equal, and loses count."""
    image = Image.open(io.BytesIO(codestream), formats=["JPEG2000"])
    mapped = told.mapped or tuple((0, column) for column in range(len(told.palette[0])))

    def decode() -> Pixels:
        indices = numpy.atleast_3d(numpy.asarray(image))
        table = numpy.asarray(told.palette, dtype="uint8")
        channels = [
            indices[:, :, component].astype("uint8")
            if column is None
            else table[numpy.minimum(indices[:, :, component], len(table) - 1), column]
            for component, column in mapped
        ]
        return Pixels(image.width, image.height, len(channels), numpy.dstack(channels).tobytes(), False, told.icc)

    return Opened(image.size, len(mapped) in {2, 4}, len(mapped) <= 2, decode)


def _heic(data: bytes) -> Opened:
    import pi_heif  # type: ignore[import-untyped]

    pi_heif.options.DECODE_THREADS = 1
    picture = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    told = boxes.heif_colours(data)
    gray = picture.mode.startswith("L") or picture.mode.startswith("I")
    alpha = "A" in picture.mode or "a" in picture.mode

    def decode() -> Pixels:
        array = numpy.asarray(picture)
        deep = array.dtype == numpy.uint16
        if told.premultiplied and alpha:
            array = _divided(array)
        bands = array.shape[2] if array.ndim == 3 else 1
        profile = told.icc if told.icc and icc.judged(told.icc) else None
        if profile is None and told.code_points is not None:
            profile = of_heif(told.code_points, gray=gray)
        width, height = picture.size
        return Pixels(width, height, bands, numpy.ascontiguousarray(array).tobytes(), deep, profile)

    return Opened(picture.size, alpha, gray, decode, picture.info.get("exif"))


def _divided(array: Any) -> Any:
    """Colours that alpha was multiplied into."""
    most = numpy.iinfo(array.dtype).max
    alpha = numpy.maximum(array[..., -1:], 1).astype("float32")
    colours = numpy.minimum(array[..., :-1] * (most / alpha), most).round()
    return numpy.concatenate([colours.astype(array.dtype), array[..., -1:]], axis=-1)


def _jxl(data: bytes) -> Opened:
    import pyjpegxl

    pyjpegxl.set_num_threads(1)
    told = pyjpegxl.probe(data)

    def decode() -> Pixels:
        about, array = pyjpegxl.decode_to_numpy(data, dtype="uint16" if told.bits_per_sample > 8 else "uint8")
        deep = array.dtype == numpy.uint16
        return Pixels(about.width, about.height, array.shape[2], array.tobytes(), deep, about.icc)

    gray, exif = told.num_color_channels == 1, boxes.jxl_exif(data)
    return Opened((told.width, told.height), told.has_alpha, gray, decode, exif)


def _tif(data: bytes) -> Opened:
    told = tiff.survey(data)
    if told.photometric == 6 and told.subsampling != (1, 1) and told.compression not in {6, 7}:
        raise ValueError("YCbCr of fewer samples is not read")
    opened = _by_pillow(tiff.unturned(data), "TIFF", lambda image: image.info.get("icc_profile"))
    return replace(opened, orientation=told.orientation if told.orientation in range(1, 9) else 1)


OPENERS: dict[str, Callable[[bytes], Opened]] = {"bmp": _bmp, "jp2": _jp2, "heic": _heic, "jxl": _jxl, "tif": _tif}
