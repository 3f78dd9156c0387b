"""The cache: whole files in a deep directory, recorded in the index."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mezzotint.cache.cached import CachedFile
from mezzotint.cache.hits import Hits
from mezzotint.cache.index import Entry, Index, Totals
from mezzotint.cache.ledger import Ledger, Verdict, entry_of
from mezzotint.cache.places import CONTROL, KINDS, path_of
from mezzotint.cache.rescanning import rescan
from mezzotint.errors import StorageFull
from mezzotint.host import Host, HostLocks
from mezzotint.host.files import beginning_with, place, temporary, version_of, while_removed

_PASSES = 3


class Cache:
    """Files by name: derivatives, copies of bases, records, cover art. A miss is never an error, and neither is a
    file that vanished, or all of them. The files are the truth; the index counts them."""

    def __init__(
        self,
        directory: Path,
        index: Index,
        max_size: int,
        host: Host,
        hits: Path | None = None,
        *,
        heeds_uses: bool = True,
    ) -> None:
        """`heeds_uses` False: what was put in first goes first, whatever was asked for since."""
        self._heeds_uses = heeds_uses
        self.directory, self.index, self.max_size = directory, index, max_size
        self.changed = threading.Event()
        """is set when something was put in"""
        self.locks = HostLocks(directory / CONTROL / "locks")
        """between all who have the directory, on whatever host"""
        self.ledger = Ledger(directory, index, self.locks, host.boots)
        self.hits = Hits(hits or directory / CONTROL / "hits.log")
        self.generation = host.generation
        self._host, self._digests = host, host.digests
        self._identity = index.identity
        self._used: dict[str, float] = {}
        self._used_lock = threading.Lock()
        if not any((directory / kind).exists() for kind in KINDS):
            self.complete()

    path_of = staticmethod(path_of)

    def open(self, name: str, *, seen_only: bool = False) -> CachedFile | None:
        """The file of that name, or None. A file that is not as it was written counts as absent.

        With `seen_only` at once: one that this process has not seen yet counts as absent too.
        """
        path = path_of(name)
        try:
            descriptor = os.open(self.directory / path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            status = os.fstat(descriptor)
            digest = self._digests.known(path, version_of(status))
            if digest is None and not seen_only and self._is_whole(path, status):
                digest = self._digests.of_file(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if digest is None:
            os.close(descriptor)
            return None
        self.touch(name)
        return CachedFile(name, descriptor, status.st_size, digest)

    def _is_whole(self, path: str, status: os.stat_result) -> bool:
        """What the index does not know counts from now on."""
        verdict = self.ledger.judge(path, status)
        if verdict is Verdict.UNRECORDED and self.index.available:
            with suppress(FileNotFoundError, StorageFull), self.ledger.alone():
                there = (self.directory / path).stat()
                if os.path.samestat(there, status) and self.ledger.judge(path, there) is verdict:
                    self.ledger.count(path, there)
        return verdict is not Verdict.WRONG

    def has(self, name: str) -> bool:
        """Whether there is a file of that name, by its directory alone."""
        return (self.directory / path_of(name)).exists()

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
        target = self.directory / path
        with self.ledger.alone():
            taken = self.ledger.add(entry_of(name, path, size))
            try:
                place(part, target, durable=False)
                if not taken:  # who has gone through the files since has not seen this one
                    self.ledger.stamps.remove()
                self._digests.tell(path, version_of(target.stat()), digest)
            except BaseException:
                self.ledger.forget([path])
                raise
        self.changed.set()

    def purge_file(self, name: str) -> None:
        """Remove one file, where it is there, whatever the index knows of it."""
        if self.has(name):
            with self.ledger.alone():
                self.ledger.forget([path_of(name)])

    def touch(self, name: str) -> None:
        """Note a use; `flush` takes the notes to the index."""
        self._used[name] = time.time()

    def look(self) -> bool:
        """Asked for every few seconds. Returns whether the index may not know of every file: then `complete` it."""
        self._host.look()
        self.index.look()
        identity = self.index.identity
        if identity and self._identity not in ("", identity):
            self.ledger.stamps.remove()  # what this process told the one before may be unknown to this one
        self._identity = identity or self._identity
        return bool(identity) and not self.ledger.stamps.agree(identity)

    def flush(self) -> None:
        with self._used_lock:
            used, self._used = self._used, {}
        for name, at in self.hits.take(self.locks).items():
            used[name] = max(at, used.get(name, 0.0))
        if not used or not self._heeds_uses:
            return
        with suppress(StorageFull):  # then the notes are lost, and nothing else
            self.index.touch([(path_of(name), int(at * 1000)) for name, at in used.items()])

    def purge(self, group: str) -> int:
        """Remove every derivative of one base, in this host's memory too; returns how many.

        The generation moves on before, so that whoever keeps something now looks
        at the base again, and after, so that no memory still holds what has gone.
        """
        self.generation.advance()
        with self.ledger.alone():
            paths = {entry.path for entry in self.index.of_group(group)}
            for name in (group, f"{group}.json"):
                there = beginning_with(group, (self.directory / path_of(name)).parent)
                paths.update(str(path.relative_to(self.directory)) for path in there)  # what the index may not know of
            self.ledger.forget(paths)
        with suppress(StorageFull):
            self._host.facts.forget(group)
        self.generation.advance()
        return len(paths)

    def drop(self, entries: list[Entry]) -> tuple[list[Entry], bool]:
        """Remove these files. The lock keeps file and entry together against a `put` of the same name. Returns those
        that are gone, and whether the index has forgotten them; one that cannot be removed counts as used now, so that
        others come before it."""
        with self.ledger.alone():
            gone = [entry for entry in entries if self.ledger.remove(entry.path)]
            stuck = {entry.path for entry in entries} - {entry.path for entry in gone}
            if stuck:
                self.index.touch([(path, int(time.time() * 1000)) for path in stuck])
            return gone, self.ledger.forget([entry.path for entry in gone])

    def totals(self) -> Totals:
        return self.index.totals()

    def complete(self, progress: Callable[[int], None] = lambda count: None) -> None:
        """`rescan`, unless another process does it, or has done it."""
        with self.locks.attempt("rescan") as mine:
            if mine and self.look():
                self._rescan(progress)

    def rescan(self, progress: Callable[[int], None] = lambda count: None) -> Totals:
        """Make the index agree with the files: what is on disk is recorded, the rest forgotten."""
        with self.locks.hold("rescan"):
            self.look()
            self._rescan(progress)
        return self.totals()

    def _rescan(self, progress: Callable[[int], None]) -> None:
        """Until nothing is left to mend. Where that does not end, somebody is still removing files."""
        for _ in range(_PASSES):
            if rescan(self.ledger, progress):
                return

    def close(self) -> None:
        self.flush()
        self.index.close()
