"""Dates as people know them: EDTF, levels 0 and 1 (ISO 8601-2; https://www.loc.gov/standards/datetime/), and times
without a zone, as cameras have them. Pure.

Of each there is the span that it may be in, as two texts that sort. A zone says nothing there: it is the time of the
place that people mean.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from functools import lru_cache

FORMS = (
    "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, or EDTF: 1890~ (about), 1890? (uncertain), 189X (the nineties), "
    "1890/1895, ../1895, 1890-21 (spring)"
)
Span = tuple[str, str]

_DATE = re.compile(
    r"(?:(?P<year>-?\d{4})|Y(?P<long>-?[1-9]\d{4,8})|(?P<vague>-?\d(?:\d{2}X|\dXX)))"
    r"(?:-(?P<month>\d\d|XX)(?:-(?P<day>\d\d|XX))?)?"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?:Z|[+-]\d\d(?::\d\d)?)?)?(?P<doubt>[?~%]?)",
    re.ASCII,
)
_SEASONS = {21: (3, 5), 22: (6, 8), 23: (9, 11), 24: (12, 2)}
"""their months, in the north; winter ends in the year after"""
_NAMES = {21: "spring {}", 22: "summer {}", 23: "autumn {}", 24: "winter {}"}
_DOUBTS = {"~": "about {}", "?": "{}, perhaps", "%": "about {}, perhaps"}
_OLD = {"open": "..", "unknown": "", "OPEN": "..", "UNKNOWN": ""}
"""as drafts of EDTF had them"""
_ZERO = 10**9
_EARLIEST, _LATEST = "0", "9"


def clean(text: str) -> str:
    """The same, with what earlier drafts wrote as it is written now. Raises ValueError for what is no date."""
    sides = text.split("/")
    found = "/".join(_cleaned(_OLD.get(side, side) if len(sides) > 1 else side) for side in sides)
    span(found)
    return found


@lru_cache(4096)
def span(text: str) -> Span:
    """When it began and ended at most; two empty texts for none. Raises ValueError."""
    if not text:
        return "", ""
    first, slash, last = text.partition("/")
    if not slash:
        return _span(first)
    if first in {"", ".."} and last in {"", ".."}:
        raise ValueError("it neither begins nor ends")
    begin = _EARLIEST if first in {"", ".."} else _span(first)[0]
    end = _LATEST if last in {"", ".."} else _span(last)[1]
    if begin > end:
        raise ValueError("it ends before it begins")
    return begin, end


def years(found: Span) -> range:
    """Those that a span touches, of one that begins and ends."""
    begin, end = found
    return range(0) if begin in {"", _EARLIEST} or end == _LATEST else range(_year(begin), _year(end) + 1)


def in_words(text: str, say: Callable[[str], str] = str) -> str:
    """As one would say it; as it is where it is plain, or is no date. `say` has the words in another language."""
    if not text:
        return ""
    try:
        span(text)
        first, slash, last = text.partition("/")
        if not slash:
            return _said(first, say)
        if last in {"", ".."}:
            return say("from {} on" if last else "from {}").format(_said(first, say))
        if first in {"", ".."}:
            return say("until {}").format(_said(last, say))
        return say("{} to {}").format(_said(first, say), _said(last, say))
    except ValueError:
        return text


def _cleaned(side: str) -> str:
    side = side.replace("?~", "%").replace("~?", "%")
    return re.sub(r"(?<=[\d-])[xu]{1,2}(?![a-z])", lambda found: "X" * len(found[0]), side) if "T" not in side else side


def _span(text: str) -> Span:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("it is no date")
    if found["vague"]:
        return _vague(found)
    year, month, day = int(found["year"] or found["long"]), found["month"], found["day"]
    if month is None or month == "XX":
        if day not in {None, "XX"} or found["hour"]:
            raise ValueError("a day wants a month")
        return _key(year, 1, 1), _key(year, 12, 31, 23, 59, 59)
    if (season := _SEASONS.get(int(month))) is not None:
        if day is not None:
            raise ValueError("a season has no days")
        begin, end = season
        return _key(year, begin, 1), _end_of(year + (end < begin), end)
    if not 1 <= int(month) <= 12:
        raise ValueError("there is no such month")
    if day is None or day == "XX":
        if found["hour"]:
            raise ValueError("a time wants a day")
        return _key(year, int(month), 1), _end_of(year, int(month))
    if not 1 <= int(day) <= _days(year, int(month)):
        raise ValueError("there is no such day")
    if not found["hour"]:
        return _key(year, int(month), int(day)), _key(year, int(month), int(day), 23, 59, 59)
    return _moment(found, year, int(month), int(day))


def _moment(found: re.Match[str], year: int, month: int, day: int) -> Span:
    hour, minute, second = int(found["hour"]), int(found["minute"]), found["second"]
    if hour > 23 or minute > 59 or int(second or 0) > 59 or found["doubt"]:
        raise ValueError("there is no such time")
    return (
        _key(year, month, day, hour, minute, int(second or 0)),
        _key(year, month, day, hour, minute, int(second or 59)),
    )


def _vague(found: re.Match[str]) -> Span:
    """A decade or a century."""
    if found["month"] or found["hour"]:
        raise ValueError("of an unknown year there is no month")
    text = found["vague"]
    ends = sorted((int(text.replace("X", "0")), int(text.replace("X", "9"))))
    return _key(ends[0], 1, 1), _key(ends[1], 12, 31, 23, 59, 59)


def _key(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> str:
    return f"{year + _ZERO:010d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"


def _end_of(year: int, month: int) -> str:
    return _key(year, month, _days(year, month), 23, 59, 59)


def _days(year: int, month: int) -> int:
    """Of the Gregorian calendar, into which all years are reckoned (ISO 8601)."""
    return 29 if month == 2 and calendar.isleap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _year(key: str) -> int:
    return int(key[:10]) - _ZERO


def _said(text: str, say: Callable[[str], str]) -> str:
    found = _DATE.fullmatch(text)
    assert found is not None
    plain = text.removesuffix(found["doubt"]).replace("-XX", "")
    if found["vague"]:
        begin, end = years(_span(text))[0], years(_span(text))[-1]
        plain = say("{}s").format(begin) if end - begin == 9 else f"{begin}\N{EN DASH}{end}"
    elif found["month"] and (name := _NAMES.get(int(found["month"].replace("XX", "0")))) is not None:
        plain = say(name).format(found["year"] or found["long"])
    elif found["long"]:
        plain = found["long"]
    said = plain.replace("T", " ")
    return say(_DOUBTS[found["doubt"]]).format(said) if found["doubt"] else said
