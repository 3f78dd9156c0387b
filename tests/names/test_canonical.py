"""One set of pixels, one name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mezzotint.errors import InvalidRendition
from mezzotint.names import (
    FORMATS,
    Box,
    Facts,
    Format,
    Ident,
    Largest,
    Mode,
    Quality,
    Region,
    Rendition,
    Rotation,
    Size,
    canonical,
    parse,
    print_name,
)
from mezzotint.names.canonical import output_size
from mezzotint.names.rendition import SQUARE

FACTS = Facts(4000, 3000, "jpg", 1)
GRAY = replace(FACTS, gray=True)
LIMITS = Largest(any=64_000_000, enlarged=64_000_000)
OUTPUT = [one for one in Format if one is not Format.AUTO]
IDENT = Ident("ab" * 32)

small = st.integers(1, 3000)
any_facts = st.builds(Facts, small, small, st.just("jpg"), st.just(1), gray=st.booleans())
boxes = st.builds(Size, small, small, st.sampled_from(Mode))
any_rendition = st.builds(
    Rendition,
    format=st.sampled_from(OUTPUT),
    region=st.none() | st.just(SQUARE) | st.builds(Region, st.integers(0, 3000), st.integers(0, 3000), small, small),
    size=st.none()
    | boxes
    | st.builds(Size, small, st.none(), st.just(Mode.FIT))
    | st.builds(Size, st.none(), small, st.just(Mode.FIT)),
    canvas=st.none()
    | st.builds(Box, st.integers(1, 6000), st.integers(1, 6000), st.sampled_from(["ffffff", "ff0000"])),
    rotation=st.none() | st.builds(Rotation, st.sampled_from([0, 4500, 9000, 18000, 27000]), st.booleans()),
    quality=st.sampled_from(Quality),
    encoding=st.none() | st.integers(1, 100),
)


def named(text: str, facts: Facts = FACTS, limits: Largest = LIMITS) -> str:
    """The canonical form of a rendition's text, as text."""
    _, rendition = parse(IDENT + text)
    assert rendition is not None
    return print_name(IDENT, canonical(rendition, facts, limits))[64:]


@given(any_rendition, any_facts)
def test_the_canonical_form_is_its_own_canonical_form(rendition: Rendition, facts: Facts) -> None:
    try:
        once = canonical(rendition, facts, LIMITS)
    except InvalidRendition:
        return
    assert canonical(once, facts, LIMITS) == once
    assert parse(print_name(IDENT, once)) == (IDENT, once)


@given(any_rendition, any_facts)
def test_a_canonical_rendition_has_pixels_for_everything(rendition: Rendition, facts: Facts) -> None:
    try:
        once = canonical(rendition, facts, LIMITS)
    except InvalidRendition:
        return
    assert once.region is None or isinstance(once.region, Region)
    assert once.size is None or (once.size.mode is Mode.EXACT and once.size.width and once.size.height)
    if isinstance(once.region, Region):
        assert once.region.x + once.region.width <= facts.width
        assert once.region.y + once.region.height <= facts.height
        assert min(once.region.width, once.region.height) >= 1


@given(small, small, small, small)
def test_fit_stays_within_the_box_and_never_enlarges(width: int, height: int, across: int, down: int) -> None:
    facts = Facts(width, height, "jpg", 1)
    made = output_size(canonical(Rendition(Format.PNG, size=Size(across, down, Mode.FIT)), facts, LIMITS), facts)
    assert made[0] <= min(width, across) and made[1] <= min(height, down)
    scale = min(across / width, down / height, 1)
    assert abs(made[0] - max(1, width * scale)) <= 0.5001 and abs(made[1] - max(1, height * scale)) <= 0.5001


@given(small, small, small)
def test_a_width_alone_or_a_height_alone_never_enlarges(width: int, height: int, side: int) -> None:
    facts = Facts(width, height, "jpg", 1)
    wide = output_size(canonical(Rendition(Format.PNG, size=Size(side, None, Mode.FIT)), facts, LIMITS), facts)
    high = output_size(canonical(Rendition(Format.PNG, size=Size(None, side, Mode.FIT)), facts, LIMITS), facts)
    assert wide[0] == min(side, width) and wide[1] <= height
    assert high[1] == min(side, height) and high[0] <= width


@given(small, small, st.integers(1, 1500), st.integers(1, 1500))
def test_cover_and_pad_give_exactly_what_was_asked(width: int, height: int, across: int, down: int) -> None:
    facts = Facts(width, height, "jpg", 1)
    for mode in (Mode.COVER, Mode.PAD, Mode.EXACT):
        made = canonical(Rendition(Format.PNG, size=Size(across, down, mode)), facts, LIMITS)
        assert output_size(made, facts) == (across, down)


