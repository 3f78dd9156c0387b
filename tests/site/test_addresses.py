"""DATABASE_URL and CACHE_URL as Django's settings, and what a `.env` gives to the libraries of a store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from mezzotint.errors import InvalidInput
from mezzotint.settings import Settings
from mezzotint.site import databases, prepare
from tests.servers import run


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://localhost",
        "postgresql://localhost/",
        "postgresql://anna:secret@localhost:5432/a/b",
        "postgresql://localhost:port/mezzotint",
        "postgresql://localhost:65536/mezzotint",
    ],
)
def test_an_address_that_names_no_database_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        databases.database(Settings.read({"DATABASE_URL": address}))
    assert (refused.value.field, refused.value.detail) == ("DATABASE_URL", "names no database")
    assert "secret" not in str(refused.value)


def test_an_address_of_postgresql_is_read_in_full() -> None:
    address = "postgres://an%40na:s%2Fecret@db.example:6432/my%20images?sslmode=require"
    found = databases.database(Settings.read({"DATABASE_URL": address}))
    assert {name: found[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD")} == {
        "HOST": "db.example", "PORT": "6432", "NAME": "my images", "USER": "an@na", "PASSWORD": "s/ecret",
    }  # fmt: skip
    assert found["OPTIONS"]["sslmode"] == "require"
    socket = databases.database(Settings.read({"DATABASE_URL": "postgresql:///images?host=/run/postgresql"}))
    assert (socket["HOST"], socket["PORT"], socket["NAME"]) == ("/run/postgresql", "", "images")
    assert "host" not in socket["OPTIONS"]


@pytest.mark.parametrize("address", ["nonsense", "ftp://example.org", "redis://[::1", "://"])
def test_an_address_that_names_no_cache_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        databases.cache(Settings.read({"CACHE_URL": address}))
    assert (refused.value.field, refused.value.detail) == ("CACHE_URL", "names no cache")
    assert refused.value.limit is not None and "dbcache://" in refused.value.limit


def test_an_address_of_a_cache_is_read() -> None:
    found = databases.cache(Settings.read({"CACHE_URL": "dbcache://app_cache"}))
    assert (found["BACKEND"].rpartition(".")[2], found["LOCATION"]) == ("DatabaseCache", "app_cache")
    assert databases.cache(Settings.read({}))["BACKEND"].endswith("LocMemCache")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variable", "address"), [("DATABASE_URL", "postgresql://localhost"), ("CACHE_URL", "nonsense")]
)
def test_a_command_says_in_one_sentence_which_address_is_wrong(tmp_path: Path, variable: str, address: str) -> None:
    done = run(tmp_path / "data", "commits", **{variable: address})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mezzotint: {variable}: names no ") and done.stderr.count("\n") == 1


@pytest.fixture
def cached(transactional_db: None, settings: Any) -> Iterator[None]:
    """Django's cache is in the table `some_cache`."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "some_cache"}}
    yield
    with connection.cursor() as cursor:
        for kind in ("table", "view"):
            if "some_cache" in {
                one.name for one in connection.introspection.get_table_list(cursor) if one.type == kind[0]
            }:
                cursor.execute(f"DROP {kind} some_cache")


def test_a_cache_in_the_database_has_its_table(cached: None) -> None:
    for _ in range(2):
        prepare._make_cache_table()
        cache.set("caller", "known")
        assert cache.get("caller") == "known"


def test_a_cache_whose_table_cannot_be_made_is_told_and_done_without(
    cached: None, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW some_cache AS SELECT 1 AS one")
    with caplog.at_level(logging.WARNING):
        prepare._make_cache_table()
    assert "the cache has no table" in caplog.text and "already exists" in caplog.text


ASKED = "import os; print(os.environ.get('AWS_ACCESS_KEY_ID'), os.environ.get('AWS_SECRET_ACCESS_KEY'))"


@pytest.mark.processes
def test_keys_in_a_file_are_found_by_the_libraries_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=filed\nAWS_SECRET_ACCESS_KEY=secret\n")
    asked = ("manage", "shell", "--no-imports", "-c", ASKED)
    assert run(tmp_path / "data", *asked).stdout == "filed secret\n"
    given = run(tmp_path / "data", *asked, AWS_ACCESS_KEY_ID="given")
    assert given.stdout == "given None\n", "of two accounts no half of each"
