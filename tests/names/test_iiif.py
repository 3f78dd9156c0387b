"""The IIIF Image API, rule by rule (sections of 3.0, and of 2.1 where it differs): what a request means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidRendition
from mezzotint.names import Facts, Format, Largest, Quality, Region, Rendition, Rotation, Size
from mezzotint.names.canonical import canonical
from mezzotint.names.iiif import FORMATS, Asked, Version, description, meant, scales, sizes

FACTS = Facts(3000, 2000, "jpg", 1)
LARGEST = Largest()


def asked(address: str, version: Version = 3, facts: Facts = FACTS) -> tuple[Rendition, str]:
    found = meant(Asked.of(address.split("/")), facts, version, LARGEST)
    return found.rendition, found.canonical


def size_of(text: str, version: Version = 3, region: str = "full") -> tuple[int, int]:
    rendition, _ = asked(f"{region}/{text}/0/default.jpg", version)
    if rendition.size is not None:
        return rendition.size.sides
    return (rendition.region.width, rendition.region.height) if isinstance(rendition.region, Region) else (3000, 2000)


def refused(address: str, field: str, version: Version = 3) -> None:
    with pytest.raises(InvalidRendition) as caught:
        asked(address, version)
    assert caught.value.field == field


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("text", "region"),
    {
        "full": None,
        "0,0,3000,2000": None,
        "square": Region(500, 0, 2000, 2000),
        "125,15,120,140": Region(125, 15, 120, 140),
        "2900,1900,500,500": Region(2900, 1900, 100, 100),
        "0,0,99999999999999999999,1": Region(0, 0, 3000, 1),
        "pct:10,20,30.5,40": Region(300, 400, 915, 800),
        "pct:0,0,100,100": None,
        "pct:50,50,200,200": Region(1500, 1000, 1500, 1000),
        "pct:.5,0.0,5.,50": Region(15, 0, 150, 1000),
        "pct:0,0,0.001,0.001": Region(0, 0, 1, 1),
        "2999,1999,1,1": Region(2999, 1999, 1, 1),
    }.items(),
)
def test_a_region(text: str, region: Region | None, version: Version) -> None:
    assert asked(f"{text}/max/0/default.jpg", version)[0].region == region


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "text",
    ["", "all", "Full", "1,2,3", "1,2,3,4,5", "-1,0,10,10", "1.5,0,10,10", "0,0,0,10", "0,0,10,0", "3000,0,10,10",
     "0,2000,10,10", "pct:", "pct:0,0,0,10", "pct:0,0,10,0", "pct:0,0,0,0", "pct:100,0,10,10", "pct:-1,0,10,10",
     "pct:1e2,0,10,10", "pct:.,0,1,1", "0,0,١,1", " 0,0,1,1", "0,0,1,1 ", "1, 2,3,4", "pct:nan,0,1,1", "square,",
     "9" * 101],
)  # fmt: skip
def test_no_region(text: str, version: Version) -> None:
    refused(f"{text}/max/0/default.jpg", "address" if len(text) > 100 else "region", version)


@pytest.mark.parametrize(
    ("text", "region", "size"),
    [("max", "full", (3000, 2000)), ("^max", "full", (3000, 2000)), ("^max", "0,0,100,100", (2000, 2000)),
     ("^max", "0,0,300,100", (3462, 1154)), ("150,", "full", (150, 100)), (",100", "full", (150, 100)),
     ("3000,", "full", (3000, 2000)), ("^3600,", "full", (3600, 2400)), ("^,4000", "full", (6000, 4000)),
     ("pct:50", "full", (1500, 1000)), ("pct:33.3", "full", (999, 666)), ("^pct:120", "full", (3600, 2400)),
     ("pct:100", "0,0,10,10", (10, 10)), ("225,100", "full", (225, 100)), ("^4000,10", "full", (4000, 10)),
     ("!225,100", "full", (150, 100)), ("!9000,9000", "full", (3000, 2000)), ("^!6000,6000", "full", (6000, 4000)),
     ("!1,9000", "full", (1, 1)), ("^!225,100", "full", (150, 100)), ("^150,", "full", (150, 100)),
     ("1,", "full", (1, 1)), ("25,25", "0,0,25,25", (25, 25))],
)  # fmt: skip
def test_a_size_of_3(text: str, region: str, size: tuple[int, int]) -> None:
    assert size_of(text, 3, region) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("full", (3000, 2000)), ("max", (3000, 2000)), ("150,", (150, 100)), (",100", (150, 100)),
     ("3600,", (3600, 2400)), ("pct:120", (3600, 2400)), ("4000,10", (4000, 10)), ("!6000,6000", (6000, 4000)),
     ("!225,100", (150, 100))],
)  # fmt: skip
def test_a_size_of_2_may_be_larger(text: str, size: tuple[int, int]) -> None:
    assert size_of(text, 2) == size


@pytest.mark.parametrize(
    "text",
    ["", "full", "^full", "3001,", ",2001", "3001,10", "10,2001", "pct:100.1", "0,", ",0", "0,0", "!0,10", "!10,0",
     "!10,", "!,10", ",", "^", "^,", "pct:0", "pct:0.0", "pct:0.00001", "pct:", "-1,", "1.5,", "10,10,", "10", "Max",
     "!max", "^^max", "!^10,10", "10 ,", "1000000000000000000000,", "pct:1e2", "max ", "^pct:", "1,1,1"],
)  # fmt: skip
def test_no_size_of_3(text: str) -> None:
    refused(f"full/{text}/0/default.jpg", "size")


@pytest.mark.parametrize("text", ["^max", "^10,", "^pct:10", "^!10,10", "", ",", "0,", "!10,", "pct:0"])
def test_no_size_of_2(text: str) -> None:
    refused(f"full/{text}/0/default.jpg", "size", 2)


def test_less_than_a_pixel_is_refused_but_where_the_other_side_is_given() -> None:
    thin = Facts(3000, 2, "jpg", 1)
    with pytest.raises(InvalidRendition, match="pixel"):
        asked("full/pct:1/0/default.jpg", facts=thin)
    for version in (2, 3):
        assert asked("full/1,/0/default.jpg", version, thin)[0].size == Size(1, 1)
        assert asked("2992,0,8,1/,1/0/default.jpg", version, thin)[0].region == Region(2992, 0, 8, 1)


def test_what_overlaps_the_image_by_less_than_a_pixel_is_its_edge() -> None:
    assert asked("pct:99.999,0,10,10/max/0/default.jpg")[0].region == Region(2999, 0, 1, 200)


@pytest.mark.parametrize(
    ("address", "facts", "size"),
    [("full/max/0/default.jpg", Facts(10, 70_000, "png", 1), (9, 65_500)),
     ("full/max/0/default.avif", Facts(8000, 8000, "jpg", 1), (5656, 5656)),
     ("full/^max/0/default.gif", Facts(100, 100, "gif", 1, frames=10), (632, 632)),
     ("full/^max/0/default.jpg", Facts(100, 100, "gif", 1, frames=10), (2000, 2000)),
     ("full/^max/0/default.jpg", Facts(1, 100, "png", 1), (200, 20_000)),
     ("full/^max/0/default.jpg", Facts(1, 1000, "png", 1), (63, 63_245)),
     ("full/^max/0/default.jpg", Facts(1, 60_000, "png", 1), (1, 65_500))],
)  # fmt: skip
@pytest.mark.parametrize("version", [3])
def test_the_largest_is_what_the_format_and_the_limits_allow(
    address: str, facts: Facts, size: tuple[int, int], version: Version
) -> None:
    rendition = asked(address, version, facts)[0]
    assert rendition.size is not None and rendition.size.sides == size
    canonical(rendition, facts, LARGEST)


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 20), st.sampled_from(FORMATS), st.booleans())
def test_the_largest_can_always_be_had(width: int, height: int, frames: int, image_format: Format, up: bool) -> None:
    facts = Facts(width, height, "gif", 1, frames=frames)
    rendition = asked(f"full/{'^' if up else ''}max/0/default.{image_format}", 3, facts)[0]
    canonical(rendition, facts, LARGEST)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([2, 3]))
def test_every_tile_that_a_viewer_asks_for_can_be_had(width: int, height: int, version: Version) -> None:
    facts = Facts(width, height, "jpg", 1)
    for scale in scales(facts):
        side = 512 * scale
        for x, y in {(0, 0), ((width - 1) // side * side, (height - 1) // side * side)}:
            w, h = min(side, width - x), min(side, height - y)
            made = -(-w // scale), -(-h // scale)
            for size in (f"{made[0]},{made[1]}", f"{made[0]},"):
                asked(f"{x},{y},{w},{h}/{size}/0/default.jpg", version, facts)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("text", "rotation"),
    {
        "0": None,
        "360": None,
        "90": Rotation(9000),
        "!0": Rotation(0, mirror=True),
        "!180": Rotation(18_000, mirror=True),
        "22.5": Rotation(2250),
        "22.504": Rotation(2250),
        "359.999": None,
        "0.0": None,
        ".5": Rotation(50),
    }.items(),
)
def test_a_rotation(text: str, rotation: Rotation | None, version: Version) -> None:
    assert asked(f"full/max/{text}/default.jpg", version)[0].rotation == rotation


@pytest.mark.parametrize("text", ["", "!", "-1", "361", "360.1", "90!", "1e2", "nan", "inf", "+90", "90 ", "!!90", "."])
def test_no_rotation(text: str) -> None:
    refused(f"full/max/{text}/default.jpg", "rotation")


@pytest.mark.parametrize(
    ("text", "quality"),
    {"default": Quality.COLOR, "color": Quality.COLOR, "gray": Quality.GRAY, "bitonal": Quality.BITONAL}.items(),
)
def test_a_quality(text: str, quality: Quality) -> None:
    assert asked(f"full/max/0/{text}.png")[0].quality is quality


@pytest.mark.parametrize("text", ["", "native", "grey", "Default", "default "])
def test_no_quality(text: str) -> None:
    refused(f"full/max/0/{text}.jpg", "quality")


@pytest.mark.parametrize("text", ["", "jpeg", "JPG", "xyz", "auto", "bmp", "jpg.png", "jpg "])
def test_no_format(text: str) -> None:
    refused(f"full/max/0/default.{text}", "format")


@pytest.mark.parametrize("address", ["full/max/0", "full/max/0/default.jpg/x", "full", "full/max/0/0/default.jpg"])
def test_other_parts_than_there_should_be(address: str) -> None:
    refused(address, "address")


@pytest.mark.parametrize(
    ("address", "version", "said"),
    [("full/full/360/color.jpg", 2, "full/full/0/default.jpg"),
     ("full/max/0/default.jpg", 2, "full/full/0/default.jpg"),
     ("full/150,100/0/default.jpg", 2, "full/150,/0/default.jpg"),
     ("full/!225,100/0/gray.png", 2, "full/150,/0/gray.png"),
     ("full/225,100/0/default.jpg", 2, "full/225,100/0/default.jpg"),
     ("square/pct:50/!0.0/color.webp", 3, "500,0,2000,2000/1000,1000/!0/default.webp"),
     ("pct:0,0,100,100/3000,2000/22.50/bitonal.tif", 3, "full/max/22.5/bitonal.tif"),
     ("full/^3600,/0/default.jpg", 3, "full/^3600,2400/0/default.jpg"),
     ("full/^150,/0/default.jpg", 3, "full/150,100/0/default.jpg"),
     ("2900,0,500,500/max/90/default.jpg", 3, "2900,0,100,500/max/90/default.jpg")],
)  # fmt: skip
def test_the_canonical_address(address: str, version: Version, said: str) -> None:
    assert asked(address, version)[1] == said


def test_gray_of_what_is_gray_is_the_default() -> None:
    assert asked("full/max/0/gray.jpg", facts=Facts(30, 20, "jpg", 1, gray=True))[1] == "full/max/0/default.jpg"


REGIONS = st.one_of(
    st.sampled_from(["full", "square"]),
    st.tuples(*[st.integers(0, 60)] * 4).map(lambda numbers: ",".join(map(str, numbers))),
    st.tuples(*[st.floats(0, 120).map(lambda share: f"{share:.3f}")] * 4).map(lambda shares: "pct:" + ",".join(shares)),
)
SIZES = st.one_of(
    st.sampled_from(["max", "^max", "full"]),
    st.builds(lambda up, fit, w, h: f"{up}{fit}{w},{h}", st.sampled_from(["", "^"]), st.sampled_from(["", "!"]),
              st.sampled_from(["", *map(str, range(60))]), st.sampled_from(["", *map(str, range(60))])),
    st.floats(0, 300).map(lambda share: f"pct:{share:.2f}"),
)  # fmt: skip
ROTATIONS = st.builds(lambda m, d: f"{m}{d:g}", st.sampled_from(["", "!"]), st.floats(0, 360))
LASTS = st.builds(lambda q, f: f"{q}.{f}", st.sampled_from(["default", "gray", "bitonal"]), st.sampled_from(FORMATS))


@given(REGIONS, SIZES, ROTATIONS, LASTS, st.integers(1, 50), st.integers(1, 50), st.sampled_from([2, 3]))
def test_the_canonical_address_means_the_same_and_is_its_own(
    region: str, size: str, rotation: str, last: str, width: int, height: int, version: Version
) -> None:
    facts = Facts(width, height, "png", 1)
    try:
        rendition, address = asked("/".join((region, size, rotation, last)), version, facts)
    except InvalidRendition:
        return
    assert asked(address, version, facts) == (rendition, address)


@given(st.lists(st.text(max_size=30), min_size=4, max_size=4))
def test_whatever_is_asked_is_told_or_meant(parts: list[str]) -> None:
    try:
        meant(Asked.of(parts), FACTS, 3, LARGEST)
    except InvalidRendition as error:
        if error.field not in {"address", "region", "size", "rotation", "quality", "format"}:
            raise


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.sampled_from([2, 3]))
def test_all_that_is_described_can_be_asked_for(width: int, height: int, version: Version) -> None:
    facts = Facts(width, height, "jpg", 1)
    for one in sizes(facts):
        address = f"full/{one['width']},{one['height']}/0/default.jpg"
        assert asked(address, version, facts)[0].size in {None, Size(one["width"], one["height"])}
    last = scales(facts)[-1]
    assert max(width, height) <= 512 * last
    side = 512 * last
    tile = f"0,0,{min(side, width)},{min(side, height)}/{-(-width // last)},{-(-height // last)}/0/default.jpg"
    asked(tile, version, facts)


def test_an_image_is_described_as_3_has_it() -> None:
    said: dict[str, Any] = description("https://a.example/iiif/3/x", FACTS, 3, LARGEST)
    assert said["@context"] == "http://iiif.io/api/image/3/context.json"
    assert (said["id"], said["type"], said["profile"]) == ("https://a.example/iiif/3/x", "ImageService3", "level2")
    assert (said["protocol"], said["width"], said["height"]) == ("http://iiif.io/api/image", 3000, 2000)
    assert said["maxArea"] == 6_000_000
    assert said["tiles"] == [{"width": 512, "height": 512, "scaleFactors": [1, 2, 4, 8]}]
    assert said["sizes"][0] == {"width": 188, "height": 125} and said["sizes"][-1] == {"width": 3000, "height": 2000}
    assert {"jpg", "png"} & set(said["extraFormats"]) == set()
    assert str(Format.AVIF) in said["extraFormats"]


def test_an_image_is_described_as_2_has_it() -> None:
    said: dict[str, Any] = description("https://a.example/iiif/2/x", FACTS, 2, LARGEST)
    assert said["@id"] == "https://a.example/iiif/2/x" and "id" not in said and "type" not in said
    assert said["profile"][0] == "http://iiif.io/api/image/2/level2.json"
    assert {"jpg", "png", "webp"} <= set(said["profile"][1]["formats"])
