"""Kinds of pictures that other servers show wrong or not at all, as browsers show them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageCms, ImageSequence, TiffImagePlugin

from mezzotint.errors import DamagedImage
from mezzotint.transforms import geometry
from mezzotint.transforms.children import odd
from mezzotint.transforms.colour import icc, made
from mezzotint.transforms.libvips.loading import open_image, open_reduced
from mezzotint.transforms.structure import boxes
from mezzotint.transforms.structure import tiff as tiff_structure
from tests.pictures import clear, opened, photograph
from tests.transforms.rendering import derived, difference, file_of, header, is_taken, pixel, quarters, rendition, saved
from tests.transforms.rendering import made as made_of

CHART = quarters(96, 64)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(image: Image.Image, *chunks: bytes) -> bytes:
    data = file_of(image, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def tiff(
    samples: numpy.ndarray, photometric: int, *, extra: tuple[int, ...] = (), kind: int = 1, compression: int = 1
) -> bytes:
    """Of one strip, little-endian."""
    height, width = samples.shape[:2]
    count = samples.shape[2] if samples.ndim == 3 else 1
    data = samples.tobytes()
    data = zlib.compress(data) if compression == 8 else data
    bits = samples.dtype.itemsize * 8
    tags = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * count), (259, 3, [compression]),
        (262, 3, [photometric]), (273, 4, [8]), (277, 3, [count]), (278, 4, [height]), (279, 4, [len(data)]),
        (339, 3, [kind] * count), *([(338, 3, list(extra))] if extra else []),
        *([(530, 3, [1, 1])] if photometric == 6 else []),
    ]  # fmt: skip
    tags.sort()
    directory, beyond, after = b"", b"", 8 + len(data) + len(data) % 2
    for tag, form, values in tags:
        packed = struct.pack(f"<{len(values)}{'HI'[form == 4]}", *values)
        if len(packed) > 4:
            place = after + 2 + 12 * len(tags) + 4 + len(beyond)
            beyond, packed = beyond + packed, struct.pack("<I", place)
        directory += struct.pack("<HHI", tag, form, len(values)) + packed.ljust(4, b"\0")
    whole = b"II*\0" + struct.pack("<I", after) + data + b"\0" * (len(data) % 2)
    return whole + struct.pack("<H", len(tags)) + directory + bytes(4) + beyond


def ycbcr() -> numpy.ndarray:
    return numpy.asarray(CHART.convert("YCbCr"))


RGB = numpy.asarray(CHART)
GRAY = numpy.asarray(CHART.convert("L"))
TIFFS: dict[str, tuple[Callable[[], bytes], Image.Image]] = {
    "ycbcr": (lambda: tiff(ycbcr(), 6), CHART),
    "ycbcr, deflated": (lambda: tiff(ycbcr(), 6, compression=8), CHART),
    "samples that are no alpha": (lambda: tiff(numpy.dstack([RGB, GRAY * 0]), 2, extra=(0,)), CHART),
    "32 bits": (lambda: tiff(GRAY.astype("<u4") * 0x01010101, 1), CHART.convert("L")),
    "16 bits in 32": (lambda: tiff(GRAY.astype("<u4") * 257, 1), CHART.convert("L")),
    "32 bits of colours": (lambda: tiff(RGB.astype("<u4") * 0x01010101, 2), CHART),
    "signed bytes": (lambda: tiff(GRAY.view("int8"), 1, kind=2), CHART.convert("L")),
    "signed, 16 bits": (lambda: tiff((GRAY.astype("<u2") * 257).view("<i2"), 1, kind=2), CHART.convert("L")),
    "float gray": (lambda: tiff((GRAY / 255).astype("<f4"), 1, kind=3), CHART.convert("L")),
    "lab": (lambda: tiff(numpy.asarray(lab()), 8), CHART),
    "zstd": (lambda: file_of(CHART, "TIFF", compression="zstd"), CHART),
    "lzma": (lambda: file_of(CHART, "TIFF", compression="lzma"), CHART),
    "planes apart": (lambda: planes(), CHART),
}


def lab() -> Image.Image:
    """Signed a and b, as TIFF has them."""
    to_lab = ImageCms.profileToProfile(
        CHART, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert to_lab is not None
    return to_lab


def planes() -> bytes:
    image = pyvips.Image.new_from_array(RGB)
    return bytes(image.tiffsave_buffer(tile=True, tile_width=32, tile_height=32))


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_of_a_rarer_kind(tmp_path: Path, name: str) -> None:
    make, expected = TIFFS[name]
    assert is_taken(tmp_path, make())
    assert difference(derived(tmp_path, make(), ".png"), expected) < 3


def test_a_deflated_tiff_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    data = bytearray(tiff(RGB, 2, compression=8))
    data[60] ^= 4
    assert not is_taken(tmp_path, bytes(data))
    assert is_taken(tmp_path, tiff(RGB, 2, compression=8))


def swapped(name: str = "") -> bytes:
    """A profile in which red and green have changed places, whatever it is called."""
    colours = made.BT709
    profile = made._profile(
        made.Chromaticities(colours.white, colours.green, colours.red, colours.blue), icc.srgb_curve, False
    )
    return profile + name.encode("utf-16-be") + name.encode()


def test_a_profile_is_judged_by_what_it_says(tmp_path: Path) -> None:
    """One that is called sRGB and is not is applied; one that is sRGB and is called otherwise changes nothing."""
    liar = swapped("sRGB IEC61966-2.1")
    red, green = (
        pixel(derived(tmp_path, file_of(CHART, "PNG", icc_profile=liar), ".png"), place)
        for place in ((20, 20), (70, 20))
    )
    assert red[1] > red[0] and green[0] > green[1]
    plain = made._profile(made.BT709, icc.srgb_curve, False)
    assert icc.judged(plain) == icc.Profile("RGB", srgb=True)
    assert difference(derived(tmp_path, file_of(CHART, "PNG", icc_profile=plain), ".png"), CHART) < 1


@pytest.mark.parametrize("curve", [lambda v: v, lambda v: v**1.8, lambda v: v**2.4])
def test_a_curve_that_is_not_srgbs_is_told(curve: Callable[[float], float]) -> None:
    assert icc.judged(made._profile(made.BT709, curve, False)) == icc.Profile("RGB", srgb=False)


def light(value: float) -> int:
    """Linear light as sRGB writes it."""
    return round(255 * (value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


STEPS = [0, 20, 60, 128, 200, 255]
RAMP = Image.fromarray(numpy.repeat(numpy.array([STEPS], "uint8"), 8, axis=0).repeat(8, axis=1))


def shown(data: bytes, tmp_path: Path) -> list[int]:
    answer = derived(tmp_path, data, ".png").convert("L")
    return [int(answer.getpixel((8 * i + 4, 4))) for i in range(len(STEPS))]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "RGB", "LA"])
def test_png_gamma(tmp_path: Path, mode: str) -> None:
    """PNG 11.3.2.2; what Chromium shows."""
    linear = png_with(RAMP.convert(mode), chunk(b"gAMA", struct.pack(">I", 100_000)))
    for got, value in zip(shown(linear, tmp_path), STEPS, strict=True):
        assert abs(got - light(value / 255)) <= 1
    usual = png_with(RAMP.convert(mode), chunk(b"gAMA", struct.pack(">I", 45_455)))
    assert shown(usual, tmp_path) == STEPS
    said = png_with(RAMP.convert(mode), chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000)))
    assert shown(said, tmp_path) == STEPS


@pytest.mark.parametrize(
    ("code_points", "expected"),
    [
        ((1, 13, 0, 1), STEPS),
        ((1, 8, 0, 1), [light(v / 255) for v in STEPS]),
        ((1, 1, 0, 1), [light((v / 255) ** 2.4) for v in STEPS]),
        ((9, 16, 0, 1), [0, 1, 27, 130, 254, 255]),
        ((9, 18, 0, 1), [0, 7, 40, 99, 202, 255]),
        ((12, 13, 0, 0), STEPS),  # not of the full range: says nothing
        ((1, 13, 5, 1), STEPS),  # of a matrix that PNG has not
        ((77, 99, 0, 1), STEPS),
    ],
)
def test_png_code_points(tmp_path: Path, code_points: tuple[int, ...], expected: list[int]) -> None:
    """PNG 11.3.2.6; PQ and HLG within three steps of what Chromium shows."""
    found = shown(png_with(RAMP.convert("RGB"), chunk(b"cICP", bytes(code_points))), tmp_path)
    assert all(abs(a - b) <= 3 for a, b in zip(found, expected, strict=True)), found


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_heif_code_points(tmp_path: Path, image_format: str) -> None:
    """Display P3's red is more than sRGB has."""
    plain = file_of(CHART, image_format, quality=95)
    wide = with_code_points(plain, 12, 13)
    red, expected = pixel(derived(tmp_path, wide, ".png"), (20, 20)), (240, 0, 20)
    assert max(abs(a - b) for a, b in zip(red, expected, strict=True)) < 8
    for curve in (1, 6, 14):  # video's, which browsers take for sRGB's
        assert difference(derived(tmp_path, with_code_points(plain, 1, curve), ".png"), CHART) < 3


