"""The index out of the files: after it was lost, or files were."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mezzotint.cache.index import DOUBTED, Entry
from mezzotint.cache.places import KINDS, group_of, kind_of, name_at

if TYPE_CHECKING:
    from mezzotint.cache.files import Cache

_ABANDONED = 3600
_BATCH = 500


def rescan(cache: Cache, progress: Callable[[int], None]) -> None:
    """Record what is on disk, forget the rest. For one at a time."""
    directories = cache.directories
    if not cache.index.begin_completing():
        return
    for count, path in enumerate(_files(cache.directory), start=1):
        if not cache.index.available:
            return
        _record(cache, path)
        progress(count)
    for batch in cache.index.batches(_BATCH):
        gone = [entry for entry in batch if not (cache.directory / entry.path).exists()]
        with cache.alone():
            cache.index.remove(entry.path for entry in gone if not (cache.directory / entry.path).exists())
    cache.index.set_complete(directories)


def _record(cache: Cache, path: str) -> None:
    """A file that is not as it was written goes."""
    with cache.alone(), suppress(FileNotFoundError):  # the cleaner may be at work
        status = (cache.directory / path).stat()
        entry = cache.index.find(path)
        name = name_at(path)
        assert name is not None  # as `_files` has seen
        is_other = entry is not None and entry.size != status.st_size
        if is_other and not cache.index.is_believed():
            return  # another rescan will see
        if status.st_size == 0 or is_other:
            (cache.directory / path).unlink()
            cache.index.remove([path])
            return
        used = entry.used if entry is not None else int(max(status.st_atime, status.st_mtime) * 1000)
        digest = f"{DOUBTED}{entry.digest.removeprefix(DOUBTED)}" if entry is not None and entry.digest else ""
        cache.index.add(Entry(path, kind_of(name), group_of(name), status.st_size, used, digest))


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
