"""Sizes, regions, turns, canvases and tones, as pixels."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mezzotint.names import Facts, Format, Region, Rendition, Size
from mezzotint.names.canonical import output_size
from mezzotint.transforms import geometry
from tests.pictures import opened, photograph
from tests.transforms.rendering import (
    derived,
    difference,
    file_of,
    header,
    made,
    pixel,
    quarters,
    rendition,
    rgb,
    saved,
)

RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 180, 40), (40, 40, 220), (230, 220, 40)
WHITE = (255, 255, 255)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours a little inside of the top left, top right, bottom left and bottom right."""
    image = image.convert("RGB")
    across, down = image.width // 8, image.height // 8
    places = [(x, y) for y in (down, image.height - 1 - down) for x in (across, image.width - 1 - across)]
    known = [RED, GREEN, BLUE, YELLOW, WHITE, (0, 0, 0)]
    found = [pixel(image, place) for place in places]
    return [min(known, key=lambda one: sum((a - b) ** 2 for a, b in zip(one, colour, strict=True))) for colour in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path, file_of(quarters(), "PNG"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [RED, GREEN, BLUE, YELLOW]),
        ("-rotate90", [BLUE, RED, YELLOW, GREEN]),
        ("-rotate180", [YELLOW, BLUE, GREEN, RED]),
        ("-rotate270", [GREEN, YELLOW, RED, BLUE]),
        ("-mirror", [GREEN, RED, YELLOW, BLUE]),
        ("-mirror90", [YELLOW, GREEN, BLUE, RED]),
        ("-mirror180", [BLUE, YELLOW, RED, GREEN]),
        ("-mirror270", [RED, BLUE, GREEN, YELLOW]),
    ],
)
def test_turns_are_clockwise_and_come_after_the_mirror(path: Path, text: str, expected: list[tuple[int, ...]]) -> None:
    answer = opened(made(path, f"{text}.png"))
    assert corners(answer) == expected
    assert answer.size == ((80, 120) if "90" in text or "270" in text else (120, 80))


@pytest.mark.parametrize("degrees", ["0.5", "22.5", "45", "89.99", "133", "270.01", "359"])
@pytest.mark.parametrize("size", ["-120x80", "-33x57", "-1x1", "-60x40-canvas70x70"])
def test_a_slanted_picture_is_as_large_as_was_told(path: Path, degrees: str, size: str) -> None:
    text = f"{size}-rotate{degrees}.png"
    facts = header(path).facts
    assert opened(made(path, text)).size == output_size(rendition(text, facts), facts)


def test_the_corners_of_a_slanted_picture_are_clear_or_white(path: Path) -> None:
    clear = opened(made(path, "-rotate45.png")).convert("RGBA")
    assert pixel(clear, (1, 1))[3] == 0
    assert pixel(clear, (clear.width // 2, clear.height // 2))[3] == 255
    white = opened(made(path, "-rotate45.jpg"))
    assert min(pixel(white, (1, 1))) > 245


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-x0y0w60h40", RED),
        ("-x60y0w60h40", GREEN),
        ("-x0y40w60h40", BLUE),
        ("-x60y40w999h999", YELLOW),
        ("-x61y41w1h1", YELLOW),
    ],
)
def test_a_region_is_cut_to_the_pixel(path: Path, text: str, expected: tuple[int, ...]) -> None:
    answer = opened(made(path, f"{text}.png"))
    assert answer.getcolors() == [(answer.width * answer.height, expected)]


def test_stretching_fills_and_covering_cuts(path: Path) -> None:
    assert corners(opened(made(path, "-40x90.png"))) == [RED, GREEN, BLUE, YELLOW]
    cover = opened(made(path, "-cover40x80.png"))
    assert cover.size == (40, 80)
    middle = quarters().crop((40, 0, 80, 80))
    assert difference(cover, middle) < 1
    assert difference(opened(made(path, "-square.png")), quarters().crop((20, 0, 100, 80))) < 0.01


def test_padding_centres_on_white(path: Path) -> None:
    answer = opened(made(path, "-pad60x60.png"))
    expected = Image.new("RGB", (60, 60), WHITE)
    expected.paste(quarters().resize((60, 40), Image.Resampling.LANCZOS), (0, 10))
    assert difference(answer, expected) < 1


def test_a_canvas_has_its_colour_and_is_turned_with_the_picture(path: Path) -> None:
    answer = rgb(opened(made(path, "-60x40-canvas100x60x0a64c8-rotate90.png")))
    assert answer.shape == (100, 60, 3)
    for edge in (answer[:20], answer[80:], answer[:, :10], answer[:, 50:]):
        assert (edge == (10, 100, 200)).all()
    assert corners(Image.fromarray(answer[20:80, 10:50].astype("uint8"))) == [BLUE, RED, YELLOW, GREEN]


