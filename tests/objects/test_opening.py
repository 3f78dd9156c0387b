"""From an address and the usual variables to a store, and what is said where something is missing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mezzotint.errors import InvalidInput, StoreUnavailable
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import KEY, bare, keys

TEMPAUTH = {"ST_AUTH": "http://127.0.0.1:9/auth/v1.0", "ST_USER": "test:tester", "ST_KEY": "secret"}
KEYSTONE = {
    "OS_AUTH_URL": "http://127.0.0.1:9/v3", "OS_USERNAME": "tester", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "test",
}  # fmt: skip
APPLICATION = {
    "OS_AUTH_URL": "http://127.0.0.1:9/v3", "OS_APPLICATION_CREDENTIAL_ID": "some",
    "OS_APPLICATION_CREDENTIAL_SECRET": "secret",
}  # fmt: skip
AWS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}  # fmt: skip


def opened(url: str, variables: dict[str, str]) -> ObjectStore:
    return open_store(url, Settings.read(variables))


@pytest.mark.parametrize(
    ("url", "variables", "missing"),
    [
        *(("swift://box", TEMPAUTH, name) for name in TEMPAUTH),
        *(("swift://box", KEYSTONE, name) for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")),
        ("swift://box", APPLICATION, "OS_APPLICATION_CREDENTIAL_SECRET"),
        *(("s3://box", AWS, name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    ],
)
def test_a_credential_that_is_missing_is_named(url: str, variables: dict[str, str], missing: str) -> None:
    for without in ({k: v for k, v in variables.items() if k != missing}, variables | {missing: ""}):
        with pytest.raises(InvalidInput) as told:
            opened(url, without)
        assert told.value.field == missing
        assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("swift://box/prefix", TEMPAUTH),
        ("swift://box", KEYSTONE),
        ("swift://box", APPLICATION),
        ("s3://box/prefix", AWS),
    ],
)
def test_opening_asks_nothing_over_the_network(url: str, variables: dict[str, str]) -> None:
    """A program that only prints its configuration must not wait for anybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        store = opened(
            url,
            {name: value.replace("127.0.0.1:9", address) for name, value in variables.items()}
            | {"MEZZOTINT_STORE_TIMEOUT": "1"},
        )
        with pytest.raises(BlockingIOError):
            server.accept()
        with pytest.raises(StoreUnavailable):
            bare(store).stat(KEY)
        server.accept()[0].close()


@pytest.mark.parametrize(("name", "instead"), [("OS_USERNAME", "OS_USER_ID"), ("OS_PROJECT_NAME", "OS_PROJECT_ID")])
def test_an_id_does_instead_of_a_name(name: str, instead: str) -> None:
    assert opened("swift://box", {k: v for k, v in KEYSTONE.items() if k != name} | {instead: "1"})


@pytest.mark.parametrize(
    "url",
    ["", "box", "/a/path", "swift:", "swift://", "swift:///prefix", "s3://", "s3:///prefix", "file:", "file://host/a",
     "ftp://box/prefix", "http://127.0.0.1:9/box"],
)  # fmt: skip
def test_what_is_no_address_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        opened(url, {**TEMPAUTH, **AWS})
    assert told.value.field == "MEZZOTINT_STORE"
    assert "swift://container/prefix" in str(told.value)


def test_a_directory_and_memory_are_opened_by_address(tmp_path: Path) -> None:
    store = opened(f"file://{tmp_path}/a%20store", {})
    store.put(KEY, b"x")
    path = store.local_path(KEY)
    assert path is not None and path.is_relative_to(tmp_path / "a store")
    assert keys(opened("memory://", {})) == []


@pytest.mark.parametrize("scheme", ["swift", "s3"])
def test_prefixes_of_one_container_do_not_meet(swift: SwiftCluster, scheme: str) -> None:
    container = swift.new_container()
    prefixes = ["", "/one", "/one/", "/one/two", "/one-two"]
    stores = {prefix: opened(f"{scheme}://{container}{prefix}", swift.environment()) for prefix in prefixes}
    for prefix in ("/one", "/one/two", "/one-two"):
        stores[prefix].put(KEY, prefix.encode())
    assert stores["/one/"].read(KEY) == b"/one"
    assert stores["/one-two"].read(KEY) == b"/one-two"
    assert keys(stores["/one-two"]) == [KEY]
    assert keys(stores["/one/two"]) == [KEY]
    assert keys(stores[""]) == [f"one-two/{KEY}", f"one/{KEY}", f"one/two/{KEY}"]
    stores["/one"].delete(KEY)
    assert stores["/one/two"].read(KEY) == b"/one/two"


def test_swift_and_its_s3_see_the_same_objects(swift: SwiftCluster) -> None:
    container = swift.new_container()
    native, compatible = (opened(f"{scheme}://{container}/some", swift.environment()) for scheme in ("swift", "s3"))
    native.put(KEY, b"one store")
    assert compatible.read(KEY) == b"one store"
    assert compatible.put_if_absent(KEY, b"another") is False
