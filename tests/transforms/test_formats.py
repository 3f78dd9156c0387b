"""Every format in, every format out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import pyvips
from PIL import Image, ImageCms, ImageSequence

from mezzotint.transforms import structure
from tests.pictures import opened, photograph
from tests.transforms.rendering import derived, difference, file_of, header, made, pixel, quarters, rgb, saved

OUTPUTS = {
    "jxl": "JXL",
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "avif": "AVIF",
    "gif": "GIF",
    "tif": "TIFF",
    "bmp": "BMP",
}
RED, CLEAR = (220, 40, 40, 255), (0, 0, 0, 0)


def by_libvips(suffix: str, image: Image.Image, **options: object) -> bytes:
    return bytes(pyvips.Image.new_from_array(numpy.asarray(image)).write_to_buffer(suffix, **options))


def sixteen_bit(image: Image.Image, suffix: str) -> bytes:
    deep = pyvips.Image.new_from_array(numpy.asarray(image).astype("uint16") * 257, interpretation="rgb16")
    return bytes(deep.write_to_buffer(suffix))


SVG = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="120" height="80">
<rect width="60" height="40" fill="#dc2828"/><rect x="60" width="60" height="40" fill="#28b428"/>
<rect y="40" width="60" height="40" fill="#2828dc"/><rect x="60" y="40" width="60" height="40" fill="#e6dc28"/></svg>"""

