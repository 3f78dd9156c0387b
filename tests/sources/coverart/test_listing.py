"""Listings: every age of them in one shape, whatever somebody put into them, led to another host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.sources.coverart.listing import ARCHIVE, led_to_host, normalised, parse_listing
from tests.archive import Art
from tests.archive.holdings import Holdings, Shape

M = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"
HERE = "http://covers.example:8080"
ARTS = [Art(829521842, b"", types=("Front", "Spine"), comment="ünïcode"), Art(2, b"", "pdf", ("Back",), False, True)]
AT = f"{ARCHIVE}/release/{M}"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = JSON | st.sampled_from(
    [f"http://a/release/{M}/1.jpg", f"{AT}/1/2", f"{AT}/front", f"{AT}/1-9.jpg", f"{AT}/../..", "http://", "//"]
)
IMAGES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("approved", "back", "comment", "edit", "front", "id", "types", "more"), JSON)
    | {
        "image": ADDRESSES,
        "thumbnails": JSON
        | st.dictionaries(st.sampled_from(["250", "500", "1200", "small", "large", "x"]), ADDRESSES, max_size=4),
    },
)
LISTINGS = st.fixed_dictionaries({"images": st.lists(IMAGES | JSON, max_size=3)}, optional={"release": JSON, "x": JSON})


def listed(shape: Shape, arts: list[Art] = ARTS) -> Any:
    holdings = Holdings()
    return parse_listing(holdings.release(holdings.put(M, arts, shape)).listing())


def read(data: bytes) -> dict[str, Any] | None:
    try:
        return normalised(parse_listing(data))
    except InvalidInput:
        return None


def with_image(address: object) -> dict[str, Any]:
    image: dict[str, Any] = {"id": 1, "image": address, "thumbnails": {"250": address}}
    return dict(normalised({"images": [image]})["images"][0])


def test_a_listing_of_today_stays_as_it_is() -> None:
    assert normalised(listed("new")) == listed("new")


def test_an_old_listing_is_as_one_of_today() -> None:
    """But for the size that was not made then."""
    assert listed("old") != listed("new")
    today = listed("new")
    for image in today["images"]:
        del image["thumbnails"]["1200"]
    assert normalised(listed("old")) == today


def test_small_and_large_are_known_by_their_sizes_too_and_the_other_way_round() -> None:
    address = {size: f"{AT}/1-{size}.jpg" for size in ("250", "500", "1200")}
    both = {"250": address["250"], "small": address["250"], "500": address["500"], "large": address["500"]}
    for names in ({"small": "250", "large": "500"}, {"250": "250", "500": "500"}):
        thumbnails = {name: address[size] for name, size in names.items()}
        assert normalised({"images": [{"thumbnails": thumbnails}]})["images"][0]["thumbnails"] == both
    given_both = {"small": f"{AT}/1-250.png", "250": f"{AT}/1-250.jpg"}
    assert normalised({"images": [{"thumbnails": given_both}]})["images"][0]["thumbnails"] == given_both


def test_what_picard_needs_is_always_there() -> None:
    (image,) = normalised({"images": [{"id": 1}]})["images"]
    assert image == {
        "approved": True,
        "back": False,
        "comment": "",
        "edit": None,
        "front": False,
        "id": 1,
        "thumbnails": {},
        "types": [],
    }


def test_what_nobody_here_knows_of_stays() -> None:
    document = {"images": [{"id": 1, "later": {"a": [1]}, "thumbnails": {"4000": f"{AT}/1-4000.jpg"}}], "also": None}
    made = normalised(document)
    assert made["also"] is None
    assert made["images"][0]["later"] == {"a": [1]}
    assert made["images"][0]["thumbnails"] == {"4000": f"{AT}/1-4000.jpg"}


@pytest.mark.parametrize(
    ("number", "as_number"),
    [("829521842", 829521842), ("007", 7), (12, 12), ("", ""), ("x", "x"), ("٣", "٣"), ("²", "²"), ("-1", "-1"),
     ("1" * 5000, "1" * 5000), (None, None), ([1], [1])],
)  # fmt: skip
def test_ids_are_numbers_where_they_can_be(number: object, as_number: object) -> None:
    assert normalised({"images": [{"id": number}]})["images"][0]["id"] == as_number


@pytest.mark.parametrize("document", [None, 1, "x", [], {}, {"images": {}}, {"images": [1]}, {"images": [{}, None]}])
def test_what_is_no_listing_is_refused(document: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalised(document)
    assert caught.value.field == "listing"


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b'{"images":[', b"\xff\xfe\xff", b"\0", b"[" * 200_000, b'{"images":[{"id":%s}]}' % (b"1" * 9999)],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_listing(data)


@given(LISTINGS | JSON)
def test_nothing_that_is_sent_is_more_than_invalid(document: Any) -> None:
    made = read(json.dumps(document).encode())
    if made is None:
        return
    assert normalised(made) == made
    assert read(json.dumps(made).encode()) == made
    for image in made["images"] + led_to_host(made, HERE.replace("http:", "https:"))["images"]:
        assert all(isinstance(address, str) for address in image["thumbnails"].values())
        addresses = [image.get("image"), *image["thumbnails"].values()]
        assert not [address for address in addresses if str(address).startswith("http://")]


@given(st.binary())
def test_no_bytes_are_more_than_invalid(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_json_does_not_have_is_not_given_on(number: bytes) -> None:
    made = read(b'{"images":[{"id":1,"edit":%s}]}' % number)
    assert json.dumps(made, allow_nan=False)


@pytest.mark.parametrize("path", ["1.jpg", "1", "829521842-500.jpg", "1-1200.PNG", "2.pdf"])
@pytest.mark.parametrize("host", [ARCHIVE, "http://coverartarchive.org", "https://mirror.example:8443"])
def test_pictures_are_led_to_a_host_and_back(path: str, host: str) -> None:
    made = {"images": [with_image(f"{host}/release/{M}/{path}")]}
    assert {made["images"][0]["image"], made["images"][0]["thumbnails"]["250"]} == {f"{AT}/{path}"}
    led = led_to_host(made, HERE)
    assert {led["images"][0]["image"], *led["images"][0]["thumbnails"].values()} == {f"{HERE}/release/{M}/{path}"}
    assert normalised(led) == made


def test_the_release_stays_where_it_is_described() -> None:
    led = led_to_host(normalised(listed("old")), HERE)
    assert led["release"] == f"https://musicbrainz.org/release/{M}"


@pytest.mark.parametrize(
    "address",
    [
        f"https://archive.org/download/mbid-{M}/mbid-{M}-1.jpg",
        "https://elsewhere.example/a.jpg",
        f"{AT}/front",
        f"{AT}/1.jpg?x=1",
        f"{AT}/1.jpg#x",
        f"{AT}/1/2",
        f"{AT}/../../etc",
        f"{AT}/1.jpg\n",
        f"{ARCHIVE}/release/nonsense/1.jpg",
        f"{ARCHIVE}/release-group/{M}/1.jpg",
        f"//coverartarchive.org/release/{M}/1.jpg",
        f"/release/{M}/1.jpg",
        "javascript:alert(1)",
        f"https:///release/{M}/1.jpg",
        "",
    ],
)
def test_what_is_none_of_the_archives_pictures_stays_where_it_is(address: str) -> None:
    image = with_image(address)
    assert (image["image"], image["thumbnails"]["250"]) == (address, address)
    (led,) = led_to_host({"images": [image]}, HERE)["images"]
    assert led == image


def test_addresses_elsewhere_are_https_all_the_same() -> None:
    assert with_image("http://elsewhere.example/a.jpg")["image"] == "https://elsewhere.example/a.jpg"


@pytest.mark.parametrize("address", [None, 1, [], {}, True])
def test_a_thumbnail_that_has_no_address_is_none(address: object) -> None:
    assert with_image(address)["thumbnails"] == {}
