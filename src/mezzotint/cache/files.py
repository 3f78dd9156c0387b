"""The cache: whole files in a deep directory, recorded in the index."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mezzotint.cache.generation import Generation
from mezzotint.cache.index import Entry, Index, Totals
from mezzotint.cache.locks import HostLocks
from mezzotint.cache.mark import Mark
from mezzotint.errors import StorageFull
from mezzotint.files import full_is_told, place, temporary

NATIVE, REMOTE = "native", "remote"
_CONTROL = ".control"
_NAMES = "names"
_ABANDONED = 3600
_BATCH = 500
_NAME = re.compile(r"[0-9a-f]{64}-?[A-Za-z0-9.-]*")


def kind_of(name: str) -> str:
    """Pictures are native; what is known of a remote one is in a file of its own."""
    return REMOTE if name.endswith(".json") else NATIVE


@dataclass(frozen=True, slots=True)
class CachedFile:
    """An open cached file: it stays readable when the cleaner takes its name away."""

    descriptor: int
    size: int
    digest: str

    @property
    def path(self) -> Path:
        """A name for the open file, good until it is closed, whatever becomes of its own."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    def read(self) -> bytes:
        """All of it. Closes it."""
        try:
            return os.pread(self.descriptor, self.size, 0)
        finally:
            os.close(self.descriptor)


class Receiving:
    """A file on its way into the cache, hashed as it comes."""

    def __init__(self, cache: Cache, name: str, part: Path, stream: BinaryIO) -> None:
        self._cache, self._name, self._part, self._stream = cache, name, part, stream
        self._hash, self._size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        """Raises StorageFull."""
        with full_is_told("a base's copy"):
            self._stream.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def keep(self) -> int:
        """Give it its name; returns a descriptor to read it by. Raises StorageFull."""
        with full_is_told("a base's copy"):
            self._stream.flush()
        cache, path = self._cache, self._cache.path_of(self._name)
        descriptor = os.open(self._part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with cache.locks.hold(_NAMES):
                cache.index.add(Entry(path, kind_of(self._name), self._name[:64], self._size, _now(), self.digest()))
                place(self._part, cache.directory / path, durable=False)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


class Cache:
    """Derivatives by name. A miss is never an error, and neither is a file that vanished."""

    def __init__(self, directory: Path, open_index: Callable[[Path], Index], max_size: int) -> None:
        self.directory = directory
        self.max_size = max_size
        self.locks = HostLocks(directory / _CONTROL / "locks")
        self.generation = Generation(directory / _CONTROL / "generation")
        self.index = open_index(directory / _CONTROL / "index.sqlite3")
        self._used: dict[str, float] = {}
        self._used_lock = threading.Lock()

    @staticmethod
    def path_of(name: str) -> str:
        """`native/a/ab/abc/abc...-100x50.jpg`, below the cache's directory."""
        return f"{kind_of(name)}/{name[0]}/{name[:2]}/{name[:3]}/{name}"

    def mark(self, name: str) -> Mark:
        """A number that this host keeps."""
        return Mark(self.directory / _CONTROL / name)

    def open(self, name: str) -> CachedFile | None:
        """The file of that name, or None. A file that is not as it was written counts as absent."""
        path = self.path_of(name)
        try:
            descriptor = os.open(self.directory / path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            entry = self.index.find(path)
        except BaseException:
            os.close(descriptor)
            raise
        size = os.fstat(descriptor).st_size
        if entry is None or entry.size != size:
            os.close(descriptor)
            return None
        self.touch(name)
        return CachedFile(descriptor, size, entry.digest)

    def put(self, name: str, data: bytes) -> str:
        """Keep `data` under `name`; returns its sha256. Raises StorageFull.

        The index learns of the file first: a crash between the two leaves an
        entry without a file, which costs nothing, and no file that is not counted.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self.path_of(name)
        entry = Entry(path, kind_of(name), name[:64], len(data), _now(), digest)
        self.index.add(entry)
        target = self.directory / path
        try:
            with temporary(target.parent, durable=False) as (part, stream):
                stream.write(data)
                stream.flush()
                with self.locks.hold(_NAMES):
                    if self.index.find(path) != entry:
                        self.index.add(entry)
                    place(part, target, durable=False)
        except BaseException:
            self.drop([entry])
            raise
        return digest

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
        path = self.path_of(name)
        entry = self.index.find(path)
        if entry is not None:
            self.drop([entry])
        (self.directory / path).unlink(missing_ok=True)

    def touch(self, name: str) -> None:
        """Note a use; `flush` takes the notes to the index."""
        self._used[name] = time.time()

    def flush(self) -> None:
        with suppress(StorageFull):
            self.index.flush()
        with self._used_lock:
            used, self._used = self._used, {}
        if not used:
            return
        with suppress(StorageFull):  # then the notes are lost, and nothing else
            self.index.touch([(self.path_of(name), int(at * 1000)) for name, at in used.items()])

    def purge(self, group: str) -> int:
        """Remove every derivative of one base, in this host's memory too; returns how many.

        The generation moves on before, so that whoever keeps something now looks
        at the base again, and after, so that no memory still holds what has gone.
        """
        self.generation.advance()
        entries = self.index.of_group(group)
        self.drop(entries)
        for name in (group, f"{group}.json"):
            for path in (self.directory / self.path_of(name)).parent.glob(f"{group}*"):
                path.unlink(missing_ok=True)  # what the index does not know of
        self.index.forget(group)
        self.generation.advance()
        return len(entries)

    def drop(self, entries: list[Entry]) -> None:
        """Remove these files. The lock keeps file and entry together against a `put` of the same name."""
        with self.locks.hold(_NAMES):
            self.index.remove(entry.path for entry in entries)
            for entry in entries:
                (self.directory / entry.path).unlink(missing_ok=True)

    def totals(self) -> Totals:
        return self.index.totals()

    def rescan(self, progress: Callable[[int], None] = lambda count: None) -> Totals:
        """Make the index agree with the files: what is on disk is recorded, the rest forgotten."""
        with self.locks.hold("rescan"):
            for count, path in enumerate(self._files(), start=1):
                with suppress(FileNotFoundError):  # the cleaner may be at work
                    self._record(path)
                progress(count)
            last = ""
            while batch := self.index.after(last, _BATCH):
                self.drop([entry for entry in batch if not (self.directory / entry.path).exists()])
                last = batch[-1].path
        return self.totals()

    def _record(self, path: Path) -> None:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            status = os.fstat(stream.fileno())
        used = int(max(status.st_atime, status.st_mtime) * 1000)
        relative = str(path.relative_to(self.directory))
        entry = Entry(relative, kind_of(path.name), path.name[:64], status.st_size, used, digest)
        with self.locks.hold(_NAMES):
            if path.exists() and self.index.find(relative) != entry:
                self.index.add(entry)

    def close(self) -> None:
        self.flush()
        self.index.close()
        self.generation.close()

    def _files(self) -> Iterator[Path]:
        for kind in (NATIVE, REMOTE):
            for directory, _, names in os.walk(self.directory / kind):
                for name in names:
                    path = Path(directory, name)
                    if _NAME.fullmatch(name):
                        yield path
                        continue
                    with suppress(FileNotFoundError):
                        if time.time() - path.stat().st_mtime > _ABANDONED:
                            path.unlink()  # left by a process that was killed as it wrote


def _now() -> int:
    return int(time.time() * 1000)
