"""A cache on an empty directory, and names to put into it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mezzotint.cache import Cache, SqliteIndex


def open_cache(directory: Path, max_size: int = 1_000_000) -> Cache:
    return Cache(directory, SqliteIndex, max_size)


def ident_of(n: int) -> str:
    return hashlib.sha256(n.to_bytes(8, "big")).hexdigest()


def name_of(n: int, size: str = "100x50") -> str:
    return f"{ident_of(n)}-{size}.jpg"


def file_of(cache: Cache, name: str) -> Path:
    return cache.directory / cache.path_of(name)


def held(cache: Cache, name: str) -> bytes | None:
    found = cache.open(name)
    return None if found is None else found.read()


def on_disk(cache: Cache) -> dict[str, int]:
    """Every file of the cache by its name, with its size."""
    return {path.name: path.stat().st_size for path in (cache.directory / "native").rglob("*") if path.is_file()}
