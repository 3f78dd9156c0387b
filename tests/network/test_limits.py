"""`max_downloads.json`: how many downloads at once, and from whom."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from mezzotint.errors import InvalidInput
from mezzotint.network.limits import DomainLimits, read_limits
from tests.waiting import until

NAME = "max_downloads.json"
LONG_ENOUGH = 1.5
DEFAULT = 8

NO_LIMITS = [0, -1, 1001, 10**30, 1.0, 1.5, "4", "", None, True, False, [4], {"limit": 4}, float("inf"), float("nan")]
NO_FILES = [
    b"", b" ", b"{", b'{"example.com": 4,}', b'{"example.com"}', b"example.com: 4", b"[]", b"4", b'"*"', b"null",
    b'[["*", 4]]', b'{"example.com": "4"}', b'{"*": 0}', b'{"caf\xe9.example": 4}', b"\xff\xfe{\x00}\x00",
    b"[" * 100_000,
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def limited(path: Path, **limits: int) -> DomainLimits:
    """Limits of domains, whose dots are underscores here; `all` is the asterisk."""
    write(path, json.dumps({("*" if name == "all" else name.replace("_", ".")): n for name, n in limits.items()}))
    return DomainLimits(path)


def write(path: Path, text: str | bytes) -> None:
    """In place of what is there, as an editor does."""
    part = path.with_suffix(".part")
    part.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.replace(part, path)


def soon(limits: DomainLimits, host: str, expected: tuple[str, int]) -> bool:
    return until(lambda: limits.of(host) == expected)


def test_without_a_file_each_host_has_the_default(path: Path) -> None:
    assert read_limits(path) == {"*": DEFAULT}
    limits = DomainLimits(path)
    assert limits.of("example.com") == ("example.com", DEFAULT)
    assert limits.of("a.example.com") == ("a.example.com", DEFAULT)


def test_a_file_is_read_as_it_is_written(path: Path) -> None:
    path.write_text('{"example.com": 1, "Images.Example.ORG": 1000, "*": 3}')
    assert read_limits(path) == {"example.com": 1, "images.example.org": 1000, "*": 3}
    path.write_text("{}")
    assert read_limits(path) == {"*": DEFAULT}
    path.write_text('{"example.com": 4}')
    assert read_limits(path) == {"example.com": 4, "*": DEFAULT}


def test_a_named_domain_counts_together_with_all_below_it(path: Path) -> None:
    limits = limited(path, example_com=4, all=2)
    for host in ("example.com", "a.example.com", "a.b.c.example.com"):
        assert limits.of(host) == ("example.com", 4)


def test_a_host_that_only_looks_alike_counts_by_itself(path: Path) -> None:
    limits = limited(path, example_com=4, all=2)
    for host in ("notexample.com", "example.com.evil.example", "com", "xample.com", "example.org", "a-example.com"):
        assert limits.of(host) == (host, 2)


def test_the_nearest_domain_that_is_named_counts(path: Path) -> None:
    limits = limited(path, com=1, example_com=4, images_example_com=6)
    assert limits.of("a.images.example.com") == limits.of("images.example.com") == ("images.example.com", 6)
    assert limits.of("other.example.com") == limits.of("example.com") == ("example.com", 4)
    assert limits.of("another.com") == ("com", 1)
    assert limits.of("another.org") == ("another.org", DEFAULT)


def test_hosts_that_are_not_named_do_not_count_together(path: Path) -> None:
    limits = limited(path, all=3)
    assert limits.of("a.example.com") == ("a.example.com", 3)
    assert limits.of("b.example.com") == ("b.example.com", 3)
    assert limits.of("example.com") == ("example.com", 3)


def test_an_address_can_be_named_and_counts_by_itself(path: Path) -> None:
    write(path, '{"192.0.2.7": 2, "2001:DB8::7": 3}')
    limits = DomainLimits(path)
    assert limits.of("192.0.2.7") == ("192.0.2.7", 2) and limits.of("192.0.2.8") == ("192.0.2.8", DEFAULT)
    assert limits.of("[2001:db8::7]") == ("[2001:db8::7]", 3)
    assert limits.of("[2001:db8::8]:81") == ("[2001:db8::8]:81", DEFAULT)


def test_a_key_may_be_a_host_with_a_port_or_all_below_a_domain(path: Path) -> None:
    write(
        path, '{"*.example.com": 1, "c.example:8080": 2, "d.example.": 3, "B\u00fccher.example": 4, "e.example:443": 5}'
    )
    limits = DomainLimits(path)
    assert limits.of("a.example.com") == limits.of("x.y.example.com:81") == ("*.example.com", 1)
    assert limits.of("example.com") == ("example.com", DEFAULT), "as in MEZZOTINT_FETCH_ALLOW"
    assert limits.of("c.example:8080") == ("c.example:8080", 2)
    assert limits.of("c.example") == ("c.example", DEFAULT)
    assert limits.of("d.example") == ("d.example", 3)
    assert limits.of("xn--bcher-kva.example") == ("xn--bcher-kva.example", 4)
    assert limits.of("e.example") == ("e.example", 5)


NO_KEYS = ["https://b.example", "b.example/", "a.*.example", "*example.com", "", " ", "me@b.example", "b.example:x",
           "*.10.0.0.1", "*.b.example:81", "b..example", "b.example?", "10.0.0.0/8", "\0", "**"]  # fmt: skip


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_key_that_can_match_nothing_is_told_and_costs_no_other(
    path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, json.dumps({key: 1, "fine.example": 4}))
    assert read_limits(path) == {"*": DEFAULT, "fine.example": 4}
    assert repr(key) in caplog.text


@pytest.mark.parametrize("limit", NO_LIMITS)
@pytest.mark.parametrize("domain", ["*", "example.com"])
def test_a_limit_that_is_none_is_named(path: Path, domain: str, limit: object) -> None:
    path.write_text(json.dumps({"fine.example": 4, domain: limit}))
    with pytest.raises(InvalidInput) as caught:
        read_limits(path)
    assert caught.value.field == NAME
    assert repr(domain) in caught.value.detail and repr(limit) in caught.value.detail
    assert "1" in str(caught.value.limit) and "1000" in str(caught.value.limit)


@pytest.mark.parametrize("content", NO_FILES, ids=lambda content: repr(content[:30]))
def test_a_file_that_is_no_list_of_limits_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_limits(path)
    assert caught.value.field == NAME and NAME in str(caught.value)


@pytest.mark.parametrize("content", NO_FILES, ids=lambda content: repr(content[:30]))
def test_a_bad_file_at_the_start_leaves_the_default(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert DomainLimits(path).of("a.example.com") == ("a.example.com", DEFAULT)


def test_a_changed_file_is_noticed_within_about_a_second(path: Path) -> None:
    limits = limited(path, example_com=4, all=2)
    assert limits.of("a.example.com") == ("example.com", 4)
    write(path, '{"a.example.com": 5}')
    assert soon(limits, "a.example.com", ("a.example.com", 5))
    assert limits.of("example.com") == ("example.com", DEFAULT)
    with path.open("r+") as file:
        file.write('{"a.example.com": 6}')
    assert soon(limits, "a.example.com", ("a.example.com", 6)), "written over in place"


def test_a_file_that_comes_and_goes_is_noticed(path: Path) -> None:
    limits = DomainLimits(path)
    assert limits.of("example.com") == ("example.com", DEFAULT)
    write(path, '{"*": 3}')
    assert soon(limits, "example.com", ("example.com", 3))
    path.unlink()
    assert soon(limits, "example.com", ("example.com", DEFAULT))


def test_a_bad_file_keeps_the_former_limits_until_it_is_mended(path: Path) -> None:
    bad = dict(enumerate(NO_FILES))
    paths = {name: path.with_name(f"{name}.json") for name in bad}
    limits = {name: limited(one, example_com=4, all=2) for name, one in paths.items()}
    assert all(one.of("a.example.com") == ("example.com", 4) for one in limits.values())
    for name, content in bad.items():
        write(paths[name], content)
    time.sleep(LONG_ENOUGH)
    kept = {name: answer(one, "a.example.com") for name, one in limits.items()}
    assert {bad[name][:20]: got for name, got in kept.items() if got != ("example.com", 4)} == {}
    for one in paths.values():
        write(one, '{"example.com": 5}')
    assert all(soon(one, "a.example.com", ("example.com", 5)) for one in limits.values())


def answer(limits: DomainLimits, host: str) -> tuple[str, int] | str:
    try:
        return limits.of(host)
    except Exception as error:
        return repr(error)[:60]


def test_a_file_that_could_not_be_read_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = limited(path, example_com=4)
    with monkeypatch.context() as broken:
        for name in ("open", "read_text", "read_bytes"):
            broken.setattr(Path, name, unreadable)
        assert limits.of("example.com") == ("example.com", DEFAULT)
    assert soon(limits, "example.com", ("example.com", 4))


def unreadable(path: Path, *args: object, **options: object) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_a_directory_in_its_place_is_no_disaster(path: Path) -> None:
    limits = limited(path, example_com=4)
    assert limits.of("example.com") == ("example.com", 4)
    path.unlink()
    path.mkdir()
    time.sleep(LONG_ENOUGH)
    assert limits.of("example.com") == ("example.com", 4)
