"""What a plan does to pixels, one step a function, in the plan's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyvips

from mezzotint.names import Box, Quality, Region, Rotation
from mezzotint.names.rendition import WHITE
from mezzotint.transforms.colour.icc import gray_table
from mezzotint.transforms.geometry import Plan
from mezzotint.transforms.libvips.meaning import PROFILE, is_gray
from mezzotint.transforms.libvips.meaning import with_profile as with_profile_of


def transform(image: Any, scale: float, plan: Plan, with_profile: bool, held: Callable[[Any], Any]) -> Any:
    """`held` has an image's pixels in memory, to be read in any order."""
    if plan.crop is not None:
        image = _cropped(image, scale, plan.crop)
    image = _resized(image, plan, with_profile)
    image = image.copy(xres=1.0, yres=1.0)  # what comes out says nothing of the base's resolution on paper,
    image.remove("orientation")  # nor of its orientation, which is applied here
    if plan.orientation != 1:
        image = _oriented(held(image), plan.orientation)
    if plan.canvas is not None:
        image = _on_canvas(image, plan.canvas)
    if image.hasalpha() and not plan.keeps_alpha:
        image = image.flatten(background=_background(image, WHITE))
    if plan.rotation is not None:
        image = _rotated(held(image), plan.rotation, plan.keeps_alpha)
    return _in_quality(image, plan.quality)


def _cropped(image: Any, scale: float, crop: Region) -> Any:
    """`crop`, in the pixels of the source, out of an image that was loaded at `scale`."""
    left, top = min(round(crop.x * scale), image.width - 1), min(round(crop.y * scale), image.height - 1)
    width = min(max(1, round(crop.width * scale)), image.width - left)
    height = min(max(1, round(crop.height * scale)), image.height - top)
    return image.crop(left, top, width, height)


def _resized(image: Any, plan: Plan, with_profile: bool) -> Any:
    """At the plan's size, in 8-bit sRGB or gray. Reduced by area and Lanczos, alpha premultiplied."""
    options: dict[str, Any] = {}
    gray = is_gray(image)
    if image.get_typeof(PROFILE):
        image = with_profile_of(image, image.get(PROFILE) if with_profile else None)
    if gray and image.get_typeof(PROFILE):
        image = _gray_as_srgb(image)
    if image.get_typeof(PROFILE):
        options = {"output_profile": "srgb", "intent": "relative"}
    elif image.interpretation == "cmyk":
        image = _plain_inks(image)
    elif image.format not in {"uchar", "ushort"}:
        image = image.colourspace("srgb")
    image = image.thumbnail_image(plan.width, height=plan.height, size="force", no_rotate=True, **options)
    space = "b-w" if gray else "srgb"
    if image.interpretation != space:
        image = image.colourspace(space)
    most = 2 if gray else 4
    image = image if image.bands <= most else image.extract_band(0, n=most)
    return image if image.format == "uchar" else image.cast("uchar")


def _gray_as_srgb(image: Any) -> Any:
    """By the curve of its profile, where that is all it has: exactly, and without two more channels."""
    deep = image.format == "ushort"
    table = gray_table(image.get(PROFILE), 65536 if deep else 256)
    if table is None:
        return image
    most = 65535 if deep else 255
    mapped = pyvips.Image.new_from_array([[round(value * most) for value in table]]).cast(image.format)
    gray = image[0].maplut(mapped).copy(interpretation="grey16" if deep else "b-w")
    gray = gray.bandjoin(image[1]) if image.bands > 1 else gray
    gray.remove(PROFILE)
    return gray


def _plain_inks(image: Any) -> Any:
    """Inks without a profile as browsers show them: each takes its share of what the black leaves."""
    most = 65535 if image.format == "ushort" else 255
    paper = (image.extract_band(0, n=3) * -1 + most) * (image[3] * -1 + most) / most
    interpretation = "rgb16" if image.format == "ushort" else "srgb"
    return paper.rint().cast(image.format).copy(interpretation=interpretation)


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
    return image.gravity("centre", canvas.width, canvas.height, extend="background", background=background)


def _rotated(image: Any, rotation: Rotation, keeps_alpha: bool) -> Any:
    if rotation.mirror:
        image = image.fliphor()
    if rotation.hundredths % 9000 == 0:
        return image.rot(f"d{rotation.hundredths // 100}")
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
