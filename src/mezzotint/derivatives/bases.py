"""Bases in and out: verified and stored under their hash, opened, described."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mezzotint.cache import Cache
from mezzotint.cache.places import NATIVE
from mezzotint.derivatives.intake import Intake, Spool
from mezzotint.derivatives.life_cycle import LifeCycle
from mezzotint.errors import DamagedBase, NotFound, StorageFull
from mezzotint.failpoints import failpoint
from mezzotint.host import Host
from mezzotint.host.files import CHUNK, full_is_told, temporary
from mezzotint.names import FORMATS, Facts, Ident, base_key
from mezzotint.objects import ObjectReader, ObjectStore
from mezzotint.objects.filesystem import FileReader
from mezzotint.objects.protocol import find
from mezzotint.transforms.described import read_described
from mezzotint.transforms.exif import read_exif

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is stored. `new` is False where the same bytes were there already; `described` is what it says of
    itself, by field."""

    ident: Ident
    facts: Facts
    exif: dict[str, str | float]
    new: bool
    described: dict[str, Any] = field(default_factory=dict)


class Bases:
    def __init__(
        self,
        store: ObjectStore,
        cache: Cache,
        host: Host,
        spool: Path,
        intake: Intake,
    ) -> None:
        self._store, self._cache, self._host, self._spool, self.intake = store, cache, host, spool, intake
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._facts_lock = threading.Lock()
        self.life = LifeCycle(store, cache, self.forget)
        self.arrived: Callable[[Ident, Facts], None] = lambda ident, facts: None
        """is told of each that is new in the store"""

    def add(self, chunks: Iterable[bytes]) -> Base:
        """Store a base from its bytes. Durable when it returns.

        Raises NotAnImage, DamagedImage, TooManyPixels, TooManyBytes, StorageFull;
        then nothing is left behind.
        """
        with self.spool() as spool:
            for chunk in chunks:
                spool.write(chunk)
            return self.keep(spool)

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """Somewhere to write a base's bytes to, for `keep`. Gone afterwards."""
        with full_is_told("a picture"), temporary(self._spool) as (path, stream):
            yield Spool(path, stream, self.intake.max_bytes)

    def keep(self, spool: Spool) -> Base:
        """Verify what was spooled and store it under its hash."""
        ident, header = self.intake.verified(spool)
        content_type = FORMATS[header.facts.format].media_type
        failpoint("upload.before-put")
        new = self._store.put_if_absent(base_key(ident), spool.path, content_type)
        failpoint("upload.after-put")
        if not new:
            self._heal(ident, spool, content_type)
        self._remember(ident, header.facts)
        if new:
            self.arrived(ident, header.facts)
        return Base(ident, header.facts, read_exif(header.exif), new, read_described(header.xmp, header.iptc))

    def keep_copy(self, spool: Spool) -> Base:
        """Verify what was spooled and have it in the cache alone, for as long as there is room."""
        ident, header = self.intake.verified(spool)
        new = not self.is_here(ident)
        if new:
            with self._copying() as copy, spool.path.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    copy.write(chunk)
                os.close(self._placed(ident, copy))
        self._remember(ident, header.facts)
        return Base(ident, header.facts, read_exif(header.exif), new, read_described(header.xmp, header.iptc))

    def facts(self, ident: Ident) -> Facts:
        """From memory, from this host, or from the base's own header. Raises NotFound."""
        if (facts := self.recalled(ident)) is not None:
            return facts
        with self.on_disk(ident) as path:
            facts = self.intake.header(path).facts
        self._remember(ident, facts)
        return facts

    def remembered(self, ident: Ident) -> Facts | None:
        """What this process knows; nothing is waited for."""
        return self._facts.get(ident)

    def recalled(self, ident: Ident) -> Facts | None:
        """What this host knows; the store is not asked."""
        if (facts := self._facts.get(ident)) is not None:
            return facts
        if (kept := self._host.facts.recall(ident)) is None:
            return None
        facts = Facts(**json.loads(kept))
        self._remember(ident, facts, keep=False)
        return facts

    def exists(self, ident: Ident) -> bool:
        return find(self._store, base_key(ident)) is not None

    def is_here(self, ident: Ident) -> bool:
        """In the store, or in this host's cache."""
        return self.is_cached(ident) or self.exists(ident)

    def is_cached(self, ident: Ident) -> bool:
        """In this host's cache; the store is not asked."""
        return self._cache.has(ident)

    def still_there(self, ident: Ident, generation: bytes) -> None:
        """Where something was purged since that generation it may have been this base: what was made of one that is
        gone, and kept, must not come back. Raises NotFound."""
        if self._cache.generation.now() != generation and not self.is_here(ident):
            self._cache.purge(ident)
            raise NotFound(f"there is no image {ident}")

    def open(self, ident: Ident, start: int = 0, length: int | None = None) -> ObjectReader:
        """The base's bytes, which were seen to be those of its name. Raises NotFound, DamagedBase."""
        if self._store.local_path(base_key(ident)) is not None:
            try:
                return self._vouched(ident, start, length)
            except NotFound:
                if (copy := self._kept_copy(ident)) is None:
                    raise
                return FileReader(os.fdopen(copy, "rb"), start, length)
        try:
            descriptor = self._local_copy(ident)
        except StorageFull:
            return self._vouched(ident, start, length)
        return FileReader(os.fdopen(descriptor, "rb"), start, length)

    def open_here(self, ident: Ident) -> ObjectReader | None:
        """This host's own copy of a base that lies elsewhere, where it has one; the store is not asked."""
        if self._store.local_path(base_key(ident)) is not None or (copy := self._kept_copy(ident)) is None:
            return None
        return FileReader(os.fdopen(copy, "rb"), 0, None)

    def is_near(self, ident: Ident) -> bool:
        """Whether its bytes, if there are any, are on this host."""
        return self._store.local_path(base_key(ident)) is not None or self.is_cached(ident)

    def bring(self, ident: Ident) -> None:
        """Have it on this host's disk. Raises NotFound, DamagedBase, StorageFull."""
        with self.on_disk(ident):
            pass

    @contextmanager
    def on_disk(self, ident: Ident) -> Iterator[Path]:
        """The base as a local file to decode from. Raises NotFound, DamagedBase, StorageFull."""
        path = self._store.local_path(base_key(ident))
        descriptor = self._local_copy(ident) if path is None else self._opened(ident, path)
        try:
            if path is not None:
                self._check(ident, self._host.digests.of_file(ident, descriptor, kept=True))
            # by its descriptor it stays readable, wherever it is moved meanwhile
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def forget(self, ident: Ident) -> None:
        with self._facts_lock:
            self._facts.pop(ident, None)
        with suppress(StorageFull):  # facts of an ident never change
            self._host.facts.forget(ident)
        self._host.digests.forget(ident)

    def _vouched(self, ident: Ident, start: int, length: int | None) -> ObjectReader:
        while True:
            version = self._store.stat(base_key(ident)).version
            self._check(ident, self._host.digests.of(ident, version, lambda: self._chunks(ident), kept=True))
            reader = self._store.get(base_key(ident), start, length)
            if reader.version == version:
                return reader
            reader.close()  # replaced meanwhile: look at it again

    def _chunks(self, ident: Ident) -> Iterator[bytes]:
        with self._store.get(base_key(ident)) as reader:
            yield from reader.chunks()

    def _check(self, ident: Ident, digest: str) -> None:
        """Raises DamagedBase."""
        if digest != ident:
            self._host.digests.forget(ident)
            raise DamagedBase(f"the bytes of {ident} are damaged in the store; `mezzotint verify` says more")

    def _opened(self, ident: Ident, path: Path) -> int:
        """A descriptor of a base in a local store, or of what is only cached of it. Raises NotFound."""
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            copy = self._kept_copy(ident)
            if copy is None:
                raise NotFound(f"there is no image {ident}") from None
            return copy

    def _local_copy(self, ident: Ident) -> int:
        """A descriptor of this host's own copy of a base that lies elsewhere, fetched where it has none.

        Raises NotFound, DamagedBase, StorageFull.
        """
        if (kept := self._kept_copy(ident)) is not None:
            return kept
        with self._host.locks.hold(ident):
            if (kept := self._kept_copy(ident)) is not None:
                return kept
            with self._store.get(base_key(ident)) as reader, self._copying() as copy:
                for chunk in reader.chunks():
                    copy.write(chunk)
                self._check(ident, copy.digest())
                return self._placed(ident, copy)

    @contextmanager
    def _copying(self) -> Iterator[Spool]:
        """Somewhere in the cache to write a copy to, for `_placed`. Gone afterwards."""
        with temporary(self._cache.directory / NATIVE, durable=False) as (path, stream):
            yield Spool(path, stream, sys.maxsize)

    def _placed(self, ident: Ident, copy: Spool) -> int:
        """Give a copy its name; returns a descriptor to read it by. Raises StorageFull."""
        descriptor = copy.opened()
        try:
            with suppress(FileNotFoundError):  # somebody removes everything: it is read this once
                self._cache.place(ident, copy.path, copy.size, copy.digest())
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _kept_copy(self, ident: Ident) -> int | None:
        file = self._cache.open(ident)
        if file is None:
            return None
        if file.digest != ident:
            os.close(file.descriptor)
            self._cache.purge_file(ident)
            return None
        return file.descriptor

    def _heal(self, ident: Ident, spool: Spool, content_type: str) -> None:
        """The same bytes are there, as it says: where they are not, these take their place."""
        try:
            with self._vouched(ident, 0, None):
                return
        except NotFound:
            self._store.put_if_absent(base_key(ident), spool.path, content_type)
        except DamagedBase:
            self._store.put(base_key(ident), spool.path, content_type)
        self._host.digests.forget(ident)

    def _remember(self, ident: Ident, facts: Facts, *, keep: bool = True) -> None:
        with self._facts_lock:
            self._facts[ident] = facts
            if len(self._facts) > _REMEMBERED:
                self._facts.popitem(last=False)
        if keep:
            with suppress(StorageFull):
                self._host.facts.remember_soon(ident, json.dumps(asdict(facts)))
