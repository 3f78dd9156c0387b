"""The texts in which a page's number may stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.composites import wording
from mezzotint.errors import InvalidInput
from tests.documents import anything


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("page {}", 7, "page 7"),
        ("{0}", 7, "7"),
        ("{:03d}", 7, "007"),
        ("{0:03d}-{0:x}", 255, "255-ff"),
        ("{:x}", 255, "ff"),
        ("{:,}", 1234567, "1,234,567"),
        ("{:*>5}", 7, "****7"),
        ("{:+}", 7, "+7"),
        ("{{}} {}", 7, "{} 7"),
        ("nothing", 7, "nothing"),
        ("", 7, ""),
        ("Fjord å 写真 {}", -7, "Fjord å 写真 -7"),
    ],
)
def test_what_may_be_asked_for(text: str, number: int, expected: str) -> None:
    wording.check("id", text)
    assert text.format(number) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{", "}", "{}}", "{1}", "{name}", "{0.__class__}", "{0[0]}", "{!r}", "{0!s}", "{:99}", "{:0999999999d}",
        "{:.3}", "{:{}}", "{:c}", "{:s}", "{:e}", "{:%}", "{} {}", "{} {0}", "{:>37}", "{:\x00}",
    ],
)  # fmt: skip
def test_what_may_not(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        wording.check("string1", text)
    assert refused.value.field == "string1"


@given(st.text(st.sampled_from("{}0:d3,x+>* ab!.[]"), max_size=12), st.integers(-(2**53), 2**53 + 10_000))
def test_what_passes_can_be_filled_and_stays_short(text: str, number: int) -> None:
    try:
        wording.check("id", text)
    except InvalidInput:
        return
    assert len(text.format(number)) <= len(text) + 12 * 80


def test_what_is_said_of_a_page() -> None:
    asked = anything(
        string1="{}", number1=5, compositeId="a", originFormat="application/pdf", roles=["{}"], mine={"a": "{}"}
    )
    said = wording.of_page(asked, 3)
    assert said == {
        "id": "page-003", "space": 7, "origin": "http://a.test/a.pdf", "string1": "3", "number1": 5, "roles": ["{}"],
        "mine": {"a": "{}"},
    }  # fmt: skip
