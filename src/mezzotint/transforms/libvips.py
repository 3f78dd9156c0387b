"""Runs plans. The only importer of pyvips.

Only the named loaders of the accepted formats are open; every other foreign
loader of libvips is blocked. BMP and JPEG 2000, which libvips's own builds
lack, come and go through Pillow.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

os.environ["VIPS_CONCURRENCY"] = "1"  # a render is one thread; the pool is where renders run side by side

import pyvips

from mezzotint.errors import DamagedImage, TooManyPixels
from mezzotint.names import Box, Facts, Format, Quality, Region, Rotation
from mezzotint.names.rendition import WHITE
from mezzotint.transforms import pillow
from mezzotint.transforms.geometry import LEVEL_QUALITY, SHRINK_OVERSAMPLE, Plan, Stored, reduction
from mezzotint.transforms.sniff import sniff

_LOADERS = {
    "jpg": "VipsForeignLoadJpeg",
    "png": "VipsForeignLoadPng",
    "webp": "VipsForeignLoadWebp",
    "avif": "VipsForeignLoadHeif",
    "heic": "VipsForeignLoadHeif",
    "gif": "VipsForeignLoadNsgif",
    "tif": "VipsForeignLoadTiff",
    "svg": "VipsForeignLoadSvg",
}
_FRAMED = {"gif", "webp"}
_STRICT: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}
T = TypeVar("T")

pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in set(_LOADERS.values()):
    pyvips.operation_block_set(_loader, False)


@dataclass(frozen=True, slots=True)
class Pixels:
    """A reduced copy of a base in memory: oriented, 8-bit, sRGB or gray."""

    image: Any


@dataclass(frozen=True, slots=True)
class Source:
    """What a rendition is made from: a base's file, a level's file, or a level's pixels."""

    data: Path | Pixels
    stored: Stored
    format: str
    is_base: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A file's facts, and its EXIF block where it has one."""

    facts: Facts
    exif: bytes | None


def read_header(path: Path, *, max_pixels: int, allow_svg: bool = False) -> Header:
    """What the file at `path` is, from its header; no pixel is decoded.

    Raises NotAnImage, DamagedImage, TooManyPixels.
    """
    with open(path, "rb") as stream:
        image_format = sniff(stream.read(512), allow_svg=allow_svg)
    if image_format in pillow.FORMATS:
        facts = pillow.read_facts(path, image_format)
        _check_pixels(facts, max_pixels)
        return Header(facts, None)
    try:
        image = _open(path, image_format)
        names = set(image.get_fields())
        frames = image.get("n-pages") if image_format in _FRAMED and "n-pages" in names else 1
        orientation = image.get("orientation") if "orientation" in names else 1
        exif = image.get("exif-data") if "exif-data" in names else None
    except pyvips.Error as error:
        raise DamagedImage("file", f"the {image_format} header cannot be read", _first_line(error)) from error
    if image_format in {"avif", "heic"} or orientation not in range(1, 9):
        orientation = 1  # libheif has turned the picture already
    turned = orientation >= 5
    facts = Facts(
        width=image.height if turned else image.width,
        height=image.width if turned else image.height,
        format=image_format,
        bytes=path.stat().st_size,
        orientation=orientation,
        frames=frames,
        alpha=image.hasalpha(),
        gray=image.interpretation in {"b-w", "grey16"} or image.bands <= 2,
    )
    _check_pixels(facts, max_pixels)
    if image_format == "heic":
        _check_decodable(path, facts)
    return Header(facts, exif)


def render(source: Source, plan: Plan) -> bytes:
    """The bytes of the derivative that `plan` describes. Raises DamagedImage."""
    return _decoding(lambda with_profile: _encode(_run(source, plan, with_profile), plan))


def reduce(source: Source, plan: Plan) -> Pixels:
    """The pixels that `plan` describes, kept in memory to derive from. Raises DamagedImage.

    What is made of them is reduced again, so the decoder may reduce all the way.
    """
    return _decoding(lambda with_profile: Pixels(_run(source, plan, with_profile, oversample=1.0).copy_memory()))


def _decoding(work: Callable[[bool], T]) -> T:
    """Do `work` with the source's own colour profile; where that profile is broken, without it."""
    try:
        return work(True)
    except pyvips.Error as error:
        if "profile" not in str(error) and "icc" not in str(error):
            raise DamagedImage("image", "cannot be decoded", _first_line(error)) from error
    try:
        return work(False)
    except pyvips.Error as error:
        raise DamagedImage("image", "cannot be decoded", _first_line(error)) from error


