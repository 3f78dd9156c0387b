"""In what order every object store lists, and from where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mezzotint.objects import ObjectStore
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import STORES, Kind, Place, keys

PARTS = ["abc", "abd", "ab0", "ab-", "ab.", "abc-1", "abc.x", "abcd", "zzz", "Abc", "a0b", "ABC", "a" * 64]
parts = st.sampled_from(PARTS)
some_keys = st.lists(parts, min_size=1, max_size=3).map("/".join)
beginnings = (
    st.just("") | some_keys | st.builds(lambda key, cut: key[:cut], some_keys, st.integers(1, 9)) | st.just("~")
)
questions = st.lists(st.tuples(beginnings, beginnings), max_size=8)


def assert_lists(store: ObjectStore, put: set[str], asked: list[tuple[str, str]]) -> None:
    assert keys(store) == sorted(put)
    for prefix, start_after in asked:
        expected = [key for key in sorted(put) if key.startswith(prefix) and key > start_after]
        assert keys(store, prefix, start_after) == expected


def no_swift() -> SwiftCluster:
    raise AssertionError("a store over the network was asked for")


@pytest.mark.parametrize("kind", [kind for kind in STORES if not kind.over_network], ids=lambda kind: kind.name)
@given(put=st.sets(some_keys, max_size=15), asked=questions)
@examples(max_examples=30)
def test_lists_are_in_key_order_with_a_prefix_and_a_start(
    tmp_path_factory: pytest.TempPathFactory, kind: Kind, put: set[str], asked: list[tuple[str, str]]
) -> None:
    store = kind.open(Place(tmp_path_factory.mktemp("listed"), no_swift))
    for key in put:
        store.put(key, key.encode())
    assert_lists(store, put, asked)


def test_what_lies_closely_together_is_told_apart(store: ObjectStore) -> None:
    """The same for stores that take their time: many questions to one set of keys."""
    put = {*PARTS, *("/".join(pair) for pair in itertools.product(PARTS[:6], PARTS[2:7]))} - {"abcd"}
    for key in put:
        store.put(key, key.encode())

    @given(asked=questions)
    @examples(max_examples=10)
    def ask(asked: list[tuple[str, str]]) -> None:
        assert_lists(store, put, asked)

    ask()


def test_a_list_is_taken_up_again_where_it_was_left(store: ObjectStore) -> None:
    put = sorted(f"images/{n * 7919 % 65536:064x}" for n in range(40))
    for key in put:
        store.put(key, b"x")
    seen: list[str] = []
    while page := [
        info.key for info, _ in zip(store.list("images/", seen[-1] if seen else ""), range(7), strict=False)
    ]:
        seen += page
    assert seen == put


def test_what_is_deleted_while_it_is_listed_is_no_error(store: ObjectStore) -> None:
    put = [f"images/{n:064x}" for n in range(12)]
    for key in put:
        store.put(key, b"x")
    listing: Iterator[object] = store.list()
    next(listing)
    for key in put[1:]:
        store.delete(key)
    assert len(list(listing)) <= 11
    assert keys(store) == put[:1]
