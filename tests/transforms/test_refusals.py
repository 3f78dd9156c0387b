"""What is no whole picture of an accepted format is refused before anything is kept or decoded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import pyvips
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from mezzotint.errors import DamagedImage, InvalidInput, NotAnImage, TooManyPixels
from mezzotint.names import FORMATS
from mezzotint.transforms import structure
from mezzotint.transforms.sniff import sniff
from mezzotint.wiring import Engine
from tests.pictures import encoded, opened, photograph
from tests.transforms.rendering import difference, file_of, header, is_taken, made, saved, taken
from tests.transforms.test_formats import INPUTS, SVG, animation


def run_length_bmp() -> bytes:
    """8 bits, RLE8: Pillow writes none."""
    palette = b"".join(bytes((n, n, n, 0)) for n in range(256))
    pixels = b"".join(bytes((64, row, 0, 0)) for row in range(48)) + b"\x00\x01"
    offset = 14 + 40 + len(palette)
    head = struct.pack("<IiiHHIIiiII", 40, 64, 48, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + head + palette + pixels


WHOLE: dict[str, Callable[[], bytes]] = {
    **{name: lambda make=make: make(photograph(64, 48)) for name, (_, make) in INPUTS.items()},  # type: ignore[misc]
    "animated gif": lambda: animation("GIF"),
    "animated webp": lambda: animation("WEBP"),
    "run length bmp": run_length_bmp,
    "svg": lambda: SVG,
}


def cuts(data: bytes) -> list[int]:
    """Where to cut: every byte of the head and the tail, and some hundred places between."""
    between = range(64, len(data) - 64, max(1, len(data) // 60))
    return sorted({*range(1, min(64, len(data))), *between, *range(max(1, len(data) - 64), len(data))})


def boxes(data: bytes) -> list[int]:
    """Where the top-level boxes of ISO 14496-12 end."""
    ends, at = [], 0
    while at < len(data):
        at += struct.unpack_from(">I", data, at)[0] or len(data)
        ends.append(at)
    return ends


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_taken(tmp_path: Path, name: str) -> None:
    assert is_taken(tmp_path, WHOLE[name]())


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    """Unless what is missing is no part of the picture: then all of that is there."""
    data = WHOLE[name]()
    whole = opened(made(saved(tmp_path, data), ".png"))
    places = cuts(data)
    if name in {"avif", "jpeg 2000"}:
        places += boxes(data)[:-1]
    found = [at for at in places if is_taken(tmp_path, data[:at])]
    assert all(at >= len(data) - 16 for at in found)
    for at in found:
        assert difference(opened(made(saved(tmp_path, data[:at]), ".png")), whole) == 0


@pytest.mark.parametrize(
    "name", ["jpeg", "progressive jpeg", "png", "webp", "avif", "gif", "lzw tiff", "jpeg 2000", "bmp"]
)
def test_a_base_that_was_cut_off_later_is_not_rendered_as_if_it_were_whole(tmp_path: Path, name: str) -> None:
    data = WHOLE[name]()
    with pytest.raises(InvalidInput):
        made(saved(tmp_path, data[: len(data) // 2]), "-w32.png")


@given(st.sampled_from(sorted(WHOLE)), st.data())
@examples(max_examples=150)
def test_damage_is_told_and_never_an_accident(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Whatever one changes, a base is taken or refused with one of the domain's errors."""
    content = bytearray(WHOLE[name]())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    path = saved(tmp_path_factory.mktemp("damaged"), bytes(content))
    with suppress(InvalidInput):
        taken(path)
        made(path, "-w32.png")


def test_a_tiff_that_points_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    data = bytearray(INPUTS["big tiff"][1](photograph(64, 48)))
    (directory,) = struct.unpack_from("<Q", data, 8)
    (count,) = struct.unpack_from("<Q", data, directory)
    struct.pack_into("<Q", data, directory + 8 + count * 20, 2**64 - 16)
    with pytest.raises(DamagedImage):
        structure.check(saved(tmp_path, bytes(data)), "tif")