def _open(path: Path, image_format: str, **options: Any) -> Any:
    name = str(path)
    match image_format:
        case "jpg":
            return pyvips.Image.jpegload(name, **_STRICT, **options)
        case "png":
            return pyvips.Image.pngload(name, **_STRICT, **options)
        case "webp":
            return pyvips.Image.webpload(name, **_STRICT, **options)
        case "avif" | "heic":
            return pyvips.Image.heifload(name, **_STRICT, **options)
        case "gif":
            return pyvips.Image.gifload(name, **_STRICT, **options)
        case "tif":
            return pyvips.Image.tiffload(name, **_STRICT, **options)
        case "svg":
            return pyvips.Image.svgload(name, **_STRICT, **options)
    width, height, bands, data = pillow.decode(path)
    image = pyvips.Image.new_from_memory(data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands <= 2 else "srgb")


def _run(source: Source, plan: Plan, with_profile: bool, oversample: float = SHRINK_OVERSAMPLE) -> Any:
    """The finished pixels, 8-bit sRGB or gray, with alpha where the plan keeps it."""
    if isinstance(source.data, Pixels):
        return _transform(source.data.image, 1.0, plan, with_profile)
    if not plan.animated:
        return _transform(*_open_reduced(source.data, source.format, plan, oversample), plan, with_profile)
    strip = _open(source.data, source.format, n=-1).copy_memory()
    height, count = strip.get_page_height(), strip.get_n_pages()
    frames = [_transform(strip.crop(0, i * height, strip.width, height), 1.0, plan, with_profile) for i in range(count)]
    frames = [frame if frame.hasalpha() else frame.addalpha() for frame in frames]
    joined = pyvips.Image.arrayjoin(frames, across=1).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    for field in ("delay", "loop"):
        if field in strip.get_fields():
            kind = pyvips.GValue.array_int_type if field == "delay" else pyvips.GValue.gint_type
            joined.set_type(kind, field, strip.get(field))
    return joined


def _open_reduced(path: Path, image_format: str, plan: Plan, oversample: float) -> tuple[Any, float]:
    """The source at the smallest scale that its decoder offers and the plan allows, and that scale."""
    whole = _open(path, image_format)
    if image_format == "svg":
        crop = plan.crop or Region(0, 0, whole.width, whole.height)
        scale = max(plan.width / crop.width, plan.height / crop.height)
        return _open(path, image_format, scale=scale), scale
    step = reduction(plan, whole.width, whole.height, oversample) if image_format == "jpg" else 1
    return (whole, 1.0) if step == 1 else (_open(path, image_format, shrink=step), 1 / step)


def _transform(image: Any, scale: float, plan: Plan, with_profile: bool) -> Any:
    if plan.crop is not None:
        image = _cropped(image, scale, plan.crop)
    image = _resized(image, plan, with_profile)
    if plan.orientation != 1:
        image = _oriented(image.copy_memory(), plan.orientation)
    if image.hasalpha() and not plan.keeps_alpha:
        image = image.flatten(background=_background(image, WHITE))
    if plan.canvas is not None:
        image = _on_canvas(image, plan.canvas)
    if plan.rotation is not None:
        image = _rotated(image.copy_memory(), plan.rotation, plan.keeps_alpha)
    return _in_quality(image, plan.quality)


def _cropped(image: Any, scale: float, crop: Region) -> Any:
    """`crop`, in the pixels of the source, out of an image that was loaded at `scale`."""
    left, top = min(round(crop.x * scale), image.width - 1), min(round(crop.y * scale), image.height - 1)
    width = min(max(1, round(crop.width * scale)), image.width - left)
    height = min(max(1, round(crop.height * scale)), image.height - top)
    return image.crop(left, top, width, height)


def _resized(image: Any, plan: Plan, with_profile: bool) -> Any:
    """At the plan's size, in 8-bit sRGB or gray. Reduced by area and Lanczos, alpha premultiplied."""
    fields = set(image.get_fields())
    options: dict[str, Any] = {}
    if "icc-profile-data" in fields:
        if not with_profile:
            image = image.copy()
            image.remove("icc-profile-data")
        elif not _is_srgb(image.get("icc-profile-data")):
            options = {"output_profile": "srgb", "intent": "relative"}
    if image.format not in {"uchar", "ushort"}:
        image = image.colourspace("srgb")
    image = image.thumbnail_image(plan.width, height=plan.height, size="force", no_rotate=True, **options)
    gray = image.interpretation in {"b-w", "grey16"} or image.bands <= 2
    space = "b-w" if gray else "srgb"
    if image.interpretation != space:
        image = image.colourspace(space)
    most = 2 if gray else 4
    return (image if image.bands <= most else image.extract_band(0, n=most)).cast("uchar")


