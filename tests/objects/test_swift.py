"""What is Swift's own: logins, pages, the native API's answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.errors import StoreUnavailable
from mezzotint.objects import ObjectStore
from mezzotint.objects import swift as native
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.identity import Identity
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import KEY, OTHER, bare, got, keys, opened
from tests.objects.between import Between
from tests.waiting import IN_TIME


def at(container: str, variables: dict[str, str]) -> ObjectStore:
    return bare(open_store(f"swift://{container}/some/where", Settings.read(variables)))


@pytest.mark.parametrize("status", [401, 403], ids=["as Swift says it", "as Ceph does"])
def test_an_expired_login_is_renewed_by_whatever_is_asked_next(between: Between, tmp_path: Path, status: int) -> None:
    between.expired = status
    store = at(between.swift.new_container(), between.environment())
    body = tmp_path / "body"
    body.write_bytes(b"from a file" * 100_000)
    store.put(KEY, b"x")
    asked: list[Callable[[], object]] = [
        lambda: store.put(OTHER, body), lambda: store.put_if_absent("journal/new", body), lambda: got(store, OTHER),
        lambda: store.stat(KEY), lambda: keys(store), lambda: store.move("journal/new", "journal/newer"),
        lambda: store.delete(KEY), lambda: store.put(KEY, b""),
    ]  # fmt: skip
    for ask in asked:
        with store.get(OTHER if ask is not asked[0] else KEY):  # so that there is more than one old login
            between.expire()
            ask()
    assert got(store, OTHER) == got(store, "journal/newer") == body.read_bytes()
    assert keys(store) == [KEY, OTHER, "journal/newer"]


def test_all_connections_share_one_login(between: Between) -> None:
    store = at(between.swift.new_container(), between.environment())
    store.put(KEY, b"x")
    readers = [store.get(KEY) for _ in range(5)]
    assert [b"".join(reader.chunks()) for reader in readers] == [b"x"] * 5
    for reader in readers:
        reader.close()
    assert between.logins == 1


def test_a_login_at_keystone_opens_swift(swift: SwiftCluster, identity: Identity) -> None:
    container = swift.new_container()
    store = at(container, identity.environment())
    store.put(KEY, b"through keystone")
    assert store.read(KEY) == b"through keystone"
    assert keys(opened("swift", swift, container)) == [KEY]
    with pytest.raises(StoreUnavailable, match="refuses the credentials"):
        at(container, identity.environment() | {"OS_PASSWORD": "wrong"}).stat(KEY)
    with pytest.raises(StoreUnavailable):
        at(container, identity.environment() | {"OS_REGION_NAME": "nowhere"}).stat(KEY)


def test_a_keystone_that_hangs_is_unavailable_in_time() -> None:
    variables = {
        "OS_USERNAME": "tester", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "test", "MEZZOTINT_STORE_TIMEOUT": "1",
    }  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v3"
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            at("box", variables | {"OS_AUTH_URL": address}).stat(KEY)
        assert 0.9 < time.monotonic() - began < IN_TIME
    with pytest.raises(StoreUnavailable, match="does not answer"):
        at("box", variables | {"OS_AUTH_URL": address}).stat(KEY)


def test_a_listing_goes_on_page_after_page(swift: SwiftCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_PAGE", 4)
    store = opened("swift", swift, swift.new_container())
    put = [f"images/{n:04d}" for n in range(13)]
    for key in put:
        store.put(key, b"x")
    for prefix, start_after in [("", ""), ("images/000", ""), ("images/", put[4]), ("", put[8])]:
        expected = [key for key in put if key.startswith(prefix) and key > start_after]
        assert keys(store, prefix, start_after) == expected


def test_what_arrives_is_what_was_sent_or_it_is_told(between: Between) -> None:
    """Swift says what it has received, and that is compared."""
    store = at(between.swift.new_container(), between.environment())
    between.damages = True
    with pytest.raises(StoreUnavailable, match="damaged on its way"):
        store.put(KEY, b"flipped")
