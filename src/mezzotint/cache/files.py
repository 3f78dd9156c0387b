"""The cache: whole files in a deep directory, recorded in the index."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mezzotint.cache.cached import CachedFile, Receiving
from mezzotint.cache.directories import identity_of
from mezzotint.cache.generation import Generation
from mezzotint.cache.hits import Hits
from mezzotint.cache.index import DOUBTED, Entry, Index, Totals
from mezzotint.cache.locks import HostLocks
from mezzotint.cache.mark import Mark
from mezzotint.cache.places import KINDS, group_of, kind_of, path_of
from mezzotint.cache.rescanning import rescan
from mezzotint.errors import StorageFull
from mezzotint.files import place, temporary, while_removed

_CONTROL = ".control"
_NAMES = "names"
_REMEMBERED = 50_000


class Cache:
    """Files by name: derivatives, copies of bases, records, cover art. A miss is never an error, and neither is a
    file that vanished, or all of them."""

    def __init__(
        self, directory: Path, open_index: Callable[[Path], Index], max_size: int, hits: Path | None = None
    ) -> None:
        self.directory = directory
        self.max_size = max_size
        self.changed = threading.Event()
        """is set when something was put in"""
        self.hits = Hits(hits or directory / _CONTROL / "hits.log")
        self.locks = HostLocks(directory / _CONTROL / "locks")
        self.generation = Generation(directory / _CONTROL / "generation")
        self.index = open_index(directory / _CONTROL / "index.sqlite3")
        self._used: dict[str, float] = {}
        self._used_lock = threading.Lock()
        self._seen: dict[str, tuple[_Version, str]] = {}
        is_new = not any((directory / kind).exists() for kind in KINDS)
        is_new = is_new and self.index.totals().files == 0 and self.index.available
        self.directories = identity_of(directory, nothing_before=is_new)
        """tells the directories that there are from others, which come after them"""
        if is_new:
            self.index.begin_completing()
            self.index.set_complete(self.directories)

    path_of = staticmethod(path_of)

    def mark(self, name: str) -> Mark:
        """A number that this host keeps."""
        return Mark(self.directory / _CONTROL / name)

    def open(self, name: str) -> CachedFile | None:
        """The file of that name, or None. A file that is not as it was written counts as absent."""
        return self._open(name, self._digest)

    def open_seen(self, name: str) -> CachedFile | None:
        """The same, at once: one that this process has not seen yet counts as absent too."""
        return self._open(name, self._digest_seen)

    def _open(self, name: str, digest_of: Callable[[str, int, os.stat_result], str | None]) -> CachedFile | None:
        path = path_of(name)
        try:
            descriptor = os.open(self.directory / path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            status = os.fstat(descriptor)
            digest = digest_of(path, descriptor, status)
        except BaseException:
            os.close(descriptor)
            raise
        if digest is None:
            os.close(descriptor)
            return None
        self.touch(name)
        return CachedFile(path, descriptor, status.st_size, digest)

    def has(self, name: str) -> bool:
        """Whether there is a file of that name, by its directory alone."""
        return (self.directory / path_of(name)).exists()

    def _digest(self, path: str, descriptor: int, status: os.stat_result) -> str | None:
        """Of an open file, where it is one that is known. While the index does not know everything, all are good."""
        if (seen := self._digest_seen(path, descriptor, status)) is not None:
            return seen
        complete, entry = self.index.is_complete(self.directories), self.index.find(path)
        if entry is None and complete:  # it may have been lost between the two looks
            complete = self.index.is_complete(self.directories)
        if status.st_size == 0 or (entry is None and complete):
            return None
        if entry is None:
            digest: str | None = _hashed(descriptor)
        elif complete and entry.size == status.st_size and entry.digest and not entry.digest.startswith(DOUBTED):
            digest = entry.digest
        else:
            digest = self._looked_at(entry, descriptor, status)
        if digest is None:
            return None
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[path] = _version(status), digest
        return digest

    def _digest_seen(self, path: str, descriptor: int, status: os.stat_result) -> str | None:
        version, digest = self._seen.get(path, (None, None))
        return digest if version == _version(status) else None

    def _looked_at(self, entry: Entry, descriptor: int, status: os.stat_result) -> str | None:
        """The digest of a file whose entry is not simply taken for right. One that is not as it was written goes."""
        believed = self.index.is_believed()
        if believed and entry.size != status.st_size:
            return None
        digest, expected = _hashed(descriptor), entry.digest.removeprefix(DOUBTED)
        if believed and expected and expected != digest:
            with suppress(FileNotFoundError), self.alone():
                if os.path.samestat((self.directory / entry.path).stat(), status):
                    self._forget([entry.path])
            return None
        if entry.size == status.st_size:
            self._remember_digest(replace(entry, digest=digest), status)
        return digest

    def _remember_digest(self, entry: Entry, status: os.stat_result) -> None:
        """Unless it has become another file meanwhile."""
        with suppress(StorageFull, FileNotFoundError), self.alone():
            if os.path.samestat((self.directory / entry.path).stat(), status):
                self.index.add(entry)

    def put(self, name: str, data: bytes) -> str:
        """Keep `data` under `name`; returns its sha256. Raises StorageFull."""
        digest = hashlib.sha256(data).hexdigest()
        target = self.directory / path_of(name)

        def kept() -> str:
            with temporary(target.parent, durable=False) as (part, stream):
                stream.write(data)
                stream.flush()
                self.place(name, part, len(data), digest)
            return digest

        try:
            return while_removed(kept)
        except FileNotFoundError as error:
            raise StorageFull(f"the cache's directory is being removed: {error}") from None

    def place(self, name: str, part: Path, size: int, digest: str) -> None:
        """Give a whole file its name.

        The index learns of it first: a crash between the two leaves an entry without a file, which costs nothing,
        and no file that is not counted.
        """
        path = path_of(name)
        entry = Entry(path, kind_of(name), group_of(name), size, _now(), digest)
        with self.alone():
            self.index.add(entry)
            try:
                place(part, self.directory / path, durable=False)
            except BaseException:
                self._forget([path])
                raise
        self.changed.set()

    @contextmanager
    def receiving(self, name: str) -> Iterator[Receiving]:
        """Somewhere to write a large file to, which `keep` gives its name. Gone afterwards, unless it was kept.

        Raises StorageFull.
        """
        target = self.directory / self.path_of(name)
        with temporary(target.parent, durable=False) as (part, stream):
            yield Receiving(self, name, part, stream)

    def purge_file(self, name: str) -> None:
        """Remove one file, whatever the index knows of it."""
        with self.alone():
            self._forget([path_of(name)])

    def touch(self, name: str) -> None:
        """Note a use; `flush` takes the notes to the index."""
        self._used[name] = time.time()

    def look(self) -> bool:
        """Find out whether something was lost: files, the index, what processes share. Returns whether the index
        has to be completed by a `rescan`."""
        self.generation.look()
        self.index.look()
        self.directories = identity_of(self.directory)
        return self.index.available and not self.index.is_complete(self.directories)

    def flush(self) -> None:
        with suppress(StorageFull):
            self.index.flush()
        with self._used_lock:
            used, self._used = self._used, {}
        for name, at in self.hits.take(self.locks).items():
            used[name] = max(at, used.get(name, 0.0))
        if not used:
            return
        with suppress(StorageFull):  # then the notes are lost, and nothing else
            self.index.touch([(path_of(name), int(at * 1000)) for name, at in used.items()])

    def purge(self, group: str) -> int:
        """Remove every derivative of one base, in this host's memory too; returns how many.

        The generation moves on before, so that whoever keeps something now looks
        at the base again, and after, so that no memory still holds what has gone.
        """
        self.generation.advance()
        with self.alone():
            paths = {entry.path for entry in self.index.of_group(group)}
            for name in (group, f"{group}.json"):
                there = (self.directory / path_of(name)).parent.glob(f"{group}*")
                paths.update(str(path.relative_to(self.directory)) for path in there)  # what the index may not know of
            self._forget(paths)
        self.index.forget(group)
        self.generation.advance()
        return len(paths)

    def drop(self, entries: list[Entry]) -> None:
        """Remove these files. The lock keeps file and entry together against a `put` of the same name."""
        with self.alone():
            self._forget([entry.path for entry in entries])

    def _forget(self, paths: Collection[str]) -> None:
        """Files first: a crash between the two leaves nothing that is not counted."""
        for path in paths:
            (self.directory / path).unlink(missing_ok=True)
        self.index.remove(paths)

    def alone(self) -> AbstractContextManager[bool]:
        """Files and entries stay as they are together."""
        return self.locks.hold(_NAMES)

    def totals(self) -> Totals:
        return self.index.totals()

    def complete(self, progress: Callable[[int], None] = lambda count: None) -> None:
        """`rescan`, unless another process does it, or has done it."""
        with self.locks.attempt("rescan") as mine:
            if mine and self.look():
                rescan(self, progress)

    def rescan(self, progress: Callable[[int], None] = lambda count: None) -> Totals:
        """Make the index agree with the files: what is on disk is recorded, the rest forgotten."""
        with self.locks.hold("rescan"):
            self.look()
            rescan(self, progress)
        return self.totals()

    def close(self) -> None:
        self.flush()
        self.index.close()
        self.generation.close()


_Version = tuple[int, int, int]


def _version(status: os.stat_result) -> _Version:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _hashed(descriptor: int) -> str:
    with open(f"/proc/self/fd/{descriptor}", "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
