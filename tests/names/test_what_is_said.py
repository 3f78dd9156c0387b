"""Whoever is refused is told which part, why, and what the limit is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mezzotint.errors import InvalidInput, InvalidName, InvalidRendition
from mezzotint.names import Facts, Format, Ident, Largest, Rendition, canonical, parse
from mezzotint.names.canonical import output_size
from mezzotint.names.keys import MAX_KEY, check_key, checkpoint_key, checkpoint_seq, remote_key, remote_key_of

IDENT = Ident("ab" * 32)
FACTS = Facts(400, 300, "jpg", 1)
LIMITS = Largest(any=64_000_000, enlarged=64_000_000)
PIXELS = "(limit: 1000 pixels, MEZZOTINT_MAX_OUTPUT_PIXELS)"
ENLARGED = "120000 pixels where it is enlarged, MEZZOTINT_MAX_ENLARGED_PIXELS"
AVIF = "120001 pixels of AVIF, MEZZOTINT_MAX_AVIF_PIXELS"
FORMATS = "jpg png webp avif gif tif bmp jxl jp2 ppm ico pdf auto"
GRAMMAR = "ident[-region][-size][-canvas][-rotation][-quality][-qN].format"
DEGREES = "more than 0 and less than 360"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-nothing.jpg", f"name: '-nothing.jpg' is not of the grammar (limit: {GRAMMAR})"),
        (
            ".exe",
            f"format: 'exe' is not a format that is given out (limit: {FORMATS})",
        ),
        ("-w0.jpg", "size: is zero (limit: 1 to 9999999)"),
        ("-h0.jpg", "size: is zero (limit: 1 to 9999999)"),
        ("-0x5.jpg", "size: is zero (limit: 1 to 9999999)"),
        ("-5x0.jpg", "size: is zero (limit: 1 to 9999999)"),
        ("-canvas0x5.jpg", "canvas: is zero (limit: 1 to 9999999)"),
        ("-canvas5x0.jpg", "canvas: is zero (limit: 1 to 9999999)"),
        ("-x0y0w0h5.jpg", "region: is zero (limit: 1 to 9999999)"),
        ("-x0y0w5h0.jpg", "region: is zero (limit: 1 to 9999999)"),
        ("-q0.jpg", "encoding: quality 0 (limit: 1 to 100)"),
        ("-q101.jpg", "encoding: quality 101 (limit: 1 to 100)"),
        ("-rotate0.jpg", f"rotation: 0 degrees (limit: {DEGREES})"),
        ("-rotate360.jpg", f"rotation: 360 degrees (limit: {DEGREES})"),
        ("." + "x" * 199, f"format: '{'x' * 199}' is not a format that is given out (limit: {FORMATS})"),
        ("." + "x" * 200, f"name: '.{'x' * 199}' is not of the grammar (limit: {GRAMMAR})"),
        ("-rotate10.50.jpg", "name: '-rotate10.50.jpg' is written '-rotate10.5.jpg' (limit: one spelling each)"),
    ],
)
def test_a_name_that_is_none(text: str, said: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse(IDENT + text)
    assert str(caught.value) == said


def asked(text: str, facts: Facts = FACTS, largest: Largest = LIMITS) -> Rendition:
    _, rendition = parse(IDENT + text)
    assert rendition is not None
    return canonical(rendition, facts, largest)


FILM = replace(FACTS, format="gif", frames=3)


@pytest.mark.parametrize(
    ("text", "facts", "said"),
    [
        ("-x400y0w5h5.jpg", FACTS, "region: lies outside the picture (limit: 400x300)"),
        ("-x0y300w5h5.jpg", FACTS, "region: lies outside the picture (limit: 400x300)"),
        ("-pad50x50-canvas9x9.jpg", FACTS, "canvas: is given by the size already (limit: pad or canvas, not both)"),
        ("-canvas399x300.jpg", FACTS, "canvas: 399x300 is smaller than the picture on it (limit: at least 400x300)"),
        ("-canvas400x299.jpg", FACTS, "canvas: 400x299 is smaller than the picture on it (limit: at least 400x300)"),
        ("-65501x1.jpg", FACTS, "size: 65501x1 is more than jpg holds (limit: 65500 pixels a side)"),
        ("-1x16384.webp", FACTS, "size: 1x16384 is more than webp holds (limit: 16383 pixels a side)"),
        ("-401x300.jpg", FACTS, "size: 401x300 is too large (limit: 1000 pixels, MEZZOTINT_MAX_OUTPUT_PIXELS)"),
        ("-401x300.webp", FILM, f"size: 401x300 x 3 frames is too large {PIXELS}"),
        ("-401x300.webp", replace(FILM, frames=2), f"size: 401x300 x 2 frames is too large {PIXELS}"),
        ("-401x300.jpg", FILM, "size: 401x300 is too large (limit: 1000 pixels, MEZZOTINT_MAX_OUTPUT_PIXELS)"),
    ],
)  # fmt: skip
def test_a_rendition_that_cannot_be(text: str, facts: Facts, said: str) -> None:
    with pytest.raises(InvalidRendition) as caught:
        asked(text, facts, Largest(any=1000))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "facts", "pixels"),
    [
        ("-100x10.jpg", FACTS, 1000),
        ("-400x300.jpg", FACTS, 1),
        ("-x0y0w100h100-100x100.png", FACTS, 1),
        ("-20x10.gif", FILM, 600),
        ("-300x400.webp", FILM, 1),
        ("-65500x1.jpg", FACTS, 65500),
        ("-1x16383.webp", FACTS, 16383),
    ],
)
def test_a_rendition_at_the_limit_is_given(text: str, facts: Facts, pixels: int) -> None:
    assert asked(text, facts, Largest(pixels, pixels)).format in Format


@pytest.mark.parametrize(("text", "facts", "pixels"), [("-100x10.jpg", FACTS, 999), ("-20x10.gif", FILM, 599)])
def test_one_pixel_more_is_refused_where_it_is_not_natural(text: str, facts: Facts, pixels: int) -> None:
    small = replace(facts, width=9, height=9)
    with pytest.raises(InvalidRendition):
        asked(text, small, Largest(any=pixels))


@pytest.mark.parametrize(
    ("text", "facts", "said"),
    [
        ("-401x300.jpg", FACTS, f"401x300 is too large (limit: {ENLARGED})"),
        ("-x0y0w10h10-401x300.jpg", FACTS, f"401x300 is too large (limit: {ENLARGED})"),
        ("-401x300.gif", FILM, f"401x300 x 3 frames is too large (limit: {ENLARGED})"),
        ("-pad2000x2000.avif", FACTS, f"2000x2000 is too large (limit: {AVIF})"),
        (".avif", replace(FACTS, width=401), f"401x300 is too large (limit: {AVIF})"),
    ],
)  # fmt: skip
def test_what_would_cost_too_much(text: str, facts: Facts, said: str) -> None:
    with pytest.raises(InvalidRendition) as caught:
        asked(text, facts, Largest(enlarged=120_000, avif=120_001))
    assert str(caught.value) == f"size: {said}"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("-400x300.avif", FACTS), ("-pad2000x2000.jpg", FACTS), ("-2000x1500.jpg", replace(FACTS, format="svg")),
        ("-x0y0w10h10-300x400.jpg", FACTS), ("-rotate45.jpg", FACTS), (".gif", FILM),
    ],
)  # fmt: skip
def test_what_is_not_enlarged_costs_what_it_shows(text: str, facts: Facts) -> None:
    assert asked(text, facts, Largest(enlarged=120_000, avif=120_001)).format in Format


CLEAR = replace(FACTS, alpha=True, format="png")


@pytest.mark.parametrize(
    ("text", "facts", "stays"),
    [
        ("-canvas400x300.jpg", FACTS, False),
        ("-canvas400x300xff0000.jpg", FACTS, False),
        ("-canvas400x300.jpg", CLEAR, False),
        ("-canvas400x300xff0000.jpg", CLEAR, True),
        ("-canvas400x300.png", CLEAR, True),
        ("-canvas400x300xff0000.png", CLEAR, True),
        ("-canvas401x300.jpg", FACTS, True),
        ("-canvas400x301.jpg", FACTS, True),
    ],
)
def test_a_canvas_stays_where_something_of_it_shows(text: str, facts: Facts, stays: bool) -> None:
    assert (asked(text, facts).canvas is not None) is stays


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("-rotate90.jpg", (300, 400)),
        ("-rotate180.jpg", (400, 300)),
        ("-rotate270.jpg", (300, 400)),
        ("-rotate45.jpg", (495, 495)),
        ("-rotate30.jpg", (496, 460)),
        ("-canvas500x300-rotate90.jpg", (300, 500)),
        ("-w200.jpg", (200, 150)),
        ("-x0y0w100h50.jpg", (100, 50)),
        ("-x0y0w100h50-50x20-rotate90.jpg", (20, 50)),
    ],
)
def test_how_large_it_becomes(text: str, size: tuple[int, int]) -> None:
    assert output_size(asked(text), FACTS) == size


@pytest.mark.parametrize(
    "text", ["ab", "abc/de", "abc//def", "/abc", "abc/", ".abc", "a/../b", "a" * 256, "äbc", "ab c"]
)
def test_a_key_that_is_none(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_key(text)
    assert str(caught.value) == (
        f"key: {text!r} is not an object's key (limit: components of 3 to 255 of A-Z a-z 0-9 . _ -)"
    )


def test_a_key_may_be_as_long_as_the_limit_and_no_longer() -> None:
    longest = f"{'a' * 255}/{'b' * 252}/ccc"
    assert len(longest) == MAX_KEY
    assert check_key(longest) == longest
    with pytest.raises(InvalidInput):
        check_key(longest + "c")


def test_keys_that_say_something_are_read_back() -> None:
    uuid = "0123456789abcdef" * 2
    assert checkpoint_seq(checkpoint_key(42, uuid)) == 42
    assert checkpoint_seq(checkpoint_key(42, uuid) + "x") is None
    assert checkpoint_seq(f"x{checkpoint_key(42, uuid)}") is None
    assert remote_key_of(remote_key("ab" * 32)) == "ab" * 32
    assert remote_key_of(remote_key("ab" * 31)) is None
    assert remote_key_of(remote_key("ab" * 32) + "x") is None


@pytest.mark.parametrize("text", ["ab" * 31, "AB" * 32, "x" * 64])
def test_an_ident_that_is_none(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse(f"{text}-9x9.jpg"[:64] if len(text) < 64 else text)
    assert str(caught.value) == "ident: is not the sha256 of an image (limit: 64 digits of 0-9a-f)"