def _is_srgb(profile: bytes) -> bool:
    return b"sRGB IEC61966" in profile or b"s\x00R\x00G\x00B\x00 \x00I\x00E\x00C" in profile


def _oriented(image: Any, orientation: int) -> Any:
    """EXIF 2.3, tag 0x0112."""
    return {
        2: lambda: image.fliphor(),
        3: lambda: image.rot180(),
        4: lambda: image.flipver(),
        5: lambda: image.rot90().fliphor(),
        6: lambda: image.rot90(),
        7: lambda: image.rot270().fliphor(),
        8: lambda: image.rot270(),
    }[orientation]()


def _background(image: Any, colour: str) -> list[int]:
    red, green, blue = bytes.fromhex(colour)
    if image.bands <= 2:
        return [round(0.2126 * red + 0.7152 * green + 0.0722 * blue)]
    return [red, green, blue]


def _on_canvas(image: Any, canvas: Box) -> Any:
    if image.bands <= 2 and len(set(bytes.fromhex(canvas.colour))) > 1:
        image = image.colourspace("srgb")
    background = _background(image, canvas.colour)
    if image.hasalpha():
        image = image.flatten(background=background)
    left, top = (canvas.width - image.width) // 2, (canvas.height - image.height) // 2
    return image.embed(left, top, canvas.width, canvas.height, extend="background", background=background)


def _rotated(image: Any, rotation: Rotation, keeps_alpha: bool) -> Any:
    if rotation.mirror:
        image = image.fliphor()
    if rotation.hundredths % 9000 == 0:
        quarter = rotation.hundredths // 9000
        return (image, image.rot90(), image.rot180(), image.rot270())[quarter] if quarter else image
    if keeps_alpha and not image.hasalpha():
        image = image.addalpha()
    background = [0] * image.bands if image.hasalpha() else _background(image, WHITE)
    return image.rotate(rotation.hundredths / 100, background=background)


def _in_quality(image: Any, quality: Quality) -> Any:
    if quality is Quality.COLOR:
        return image
    alpha = image[image.bands - 1] if image.hasalpha() else None
    gray = image.colourspace("b-w")[0]
    if quality is Quality.BITONAL:
        gray = (gray >= 128).copy(interpretation="b-w")
    return gray if alpha is None else gray.bandjoin(alpha)


def _encode(image: Any, plan: Plan) -> bytes:
    encoding = plan.encoding
    match plan.format:
        case Format.JPG:
            subsample = "on" if (encoding or 0) <= LEVEL_QUALITY else "off"
            return _bytes(image.jpegsave_buffer(Q=encoding, keep="none", subsample_mode=subsample))
        case Format.PNG:
            return _bytes(image.pngsave_buffer(compression=1, filter="sub", keep="none"))
        case Format.WEBP:
            return _bytes(image.webpsave_buffer(Q=encoding, effort=3, keep="none"))
        case Format.AVIF:
            return _bytes(image.heifsave_buffer(Q=encoding, compression="av1", effort=2, keep="none"))
        case Format.GIF:
            return _bytes(image.gifsave_buffer(effort=3, keep="none"))
        case Format.TIF:
            return _bytes(image.tiffsave_buffer(compression="deflate", predictor="horizontal", keep="none"))
    return pillow.encode_bmp(image.width, image.height, image.bands, image.write_to_memory())


def _bytes(buffer: Any) -> bytes:
    return bytes(buffer)


def _check_pixels(facts: Facts, limit: int) -> None:
    if facts.width * facts.height * facts.frames > limit:
        frames = f" x {facts.frames} frames" if facts.animated else ""
        raise TooManyPixels(
            "file", f"{facts.width} x {facts.height}{frames} is too many pixels", f"{limit}, MEZZOTINT_MAX_PIXELS"
        )


def _check_decodable(path: Path, facts: Facts) -> None:
    """HEIC's codec is not in every build of libvips: one pixel tells."""
    try:
        _open(path, facts.format).crop(0, 0, 1, 1).avg()
    except pyvips.Error as error:
        raise DamagedImage(
            "file", "HEIC cannot be decoded by this installation's libvips", _first_line(error)
        ) from error


def _first_line(error: pyvips.Error) -> str:
    lines = [line.strip() for line in str(error.detail or error).splitlines() if line.strip()]
    return lines[0][:200] if lines else "libvips gave no reason"
