"""A segment is read back as it was written, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import JournalBroken
from mezzotint.journal.segment import FORMAT_VERSION, Segment, decode, encode

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
changes = st.lists(st.dictionaries(texts, values, max_size=4), max_size=5).map(tuple)
segments = st.builds(Segment, st.integers(1, 10**15), texts, st.just("0" * 64), texts, texts, changes, texts)


SEGMENT = Segment(
    seq=1,
    transaction="t1",
    previous="0" * 64,
    at="2024-05-06T07:08:09+00:00",
    by="ada",
    changes=({"do": "add", "ident": "ab" * 32, "title": "Fjord å 写真"},),
    note="a note",
)


@given(segments)
def test_a_segment_is_read_back_as_it_was_written(one: Segment) -> None:
    assert decode(encode(one)) == one


@pytest.mark.parametrize("separator", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_every_line_separator_may_stand_in_a_text(separator: str) -> None:
    one = replace(SEGMENT, changes=({"title": f"two{separator}lines"},), note=f"a{separator}b")
    assert decode(encode(one)) == one


def test_equal_segments_are_equal_bytes() -> None:
    one, other = ({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert encode(replace(SEGMENT, changes=(one,))) == encode(replace(SEGMENT, changes=(other,)))


def test_a_segment_torn_at_any_byte_is_refused() -> None:
    data = encode(SEGMENT)
    accepted = []
    for length in range(len(data)):
        try:
            decode(data[:length])
        except JournalBroken:
            continue
        accepted.append(length)
    assert accepted == []


def test_a_segment_with_any_byte_changed_is_refused() -> None:
    data = encode(SEGMENT)
    accepted = []
    for at in range(len(data)):
        try:
            decode(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        except JournalBroken:
            continue
        accepted.append(at)
    assert accepted == []


@pytest.mark.parametrize("tail", [b"\x00", b"more", b"\x28\xb5\x2f\xfd"])
def test_a_segment_with_something_after_it_is_refused(tail: bytes) -> None:
    with pytest.raises(JournalBroken):
        decode(encode(SEGMENT) + tail)


def lines_of(one: Segment) -> list[str]:
    return zstandard.ZstdDecompressor().decompressobj().decompress(encode(one)).decode().splitlines(keepends=True)


def packed(text: str) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text.encode())


def test_a_segment_torn_at_any_character_before_it_was_packed_is_refused() -> None:
    text = "".join(lines_of(SEGMENT))
    assert decode(packed(text)) == SEGMENT
    for length in range(len(text)):
        with pytest.raises(JournalBroken):
            decode(packed(text[:length]))


def later(head: dict[str, object]) -> None:
    head["format"] = FORMAT_VERSION + 1


def later_with_more(head: dict[str, object]) -> None:
    later(head)
    head["epoch"] = 7


def of_another_kind(head: dict[str, object]) -> None:
    head["mezzotint"] = "checkpoint"


def without_a_transaction(head: dict[str, object]) -> None:
    del head["transaction"]


def without_a_format(head: dict[str, object]) -> None:
    del head["format"]


@pytest.mark.parametrize(
    "spoil",
    [later, later_with_more, of_another_kind, without_a_transaction, without_a_format],
    ids=lambda f: f.__name__,
)
def test_a_head_that_this_version_does_not_know_is_refused(spoil: Callable[[dict[str, object]], None]) -> None:
    first, *rest = lines_of(SEGMENT)
    head = json.loads(first)
    spoil(head)
    with pytest.raises(JournalBroken):
        decode(packed(json.dumps(head) + "\n" + "".join(rest)))


@pytest.mark.parametrize("drop", [1, 2])
def test_a_missing_line_is_noticed(drop: int) -> None:
    lines = lines_of(SEGMENT)
    del lines[drop]
    with pytest.raises(JournalBroken):
        decode(packed("".join(lines)))


@pytest.mark.parametrize("data", [b"", b"{}", b"not zstandard", packed(""), packed("[]\n[]\n"), packed('{"end":0}\n')])
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    with pytest.raises(JournalBroken):
        decode(data)


def test_a_segment_is_written_as_the_format_says() -> None:
    """docs/journal-format.md: UTF-8, members in order of their names, no spaces; others read it too."""
    head = (
        f'{{"at":"2024-05-06T07:08:09+00:00","by":"ada","epoch":0,"format":2,"mezzotint":"segment","note":"a note",'
        f'"previous":"{"0" * 64}","schema":{{}},"seq":1,"transaction":"t1"}}'
    )
    change = f'{{"do":"add","ident":"{"ab" * 32}","title":"Fjord å 写真"}}'
    assert zstandard.ZstdDecompressor().decompress(encode(SEGMENT)).decode() == f'{head}\n{change}\n{{"end":1}}\n'


def compressed(text: str) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text.encode())


HEAD, *CHANGES, END = zstandard.ZstdDecompressor().decompress(encode(SEGMENT)).decode().splitlines()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encode(SEGMENT)[:-1], "a segment is torn, or something stands after it"),
        (encode(SEGMENT) + b"x", "a segment is torn, or something stands after it"),
        (compressed("\n".join([HEAD, *CHANGES, END])), "a segment is torn, or something stands after it"),
        (b"no segment", "a segment is torn or damaged"),
        (compressed("[]\n{}\n"), "a segment is torn or damaged"),
        (compressed("\n".join([HEAD, *CHANGES, ""])), "a segment is torn: its last line is missing"),
        (
            compressed("\n".join([HEAD.replace('"format":2', '"format":3'), *CHANGES, END, ""])),
            "a segment of format 3 was written by a later version; this one reads 2",
        ),
        (
            compressed("\n".join([HEAD.replace('"seq"', '"sequence"'), *CHANGES, END, ""])),
            "a segment's head has not the members of its format",
        ),
    ],
)
def test_what_is_said_of_a_segment_that_is_none(data: bytes, said: str) -> None:
    with pytest.raises(JournalBroken) as caught:
        decode(data)
    assert str(caught.value) == said
