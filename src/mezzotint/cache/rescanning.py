"""The index out of the files: after it was lost, or files were."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mezzotint.cache.index import Entry
from mezzotint.cache.places import KINDS, group_of, kind_of, name_at
from mezzotint.host.files import beginning_with

if TYPE_CHECKING:
    from mezzotint.cache.files import Cache

_ABANDONED = 3600
_BATCH = 500


def rescan(cache: Cache, progress: Callable[[int], None]) -> bool:
    """Record what is on disk, forget the rest. For one at a time. Returns whether the index knew of all as it was:
    it may not once it was mended, where whoever has removed files is still at it."""
    identity, was_complete, mended = cache.index.identity, cache.is_complete(), 0
    token = cache.stamps.begin()
    _remove_what_was_used_before(cache.directory)
    for count, path in enumerate(_files(cache.directory), start=1):
        mended += _record(cache, path, was_complete)
        progress(count)
        if not cache.index.available:
            return False
    for batch in cache.index.batches(_BATCH):
        mended += _forget(cache, [entry.path for entry in batch])
    if not mended and cache.index.identity == identity:
        cache.stamps.end(token, identity)
    return not mended


def _record(cache: Cache, path: str, was_complete: bool) -> bool:
    """A file that is not as it was written goes. Returns whether there was anything to mend."""
    with suppress(FileNotFoundError):  # the cleaner may be at work
        if _is_recorded(cache, path):
            return False
        with cache.alone():
            if _is_recorded(cache, path):
                return False
            status = (cache.directory / path).stat()
            if cache.is_cut_short(status) or (was_complete and cache.index.find(path) is not None):
                cache.forget([path])
            else:
                cache.count(path, status)
            return True
    return False


def _is_recorded(cache: Cache, path: str) -> bool:
    entry, size = cache.index.find(path), (cache.directory / path).stat().st_size
    return size > 0 and entry is not None and entry.size == size


def _forget(cache: Cache, paths: list[str]) -> int:
    gone = [path for path in paths if not (cache.directory / path).exists()]
    if gone:
        with cache.alone():
            gone = [path for path in gone if not (cache.directory / path).exists() and cache.index.find(path)]
            cache.forget(gone)
    return len(gone)


def entry_of(path: str, status: os.stat_result) -> Entry:
    """Of a file that nobody has recorded."""
    name = name_at(path)
    assert name is not None  # whoever found it has looked
    used = int(max(status.st_atime, status.st_mtime) * 1000)
    return Entry(path, kind_of(name), group_of(name), status.st_size, used)


def _remove_what_was_used_before(top: Path) -> None:
    """By releases whose index lay in the cache's own directory."""
    for path in beginning_with("index.sqlite3", top / ".control"):
        path.unlink(missing_ok=True)
    for kind in KINDS:
        for path in beginning_with(".id-", top / kind):
            with suppress(OSError):
                path.rmdir()


def _files(top: Path) -> Iterator[str]:
    """The paths of what has a name of ours; what killed writers have left goes."""
    for kind in KINDS:
        for directory, _, names in os.walk(top / kind):
            for name in names:
                path = Path(directory, name)
                if name_at(relative := str(path.relative_to(top))):
                    yield relative
                    continue
                if name.startswith(".") and name.endswith(".part"):
                    with suppress(FileNotFoundError):
                        if time.time() - path.stat().st_mtime > _ABANDONED:
                            path.unlink()
