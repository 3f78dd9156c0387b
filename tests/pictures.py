"""Pictures made for tests: each call with another seed gives other bytes."""

from __future__ import annotations

import io

import numpy
from PIL import Image, ImageDraw, ImageFile, ImageFont
from pyjpegxl import pillow as jxl_plugin

jxl_plugin.register()


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth shapes, texture and noise, as in a photograph; RGB."""
    random = numpy.random.default_rng(seed)
    small = random.uniform(0, 255, (max(2, height // 60), max(2, width // 60), 3)).astype("uint8")
    smooth = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    y, x = numpy.mgrid[0:height, 0:width]
    texture = 25 * numpy.sin(x / 7.0 + y / 11.0) + 15 * numpy.sin(x / 2.7 - y / 3.3)
    noise = random.normal(0, 4, (height, width))
    pixels = numpy.asarray(smooth).astype("float32") + (texture + noise)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def drawing(width: int, height: int) -> Image.Image:
    """Line art: thin black and red lines on white; RGB."""
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for i in range(0, width, 37):
        pen.line((i, 0, width - i, height), fill="black", width=2)
    for i in range(10, min(width, height) // 2, 45):
        pen.ellipse((i, i, width - i, height - i), outline="red", width=3)
    return image


def text_scan(width: int, height: int, seed: int = 0) -> Image.Image:
    """A page of text on slightly dirty paper; RGB."""
    random = numpy.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (248, 245, 238))
    pen = ImageDraw.Draw(image)
    words = [
        "loses",
        "none",
        "of",
        "the",
        "plates",
        "that",
        "a",
        "printer",
        "keeps",
        "and",
        "pulls",
        "many",
        "impressions",
        "from",
    ]
    step = max(12, height // 60)
    font = ImageFont.load_default(size=step * 0.75)
    for line, y in enumerate(range(step, height - step, step)):
        pen.text(
            (step, y), " ".join(random.choice(words, width // (step * 3))) + str(line), fill=(25, 22, 20), font=font
        )
    pixels = numpy.asarray(image).astype("float32") + random.normal(0, 3, (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def moving(width: int, height: int, seed: int = 0) -> bytes:
    """A GIF of three frames."""
    colours = ("red", "green", "blue")
    frames = [Image.new("RGB", (width, height), colour) for colour in colours]
    frames[0].putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)


def clear(width: int, height: int) -> Image.Image:
    """Red, and nothing to the left; RGBA."""
    image = Image.new("RGBA", (width, height), (220, 40, 40, 255))
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return image


def encoded(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **({"quality": 90} if image_format == "JPEG" else {}) | options)
    return buffer.getvalue()


def jpeg(width: int = 640, height: int = 480, seed: int = 0, **options: object) -> bytes:
    return encoded(photograph(width, height, seed), "JPEG", **options)


def png(width: int = 64, height: int = 48, seed: int = 0) -> bytes:
    return encoded(photograph(width, height, seed), "PNG")


def opened(data: bytes) -> ImageFile.ImageFile:
    """Decoded; a PNG of few colours has a palette, which is looked up."""
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode != "P" or image.format != "PNG":
        return image
    plain = file_of_plain(image)
    plain.load()
    return plain


def file_of_plain(image: Image.Image) -> ImageFile.ImageFile:
    buffer = io.BytesIO()
    image.convert("RGBA" if "transparency" in image.info else "RGB").save(buffer, "PNG")
    return Image.open(buffer)


def grey(image: Image.Image) -> numpy.ndarray:
    return numpy.asarray(image.convert("L")).astype("float64")