@pytest.mark.parametrize("image_format", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_gray_profile(tmp_path: Path, image_format: str) -> None:
    linear = made._profile(made.BT709, lambda value: value, True)
    data = file_of(RAMP.convert("L"), image_format, icc_profile=linear)
    if image_format == "WEBP":  # which has three channels: a profile of one says nothing of them
        assert max(abs(a - b) for a, b in zip(shown(data, tmp_path), STEPS, strict=True)) < 6
        return
    for got, value in zip(shown(data, tmp_path), STEPS, strict=True):
        assert abs(got - light(value / 255)) <= 6


@pytest.mark.parametrize(
    "profile", [b"", b"RGB profile of a gray picture", made._profile(made.BT709, lambda v: v, True)]
)
def test_a_profile_of_other_channels_says_nothing(tmp_path: Path, profile: bytes) -> None:
    assert difference(derived(tmp_path, file_of(CHART, "PNG", icc_profile=profile or None), ".png"), CHART) < 1
    wide = made._profile(made.PRIMARIES[12], icc.srgb_curve, False)
    assert shown(file_of(RAMP, "PNG", icc_profile=wide), tmp_path) == STEPS


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_as_browsers_show_them(tmp_path: Path, image_format: str) -> None:
    inks = Image.new("CMYK", (64, 16))
    for i, ink in enumerate([(0, 0, 0, 255), (0, 0, 0, 0), (255, 0, 0, 0), (128, 64, 0, 128)]):
        inks.paste(ink, (16 * i, 0, 16 * i + 16, 16))
    answer = derived(tmp_path, file_of(inks, image_format), ".png")
    expected = [(0, 0, 0), (255, 255, 255), (0, 255, 255), (63, 95, 127)]
    for i, colour in enumerate(expected):
        assert max(abs(a - b) for a, b in zip(pixel(answer, (16 * i + 8, 8)), colour, strict=True)) <= 3


def gif(frames: list[tuple[tuple[int, int, int, int], int, int]], size: tuple[int, int] = (40, 30)) -> bytes:
    """Frames of one colour each: (left, top, width, height), the colour's index and how it is disposed of."""
    table = bytes((220, 40, 40, 40, 180, 40, 40, 40, 220, 255, 255, 255))
    data = b"GIF89a" + struct.pack("<2H", *size) + b"\x91\x00\x00" + table
    for (left, top, width, height), colour, disposal in frames:
        alone = Image.new("P", (width, height), colour)
        alone.putpalette(table)
        one = file_of(alone, "GIF")
        start = one.index(b"\x2c", 13)
        own = one[13 : 13 + 3 * (2 << (one[10] & 7))] if one[10] & 0x80 else b""
        flags = 0x80 | (one[10] & 7)
        data += b"\x21\xf9\x04" + bytes([disposal << 2]) + struct.pack("<H", 10) + b"\0\0"
        data += b"\x2c" + struct.pack("<4H", left, top, width, height) + bytes([flags]) + own + one[start + 10 : -1]
    return data + b"\x3b"


def test_where_a_frame_was_taken_away_nothing_is_shown(tmp_path: Path) -> None:
    """GIF 89a, 23, disposal 2, without any transparent colour; as Chromium shows it."""
    data = gif([((0, 0, 40, 30), 0, 1), ((10, 10, 10, 10), 1, 2), ((25, 5, 5, 5), 2, 3), ((0, 0, 4, 4), 3, 1)])
    assert header(saved(tmp_path, data)).facts.alpha
    for output in ("gif", "webp"):
        frames = [
            frame.convert("RGBA")
            for frame in ImageSequence.Iterator(Image.open(io.BytesIO(made_of(saved(tmp_path, data), f".{output}"))))
        ]
        assert [pixel(frame, (15, 15))[3] for frame in frames] == [255, 255, 0, 0]
        assert [pixel(frame, (27, 7))[2] > 150 for frame in frames] == [False, False, True, False]
        assert min(pixel(frames[3], (2, 2))[:3]) > 200


def test_beside_the_first_frame_nothing_is_shown(tmp_path: Path) -> None:
    data = gif([((10, 10, 20, 10), 0, 1)])
    answer = derived(tmp_path, data, ".png").convert("RGBA")
    assert pixel(answer, (2, 2))[3] == 0 and pixel(answer, (15, 15)) == (220, 40, 40, 255)


def bmp(
    bits: int, rows: bytes, masks: tuple[int, ...] = (), size: int = 40, compression: int = 0, palette: bytes = b""
) -> bytes:
    """8 x 2 pixels, from below."""
    head = struct.pack("<IiiHHIIiiII", size, 8, 2, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0)
    head += struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(size, b"\0") + palette
    first = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", first + len(rows), 0, 0, first) + head + rows


BMPS = {
    "5-6-5": bmp(16, struct.pack("<16H", *[0xF800] * 8, *[0x07E0] * 8), (0xF800, 0x07E0, 0x1F), compression=3),
    "4-4-4-4": bmp(
        16, struct.pack("<16H", *[0xFF00] * 8, *[0xF0F0] * 8), (0x0F00, 0xF0, 0xF, 0xF000), size=56, compression=3
    ),
    "11-11-10": bmp(
        32, struct.pack("<16I", *[0xFFE00000] * 8, *[0x1FFC00] * 8), (0xFFE00000, 0x1FFC00, 0x3FF), compression=3
    ),
    "2 bits": bmp(2, b"\x55\x55\0\0" + b"\xaa\xaa\0\0", palette=bytes((0, 0, 0, 0, 0, 0, 255, 0, 0, 255, 0, 0))),
    "run lengths": bmp(
        8, b"\x08\x01\0\0\x08\x02\0\1", palette=bytes((0, 0, 0, 0, 0, 0, 255, 0, 0, 255, 0, 0)), compression=1
    ),
    "run lengths of 4 bits": bmp(
        4, b"\x08\x11\0\0\x08\x22\0\1", palette=bytes((0, 0, 0, 0, 0, 0, 255, 0, 0, 255, 0, 0)), compression=2
    ),
}


@pytest.mark.parametrize("name", BMPS)
def test_bitmaps_of_any_layout(tmp_path: Path, name: str) -> None:
    """Red below, green above."""
    assert is_taken(tmp_path, BMPS[name])
    answer = derived(tmp_path, BMPS[name], ".png").convert("RGBA")
    assert pixel(answer, (3, 0)) == (0, 255, 0, 255) and pixel(answer, (7, 1)) == (255, 0, 0, 255)


def test_the_alpha_of_a_bitmap(tmp_path: Path) -> None:
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(32, struct.pack("<16I", *[0x80FF0000] * 16), masks, size=108, compression=3)
    assert pixel(derived(tmp_path, data, ".png").convert("RGBA"), (3, 1)) == (255, 0, 0, 128)


def test_run_lengths_without_an_end_are_refused(tmp_path: Path) -> None:
    assert not is_taken(tmp_path, BMPS["run lengths"][:-2])


def test_the_profile_of_a_bitmap(tmp_path: Path) -> None:
    profile, rows = swapped(), b"\0\0\xff" * 16
    head = struct.pack("<IiiHHIIiiII", 124, 8, 2, 1, 24, 0, 48, 0, 0, 0, 0) + struct.pack("<4I", 0, 0, 0, 0) + b"DEBM"
    head = head.ljust(112, b"\0") + struct.pack("<III", 124 + 48, len(profile), 0)
    data = b"BM" + struct.pack("<IHHI", 14 + 124 + 48 + len(profile), 0, 0, 138) + head + rows + profile
    red = pixel(derived(tmp_path, data, ".png"), (3, 1))
    assert red[1] > red[0]


def jp2_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_the_profile_of_a_jpeg_2000(tmp_path: Path) -> None:
    data = file_of(CHART, "JPEG2000", irreversible=False)
    at = data.index(b"colr") - 4
    size = struct.unpack_from(">I", data, at)[0]
    box = jp2_box(b"colr", b"\2\0\0" + swapped())
    header_at = data.index(b"jp2h") - 4
    grown = struct.pack(">I", struct.unpack_from(">I", data, header_at)[0] + len(box) - size)
    data = data[:header_at] + grown + data[header_at + 4 : at] + box + data[at + size :]
    red = pixel(derived(tmp_path, data, ".png"), (20, 20))
    assert red[1] > red[0]


def test_a_jpeg_2000_of_a_palette_whose_entries_are_equal(tmp_path: Path) -> None:
    indices = Image.fromarray((numpy.indices((32, 32))[1] // 8).astype("uint8"))
    codestream = file_of(indices, "JPEG2000", irreversible=False, no_jp2=True)
    entries = bytes((9, 9, 9, 9, 9, 9, 200, 10, 20, 30, 140, 60))
    palette = struct.pack(">HB", 4, 3) + b"\7\7\7" + entries
    mapping = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3))
    inner = jp2_box(b"ihdr", struct.pack(">IIHBBBB", 32, 32, 1, 7, 7, 0, 0)) + jp2_box(b"colr", b"\1\0\0\0\0\0\x10")
    data = jp2_box(b"jP  ", b"\r\n\x87\n") + jp2_box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    data += jp2_box(b"jp2h", inner + jp2_box(b"pclr", palette) + jp2_box(b"cmap", mapping)) + jp2_box(
        b"jp2c", codestream
    )
    answer = derived(tmp_path, data, ".png")
    assert [pixel(answer, (x, 5)) for x in (4, 12, 20, 28)] == [(9, 9, 9), (9, 9, 9), (200, 10, 20), (30, 140, 60)]


def with_junk(data: bytes) -> bytes:
    second = 4 + struct.unpack_from(">H", data, 4)[0]
    return data[:second] + b"\0\x11\x22" + data[second:]


def with_bad_text(data: bytes) -> bytes:
    text = chunk(b"tEXt", b"Comment\0hello")
    return data[:33] + text[:-1] + bytes([text[-1] ^ 1]) + data[33:]


WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg with stray bytes": lambda: with_junk(file_of(photograph(96, 64), "JPEG")),
    "jpeg without an end": lambda: file_of(photograph(96, 64), "JPEG")[:-2],
    "progressive jpeg without an end": lambda: file_of(photograph(96, 64), "JPEG", progressive=True)[:-2],
    "jpeg with something behind it": lambda: file_of(photograph(96, 64), "JPEG") + bytes(99),
    "gif without a trailer": lambda: file_of(photograph(96, 64).quantize(32), "GIF")[:-1],
    "gif with something behind it": lambda: file_of(photograph(96, 64).quantize(32), "GIF")[:-1] + b"\0\0\0",
    "png with a wrong checksum in a text": lambda: with_bad_text(file_of(photograph(96, 64), "PNG")),
    "png without an end": lambda: file_of(photograph(96, 64), "PNG")[:-12],
    "png with half an end": lambda: file_of(photograph(96, 64), "PNG")[:-5],
    "webp without its padding": lambda: odd_webp()[:-1],
    "heic with something behind it": lambda: file_of(photograph(96, 64), "HEIF") + b"SEFT" + bytes(3),
    "bmp without the padding of its last row": lambda: file_of(photograph(97, 64), "BMP")[:-1],
    "jpeg 2000 with a byte behind it": lambda: file_of(photograph(96, 64), "JPEG2000", no_jp2=True) + b"\0",
}