@given(small, small, st.integers(1, 1500), st.integers(1, 1500))
def test_pad_is_fit_on_a_canvas(width: int, height: int, across: int, down: int) -> None:
    facts = Facts(width, height, "jpg", 1)
    pad = canonical(Rendition(Format.PNG, size=Size(across, down, Mode.PAD)), facts, LIMITS)
    fit = Rendition(Format.PNG, size=Size(across, down, Mode.FIT), canvas=Box(across, down))
    assert canonical(fit, facts, LIMITS) == pad


@given(small, small, st.integers(1, 1500), st.integers(1, 1500))
def test_cover_takes_the_middle(width: int, height: int, across: int, down: int) -> None:
    facts = Facts(width, height, "jpg", 1)
    made = canonical(Rendition(Format.PNG, size=Size(across, down, Mode.COVER)), facts, LIMITS)
    region = made.region if isinstance(made.region, Region) else Region(0, 0, width, height)
    assert all(isinstance(side, int) for side in (region.x, region.y, region.width, region.height))
    assert (region.width == width and region.height <= height) or (region.height == height and region.width <= width)
    assert abs((width - region.width) - 2 * region.x) <= 1 and abs((height - region.height) - 2 * region.y) <= 1


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        ((".jpg", "-4000x3000.jpg", "-fit9000x9000.jpg", "-w4000.jpg", "-w9000.jpg", "-h3000.jpg", "-q80.jpg"), FACTS),
        ((".jpg", "-x0y0w4000h3000.jpg", "-x0y0w9999h9999.jpg", "-canvas4000x3000.jpg", "-pad4000x3000.jpg"), FACTS),
        ((".jpg", "-cover4000x3000.jpg", "-enlarge4000x3000.jpg", "-canvas4000x3000xff0000.jpg"), FACTS),
        (
            ("-1000x750.jpg", "-fit1000x750.jpg", "-w1000.jpg", "-h750.jpg", "-fit1000x3000.jpg", "-fit4000x750.jpg"),
            FACTS,
        ),
        (("-1000x750.jpg", "-enlarge1000x1000.jpg", "-cover1000x750.jpg", "-pad1000x750.jpg"), FACTS),
        (("-1000x750.jpg", "-1000x750-canvas1000x750.jpg", "-x0y0w4000h3000-1000x750-q80.jpg"), FACTS),
        (
            (
                "-x500y0w3000h3000.jpg",
                "-square.jpg",
                "-cover3000x3000.jpg",
                "-square-3000x3000.jpg",
                "-square-w3000.jpg",
            ),
            FACTS,
        ),
        (
            ("-x500y0w3000h3000-100x100.jpg", "-square-100x100.jpg", "-cover100x100.jpg", "-square-fit100x900.jpg"),
            FACTS,
        ),
        (("-x3000y2000w1000h1000.jpg", "-x3000y2000w5000h5000.jpg", "-x3000y2000w1000h1000-w1000.jpg"), FACTS),
        (("-1000x750-canvas1000x1000.jpg", "-pad1000x1000.jpg", "-fit1000x1000-canvas1000x1000.jpg"), FACTS),
        ((".webp", "-q80.webp"), FACTS),
        ((".avif", "-q45.avif"), FACTS),
        ((".png", "-q1.png", "-q100.png"), FACTS),
        ((".gif", "-q50.gif"), FACTS),
        ((".tif", "-q50.tif"), FACTS),
        ((".bmp", "-q50.bmp"), FACTS),
        ((".jpg", "-gray.jpg", "-gray-q80.jpg"), GRAY),
        (("-10x10.jpg", "-10x10-gray.jpg"), GRAY),
        ((".jpg", "-square.jpg", "-x0y0w5h5.jpg", "-cover5x5.jpg"), Facts(5, 5, "jpg", 1)),
    ],
)
def test_equal_pixels_have_one_name(names: tuple[str, ...], facts: Facts) -> None:
    assert {named(name, facts) for name in names} == {names[0]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (".jpg", "-gray.jpg"), ("-gray.jpg", "-bitonal.jpg"), (".jpg", "-q81.jpg"), ("-mirror.jpg", "-rotate180.jpg"),
        ("-mirror180.jpg", "-rotate180.jpg"), ("-fit100x100.jpg", "-100x100.jpg"), ("-cover100x100.jpg",
        "-pad100x100.jpg"),
        ("-pad100x100.jpg", "-w100-canvas100x100x000000.jpg"), ("-w5000.jpg", "-enlarge5000x5000.jpg"), (".jpg",
        ".png"),
        ("-rotate90.jpg", "-rotate270.jpg"), ("-q60.jpg", "-q45.avif"),
    ],
)  # fmt: skip
def test_other_pixels_have_other_names(one: str, other: str) -> None:
    assert named(one) != named(other)


