"""RFC 9110 sections 13 and 14.2, as tables."""

from __future__ import annotations

import pytest

from mezzotint.delivery.conditional import ByteRange, Unsatisfiable, byte_range, not_modified

ETAG = '"a1b2"'


@pytest.mark.parametrize(
    ("header", "same"),
    [
        (None, False),
        ('"a1b2"', True),
        ('W/"a1b2"', True),
        ("*", True),
        (" * ", True),
        ('"other"', False),
        ('"other", "a1b2"', True),
        ('"other",W/"a1b2","third"', True),
        ('  "a1b2"  ', True),
        ('"other", W/"third"', False),
        ("a1b2", False),
        ("", False),
        ('"A1B2"', False),
        ('"a1b2', False),
        ('w/"a1b2"', False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, same: bool) -> None:
    assert not_modified(header, ETAG) is same


@pytest.mark.parametrize(
    ("header", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=10-19", 10, 10),
        ("bytes=10-", 10, 90),
        ("bytes=99-", 99, 1),
        ("bytes=50-1000", 50, 50),
        ("bytes=50-9999999999999999999", 50, 50),
        ("bytes=-1", 99, 1),
        ("bytes=-100", 0, 100),
        ("bytes=-1000", 0, 100),
        ("BYTES=0-9", 0, 10),
    ],
)
def test_a_range_is_cut_to_what_is_there(header: str, start: int, length: int) -> None:
    assert byte_range(header, None, ETAG, 100) == ByteRange(start, length)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=1000-1001", "bytes=-0"])
def test_a_range_past_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        byte_range(header, None, ETAG, 100)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=9-1",
        "bytes=1",
        "bytes=0x1-5",
        "bytes=--5",
        "bytes=0-9-",
        "bytes=0-٩",
        "bytes=0-9,20-29",
        "items=0-9",
        "0-9",
        "bytes 0-9",
        "bytes=" + "9" * 500 + "-",
    ],
)
def test_a_header_that_is_no_single_range_of_bytes_means_the_whole(header: str) -> None:
    assert byte_range(header, None, ETAG, 100) is None


def test_without_a_header_it_is_the_whole() -> None:
    assert byte_range(None, None, ETAG, 100) is None


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_no_range_of_nothing_can_be_satisfied(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        byte_range(header, None, ETAG, 0)


@pytest.mark.parametrize(
    ("if_range", "partial"),
    [
        (ETAG, True),
        (f" {ETAG} ", True),
        (f"W/{ETAG}", False),
        ('"other"', False),
        (f'"other", {ETAG}', False),
        ("*", False),
        ("Wed, 21 Oct 2015 07:28:00 GMT", False),
        ("", False),
    ],
)
def test_if_range_compares_strongly(if_range: str, partial: bool) -> None:
    assert byte_range("bytes=0-9", if_range, ETAG, 100) == (ByteRange(0, 10) if partial else None)
