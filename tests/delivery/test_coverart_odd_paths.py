"""Paths that are wrong, odd or hostile: a clear answer, no file but the cache's own, and no question to the archive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.covers import FRONT, Covers

M = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"
ODD = [
    "/release",
    "/release/",
    "/release//",
    "/release/..",
    "/release/../../etc/passwd",
    "/release/%2e%2e/%2e%2e/etc/passwd",
    "/release/..%2f..%2fetc%2fpasswd",
    "/release/..\\..\\etc\\passwd",
    "/release/%5c..%5cetc",
    "/release/%00",
    "/release/%ff%fe",
    "/release/%",
    "/release/%zz",
    "/release/{m}%00",
    "/release/{m}%0a",
    "/release/{m}%0d%0aX-Injected:%20yes",
    "/release/{m}/%00",
    "/release/{m}/front%00",
    "/release/{m}/front%00.jpg",
    "/release/{m}/front.%00",
    "/release/{m}/front%20",
    "/release/{m}/front%0a",
    "/release/{m}/front.jpg%0d%0aX-Injected:%20yes",
    "/release/{m}/..",
    "/release/{m}/../..",
    "/release/{m}/..%2f..%2f..%2fetc%2fpasswd",
    "/release/{m}/.control",
    "/release/{m}/front-%D9%A5%D9%A0%D9%A0",
    "/release/{m}/%D9%A1",
    "/release/{m}/%F0%9F%92%BF",
    "/release/{m}/front-99999999999999999999999999",
    "/release/{m}/" + "1" * 5000,
    "/release/{m}/front." + "j" * 5000,
    "/release/" + "a" * 5000,
    "/release/{m}/%3Cscript%3E",
    '/release/%22onload="x',
    "/release/{upper}/front",
    "/release-group",
    "/release-group/",
    "/release-group/{m}/..",
    "/release-group/{m}/back",
    "/release-group/{m}/1",
    "/release-groups/{m}",
    "/Release/{m}",
    "//release/{m}/front",
    "/./release/{m}/../{m}/nonsense",
    "/cache-status/",
    "/cache-status/..",
    "/health/",
    "*",
]


def checked(status: int, headers: dict[str, str], body: bytes) -> None:
    assert 200 <= status < 500
    assert "x-injected" not in headers
    assert b"root:" not in body
    if status != 200:
        assert "immutable" not in headers.get("cache-control", "")


@pytest.mark.parametrize("target", ODD)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_odd_paths_are_refused(covers: Covers, target: str, method: str) -> None:
    covers.archive.forget()
    status, headers, body = covers.raw(target.format(m=M, upper=M.upper()), method)
    checked(status, headers, body)
    if method != "OPTIONS":
        assert status in {301, 400, 404}
    if headers.get("content-type") == "application/json" and method == "GET":
        assert json.loads(body).keys() == {"error"}
    assert not covers.archive.asked


@given(tail=st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=150)
def test_no_path_is_a_fault_of_ours(covers: Covers, tail: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in tail)
    for before in ("/release/", f"/release/{M}/", f"/release/{M}/front", f"/release-group/{M}/front-"):
        status, headers, body = covers.raw(before + escaped)
        checked(status, headers, body)
        assert status in {200, 400, 404}


def test_an_escaped_name_is_the_name(covers: Covers) -> None:
    release = covers.release()
    for name in ("front%2D500", "%66ront-500", "front-500%2Ejpg"):
        status, headers, _ = covers.raw(f"/release/{release}/{name}")
        assert (status, headers["content-type"]) == (200, "image/jpeg")


def test_what_comes_into_the_archive_is_found_though_another_name_was_refused(covers: Covers) -> None:
    release = covers.release()
    assert covers.raw(f"/release/{release}/front-09")[0] == 400
    assert covers.raw(f"/release/{release}/front")[2] == FRONT


@pytest.mark.parametrize("name", ["/front/", "//front", "/front?", "/front?x#y", "/front#x"])
def test_harmless_additions_do_no_harm(covers: Covers, name: str) -> None:
    status, headers, body = covers.raw(f"/release/{covers.release()}{name}")
    checked(status, headers, body)
    assert (status, body) == (200, FRONT) or status in {400, 404}
