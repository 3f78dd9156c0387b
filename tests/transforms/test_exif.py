"""EXIF: orientation is applied once, what describes the picture is read, and nothing of it is passed on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from mezzotint.transforms.exif import captured, read_exif
from mezzotint.wiring import Engine
from tests.pictures import opened, photograph
from tests.transforms.rendering import derived, difference, file_of, header, made, quarters, saved

ORIENTATIONS = range(1, 9)
SECRET = "SECRETPLACE"


def marked(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = f"{SECRET} cameras"
    exif[ExifTags.Base.ImageDescription] = f"at {SECRET}"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.004
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "N"
    gps[ExifTags.GPS.GPSLatitude] = (59.0, 54.0, 49.32)
    gps[ExifTags.GPS.GPSAreaInformation] = f"ASCII\0\0\0{SECRET}".encode()
    return exif


def turned(orientation: int, image_format: str, image: Image.Image | None = None) -> tuple[bytes, Image.Image]:
    """A file with that orientation, and how it is meant to be seen."""
    image = quarters() if image is None else image
    options = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}, "AVIF": {"quality": 90}}.get(image_format, {})
    data = file_of(image, image_format, exif=marked(orientation), **options)
    meant = ImageOps.exif_transpose(opened(data))
    return data, meant


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_is_applied_exactly_once(tmp_path: Path, orientation: int, image_format: str) -> None:
    data, meant = turned(orientation, image_format)
    path = saved(tmp_path, data)
    facts = header(path).facts
    assert (facts.width, facts.height) == meant.size == ((120, 80) if orientation < 5 else (80, 120))
    outputs = ("png", "jpg", "webp", "avif", "tif", "gif", "bmp")
    answers = {output: ImageOps.exif_transpose(opened(made(path, f".{output}"))) for output in outputs}
    assert {output: answer.size for output, answer in answers.items()} == dict.fromkeys(outputs, meant.size)
    assert max(difference(answer, meant) for answer in answers.values()) < 6


@pytest.mark.parametrize("text", ["-30x30", "-w60", "-cover40x20", "-pad90x90", "-rotate90", "-mirror"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_what_is_asked_for_is_meant_as_the_picture_is_seen(tmp_path: Path, orientation: int, text: str) -> None:
    data, meant = turned(orientation, "JPEG")
    one = derived(tmp_path, data, f"{text}.png")
    other = derived(tmp_path, file_of(meant, "PNG"), f"{text}.png")
    assert difference(one, other) < 6


@pytest.mark.parametrize("size", ["", "-30x20", "-9x6"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_region_lies_where_it_is_seen(tmp_path: Path, orientation: int, size: str) -> None:
    """At 9x6 out of 360x240 the JPEG decoder reduces before the region is cut."""
    large = photograph(720, 480, seed=orientation)
    data, meant = turned(orientation, "JPEG", large)
    left, top, width, height = 31, 47, 360, 240
    answer = derived(tmp_path, data, f"-x{left}y{top}w{width}h{height}{size}.png")
    expected = meant.crop((left, top, left + width, top + height))
    assert difference(answer, expected.resize(answer.size, Image.Resampling.LANCZOS)) < 4


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path, orientation: int) -> None:
    data = file_of(quarters(), "JPEG", exif=marked(orientation), quality=95)
    assert difference(derived(tmp_path, data, ".png"), quarters()) < 6


def test_an_oriented_animation_is_turned_frame_by_frame(tmp_path: Path) -> None:
    frames = [quarters(), Image.new("RGB", (120, 80), "white")]
    data = file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=marked(6), duration=100)
    answer = derived(tmp_path, data, ".webp")
    assert answer.n_frames == 2  # type: ignore[attr-defined]
    assert difference(answer, quarters().transpose(Image.Transpose.ROTATE_270)) < 8


def annotated(image_format: str) -> bytes:
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{SECRET}</x:xmpmeta>".encode()
    if image_format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SECRET)
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return file_of(photograph(64, 48), "PNG", exif=marked(), pnginfo=texts)
    if image_format == "GIF":
        return file_of(photograph(64, 48), "GIF", comment=SECRET.encode())
    comment = {"comment": SECRET.encode()} if image_format == "JPEG" else {}
    described = {"description": SECRET} if image_format == "TIFF" else {}
    xmp_too = {"xmp": xmp} if image_format in {"JPEG", "WEBP", "AVIF"} else {}
    return file_of(photograph(64, 48), image_format, exif=marked(), **comment, **described, **xmp_too)


@pytest.mark.parametrize("output", ["jpg", "png", "webp", "avif", "gif", "tif", "bmp"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_derivatives_carry_no_metadata(tmp_path: Path, image_format: str, output: str) -> None:
    data = annotated(image_format)
    assert SECRET.encode() in data, "the test's own picture has nothing to hide"
    derivative = made(saved(tmp_path, data), f"-40x30.{output}")
    assert SECRET.encode() not in derivative
    assert b"xmpmeta" not in derivative and b"GPS" not in derivative
    exif = opened(derivative).getexif()
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo) and ExifTags.Base.Make not in exif


def test_a_base_keeps_all_of_its_metadata(engine: Engine) -> None:
    data = annotated("JPEG")
    base = engine.bases.add([data])
    with engine.bases.open(base.ident) as reader:
        kept = b"".join(reader.chunks())
    assert kept == data
    assert opened(kept).getexif().get_ifd(ExifTags.IFD.GPSInfo)


def test_what_describes_the_picture_is_read_and_where_it_was_taken_is_not(tmp_path: Path) -> None:
    data = file_of(quarters(), "JPEG", exif=marked())
    exif = read_exif(header(saved(tmp_path, data)).exif)
    assert exif["Make"] == f"{SECRET} cameras"
    assert exif["ExposureTime"] == 0.004
    assert captured(exif) == "2024-05-06T07:08:09"
    assert not any("GPS" in name or "59" in str(value) for name, value in exif.items())


@pytest.mark.parametrize(
    "date", ["", "0000:00:00 00:00:00", "2024-05-06", "2024:05:06", "yesterday", "2024:05:06 07:08:09Z"]
)
def test_a_date_that_is_none_is_left_out(date: str) -> None:
    assert captured({"DateTimeOriginal": date}) == ""


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"Exif\0\0II*\0\x08\0\0\0" + tail))
def test_a_malformed_block_is_never_an_error(block: bytes) -> None:
    for value in read_exif(block).values():
        assert isinstance(value, float | int | str)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_block_is_never_an_error(at: int, value: int) -> None:
    block = bytearray(marked().tobytes())
    block[at % len(block)] = value
    for text in read_exif(bytes(block)).values():
        assert not isinstance(text, str) or (text.isprintable() and len(text) <= 500)


def test_no_block_is_no_metadata() -> None:
    assert read_exif(None) == read_exif(b"") == {}
    assert opened(file_of(quarters(), "PNG")).getexif() == {}
    assert read_exif(io.BytesIO(b"\x00" * 10).getvalue()) == {}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Rhône Метаданные 豆娘".encode(), "Rhône Метаданные 豆娘"),
        ("Heinrichshütte".encode("latin-1"), "Heinrichshütte"),
        (b"\x93quoted\x94", "\u201cquoted\u201d"),
        (b"plain", "plain"),
    ],
)
def test_letters_are_those_that_were_written_whatever_wrote_them(tmp_path: Path, written: bytes, read: str) -> None:
    """EXIF says ASCII (its version 2.32, section 4.6.2); programs write UTF-8 and what Windows has."""
    exif = Image.Exif()
    exif[0x010E] = written
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif.tobytes())
    assert read_exif(header(saved(tmp_path, buffer.getvalue())).exif)["ImageDescription"] == read
