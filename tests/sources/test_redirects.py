"""Where a redirect leads (RFC 3986 section 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.network.urls import parse_url

BASE = parse_url("http://a/b/c/d;p?q")

# The tables of sections 5.4.1 and 5.4.2; a picture's address has no fragment.
RESOLVED = {
    "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g", "//g": "http://g/",
    "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q", "g#s": "http://a/b/c/g",
    "g?y#s": "http://a/b/c/g?y", ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y", "": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/",
    "..": "http://a/b/", "../": "http://a/b/", "../g": "http://a/b/g", "../..": "http://a/", "../../": "http://a/",
    "../../g": "http://a/g", "../../../g": "http://a/g", "../../../../g": "http://a/g", "/./g": "http://a/g",
    "/../g": "http://a/g", "g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g", "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g", "./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h", "g;x=1/./y": "http://a/b/c/g;x=1/y", "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x", "g?y/../x": "http://a/b/c/g?y/../x",
}  # fmt: skip

CANONICAL = {
    "HTTPS://EXAMPLE.com:443/%7ea#b": "https://example.com/~a", "//EXAMPLE.com:80": "http://example.com/",
    "https://example.com/a?sig=x%2Fy%3D": "https://example.com/a?sig=x%2Fy%3D", " /g ": "http://a/g",
    "/\u00e4": "http://a/%C3%A4", "/g h": "http://a/g%20h", "/\\b": "http://b/", "\\g": "http://a/g",
    "\\\\b\\c": "http://b/c", "//b\\@c/": "http://b/@c/", "/a\tb\r\n": "http://a/ab", "ht\ntp://b/": "http://b/",
    "//[2001:DB8::1]:8080/a": "http://[2001:db8::1]:8080/a",
}  # fmt: skip

REFUSED = [
    "g:h", "ftp://b/", "file:///etc/passwd", "gopher://b/", "javascript:alert(1)", "data:,x", "//user@b/",
    "http://user:secret@b/", "https:/b", "https:///b", "http:///b", "///b", "//", "//127.1/", "//2130706433/",
    "http://0x7f.1/", "//[fe80::1%25eth0]/", "http://[::1/b", "//[::1", "//]/", "//[b]/", "//b:0/", "//b:99999/",
    "//b:x/", "//a\uff0fb/", "//a\u2215b/", "//b c/",
]  # fmt: skip


def refused(location: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        BASE.moved(location)
    assert caught.value.field == "url"


@pytest.mark.parametrize(("location", "url"), RESOLVED.items())
def test_a_location_is_resolved_as_the_rfc_says(location: str, url: str) -> None:
    assert BASE.moved(location).url == url


@pytest.mark.parametrize(("location", "url"), CANONICAL.items())
def test_where_it_leads_is_spelled_canonically(location: str, url: str) -> None:
    assert BASE.moved(location) == parse_url(url)
    assert BASE.moved(location).url == url


def test_empty_segments_are_kept() -> None:
    through = parse_url("http://cdn.example/fetch/https://a.example/b/c.jpg")
    assert through.moved("d.jpg").url == "http://cdn.example/fetch/https://a.example/b/d.jpg"
    assert through.moved("../d.jpg").url == "http://cdn.example/fetch/https://a.example/d.jpg"
    assert through.moved("/fetch/https://b.example/c.jpg").url == "http://cdn.example/fetch/https://b.example/c.jpg"


def test_an_empty_query_takes_the_place_of_the_former_one() -> None:
    assert BASE.moved("?").url in {"http://a/b/c/d;p", "http://a/b/c/d;p?"}


@pytest.mark.parametrize("location", REFUSED)
def test_a_location_is_refused_for_the_same_reasons_as_an_address(location: str) -> None:
    refused(location)


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\x7f"])
@pytest.mark.parametrize("location", ["/a{}b", "http://b{}.example/", "ht{}tp://b/", "/a?b{}c", "//{}b/"])
def test_a_control_character_in_a_location_is_refused_not_dropped(location: str, character: str) -> None:
    refused(location.format(character))


@given(
    st.lists(
        st.sampled_from(["/", ":", "[", "]", "@", "?", "#", "%", ".", "http:", "//", "b", "\\", "\n", "\u2100"])
    ).map("".join)
)
def test_whatever_an_origin_sends_leads_to_a_canonical_address_or_nowhere(location: str) -> None:
    try:
        target = BASE.moved(location)
    except InvalidInput as error:
        if error.field != "url":
            raise
    else:
        assert parse_url(target.url) == target