def test_a_canvas_shows_through_what_is_transparent(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    answer = derived(tmp_path, file_of(clear, "PNG"), "-canvas40x40x0a64c8.png")
    assert (rgb(answer) == (10, 100, 200)).all()
    flat = rgb(derived(tmp_path, file_of(clear, "PNG"), "-canvas40x40x0a64c8.bmp"))
    assert (flat == (10, 100, 200)).all()


def test_gray_is_the_luminance(tmp_path: Path) -> None:
    """IEC 61966-2-1, with the weights of ITU-R BT.709."""
    image = photograph(96, 64)
    answer = derived(tmp_path, file_of(image, "PNG"), "-gray.png")
    assert answer.mode == "L"
    shares = rgb(image) / 255
    linear = numpy.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]
    expected = 255 * numpy.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert numpy.abs(rgb(answer)[..., 0] - expected).max() < 4


def test_bitonal_is_black_and_white_only(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L")
    answer = rgb(derived(tmp_path, file_of(ramp, "PNG"), "-bitonal.png"))
    assert set(numpy.unique(answer)) == {0, 255}
    assert (answer[:120] == 0).all() and (answer[136:] == 255).all()


@pytest.mark.parametrize("quality", ["gray", "bitonal"])
def test_tones_apply_to_the_canvas_too(tmp_path: Path, quality: str) -> None:
    for image in (photograph(40, 20), photograph(40, 20).convert("L")):
        answer = derived(tmp_path, file_of(image, "PNG"), f"-40x20-canvas40x40xff0000-{quality}.png")
        pixels = rgb(answer)
        assert (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all()


def test_a_coloured_canvas_keeps_its_colour_under_a_gray_picture(tmp_path: Path) -> None:
    answer = derived(tmp_path, file_of(Image.new("L", (20, 20), 90), "PNG"), "-canvas40x40xff0000.png")
    assert answer.convert("RGB").getpixel((2, 2)) == (255, 0, 0)
    assert answer.convert("RGB").getpixel((20, 20)) == (90, 90, 90)


@pytest.mark.parametrize("output", ["jpg", "webp", "avif"])
def test_the_encoding_trades_bytes_for_fidelity(tmp_path: Path, output: str) -> None:
    path = saved(tmp_path, file_of(photograph(160, 120), "PNG"))
    sizes = [len(made(path, f"-q{quality}.{output}")) for quality in (10, 50, 95)]
    assert sizes == sorted(sizes) and sizes[0] * 2 < sizes[2]
    exact = opened(made(path, ".png"))
    losses = [difference(opened(made(path, f"-q{quality}.{output}")), exact) for quality in (10, 95)]
    assert losses[1] < losses[0] / 2


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", ["-300x200", "-97x61", "-40x27", "-12x8", "-1x1"])
def test_the_mean_brightness_is_kept_however_small(tmp_path: Path, size: str, image_format: str) -> None:
    image = photograph(900, 600, seed=3)
    data = file_of(image, image_format, **({} if image_format == "PNG" else {"quality": 92}))
    answer = rgb(derived(tmp_path, data, f"{size}.png"))
    assert numpy.abs(answer.mean(axis=(0, 1)) - rgb(image).mean(axis=(0, 1))).max() < (6 if size == "-1x1" else 2)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("period", [2.0, 2.3, 3.1, 4.7])
@pytest.mark.parametrize("size", ["-120x80", "-90x60", "-37x25"])
def test_a_pattern_too_fine_to_show_leaves_no_moire(
    tmp_path: Path, period: float, size: str, image_format: str
) -> None:
    """Stripes come out as gray with less than a fifth of their contrast left: a plain skipping of pixels leaves all."""
    stripes = 128 + 100 * numpy.cos(numpy.arange(720) * 2 * numpy.pi / period)
    image = Image.fromarray(numpy.tile(stripes, (480, 1)).clip(0, 255).astype("uint8")).convert("RGB")
    data = file_of(image, image_format, **({"quality": 95, "subsampling": 0} if image_format == "JPEG" else {}))
    answer = rgb(derived(tmp_path, data, f"{size}.png"))
    inner = answer[2:-2, 2:-2]
    assert inner.std() < rgb(image).std() / 5
    assert abs(inner.mean() - rgb(image).mean()) < 2


def test_an_edge_stays_sharp_and_rings_little(tmp_path: Path) -> None:
    image = Image.new("L", (800, 80), 40)
    image.paste(200, (400, 0, 800, 80))
    row = rgb(derived(tmp_path, file_of(image, "PNG"), "-100x10.png"))[5, :, 0]
    between = ((row > 60) & (row < 180)).sum()
    assert between <= 1
    assert row.min() >= 20 and row.max() <= 220


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 8), st.data(), st.sampled_from([1.0, 0.5, 0.3]))
def test_a_plan_never_leaves_its_source(
    width: int, height: int, orientation: int, data: st.DataObject, scale: float
) -> None:
    facts = Facts(width, height, "jpg", 1, orientation)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    region = Region(left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top)))
    whole = geometry.stored(facts)
    source = geometry.Stored(max(1, int(whole.width * scale)), max(1, int(whole.height * scale)), orientation)
    crop = geometry.plan(Rendition(Format.JPG, region, Size(10, 20)), facts, source).crop
    assert crop is not None
    assert crop.x >= 0 and crop.y >= 0 and crop.width >= 1 and crop.height >= 1
    assert crop.x + crop.width <= source.width and crop.y + crop.height <= source.height
