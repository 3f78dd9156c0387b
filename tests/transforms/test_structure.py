"""Files that are put together in ways that few programs write, and files that are no whole ones by their structure."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from mezzotint.errors import DamagedImage
from mezzotint.transforms import structure
from mezzotint.transforms.exif import read_exif
from tests.pictures import opened, photograph
from tests.transforms.rendering import derived, difference, file_of, header, is_taken, made, quarters, saved

JPEG = file_of(photograph(40, 30), "JPEG")
SECOND = 4 + struct.unpack_from(">H", JPEG, 4)[0]
"""where the second segment begins"""
GIF = file_of(photograph(20, 10).convert("P"), "GIF")


@pytest.mark.parametrize(
    ("between", "whole"),
    [
        (b"", True),
        (b"\xff\xff\xff", True),  # fill bytes (ITU-T T.81, B.1.1.2)
        (b"\xff\x01\xff\xd3", True),  # markers that stand alone (B.1.1.3)
        (b"\x00\x11\x22", True),  # strays, which decoders pass over
        (b"\xff\xd9", False),
        (b"\xff\xfe\x00\x01", False),  # a segment is two bytes long at least
    ],
)
def test_what_may_stand_between_the_segments_of_a_jpeg(tmp_path: Path, between: bytes, whole: bool) -> None:
    data = JPEG[:SECOND] + between + JPEG[SECOND:]
    assert is_taken(tmp_path, data) is whole
    if whole:
        assert difference(derived(tmp_path, data, ".png"), opened(JPEG)) < 3


def test_a_gif_has_no_blocks_but_those_that_are_known(tmp_path: Path) -> None:
    at = 13 + 3 * (2 << (GIF[10] & 7))
    assert is_taken(tmp_path, GIF)
    assert not is_taken(tmp_path, GIF[:at] + b"\x42\x01x\x00" + GIF[at:])


def test_a_box_may_say_its_size_in_eight_bytes(tmp_path: Path) -> None:
    """ISO 14496-12, 4.2."""
    data = file_of(photograph(40, 30), "AVIF")
    at = data.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", data, at)
    large = data[:at] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + data[at + 8 :]
    assert is_taken(tmp_path, large)
    assert not is_taken(tmp_path, large[:-1])


def complete(tmp_path: Path, data: bytes) -> bool:
    """By its structure alone."""
    try:
        return structure.check(saved(tmp_path, data), "tif") is structure.Verdict.WHOLE
    except DamagedImage:
        return False


def os2_bitmap(width: int, height: int) -> bytes:
    """A BMP as OS/2 1.x wrote it, with a header of 12 bytes; blue."""
    row = (b"\xc8\x32\x0a" * width).ljust((width * 24 + 31) // 32 * 4, b"\0")
    return b"BM" + struct.pack("<IHHI", 26 + len(row) * height, 0, 0, 26) + struct.pack(
        "<IHHHH", 12, width, height, 1, 24
    ) + row * height  # fmt: skip


def test_a_bitmap_with_the_oldest_header(tmp_path: Path) -> None:
    data = os2_bitmap(5, 4)
    assert is_taken(tmp_path, data) and not is_taken(tmp_path, data[:-2])
    assert is_taken(tmp_path, data[:-1])  # the padding of its last row
    assert derived(tmp_path, data, ".png").convert("RGB").getcolors() == [(20, (10, 50, 200))]


def tiff(directories: int, values: int, step: int) -> bytes:
    """Directories of two tags, whose arrays begin `step` bytes further in each. All that they say lies in the file."""
    arrays = 8
    first = arrays + 8 * values + directories * step
    size = 2 + 2 * 12 + 4
    data = bytearray(b"II*\0" + struct.pack("<I", first) + bytes(first - 8))
    for number in range(directories):
        at = arrays + number * step
        following = first + (number + 1) * size if number + 1 < directories else 0
        tags = ((273, at), (279, at + 4 * values))  # strip offsets, strip byte counts: LONGs
        data += struct.pack("<H", 2) + b"".join(struct.pack("<HHII", tag, 4, values, where) for tag, where in tags)
        data += struct.pack("<I", following)
    return bytes(data)


@pytest.mark.timeout(60)
def test_arrays_that_many_directories_share_are_looked_at_once(tmp_path: Path) -> None:
    """One by one these are more than a thousand million numbers."""
    assert complete(tmp_path, tiff(directories=8000, values=200_000, step=0))


@pytest.mark.timeout(60)
def test_arrays_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    assert complete(tmp_path, tiff(directories=3, values=10, step=80))
    assert not complete(tmp_path, tiff(directories=8000, values=50_000, step=1))


def test_directories_of_a_tiff_that_lead_to_each_other_are_read_once(tmp_path: Path) -> None:
    data = bytearray(file_of(photograph(20, 10), "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)
    assert is_taken(tmp_path, bytes(data))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_bitmaps_of_few_colours(tmp_path: Path, mode: str) -> None:
    image = quarters().convert(mode)
    assert difference(derived(tmp_path, file_of(image, "BMP"), ".png"), image.convert("RGB")) < 1


def test_sixteen_bits_of_gray_become_eight(tmp_path: Path) -> None:
    image = Image.new("I;16", (32, 1))
    for x in range(32):
        image.putpixel((x, 0), x * 2114)
    answer = derived(tmp_path, file_of(image, "JPEG2000", irreversible=False), ".png").convert("L")
    for x in range(32):
        assert abs(answer.getpixel((x, 0)) - x * 2114 / 256) <= 1.5  # type: ignore[operator]


def test_a_profile_that_is_none_costs_nobody_the_picture(tmp_path: Path) -> None:
    image = photograph(40, 30)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    broken = profile[:36] + b"acsp" + bytes(len(profile) - 40)
    assert (
        difference(derived(tmp_path, file_of(image, "PNG", icc_profile=broken), "-20x15.png"), image.resize((20, 15)))
        < 8
    )


def test_heic_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    """An AVIF says of itself that it were HEIC, of a codec that is not there."""
    data = file_of(photograph(40, 30), "AVIF")
    heic = data.replace(b"ftypavif", b"ftypheic").replace(b"av01", b"hvc1").replace(b"av1C", b"hvcC")
    with pytest.raises(DamagedImage) as refused:
        header(saved(tmp_path, heic))
    assert refused.value.field == "file"


def test_values_of_exif_that_are_not_as_they_are_mostly_written() -> None:
    exif = Image.Exif()
    exif[0x013B] = "Ada\x00 Lovelace"  # Artist
    exif[0x8298] = b"\xa9 Ada"  # Copyright, as bytes
    camera = exif.get_ifd(0x8769)
    camera[0x8827] = (400, 0)  # ISOSpeedRatings, two of them
    camera[0x829D] = ()  # FNumber
    assert read_exif(exif.tobytes()) == {"Artist": "Ada Lovelace", "Copyright": "© Ada", "ISO": 400.0}


def test_a_picture_made_twice_is_the_same(tmp_path: Path) -> None:
    path = saved(tmp_path, JPEG)
    assert made(path, "-20x15.webp") == made(path, "-20x15.webp")