INPUTS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "jpeg": ("jpg", lambda image: file_of(image, "JPEG", quality=95)),
    "progressive jpeg": ("jpg", lambda image: file_of(image, "JPEG", quality=95, progressive=True)),
    "cmyk jpeg": ("jpg", lambda image: file_of(image.convert("CMYK"), "JPEG", quality=95)),
    "png": ("png", lambda image: file_of(image, "PNG")),
    "palette png": ("png", lambda image: file_of(image.quantize(64), "PNG")),
    "16 bit png": ("png", lambda image: sixteen_bit(image, ".png")),
    "interlaced png": ("png", lambda image: by_libvips(".png", image, interlace=True)),
    "webp": ("webp", lambda image: file_of(image, "WEBP", quality=95)),
    "lossless webp": ("webp", lambda image: file_of(image, "WEBP", lossless=True)),
    "avif": ("avif", lambda image: file_of(image, "AVIF", quality=90)),
    "gif": ("gif", lambda image: file_of(image, "GIF")),
    "tiff": ("tif", lambda image: file_of(image, "TIFF")),
    "lzw tiff": ("tif", lambda image: file_of(image, "TIFF", compression="tiff_lzw")),
    "16 bit tiff": ("tif", lambda image: sixteen_bit(image, ".tif")),
    "cmyk tiff": ("tif", lambda image: file_of(image.convert("CMYK"), "TIFF")),
    "pyramidal tiff": (
        "tif",
        lambda image: by_libvips(".tif", image, tile=True, pyramid=True, tile_width=16, tile_height=16),
    ),
    "jpeg tiff": ("tif", lambda image: by_libvips(".tif", image, tile=True, compression="jpeg", Q=95)),
    "big tiff": ("tif", lambda image: by_libvips(".tif", image, bigtiff=True)),
    "several pages of tiff": (
        "tif",
        lambda image: file_of(image, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    ),
    "bmp": ("bmp", lambda image: file_of(image, "BMP")),
    "palette bmp": ("bmp", lambda image: file_of(image.quantize(64), "BMP")),
    "jpeg 2000": ("jp2", lambda image: file_of(image, "JPEG2000")),
    "jpeg 2000 codestream": ("jp2", lambda image: file_of(image, "JPEG2000", no_jp2=True)),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", INPUTS)
def test_every_format_becomes_every_format(tmp_path: Path, name: str, output: str) -> None:
    image_format, make = INPUTS[name]
    image = quarters()
    path = saved(tmp_path, make(image))
    facts = header(path).facts
    assert (facts.format, facts.width, facts.height) == (image_format, 120, 80)
    assert structure.check(path, image_format) is not structure.Verdict.BROKEN
    answer = opened(made(path, f"-60x40.{output}"))
    assert answer.format == OUTPUTS[output]
    assert answer.size == (60, 40)
    # What CMYK can print is less than these colours, and without a profile its inks are a guess.
    allowed = 60 if "cmyk" in name else 6
    assert difference(answer, image.resize((60, 40), Image.Resampling.LANCZOS)) < allowed


@pytest.mark.parametrize("name", ["cmyk jpeg", "cmyk tiff"])
def test_cmyk_is_neither_inverted_nor_shifted(tmp_path: Path, name: str) -> None:
    made_of = INPUTS[name][1](quarters())
    red, green, blue, yellow = (rgb(derived(tmp_path, made_of, ".png"))[y, x] for y in (20, 60) for x in (30, 90))
    assert red[0] > 150 > 110 > max(red[1:])
    assert green[1] > green[0] and green[1] > green[2]
    assert blue[2] > blue[0] and blue[2] > blue[1]
    assert min(yellow[:2]) > 150 > yellow[2]
    paper = file_of(Image.new("CMYK", (20, 20)), "JPEG")
    assert rgb(derived(tmp_path, paper, ".png")).min() > 245


@pytest.mark.parametrize("output", OUTPUTS)
def test_svg_is_drawn_where_it_is_switched_on(tmp_path: Path, output: str) -> None:
    path = saved(tmp_path, SVG)
    answer = opened(made(path, f"-60x40.{output}"))
    assert answer.format == OUTPUTS[output]
    assert difference(answer, quarters(60, 40)) < 6


def test_svg_is_drawn_sharp_at_a_larger_size(tmp_path: Path) -> None:
    answer = opened(made(saved(tmp_path, SVG), "-1200x800.png"))
    assert difference(answer, quarters(1200, 800)) < 1


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_in_a_png_is_read(tmp_path: Path, mode: str) -> None:
    ramp = Image.linear_gradient("L").resize((64, 64))
    deep = Image.fromarray(numpy.asarray(ramp).astype("uint16") * 257)
    data = file_of(deep if mode == "I;16" else ramp.convert(mode), "PNG")
    answer = derived(tmp_path, data, ".png")
    expected = ramp.convert("1").convert("L") if mode == "1" else ramp
    assert difference(answer, expected) < 1.5


@pytest.mark.parametrize("output", ["png", "webp", "avif", "gif", "tif"])
def test_alpha_is_kept_where_the_format_has_it(tmp_path: Path, output: str) -> None:
    image = Image.new("RGBA", (64, 64), CLEAR)
    image.paste(RED, (32, 0, 64, 64))
    answer = derived(tmp_path, file_of(image, "PNG"), f"-32x32.{output}").convert("RGBA")
    assert pixel(answer, (4, 16))[3] == 0
    right = pixel(answer, (28, 16))
    assert right[3] == 255
    assert max(abs(a - b) for a, b in zip(right, RED, strict=True)) < 12


@pytest.mark.parametrize("output", ["jpg", "bmp"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_flattened_on_white_where_the_format_has_none(tmp_path: Path, output: str, mode: str) -> None:
    image = Image.new("RGBA", (64, 64), CLEAR)
    image.paste((80, 80, 80, 255), (32, 0, 64, 64))
    answer = rgb(derived(tmp_path, file_of(image.convert(mode), "PNG"), f"-32x32.{output}"))
    assert answer[:, :12].min() > 247
    assert abs(answer[:, 20:].mean() - 80) < 4


def test_transparent_pixels_do_not_bleed_their_colour(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (31, 0, 64, 64))
    answer = derived(tmp_path, file_of(image, "PNG"), "-16x16.png").convert("RGBA")
    edge = numpy.asarray(answer).astype(int)
    assert edge[edge[..., 3] > 0][:, 1].max() < 20


def animation(image_format: str, mode: str = "RGB") -> bytes:
    colours = [(220, 40, 40), (40, 180, 40), (40, 40, 220), (230, 220, 40)]
    frames = [Image.new("RGB", (60, 40), colour).convert(mode) for colour in colours]
    return file_of(
        frames[0], image_format, save_all=True, append_images=frames[1:], duration=[100, 200, 300, 400], loop=0
    )


@pytest.mark.parametrize("output", ["gif", "webp"])
@pytest.mark.parametrize("source", ["GIF", "WEBP"])
def test_an_animation_stays_one_where_the_format_can(tmp_path: Path, source: str, output: str) -> None:
    path = saved(tmp_path, animation(source))
    assert header(path).facts.frames == 4
    data = made(path, f"-30x20-rotate90.{output}")
    moving = Image.open(io.BytesIO(data))
    frames = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(moving)]
    assert [duration for _, duration in frames] == [100, 200, 300, 400]
    assert {frame.size for frame, _ in frames} == {(20, 30)}
    assert moving.info.get("loop") == 0
    for (frame, _), colour in zip(frames, [(220, 40, 40), (40, 180, 40), (40, 40, 220), (230, 220, 40)], strict=True):
        assert difference(frame, Image.new("RGB", frame.size, colour)) < 10


@pytest.mark.parametrize("output", ["jpg", "png", "avif", "tif", "bmp"])
@pytest.mark.parametrize("source", ["GIF", "WEBP"])
def test_an_animation_gives_its_first_frame_elsewhere(tmp_path: Path, source: str, output: str) -> None:
    answer = derived(tmp_path, animation(source), f"-30x20.{output}")
    assert getattr(answer, "n_frames", 1) == 1
    assert answer.size == (30, 20)
    assert difference(answer, Image.new("RGB", (30, 20), (220, 40, 40))) < 8


@pytest.mark.parametrize(
    "text", ["-square-20x20-gray.gif", "-30x20-canvas40x40.webp", "-30x20-bitonal.webp", "-mirror45.gif"]
)
def test_what_is_done_to_an_animation_is_done_to_every_frame(tmp_path: Path, text: str) -> None:
    answer = derived(tmp_path, animation("GIF"), text)
    assert answer.n_frames == 4  # type: ignore[attr-defined]


def wide_gamut() -> bytes:
    """A profile in which red and green have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for n in range(int.from_bytes(profile[128:132], "big")):
        entry = 132 + 12 * n
        tags[bytes(profile[entry : entry + 4])] = int.from_bytes(profile[entry + 4 : entry + 8], "big")
    red, green = tags[b"rXYZ"] + 8, tags[b"gXYZ"] + 8
    profile[red : red + 12], profile[green : green + 12] = profile[green : green + 12], profile[red : red + 12]
    return bytes(profile)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path, image_format: str) -> None:
    """In the profile red and green have changed places, so a picture that ignores it shows."""
    image = Image.new("RGB", (32, 32), (200, 60, 90))
    data = file_of(image, image_format, icc_profile=wide_gamut())
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))
    relative = ImageCms.Intent.RELATIVE_COLORIMETRIC
    expected = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), renderingIntent=relative)
    assert expected is not None
    for output in ("png", "webp", "jpg", "avif"):
        answer = derived(tmp_path, data, f"-16x16.{output}")
        assert difference(answer, expected.resize((16, 16))) < 6
        assert difference(answer, image.resize((16, 16))) > 40


def test_an_srgb_profile_changes_nothing_and_is_not_carried_along(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = photograph(64, 48)
    answer = derived(tmp_path, file_of(image, "PNG", icc_profile=srgb), ".png")
    assert difference(answer, image) < 1
    assert "icc_profile" not in answer.info


def test_a_broken_colour_profile_costs_nobody_the_picture(tmp_path: Path) -> None:
    image = photograph(64, 48)
    for broken in (b"nonsense", wide_gamut()[:200], b"\x00" * 300):
        assert difference(derived(tmp_path, file_of(image, "PNG", icc_profile=broken), ".png"), image) < 1
