"""The name grammar both ways, and the names it must refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidName
from mezzotint.names import (
    Box,
    Format,
    Ident,
    Mode,
    Quality,
    Region,
    Rendition,
    Rotation,
    Size,
    is_ident,
    parse,
    parse_ident,
    print_name,
)
from mezzotint.names.rendition import SQUARE

IDENT = Ident("0123456789abcdef" * 4)
MOST = 9_999_999

sides = st.integers(1, MOST)
offsets = st.integers(0, MOST)
regions = st.none() | st.just(SQUARE) | st.builds(Region, offsets, offsets, sides, sides)
sizes = (
    st.none()
    | st.builds(Size, sides, sides, st.sampled_from(Mode))
    | st.builds(Size, sides, st.none(), st.just(Mode.FIT))
    | st.builds(Size, st.none(), sides, st.just(Mode.FIT))
)
colours = st.text("0123456789abcdef", min_size=6, max_size=6)
canvases = st.none() | st.builds(Box, sides, sides, colours)
rotations = (
    st.none()
    | st.builds(Rotation, st.integers(1, 35999), st.just(False))
    | st.builds(Rotation, st.integers(0, 35999), st.just(True))
)
renditions = st.builds(
    Rendition,
    format=st.sampled_from(Format),
    region=regions,
    size=sizes,
    canvas=canvases,
    rotation=rotations,
    quality=st.sampled_from(Quality),
    encoding=st.none() | st.integers(1, 100),
)
idents = st.binary(min_size=32, max_size=32).map(lambda digest: Ident(digest.hex()))

WELL_FORMED = {
    ".jpg": Rendition(Format.JPG),
    ".auto": Rendition(Format.AUTO),
    "-1024x512.jpg": Rendition(Format.JPG, size=Size(1024, 512)),
    "-fit800x600.webp": Rendition(Format.WEBP, size=Size(800, 600, Mode.FIT)),
    "-enlarge800x600.webp": Rendition(Format.WEBP, size=Size(800, 600, Mode.ENLARGE)),
    "-cover200x200.avif": Rendition(Format.AVIF, size=Size(200, 200, Mode.COVER)),
    "-pad200x200.png": Rendition(Format.PNG, size=Size(200, 200, Mode.PAD)),
    "-w150.gif": Rendition(Format.GIF, size=Size(150, None, Mode.FIT)),
    "-h150.tif": Rendition(Format.TIF, size=Size(None, 150, Mode.FIT)),
    "-square.bmp": Rendition(Format.BMP, region=SQUARE),
    "-x0y10w20h30-4x5.jpg": Rendition(Format.JPG, region=Region(0, 10, 20, 30), size=Size(4, 5)),
    "-10x10-canvas20x20.jpg": Rendition(Format.JPG, size=Size(10, 10), canvas=Box(20, 20)),
    "-canvas20x20x0a0b0c.jpg": Rendition(Format.JPG, canvas=Box(20, 20, "0a0b0c")),
    "-rotate90.jpg": Rendition(Format.JPG, rotation=Rotation(9000)),
    "-rotate22.5.jpg": Rendition(Format.JPG, rotation=Rotation(2250)),
    "-rotate0.05.jpg": Rendition(Format.JPG, rotation=Rotation(5)),
    "-mirror.jpg": Rendition(Format.JPG, rotation=Rotation(0, mirror=True)),
    "-mirror359.99.jpg": Rendition(Format.JPG, rotation=Rotation(35999, mirror=True)),
    "-gray.jpg": Rendition(Format.JPG, quality=Quality.GRAY),
    "-bitonal-q1.jpg": Rendition(Format.JPG, quality=Quality.BITONAL, encoding=1),
    "-square-9x9-canvas10x10-mirror180-gray-q100.webp": Rendition(
        Format.WEBP, SQUARE, Size(9, 9), Box(10, 10), Rotation(18000, mirror=True), Quality.GRAY, 100
    ),
}

MALFORMED = [
    # formats and ends
    "", ".", "jpg", ".jpeg", ".JPG", ".Jpg", ".svg", ".heic", ".psd", ".jp3", ".jpg.", ".jpg.png", "..jpg", "-.jpg",
    ".jpg ", " .jpg", ".jpg\n", ".jpg\r\n", ".jpg\x00", "\x00.jpg", ".jpg/", ".jpg?", ".jpg#", ".jpg-gray",
    ".\uff4apg",
    "-1024x512", "-1024x512.", "-1024x512.jpg\n", "-1024x512.jpg ", "-1024x512.jpg\x00.png", "-1024x512.jpg%00",
    "-color.jpg",
    # sizes
    "-0x10.jpg", "-10x0.jpg", "-00x00.jpg", "-0010x10.jpg", "-10x010.jpg", "-10X10.jpg", "-x10.jpg", "-10x.jpg",
    "-10.jpg",
    "-10x10x10.jpg", "-+10x10.jpg", "--10x10.jpg", "-10x-10.jpg", "-10.0x10.jpg", "-1e3x10.jpg", "-0x0a0.jpg",
    "-10 x10.jpg",
    "-10000000x10.jpg", "-10x10000000.jpg", "-99999999999999999999999x1.jpg", "-w10000000.jpg", "-10x10-10x10.jpg",
    "-w0.jpg", "-h0.jpg", "-w010.jpg", "-W10.jpg", "-w.jpg", "-w10x10.jpg", "-w10-h10.jpg", "-h10-w10.jpg",
    "-w10h10.jpg",
    "-FIT10x10.jpg", "-fit.jpg", "-fit10.jpg", "-fitw10.jpg", "-fit0x10.jpg", "-fit10x10-10x10.jpg",
    "-cover10x10-cover10x10.jpg",
    "-exact10x10.jpg", "-stretch10x10.jpg", "-pad10x0.jpg", "-pad-10x10.jpg", "-enlargefit10x10.jpg", "-max.jpg",
    "-full.jpg",
    "-\u0661\u0660x10.jpg", "-\uff11\uff10x10.jpg", "-1\u06600x10.jpg", "-10\u00d710.jpg", "-\u00b2x10.jpg",
    "-10x10\u200b.jpg",
    # regions
    "-x0y0w0h10.jpg", "-x0y0w10h0.jpg", "-x00y0w10h10.jpg", "-x0y01w10h10.jpg", "-x0y0w010h10.jpg",
    "-x-1y0w10h10.jpg",
    "-x0y0w10.jpg", "-y0x0w10h10.jpg", "-x0y0h10w10.jpg", "-X0Y0W10H10.jpg", "-x0,y0,w10,h10.jpg",
    "-x10000000y0w1h1.jpg",
    "-x0y0w10000000h1.jpg", "-square-square.jpg", "-Square.jpg", "-squarex.jpg", "-square-x0y0w1h1.jpg",
    "-x0y0w1h1-square.jpg",
    "-10x10-square.jpg", "-10x10-x0y0w1h1.jpg", "-x0y0w1h1-x0y0w1h1.jpg",
    # canvases
    "-canvas0x10.jpg", "-canvas10x0.jpg", "-canvas010x10.jpg", "-canvas10.jpg", "-canvas10x10xffffff.jpg",
    "-canvas10x10xFF0000.jpg", "-canvas10x10xff00.jpg", "-canvas10x10xff00000.jpg", "-canvas10x10xgggggg.jpg",
    "-canvas10x10x.jpg", "-canvas10x10-canvas10x10.jpg", "-canvas10x10-10x10.jpg", "-canvas10x10-square.jpg",
    "-canvas10x10xred.jpg", "-Canvas10x10.jpg", "-canvas10x10xff\u0660000.jpg",
    # rotations
    "-rotate0.jpg", "-rotate00.jpg", "-rotate360.jpg", "-rotate360.0.jpg", "-rotate361.jpg", "-rotate999.jpg",
    "-rotate090.jpg",
    "-rotate90.0.jpg", "-rotate90.50.jpg", "-rotate90..jpg", "-rotate.5.jpg", "-rotate0.0.jpg", "-rotate0.00.jpg",
    "-rotate90.123.jpg",
    "-rotate-90.jpg", "-rotate.jpg", "-Rotate90.jpg", "-rotate1000.jpg", "-rotate90-rotate90.jpg",
    "-rotate90-mirror.jpg",
    "-mirror-rotate90.jpg", "-mirror0.jpg", "-mirror00.jpg", "-mirror360.jpg", "-mirror090.jpg", "-mirror-mirror.jpg",
    "-mirror90.0.jpg", "-Mirror.jpg", "-rotate90-10x10.jpg", "-rotate90-canvas10x10.jpg", "-rotate\u0669\u0660.jpg",
    "-flip.jpg",
    # qualities and encodings
    "-grey.jpg", "-Gray.jpg", "-gray-gray.jpg", "-gray-bitonal.jpg", "-gray-10x10.jpg", "-gray-rotate90.jpg",
    "-gray-mirror.jpg",
    "-default.jpg", "-q0.jpg", "-q101.jpg", "-q00.jpg", "-q080.jpg", "-q1000.jpg", "-q.jpg", "-Q80.jpg",
    "-q80-q80.jpg",
    "-q80-gray.jpg", "-q80-10x10.jpg", "-q8.5.jpg", "-q-1.jpg", "-q\u0668\u0660.jpg", "-q80%.jpg",
    # paths and separators
    "/../" + "a" * 64, "-..jpg", "-../x.jpg", "/.jpg", "\\.jpg", "-10x10/.jpg", "-10x10\u2215.jpg", "-10x10%2f.jpg",
    "_10x10.jpg",
    "-10x10_gray.jpg", "-10x10--gray.jpg", "-10x10-.jpg", "10x10.jpg", "a.jpg", "0.jpg", "-unknown.jpg",
    "-10x10 -gray.jpg",
    "-" * 300 + ".jpg", ".jpg" + "g" * 300, "-gray" * 100 + ".jpg",
]  # fmt: skip


@given(idents, renditions)
def test_what_is_printed_parses_to_the_same_rendition(ident: Ident, rendition: Rendition) -> None:
    assert parse(print_name(ident, rendition)) == (ident, rendition)


@given(idents, renditions)
def test_what_is_printed_is_plain_ascii_without_separators_of_paths(ident: Ident, rendition: Rendition) -> None:
    name = print_name(ident, rendition)
    assert name.isascii() and name.isprintable()
    assert not set(name) & set("/\\ %?#&") and ".." not in name


fragments = st.sampled_from(
    ["-", "x", "0", "1", "10", "360", ".", ".5", "w", "h", "y", "fit", "pad", "cover", "enlarge", "square",
    "canvas", "ff0000",
     "rotate", "mirror", "gray", "bitonal", "q", "jpg", ".jpg", ".png", "-10x10", "-x0y0w1h1", "-rotate90", "\n",
     "\u0661"]
)  # fmt: skip


@given(st.lists(fragments, max_size=9).map("".join))
def test_whatever_parses_prints_as_the_very_same_text(rest: str) -> None:
    text = IDENT + rest
    try:
        parsed = parse(text)
    except InvalidName:
        return
    assert print_name(*parsed) == text


@given(renditions, st.data())
def test_a_name_with_one_character_changed_is_another_name_or_none(rendition: Rendition, data: st.DataObject) -> None:
    name = print_name(IDENT, rendition)
    at = data.draw(st.integers(0, len(name) - 1))
    changed = name[:at] + data.draw(st.characters(codec="utf-8").filter(lambda c: c != name[at])) + name[at + 1 :]
    try:
        parsed = parse(changed)
    except InvalidName:
        return
    assert parsed != (IDENT, rendition)
    assert print_name(*parsed) == changed


@pytest.mark.parametrize(("text", "rendition"), WELL_FORMED.items())
def test_well_formed_names_mean_what_they_say(text: str, rendition: Rendition) -> None:
    assert parse(IDENT + text) == (IDENT, rendition)
    assert print_name(IDENT, rendition) == IDENT + text


def test_the_base_is_named_by_its_ident_alone() -> None:
    assert parse(IDENT) == (IDENT, None)
    assert print_name(IDENT, None) == IDENT


@pytest.mark.parametrize("text", [text for text in MALFORMED if text])
def test_malformed_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse(IDENT + text)


@pytest.mark.parametrize(
    "text",
    ["", "0", IDENT[:-1], IDENT + "0", IDENT.upper(), "g" * 64, " " + IDENT[1:], IDENT[:-1] + "\n", "\u0660" * 64,
    "\uff10" * 64,
     "../" + IDENT[3:], IDENT[:-1] + "\x00", "0x" + IDENT[2:], "." * 64],
)  # fmt: skip
def test_what_is_no_ident_is_refused(text: str) -> None:
    assert not is_ident(text)
    with pytest.raises(InvalidName):
        parse_ident(text)
    with pytest.raises(InvalidName):
        parse(text + ".jpg")
    with pytest.raises(InvalidName):
        parse(text)


def test_a_refusal_names_the_field_and_the_limit() -> None:
    with pytest.raises(InvalidName) as refused:
        parse(f"{IDENT}-q101.jpg")
    assert refused.value.field == "encoding"
    assert refused.value.limit is not None and "100" in refused.value.limit
