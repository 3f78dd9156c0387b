"""Log lines that programs can read, and what ties them to a request."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from mezzotint.site.logs import Formatter, RequestIds, config
from mezzotint.tracing import request_id


def record(message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    why = None
    if error:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            why = sys.exc_info()
    return logging.LogRecord("mezzotint.cache", logging.WARNING, __file__, 1, message, arguments, why)


@pytest.fixture
def asked() -> Iterator[str]:
    before = request_id.set("abc123")
    yield "abc123"
    request_id.reset(before)


def test_a_line_is_key_and_value(asked: str) -> None:
    line = Formatter("logfmt").format(record("no %s is left", "room"))
    timestamp, _, rest = line.partition(" ")
    assert timestamp.startswith("timestamp=20") and timestamp.endswith("Z")
    assert rest == 'level=warning logger=mezzotint.cache request=abc123 event="no room is left"'


def test_a_line_outside_of_a_request_has_none() -> None:
    assert "request" not in Formatter("logfmt").format(record("so"))


@pytest.mark.parametrize("message", ["a\nb", 'a "b"', "é ü 图", "a=b", "%"])
@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_whatever_is_said_is_one_line(form: str, message: str, asked: str) -> None:
    line = Formatter(form).format(record("%s", message, error=True))
    assert "\n" not in line
    assert "ValueError" in line
    if form == "json":
        said = json.loads(line)
        assert (said["event"], said["level"], said["logger"], said["request"]) == (
            message, "warning", "mezzotint.cache", asked
        )  # fmt: skip


def test_levels_are_as_they_are_set() -> None:
    levels = {level: config("json", level) for level in ("debug", "info", "warning", "error")}
    assert {k: (c["loggers"]["mezzotint"]["level"], c["root"]["level"]) for k, c in levels.items()} == {
        "debug": ("DEBUG", "INFO"),
        "info": ("INFO", "WARNING"),
        "warning": ("WARNING", "WARNING"),
        "error": ("ERROR", "ERROR"),
    }


def test_each_request_has_an_id_of_its_own() -> None:
    ids, others = RequestIds(), RequestIds()
    seen = {one.of(None) for one in (ids, others) for _ in range(100)}
    assert len(seen) == 200
    assert all(name.isalnum() for name in seen)


@pytest.mark.parametrize("given", ["x", "4f0c-11", "Root=1-67891233-abcdef012345678912345678", "a" * 128])
def test_a_proxys_id_is_kept(given: str) -> None:
    assert RequestIds().of(given) == given


@pytest.mark.parametrize("given", ["", "a b", "a\nlevel=error", 'a"', "é", "a" * 129])
def test_what_could_forge_a_line_is_not(given: str) -> None:
    assert RequestIds().of(given) != given