def test_bitonal_is_not_dropped_from_a_gray_base() -> None:
    assert named("-bitonal.jpg", GRAY) == "-bitonal.jpg"


def test_gray_is_kept_where_a_coloured_canvas_would_bring_colour_back() -> None:
    assert named("-pad100x100.jpg", GRAY) == named("-pad100x100-gray.jpg", GRAY)
    coloured = "-100x75-canvas100x100xff0000.jpg"
    assert named(coloured, GRAY) != named(coloured.replace(".jpg", "-gray.jpg"), GRAY)


def test_the_mirror_alone_says_something_and_no_rotation_says_nothing() -> None:
    nothing = Rendition(Format.JPG, rotation=Rotation(0, mirror=False))
    assert canonical(nothing, FACTS, LIMITS) == Rendition(Format.JPG)
    assert named("-mirror.jpg") == "-mirror.jpg"


def test_rounding_is_to_the_nearest_pixel_and_never_to_none() -> None:
    assert named("-w100.jpg", Facts(300, 200, "jpg", 1)) == "-100x67.jpg"
    assert named("-w100.jpg", Facts(300, 1, "jpg", 1)) == "-100x1.jpg"
    assert named("-h1.jpg", Facts(1, 3000, "jpg", 1)) == "-1x1.jpg"


@pytest.mark.parametrize("text", ["-x4000y0w1h1.jpg", "-x0y3000w1h1.jpg", "-x9999999y9999999w1h1.jpg"])
def test_a_region_outside_the_picture_is_refused(text: str) -> None:
    with pytest.raises(InvalidRendition) as refused:
        named(text)
    assert refused.value.field == "region" and refused.value.limit == "4000x3000"


@pytest.mark.parametrize("text", ["-canvas100x100.jpg", "-200x200-canvas199x200.jpg", "-200x200-canvas200x199.jpg"])
def test_a_canvas_smaller_than_the_picture_is_refused(text: str) -> None:
    with pytest.raises(InvalidRendition) as refused:
        named(text)
    assert refused.value.field == "canvas"


def test_pad_and_canvas_together_are_refused() -> None:
    with pytest.raises(InvalidRendition):
        named("-pad100x100-canvas200x200.jpg")


@pytest.mark.parametrize(
    "text",
    ["-9999999x9999999.jpg", "-enlarge9999999x9999999.png", "-pad9999999x9999999.png", "-cover9000x9000.jpg",
    "-70000x1.jpg",
     "-1x70000.png", "-16384x1.webp", "-1x16385.avif", "-1x32768.bmp", "-canvas9000x9000.png",
     "-100x100-canvas70000x100.png"],
)  # fmt: skip
def test_more_than_the_limits_is_refused(text: str) -> None:
    with pytest.raises(InvalidRendition) as refused:
        named(text)
    assert refused.value.limit


@pytest.mark.parametrize("text", ["-16383x1.webp", "-1x16384.avif", "-65500x1.jpg", "-32767x1.bmp", "-8000x8000.png"])
def test_what_just_keeps_the_limits_is_taken(text: str) -> None:
    assert named(text) == text


def test_natural_size_is_allowed_where_it_is_larger_than_the_limit() -> None:
    assert named(".jpg", limits=Largest(1000)) == ".jpg"
    assert named("-x0y0w2000h2000.jpg", limits=Largest(1000)) == "-x0y0w2000h2000.jpg"
    with pytest.raises(InvalidRendition):
        named("-4001x3000.jpg", limits=Largest(1000))


@given(any_rendition, any_facts, st.integers(1, 1_000_000))
def test_nothing_larger_than_the_limit_or_the_picture_is_promised(
    rendition: Rendition, facts: Facts, most: int
) -> None:
    try:
        made = canonical(rendition, facts, Largest(most, most))
    except InvalidRendition:
        return
    width, height = output_size(made, facts)
    assume(made.rotation is None)
    assert width * height <= max(most, facts.width * facts.height)


@pytest.mark.parametrize("format_", OUTPUT)
def test_every_format_has_a_media_type(format_: Format) -> None:
    assert FORMATS[format_].media_type.startswith("application/" if format_ is Format.PDF else "image/")


@pytest.mark.parametrize(("width", "height", "expected"), [(40, 101, (0, 30)), (101, 40, (30, 0))])
def test_a_square_is_the_middle(width: int, height: int, expected: tuple[int, int]) -> None:
    made = canonical(Rendition(Format.PNG, region="square"), Facts(width, height, "jpg", 1), LIMITS)
    assert made.region == Region(*expected, 40, 40)
