"""Domain errors as HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mezzotint import errors
from mezzotint.problems import STATUS, problem, problem_body, problem_headers, status_of


def tree(root: type[errors.MezzotintError]) -> Iterator[type[errors.MezzotintError]]:
    yield root
    for below in root.__subclasses__():
        yield from tree(below)


ALL = [error for error in tree(errors.MezzotintError) if error.__module__ == errors.__name__]


def made(error: type[errors.MezzotintError]) -> errors.MezzotintError:
    if issubclass(error, errors.InvalidInput):
        return error("size", "is wrong", "1 to 10")
    if issubclass(error, errors.Conflict):
        return error("somebody was quicker", {"a": ["title"]})
    if issubclass(error, errors.StoreRefused):
        return error("it was asked wrongly", "set it right")
    if issubclass(error, errors.OriginRefuses):
        return error(410)
    return error("it went wrong")


@pytest.mark.parametrize("error", ALL)
def test_every_error_has_a_status(error: type[errors.MezzotintError]) -> None:
    assert error in STATUS
    assert 400 <= status_of(made(error)) <= 599


def test_the_status_map_knows_no_other_errors() -> None:
    assert set(STATUS) == set(ALL)


def test_the_tree_is_drawn_in_full() -> None:
    drawn = errors.__doc__ or ""
    assert [error.__name__ for error in ALL if error.__name__ not in drawn] == []


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_a_problem_document(error: type[errors.MezzotintError]) -> None:
    one = made(error)
    document = json.loads(problem_body(one))
    assert document == problem(one)
    assert document["status"] == status_of(one)
    assert document["title"] == error.title
    assert one.detail in document["detail"]


@pytest.mark.parametrize("error", ALL)
def test_no_error_is_kept_for_long(error: type[errors.MezzotintError]) -> None:
    directives = problem_headers(made(error), public=True)["cache-control"]
    assert "immutable" not in directives
    age = [int(part.partition("=")[2]) for part in directives.split(",") if "max-age" in part]
    assert directives == "no-store" or max(age) <= 60


@pytest.mark.parametrize("error", ALL)
def test_whoever_is_to_come_back_is_told_when(error: type[errors.MezzotintError]) -> None:
    headers = problem_headers(made(error), public=True)
    assert ("retry-after" in headers) == (STATUS[error] in {429, 503})
    assert ("www-authenticate" in headers) == (STATUS[error] == 401)


def test_a_field_is_told_with_its_limit() -> None:
    document = problem(errors.TooManyPixels("file", "is too large", "250M"))
    assert document["errors"] == [{"field": "file", "detail": "is too large", "limit": "250M"}]


def test_a_conflict_names_the_fields() -> None:
    assert problem(errors.Conflict("late", {"ident": ["title", "tags"]}))["conflicts"] == {"ident": ["title", "tags"]}