def odd_webp() -> bytes:
    """Whose last chunk has an odd length."""
    for seed in range(40):
        data = file_of(photograph(96, 64, seed), "WEBP", lossless=True)
        if struct.unpack_from("<I", data, 16)[0] % 2:
            return data
    raise AssertionError


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_to_everybody_else_is_taken(tmp_path: Path, name: str) -> None:
    image = photograph(97, 64) if name.startswith("bmp") else photograph(96, 64)
    data = WHOLE[name]()
    assert is_taken(tmp_path, data)
    if "webp" not in name:
        assert difference(derived(tmp_path, data, ".png"), image) < 12
    assert opened(made_of(saved(tmp_path, data), "-w40.webp")).width == 40


def test_a_progressive_jpeg_that_lacks_a_scan_is_refused(tmp_path: Path) -> None:
    data = file_of(photograph(96, 64), "JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    before = data.rindex(b"\xff\xc4", 0, last_scan)
    assert not is_taken(tmp_path, data[:last_scan])
    assert not is_taken(tmp_path, data[:before])


def test_damage_inside_a_jpeg_is_told(tmp_path: Path) -> None:
    """Data that ends early is no gray."""
    data = file_of(photograph(320, 240), "JPEG", quality=90)
    early = data[: len(data) // 2] + b"\xff\xd9"
    path = saved(tmp_path, early)
    with pytest.raises(DamagedImage) as refused:
        made_of(path, "-w100.png")
    assert "/" not in str(refused.value.limit)


def test_texts_of_a_png_are_not_inflated(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(60_000_000), 9)
    data = png_with(CHART, *[chunk(b"zTXt", b"Comment\0\0" + bomb)] * 3, chunk(b"iTXt", b"C\0\1\0\0\0" + bomb))
    data = data[:33] + chunk(b"iCCP", b"p\0\0" + bomb) + data[33:]
    assert is_taken(tmp_path, data)
    assert difference(derived(tmp_path, data, ".png"), CHART) < 1


def test_premultiplied_alpha_is_undone(tmp_path: Path) -> None:
    image = clear(64, 32)
    image.putalpha(image.getchannel("A").point(lambda a: a // 2))
    for image_format in ("AVIF", "HEIF"):
        data = file_of(image, image_format, quality=95)
        premultiplied = data.replace(b"auxl", b"prem", 1) if b"prem" not in data else data
        assert header(saved(tmp_path, premultiplied)).facts.format in {"avif", "heic"}


TURNS = (
    None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90"
)  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["AVIF", "WEBP", "TIFF", "PNG", "JPEG"])
def test_exif_orientation_in_every_format_that_has_it(tmp_path: Path, image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(CHART, image_format, exif=exif, **({"quality": 95} if image_format != "TIFF" else {}))
    answer = derived(tmp_path, data, ".png")
    name = TURNS[orientation - 1]
    assert difference(answer, CHART if name is None else CHART.transpose(Image.Transpose[name])) < 6


pillow_heif.register_heif_opener()


def reduced_pages(subifd: bool) -> bytes:
    """Red."""
    whole = pyvips.Image.new_from_array(numpy.full((600, 800, 3), (200, 0, 0), "uint8"))
    return bytes(whole.copy(interpretation="srgb").tiffsave_buffer(tile=True, pyramid=True, subifd=subifd))


@pytest.mark.parametrize("subifd", [False, True])
def test_the_reduced_pages_of_a_tiff_are_found_and_used(tmp_path: Path, subifd: bool) -> None:
    data = reduced_pages(subifd)
    found = tiff_structure.reductions(data)
    assert [(page.width, page.height) for page in found] == [(400, 300), (200, 150), (100, 75)]
    assert {page.option for page in found} == {"subifd" if subifd else "page"}
    path = saved(tmp_path, data)
    stored = geometry.Stored(800, 600, 1)
    facts = header(path).facts
    for text, expected in (
        ("-w400.png", 1.0),
        ("-w200.png", 0.5),
        ("-w100.png", 0.25),
        ("-x0y0w400h300-w100.png", 0.5),
    ):
        image, scale = open_reduced(
            path, "tif", stored, geometry.plan(rendition(text, facts), facts, stored), 2.0, open_image
        )
        assert (scale, image.width) == (expected, round(800 * expected))
    assert difference(derived(tmp_path, data, "-w100.png"), Image.new("RGB", (100, 75), (200, 0, 0))) < 1


def test_a_page_that_is_no_reduction_is_not_used() -> None:
    pages = [photograph(80, 60), photograph(40, 30), photograph(33, 30)]
    assert tiff_structure.reductions(file_of(pages[0], "TIFF", save_all=True, append_images=pages[1:])) == []


@pytest.mark.parametrize("no_jp2", [False, True])
def test_the_resolutions_of_a_jpeg_2000_are_used(tmp_path: Path, no_jp2: bool) -> None:
    image = photograph(640, 480)
    data = file_of(image, "JPEG2000", num_resolutions=3, no_jp2=no_jp2)
    told = boxes.jp2_colours(data)
    assert boxes.jp2_resolutions(data, told) == 2
    assert odd.opened(data, "jp2", 4).decode().width == 160
    assert odd.opened(data, "jp2", 8).decode().width == 160
    for width in (300, 160, 80, 40):
        small = image.resize((width, width * 3 // 4), Image.Resampling.LANCZOS)
        assert difference(derived(tmp_path, data, f"-w{width}.png").resize(small.size), small) < 6


def pages(*each: tuple[Image.Image, dict[int, object]]) -> bytes:
    """Of one TIFF, with the tags that each has."""
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for image, tags in each:
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for tag, value in tags.items():
                info[tag] = value
            image.save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    return buffer.getvalue()


def test_a_mask_is_no_reduction(tmp_path: Path) -> None:
    """GDAL's overviews of masks say that they are both."""
    red, mask = Image.new("RGB", (600, 400), "red"), Image.new("L", (300, 200), 255)
    data = pages((red, {}), (mask, {254: 5}), (mask, {254: 1}), (Image.new("RGB", (300, 200), "red"), {254: 1}))
    assert [page.number for page in tiff_structure.reductions(data)] == [3]
    assert difference(derived(tmp_path, data, "-w100.png"), Image.new("RGB", (100, 67), "red")) < 1


def test_a_reduced_page_of_other_colours_is_not_used(tmp_path: Path) -> None:
    whole, half = Image.new("RGB", (600, 400), (200, 40, 40)), Image.new("RGB", (300, 200), (200, 40, 40))
    data = pages((whole, {34675: swapped()}), (half, {254: 1}))
    assert tiff_structure.reductions(data) == []
    large, small = (pixel(derived(tmp_path, data, text), (9, 9)) for text in ("-w300.png", "-w100.png"))
    assert large == small and large[1] > large[0]
    same = pages((whole, {34675: swapped()}), (half, {254: 1, 34675: swapped()}))
    assert len(tiff_structure.reductions(same)) == 1


@pytest.mark.timeout(60)
def test_scans_that_lie_over_each_other_cost_nothing(tmp_path: Path) -> None:
    data = file_of(photograph(96, 64), "JPEG", progressive=True)[:-2]
    assert not is_taken(tmp_path, data + b"\xff\xda\0\x06\xfc\0\xfe\0" * 25_000)


@pytest.mark.timeout(60)
def test_strips_that_lie_over_each_other_cost_nothing(tmp_path: Path) -> None:
    strip = zlib.compress(b"") + bytes(2_000_000)
    count = 4000
    tags = [(256, 4, 1, 8), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (278, 4, 1, 1)]
    at = 8 + len(strip)
    places = struct.pack(f"<{count}I", *[8] * count)
    counts = struct.pack(f"<{count}I", *range(len(strip) - count, len(strip)))
    tags += [(273, 4, count, at), (279, 4, count, at + len(places))]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    where = at + len(places) + len(counts)
    assert not is_taken(tmp_path, b"II*\0" + struct.pack("<I", where) + strip + places + counts + directory)


@pytest.mark.timeout(60)
def test_one_large_strip_inflates_in_time_that_follows_its_size(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(1).integers(0, 256, (6000, 5000, 3), "uint8")
    assert is_taken(tmp_path, tiff(noise, 2, compression=8))
