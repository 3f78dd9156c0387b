"""What comes out is as small as it can be without losing anything that was not asked to be lost."""

from __future__ import annotations

import io
from pathlib import Path

import numpy
import pypdfium2
import pytest
from PIL import Image

from mezzotint.names import OUTPUTS
from tests.pictures import clear, drawing, opened, photograph, text_scan
from tests.transforms.rendering import derived, difference, file_of, made, saved

WRITTEN = [str(output) for output in OUTPUTS]


def ramp(mode: str) -> Image.Image:
    return Image.linear_gradient("L").convert(mode)


PICTURES = {
    "photograph": photograph(200, 120),
    "scan": text_scan(200, 260),
    "drawing": drawing(200, 160),
    "few colours and alpha": clear(60, 40),
    "gray and alpha": clear(60, 40).convert("LA"),
    "one colour": Image.new("RGB", (50, 40), (1, 2, 3)),
    "black and white": Image.linear_gradient("L").convert("1").convert("L"),
    "grays": ramp("L"),
    "grays as colours": ramp("RGB"),
    "grays as colours and alpha": ramp("RGBA"),
    "256 colours": photograph(200, 120).quantize(256, dither=Image.Dither.NONE).convert("RGB"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_png_keeps_every_pixel(tmp_path: Path, name: str) -> None:
    image = PICTURES[name]
    answer = opened(made(saved(tmp_path, file_of(image, "TIFF")), ".png"))
    assert (numpy.asarray(answer.convert("RGBA")) == numpy.asarray(image.convert("RGBA"))).all()


@pytest.mark.parametrize(
    ("name", "mode", "bits"),
    [
        ("few colours and alpha", 3, 1),
        ("one colour", 3, 1),
        ("black and white", 3, 1),
        ("grays", 0, 8),
        ("grays as colours", 0, 8),
        ("256 colours", 3, 8),
        ("photograph", 2, 8),
    ],
)
def test_a_png_has_no_more_bits_than_it_needs(tmp_path: Path, name: str, mode: int, bits: int) -> None:
    data = made(saved(tmp_path, file_of(PICTURES[name], "TIFF")), ".png")
    assert (data[25], data[24]) == (mode, bits)


@pytest.mark.parametrize("name", ["photograph", "scan", "drawing"])
def test_a_png_is_smaller_than_what_is_usual(tmp_path: Path, name: str) -> None:
    data = made(saved(tmp_path, file_of(PICTURES[name], "TIFF")), ".png")
    assert len(data) <= len(file_of(PICTURES[name], "PNG", compress_level=6)) * 1.05


@pytest.mark.parametrize(("size", "progressive"), [((300, 200), False), ((800, 600), True)])
def test_a_large_jpeg_gets_finer_with_time(tmp_path: Path, size: tuple[int, int], progressive: bool) -> None:
    answer = derived(tmp_path, file_of(photograph(*size), "PNG"), ".jpg")
    assert bool(answer.info.get("progressive")) is progressive


@pytest.mark.parametrize("options", [{"quality": 30}, {"quality": 60, "progressive": True}])
def test_a_jpeg_as_it_is_is_no_larger_than_its_base_and_loses_nothing(
    tmp_path: Path, options: dict[str, object]
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    data = file_of(photograph(320, 240), "JPEG", exif=exif, comment=b"where it was taken", **options)
    path = saved(tmp_path, data)
    for text in (".jpg", "-320x240.jpg", "-w320.jpg"):
        answer = made(path, text)
        assert len(answer) < len(data)
        assert b"camera" not in answer and b"where it was" not in answer
        assert difference(opened(answer), opened(data)) == 0
    assert len(made(path, "-q95.jpg")) > len(data)
    assert difference(opened(made(path, "-gray.jpg")), opened(data)) > 1


def test_a_png_as_it_is_is_no_larger_than_its_base(tmp_path: Path) -> None:
    data = file_of(photograph(320, 240), "PNG", optimize=True)
    assert len(made(saved(tmp_path, data), ".png")) <= len(data)


def test_what_a_profile_changes_is_not_passed_on(tmp_path: Path) -> None:
    from tests.transforms.test_fidelity import swapped

    image = Image.new("RGB", (64, 64), (200, 40, 40))
    data = file_of(image, "JPEG", quality=10, icc_profile=swapped())
    red, green, _ = opened(made(saved(tmp_path, data), ".jpg")).convert("RGB").getpixel((9, 9))  # type: ignore[misc]
    assert green > red


def test_a_jpeg_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(photograph(64, 32), "JPEG", quality=10, exif=exif)
    assert opened(made(saved(tmp_path, data), ".jpg")).size == (32, 64)


def test_no_output_says_anything_of_its_base(tmp_path: Path) -> None:
    data = file_of(photograph(64, 48), "TIFF", dpi=(300, 300), description="a secret")
    for output in WRITTEN:
        answer = made(saved(tmp_path, data), f"-w32.{output}")
        assert b"secret" not in answer
        if output == "pdf":
            continue
        assert Image.open(io.BytesIO(answer)).info.get("dpi", (1, 1))[0] < 100


@pytest.mark.parametrize("image_format", ["BMP", "JXL", "TIFF", "WEBP", "AVIF", "GIF"])
def test_a_base_is_given_in_its_own_format_as_it_is(tmp_path: Path, image_format: str) -> None:
    image = photograph(60, 40)
    output = {"TIFF": "tif"}.get(image_format, image_format.lower())
    answer = opened(made(saved(tmp_path, file_of(image, image_format)), f".{output}"))
    assert answer.size == image.size


def test_what_only_a_child_reads_is_given_in_its_own_format(tmp_path: Path) -> None:
    data = file_of(photograph(60, 40), "TIFF", compression="lzma")
    assert opened(made(saved(tmp_path, data), ".tif")).size == (60, 40)


def test_what_lies_behind_a_jpeg_or_between_its_scans_is_not_passed_on(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    thumbnail = file_of(photograph(40, 30, seed=7), "JPEG", exif=exif)
    for progressive in (False, True):
        data = file_of(photograph(320, 240), "JPEG", quality=30, progressive=progressive)
        scan = data.index(b"\xff\xda")
        comment = b"\xff\xfe\0\x10SECRET-PLACE\0\0"
        between = data.rindex(b"\xff\xda") if progressive else scan
        for whole in (data + thumbnail, data + b"SECRET-PLACE\xff\xd9", data[:between] + comment + data[between:]):
            answer = made(saved(tmp_path, whole), ".jpg")
            assert b"SECRET" not in answer
            assert len(answer) <= len(data)
            assert difference(opened(answer), opened(data)) == 0


def test_a_png_without_an_end_has_one_where_it_is_passed_on(tmp_path: Path) -> None:
    data = file_of(photograph(200, 150), "PNG", optimize=True)
    for cut in (12, 5):
        answer = made(saved(tmp_path, data[:-cut]), ".png")
        assert answer.endswith(b"IEND\xaeB`\x82")
        assert difference(opened(answer), photograph(200, 150)) == 0


@pytest.mark.parametrize("output", [output for output in WRITTEN if output != "pdf"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 1)])
def test_the_smallest_pictures_come_out_in_every_format(
    tmp_path: Path, output: str, mode: str, size: tuple[int, int]
) -> None:
    answer = opened(
        made(saved(tmp_path, file_of(Image.new(mode, size), "TIFF" if mode != "LA" else "PNG")), f".{output}")
    )
    assert answer.size == size


@pytest.mark.parametrize("output", ["jp2", "ppm", "ico", "pdf"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_what_pillow_writes_has_the_same_pixels_and_always_the_same_bytes(
    tmp_path: Path, output: str, mode: str
) -> None:
    path = saved(tmp_path, file_of(photograph(200, 120).convert(mode), "PNG"))
    answer = made(path, f"-w160.{output}")
    assert answer == made(path, f"-w160.{output}")
    if output == "pdf":
        with pypdfium2.PdfDocument(answer) as document:
            assert len(document) == 1
            image = document[0].render(scale=160 / document[0].get_width()).to_pil()
    else:
        image = Image.open(io.BytesIO(answer))
    assert image.size == (160, 96)
    assert difference(image.convert("RGB"), opened(made(path, "-w160.png")).convert("RGB")) < 3


def test_a_jp2_of_quality_100_keeps_every_pixel(tmp_path: Path) -> None:
    path = saved(tmp_path, file_of(photograph(200, 120), "PNG"))
    assert difference(Image.open(io.BytesIO(made(path, "-q100.jp2"))), photograph(200, 120)) == 0


@pytest.mark.parametrize("size", [(300, 300), (499, 500), (1, 1), (3, 400)])
@pytest.mark.parametrize("quality", [1, 85, 90, 91, 95, 100])
def test_noise_is_a_jpeg_at_every_quality(tmp_path: Path, size: tuple[int, int], quality: int) -> None:
    """It takes more bytes than an encoder may have reckoned with."""
    noise = numpy.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), "uint8")
    found = derived(tmp_path, file_of(Image.fromarray(noise), "PNG"), f"-w{size[0]}-q{quality}.jpg")
    assert found.size == size and found.format == "JPEG"