def test_a_png_with_a_changed_byte_in_its_pixels_is_refused(tmp_path: Path) -> None:
    data = bytearray(file_of(photograph(64, 48), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    assert not is_taken(tmp_path, bytes(data))


FOREIGN = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"a,b,c\n1,2,3\n" * 40,
    "csv matrix": b"2 2\n1 2\n3 4\n",
    "vips": bytes(pyvips.Image.black(8, 8).write_to_memory()).join([b"\x08\xf2\xa6\xb6" + b"\x00" * 60, b""]),
    "ppm": b"P6 8 8 255\n" + b"x" * 192,
    "pgm": b"P5 8 8 255\n" + b"x" * 64,
    "pfm": b"PF\n8 8\n-1.0\n" + b"\x00" * 768,
    "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + b"x" * 256,
    "fits": b"SIMPLE  =                    T" + b" " * 2850,
    "pdf": b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "exr": b"v/1\x01" + b"\x00" * 100,
    "psd": b"8BPS\x00\x01" + b"\x00" * 100,
    "ico": b"\x00\x00\x01\x00\x01\x00\x10\x10" + b"\x00" * 100,
    "xcf": b"gimp xcf v011\x00" + b"\x00" * 100,
    "matlab": b"MATLAB 5.0 MAT-file" + b" " * 120,
    "mvg": b"push graphic-context\nimage over 0,0 0,0 'msl:/etc/passwd'\npop graphic-context\n",
    "html": b"<!DOCTYPE html><html><body>no</body></html>",
    "mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42" + b"\x00" * 100,
    "wave": b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 100,
    "zip": b"PK\x03\x04" + b"\x00" * 100,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_of_no_accepted_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAnImage) as refused:
        header(saved(tmp_path, FOREIGN[name]))
    assert refused.value.field == "file"


@pytest.mark.parametrize("suffix", [".csv", ".v", ".ppm", ".mat", ".hdr", ".fits", ".pdf", ".jxl", ".raw"])
@pytest.mark.parametrize("name", ["csv matrix", "ppm", "hdr", "fits", "pdf", "vips", "matlab"])
def test_no_other_loader_of_libvips_is_open(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"base{suffix}"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_file(str(path)).avg()
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(FOREIGN[name], "").avg()


@pytest.mark.parametrize("loader", ["csvload", "matrixload", "vipsload"])
def test_a_blocked_loader_cannot_be_called_by_its_name_either(tmp_path: Path, loader: str) -> None:
    path = tmp_path / "data"
    path.write_bytes(FOREIGN["csv matrix"])
    with pytest.raises(pyvips.Error, match="blocked"):
        getattr(pyvips.Image, loader)(str(path))


@pytest.mark.parametrize("name", WHOLE)
def test_the_type_is_told_by_the_first_bytes_alone(name: str) -> None:
    data = WHOLE[name]()
    kind = sniff(data[:512])
    assert kind == (INPUTS[name][0] if name in INPUTS else sniff(data))
    assert kind in FORMATS


@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\n  ", b"<!-- a comment -->", b"<!DOCTYPE svg>\n"])
def test_svg_is_refused_where_it_is_not_switched_on(tmp_path: Path, lead: bytes) -> None:
    svg = lead + SVG[SVG.index(b"<svg") :]
    path = saved(tmp_path, svg)
    with pytest.raises(NotAnImage) as refused:
        header(path, accepted=FORMATS.keys() - {"svg"})
    assert "MEZZOTINT_ALLOW_SVG" in str(refused.value.limit)
    assert header(path).facts.format == "svg"


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "svg"])
def test_too_many_pixels_are_refused_from_the_header(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, WHOLE[name]())
    facts = header(path).facts
    pixels = facts.width * facts.height * facts.frames
    assert header(path, max_pixels=pixels).facts == facts
    with pytest.raises(TooManyPixels) as refused:
        header(path, max_pixels=pixels - 1)
    assert "MEZZOTINT_MAX_PIXELS" in str(refused.value.limit)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP"])
def test_the_frames_of_an_animation_count(tmp_path: Path, image_format: str) -> None:
    path = saved(tmp_path, animation(image_format))
    assert header(path, max_pixels=60 * 40 * 4).facts.frames == 4
    with pytest.raises(TooManyPixels, match="frames"):
        header(path, max_pixels=60 * 40 * 3)


def with_png_size(data: bytes, width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_bmp_size(data: bytes, width: int, height: int) -> bytes:
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


BOMBS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "PNG": with_png_size,
    "JPEG": with_jpeg_size,
    "BMP": with_bmp_size,
}


@pytest.mark.parametrize("image_format", BOMBS)
def test_a_header_that_promises_too_much_is_refused_without_decoding(tmp_path: Path, image_format: str) -> None:
    bomb = BOMBS[image_format](encoded(photograph(64, 48), image_format), 60_000, 60_000)
    with pytest.raises(TooManyPixels, match="60000"):
        header(saved(tmp_path, bomb))


def test_what_is_refused_leaves_nothing_behind(engine: Engine) -> None:
    jpeg = encoded(photograph(64, 48))
    for data in (b"", b"text", jpeg[:-20], with_jpeg_size(jpeg, 60_000, 60_000), SVG):
        with pytest.raises(InvalidInput):
            engine.bases.add([data])
    assert list(engine.store.list()) == []
    assert list(engine.settings.data.rglob("*.part")) == []
    assert engine.bases.add([jpeg]).new


def test_a_stack_of_pages_is_told_apart_from_an_animation(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pages = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "green")]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    facts = header(saved(tmp_path, buffer.getvalue())).facts
    assert (facts.width, facts.height, facts.frames, facts.animated) == (30, 20, 1, False)
