"""Tokens are listed, and can be ended, on all nodes and without a database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint import tokens
from mezzotint.errors import InvalidInput, StoreUnavailable, Unauthorized
from mezzotint.names.keys import REVOKED_KEY
from mezzotint.objects.filesystem import DirectoryStore
from mezzotint.wiring.registry import Registry
from tests import pictures
from tests.conftest import Server
from tests.servers import run
from tests.waiting import until

SECRET = "a secret of this installation"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def registry(store: DirectoryStore, host: Path) -> Registry:
    return Registry(store, SECRET, host / "revoked.json")


def is_good(here: Registry, text: str) -> bool:
    try:
        here.verify(text)
    except Unauthorized:
        return False
    return True


def test_revoking_a_name_ends_its_tokens_and_no_others(store: DirectoryStore, tmp_path: Path) -> None:
    here, there = registry(store, tmp_path / "a"), registry(store, tmp_path / "b")
    old, _ = here.issue(tokens.Scope.READ, 3, "shop")
    other, _ = here.issue(tokens.Scope.WRITE, 3, "archive")
    unlisted = tokens.issue(SECRET, tokens.Scope.READ, 3, "shop")
    assert is_good(here, old) and is_good(there, old) and is_good(here, unlisted)
    here.revoke("shop")
    assert not is_good(here, old) and not is_good(here, unlisted) and is_good(here, other)
    new, listed = here.issue(tokens.Scope.READ, 3, "shop")
    assert listed and is_good(here, new)
    fresh = registry(store, tmp_path / "c")
    until(lambda: not is_good(fresh, old))
    assert is_good(fresh, new)
    assert [(about.name, revoked) for about, revoked in sorted(here.issued(), key=lambda one: one[0].issued)][-1] == (
        "shop",
        False,
    )
    assert sum(revoked for _, revoked in here.issued()) == 1


def test_what_was_revoked_stays_so_while_the_store_does_not_answer(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = registry(store, tmp_path)
    text, _ = here.issue(tokens.Scope.READ, 3, "shop")
    here.revoke("shop")

    def fails(*args: object) -> bytes:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(store, "read", fails)
    monkeypatch.setattr(store, "put", fails)
    again = registry(store, tmp_path)
    assert not is_good(again, text)
    with pytest.raises(StoreUnavailable):
        again.revoke("other")
    text, listed = again.issue(tokens.Scope.READ, 3, "first")
    assert not listed and is_good(again, text)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"shop": "x"}', b"\xff"])
def test_a_list_that_is_none_says_nothing(store: DirectoryStore, tmp_path: Path, data: bytes) -> None:
    here = registry(store, tmp_path)
    text, _ = here.issue(tokens.Scope.READ, 3, "shop")
    store.put(REVOKED_KEY, data)
    (tmp_path / "revoked.json").write_bytes(data)
    assert is_good(registry(store, tmp_path), text)


@pytest.mark.parametrize("name", ["", " ", "x" * 301, "a\nb", "\x00"])
def test_a_name_that_is_none_is_refused(store: DirectoryStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        registry(store, tmp_path).issue(tokens.Scope.READ, 3, name)


def test_the_walk_of_an_operator(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_PUBLIC_READ="false")
    ident = server.upload(pictures.jpeg(300, 200, seed=5))
    issued = run(server.data, "token", "issue", "--name", "shop", "--days", "2")
    shop = {"authorization": f"Bearer {issued.stdout.strip()}"}
    doors = (f"/images/{ident}", f"/images/{ident}-100x67.jpg", "/api/images/", f"/iiif/3/{ident}/info.json")
    for path in doors * 2:  # from memory, too
        assert server.http.get(path, headers=shop).status_code == 200
    listed = [json.loads(line) for line in run(server.data, "token", "list", "--json").stdout.splitlines()]
    assert {(one["name"], one["scope"], one["revoked"]) for one in listed} >= {("shop", "read", False)}
    assert "shop" in run(server.data, "token", "list").stdout
    ended = run(server.data, "token", "revoke", "shop")
    assert ended.returncode == 0 and "1 token of shop" in ended.stderr + ended.stdout
    for path in doors:
        until(lambda path=path: server.http.get(path, headers=shop).status_code == 401)  # type: ignore[misc]
    assert server.http.get(doors[1], headers=shop).status_code == 401
    assert server.writer.get("/api/images/").status_code == 200
    listed = [json.loads(line) for line in run(server.data, "token", "list", "--json").stdout.splitlines()]
    assert ("shop", True) in {(one["name"], one["revoked"]) for one in listed}
    assert all(one["expires"] > time.time() for one in listed)
