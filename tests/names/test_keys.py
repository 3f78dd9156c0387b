"""Keys of the object store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import InvalidInput
from mezzotint.names import Ident, base_key, check_key, trash_key
from mezzotint.names.keys import journal_key

IDENT = Ident("ab" * 32)

REFUSED = [
    "", "/", "ab", "a", "/images/abc", "images/", "images//abc", "images/ab", "im/abcd", "images/../abc",
    "../images", "..",
    "...", "images/...", "./images", "images/.hidden", ".incoming/abc", "-abc", "_abc", "images/-abc", "a b c",
    "images/abc\n",
    "\nimages", "images/abc\x00", "images\\abc", "images/a\u00e4b", "images/\u0661\u0662\u0663", "images/a\u2215b",
    "images/a:b", "images/a%2fb",
    "images/" + "a" * 256, "/".join(["a" * 200] * 3), "images/a*b", "~root", "images/abc/", "images/abc?x",
    "images/a\tb",
]  # fmt: skip


def test_keys_are_where_the_design_puts_them() -> None:
    assert base_key(IDENT) == f"images/{IDENT}"
    assert trash_key(IDENT).startswith("trash/") and trash_key(IDENT).endswith(IDENT)
    assert journal_key(7) == "journal/00000000000000000007.jsonl.zst"


@given(st.integers(0, 10**19), st.integers(0, 10**19))
def test_journal_keys_are_in_the_order_of_their_numbers(one: int, other: int) -> None:
    assert (journal_key(one) < journal_key(other)) == (one < other)


@given(st.integers(0, 10**19))
def test_every_key_that_is_made_may_be_used(seq: int) -> None:
    for key in (base_key(IDENT), trash_key(IDENT), journal_key(seq)):
        assert check_key(key) == key


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_key(key)
    assert refused.value.field == "key"


@pytest.mark.parametrize("key", ["abc", "images/abc", "a.b/A_b-c.D", "a" * 255, "images/" + "a" * 255, "a..b/abc"])
def test_plain_keys_are_taken(key: str) -> None:
    assert check_key(key) == key


@given(st.text(max_size=40))
def test_a_key_that_is_taken_cannot_leave_its_directory(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidInput:
        return
    assert key.isascii() and not key.startswith("/")
    assert all(part[0].isalnum() and len(part) >= 3 for part in key.split("/"))
