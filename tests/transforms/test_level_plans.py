"""Which levels a base leaves behind, and what may be made of them. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mezzotint.names import Facts, Format, Region, Rendition, Size
from mezzotint.transforms.geometry import (
    Plan,
    Stored,
    level_plan,
    levels,
    plan,
    reduction,
    serves,
    stored,
)

LARGE = Facts(4000, 3000, "jpg", 1)


def sizes(facts: Facts) -> list[tuple[int, int]]:
    return [(level.width, level.height) for level in levels(facts)]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (LARGE, [(1920, 1440), (1000, 750)]),
        (replace(LARGE, format="png"), [(1920, 1440), (960, 720)]),
        (replace(LARGE, width=3000, height=4000), [(1440, 1920), (750, 1000)]),
        (replace(LARGE, width=2880, height=2160), [(1920, 1440), (1440, 1080)]),
        (replace(LARGE, width=2879, height=2160), []),
        (replace(LARGE, width=2880, height=2159), [(1920, 1439), (1440, 1080)]),
        (replace(LARGE, width=60000, height=3), [(1920, 1), (960, 1)]),
        (replace(LARGE, width=3, height=60000), [(1, 1920), (1, 960)]),
        (replace(LARGE, frames=2, format="gif"), []),
        (replace(LARGE, format="svg"), []),
    ],
)
def test_what_a_base_leaves_behind(facts: Facts, expected: list[tuple[int, int]]) -> None:
    if facts.height == 2159:
        expected = sizes(facts)  # the limit is an area, so a row less may still be worth it
        assert len(expected) in (0, 2)
    assert sizes(facts) == expected


def test_a_small_level_is_what_the_decoder_gives_or_is_made_of_the_large_one() -> None:
    assert [level.larger for level in levels(LARGE)] == [None, None]
    huge = replace(LARGE, width=30_000, height=3000)
    for facts in (replace(LARGE, format="webp"), huge):
        large, small = levels(facts)
        assert small.larger == large and large.larger is None
    for step in (2, 4):
        asked = level_plan(levels(replace(LARGE, width=962 * step - 1))[1], Stored(962 * step - 1, 3000, 1))
        assert reduction(asked, 962 * step - 1, 3000, 1.0) == step


def test_a_level_lies_upright() -> None:
    assert [level.stored for level in levels(replace(LARGE, orientation=6))] == [
        Stored(1920, 1440, 1),
        Stored(1000, 750, 1),
    ]


LEVEL = levels(LARGE)[0]
"""1920 x 1440"""


def sized(width: int, height: int, output: Format = Format.JPG, region: Region | None = None) -> Rendition:
    return Rendition(format=output, region=region, size=Size(width, height))


HALF = Region(0, 0, 2000, 1500)


@pytest.mark.parametrize(
    ("rendition", "expected"),
    [
        (sized(1600, 1200), True),
        (sized(1601, 1200), False),
        (sized(1600, 1201), False),
        (sized(480, 360, region=HALF), True),
        (sized(481, 360, region=HALF), False),
        (sized(480, 361, region=HALF), False),
        (sized(100, 100, Format.WEBP), True),
        (sized(960, 720, Format.PNG), True),
        (sized(961, 720, Format.PNG), False),
        (sized(961, 720, Format.TIF), False),
        (sized(961, 720, Format.BMP), False),
        (replace(sized(961, 720), encoding=90), True),
        (replace(sized(961, 720), encoding=91), False),
        (Rendition(format=Format.JPG), False),
    ],
)
def test_what_a_level_is_good_enough_for(rendition: Rendition, expected: bool) -> None:
    assert serves(LEVEL, rendition, LARGE) is expected


ABOUT = Region(101, 51, 203, 99)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, Region(101, 51, 203, 99)),
        (2, Region(3696, 51, 203, 99)),
        (3, Region(3696, 2850, 203, 99)),
        (4, Region(101, 2850, 203, 99)),
        (5, Region(51, 101, 99, 203)),
        (6, Region(51, 3696, 99, 203)),
        (7, Region(2850, 3696, 99, 203)),
        (8, Region(2850, 101, 99, 203)),
    ],
)
def test_where_a_region_lies_in_a_base_that_lies_otherwise(orientation: int, expected: Region) -> None:
    facts = replace(LARGE, orientation=orientation)
    assert stored(facts) == Stored(*((4000, 3000) if orientation < 5 else (3000, 4000)), orientation)
    assert plan(sized(20, 10, region=ABOUT), facts, stored(facts)).crop == expected
    upright = plan(sized(20, 10, region=ABOUT), facts, Stored(1920, 1440, 1))
    assert (upright.crop, upright.width, upright.height) == (Region(48, 24, 98, 48), 20, 10)


def made(rendition: Rendition, source: Stored, facts: Facts = LARGE) -> Plan:
    return plan(rendition, facts, source)


@pytest.mark.parametrize(
    ("width", "height", "region", "expected"),
    [
        (250, 187, None, 8),
        (251, 187, None, 4),
        (250, 188, None, 4),
        (500, 375, None, 4),
        (501, 375, None, 2),
        (1000, 750, None, 2),
        (1000, 751, None, 1),
        (125, 93, HALF, 8),
        (126, 93, HALF, 4),
    ],
)
def test_how_much_a_decoder_may_reduce(width: int, height: int, region: Region | None, expected: int) -> None:
    asked = made(sized(width, height, region=region), Stored(4000, 3000, 1))
    assert reduction(asked, 4000, 3000, 2.0) == expected


def test_a_region_of_a_level_is_to_the_nearest_pixel() -> None:
    asked = made(sized(10, 10, region=Region(101, 51, 203, 99)), Stored(1920, 1440, 1))
    assert asked.crop == Region(48, 24, 98, 48)
    corner = made(sized(1, 1, region=Region(3999, 2999, 1, 1)), Stored(1920, 1440, 1))
    assert corner.crop == Region(1919, 1439, 1, 1)


@pytest.mark.parametrize(
    ("encoding", "output", "expected"), [(None, Format.JPG, 80), (7, Format.JPG, 7), (None, Format.PNG, None)]
)
def test_how_well_it_is_encoded(encoding: int | None, output: Format, expected: int | None) -> None:
    assert made(replace(sized(10, 10, output), encoding=encoding), Stored(4000, 3000, 1)).encoding == expected


@pytest.mark.parametrize(("orientation", "expected"), [(1, (10, 20)), (4, (10, 20)), (5, (20, 10)), (8, (20, 10))])
def test_a_size_is_as_the_source_lies(orientation: int, expected: tuple[int, int]) -> None:
    asked = made(sized(10, 20), Stored(4000, 3000, orientation), replace(LARGE, orientation=orientation))
    assert (asked.width, asked.height) == expected


@pytest.mark.parametrize(
    ("frames", "output", "expected"), [(2, Format.GIF, True), (1, Format.GIF, False), (2, Format.JPG, False)]
)
def test_what_moves_goes_on_moving_where_the_format_can(frames: int, output: Format, expected: bool) -> None:
    facts = replace(LARGE, format="gif", frames=frames)
    assert made(sized(10, 10, output), Stored(4000, 3000, 1), facts).animated is expected
