"""How long an origin's answer is good for (RFC 9111 section 4.2), and when it may be asked again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.network.freshness import Lifetimes, cache_control, moment, retry_after

NOW = 1_700_000_000.0
DAY = 86_400.0
UNSAID = 7777.0
EVER = 1e12
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
SECONDS = 784_111_777.0
FREE = Lifetimes(0, EVER, UNSAID)
BOUND = Lifetimes(3600, 30 * DAY, UNSAID)

NO_DATES = [
    "", " ", "0", "-1", "now", "never", "784111777", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 99999999999999 08:49:37 GMT", "GMT", ",", "\x00",
    "Sun, 06 Nov 1994 08:49:37 +99999999999", "Sun, 06 Nov 1994 08:49:37.5.5 GMT", "1e3", "inf", "nan",
]  # fmt: skip
NO_NUMBERS = ["-1", "x", "1.5", "1e3", "0x10", "1_000", "+60", "\u0661\u0662", "inf", "nan", "60 s", "6 0"]
ENDLESS = ["9" * 10, "9" * 20, "9" * 308, "9" * 400, "9" * 4000, "9" * 8000]

header_texts = st.text(st.characters(max_codepoint=255), max_size=40) | st.sampled_from([*NO_DATES, *ENDLESS, DATE])
cache_controls = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["max-age", "s-maxage", "MAX-AGE", "no-store", "private", "public", ""]),
        st.sampled_from(["=", "", " = ", '="']),
        header_texts,
    ),
    max_size=3,
).map(",".join)
answers = st.fixed_dictionaries(
    {},
    optional={
        "cache-control": cache_controls,
        "age": header_texts,
        "date": header_texts,
        "expires": header_texts,
        "last-modified": header_texts,
    },
)


def lasts(cache: str | None = None, lifetimes: Lifetimes = FREE, **said: str | float) -> float:
    """The lifetime of an answer; a number is the date that many seconds from now, except for Age."""
    headers = {} if cache is None else {"cache-control": cache}
    for name, value in said.items():
        if isinstance(value, str) or name == "age":
            headers[name.replace("_", "-")] = str(value)
        else:
            headers[name.replace("_", "-")] = formatdate(NOW + value, usegmt=True)
    return lifetimes.of(headers, NOW)


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("cache", "seconds"),
    [
        ("max-age=60", 60),
        ("max-age=0", 0),
        ("MAX-Age=60", 60),
        ("public , max-age=60 ,immutable", 60),
        (",,max-age=60,", 60),
        ('max-age="60"', 60),
        ("max-age=60, s-maxage=600", 600),
        ("s-maxage=0, max-age=600", 0),
        ("max-age=60, must-revalidate, proxy-revalidate, no-transform", 60),
        ("max-age=60, stale-while-revalidate=600, stale-if-error=6000", 60),
        ("x-max-age=5, max-age=60", 60),
        ('x="max-age=5", max-age=60', 60),
    ],
)
def test_an_answer_is_good_for_as_long_as_it_says(cache: str, seconds: float) -> None:
    assert lasts(cache) == seconds
    assert lasts(cache, date=0, expires=5000, last_modified=-100 * DAY) == seconds


@pytest.mark.parametrize(
    "cache", ["no-store", "no-cache", "private", "No-Store", "private=set-cookie", "public, no-cache"]
)
def test_what_is_not_for_a_shared_cache_is_good_for_the_floor_alone(cache: str) -> None:
    for text in (cache, f"max-age=600, {cache}", f"{cache}, s-maxage=600"):
        assert lasts(text, expires=5000, last_modified=-100 * DAY) == 0, text
        assert lasts(text, BOUND, expires=5000) == 3600, text


@pytest.mark.parametrize("number", [*NO_NUMBERS, "", '""'])
def test_a_lifetime_that_is_no_number_is_over(number: str) -> None:
    """Section 4.2.1: what is invalid is taken to be stale."""
    assert lasts(f"max-age={number}") == 0


def test_a_lifetime_that_is_said_twice_is_the_first_or_none() -> None:
    """Section 4.2.1."""
    assert lasts("max-age=60, max-age=600") in {0, 60}
    assert lasts("max-age=600, max-age=60") in {0, 600}


def test_a_comma_between_quotes_separates_nothing() -> None:
    """RFC 9110 section 5.6.4."""
    assert lasts('x="a, max-age=5000", max-age=60') == 60
    assert lasts('x="a, no-store", max-age=60') == 60


@pytest.mark.parametrize("number", ENDLESS, ids=len)
def test_a_lifetime_too_long_to_count_is_the_ceiling(number: str) -> None:
    """RFC 9111 section 1.2.2."""
    assert lasts(f"max-age={number}", BOUND) == 30 * DAY
    assert lasts(f"s-maxage={number}", BOUND) == 30 * DAY


def test_without_a_directive_expires_counts_from_the_answers_date() -> None:
    assert lasts(date=0, expires=600) == 600
    assert lasts(expires=600) == 600
    assert lasts("public", date=0, expires=600, last_modified=-100 * DAY) == 600
    assert lasts(date=100, expires=700) == 600, "a clock that is ahead of ours"
    assert lasts(date=0, expires=0) == 0
    assert lasts(date=0, expires=-600) == 0


@pytest.mark.parametrize("text", NO_DATES)
def test_expires_that_is_no_date_is_in_the_past(text: str) -> None:
    """RFC 9111 section 5.3."""
    assert lasts(expires=text, last_modified=-100 * DAY) == 0


@pytest.mark.parametrize("text", NO_DATES)
def test_an_answers_date_that_is_none_is_now(text: str) -> None:
    assert lasts(date=text, expires=600) == 600
    assert lasts(date=text, last_modified=-10 * DAY) == pytest.approx(DAY)


def test_without_either_it_is_good_for_a_tenth_of_its_age() -> None:
    assert lasts(date=0, last_modified=-10 * DAY) == pytest.approx(DAY)
    assert lasts(last_modified=-10 * DAY) == pytest.approx(DAY)
    assert lasts("public", date=0, last_modified=-10 * DAY) == pytest.approx(DAY)
    assert lasts(date=0, last_modified=DAY) == 0, "changed in the future"


@pytest.mark.parametrize("text", NO_DATES)
def test_where_nothing_is_said_it_is_good_for_what_is_set(text: str) -> None:
    assert lasts() == lasts("public") == lasts(date=0) == lasts(last_modified=text) == UNSAID
    assert Lifetimes(0, EVER).of({}, NOW) == DAY


def test_the_time_in_other_caches_counts() -> None:
    assert lasts("max-age=600", age=200) == 400
    assert lasts("max-age=60, s-maxage=600", age=200) == 400
    assert lasts("max-age=600", age=600) == lasts("max-age=600", age=6000) == 0
    assert lasts("max-age=600", age=" 200 ") == 400


def test_the_time_in_other_caches_counts_against_expires_and_a_guess_too() -> None:
    """Section 4.2: an answer is fresh while its lifetime, wherever that is from, exceeds its age."""
    assert lasts(date=0, expires=600, age=200) == 400
    assert lasts(date=0, last_modified=-10 * DAY, age=int(DAY / 4)) == pytest.approx(DAY * 3 / 4)


def test_an_old_answer_that_does_not_say_its_age_is_as_old_as_its_date() -> None:
    """Section 4.2.3: the apparent age."""
    assert lasts("max-age=600", date=-200) == 400
    assert lasts(date=-200, expires=400) == 400
    assert lasts(date=-DAY, expires=600 - DAY) == 0


@pytest.mark.parametrize("age", ["x", "-5", "", "1.5", "0x10", "1, 2", "nan", "-inf"])
def test_an_age_that_is_none_does_not_count(age: str) -> None:
    assert lasts("max-age=600", age=age) == 600


@pytest.mark.parametrize("age", ENDLESS, ids=len)
def test_an_answer_too_old_to_count_is_stale(age: str) -> None:
    assert lasts("max-age=600", age=age) == 0


def test_no_lifetime_is_below_the_floor_or_above_the_ceiling() -> None:
    assert (
        lasts("max-age=60", BOUND) == lasts("max-age=7200", BOUND, age=7000) == lasts(None, BOUND, expires="0") == 3600
    )
    assert lasts("max-age=3601", BOUND) == 3601
    assert lasts("max-age=2592001", BOUND) == lasts(None, BOUND, expires=1000 * DAY) == 30 * DAY
    assert lasts(None, BOUND, last_modified=-3000 * DAY) == 30 * DAY
    assert Lifetimes(100, 200, 5000).of({}, NOW) == 200
    assert Lifetimes(100, 200, 5).of({}, NOW) == 100


@given(answers)
def test_whatever_an_origin_says_a_lifetime_is_within_its_bounds(headers: dict[str, str]) -> None:
    assert 3600 <= BOUND.of(headers, NOW) <= 30 * DAY


def test_directives_are_read_in_any_case_and_spacing() -> None:
    read = cache_control('Public,MAX-AGE=60 , X="Y z"')
    assert read == {"public": "", "max-age": "60", "x": "Y z"}
    assert cache_control("") == cache_control(" , ,") == {}


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize("text", [DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_a_date_is_read_in_each_of_the_three_forms_and_is_of_greenwich(text: str) -> None:
    """RFC 9110 section 5.6.7."""
    assert moment(text) == SECONDS


@pytest.mark.parametrize("text", [None, *NO_DATES])
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert moment(text) is None


@given(header_texts)
def test_no_date_is_too_odd_to_be_read(text: str) -> None:
    seconds = moment(text)
    assert seconds is None or math.isfinite(seconds)


def test_a_pause_is_said_in_seconds_or_as_a_date() -> None:
    assert retry_after("120", NOW) == 120
    assert retry_after("0", NOW) == 0
    assert retry_after(DATE, SECONDS - 90) == 90
    assert retry_after(DATE, SECONDS) == 0
    assert retry_after(DATE, SECONDS + 90) == 0, "a date in the past"


@pytest.mark.parametrize("text", [None, *(text for text in NO_DATES if not text.isdecimal()), *NO_NUMBERS])
def test_a_pause_that_is_neither_is_none(text: str | None) -> None:
    assert retry_after(text, NOW) is None


@pytest.mark.parametrize("text", ENDLESS, ids=len)
def test_a_pause_too_long_to_count_is_long(text: str) -> None:
    pause = retry_after(text, NOW)
    assert pause is not None and pause >= 2**31


@given(header_texts)
def test_no_pause_is_negative(text: str) -> None:
    pause = retry_after(text, NOW)
    assert pause is None or 0 <= pause < math.inf
