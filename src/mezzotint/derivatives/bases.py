"""Bases in and out: verified and stored under their hash, opened, described."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from mezzotint.cache import Index
from mezzotint.errors import NotAnImage, NotFound, StorageFull, TooManyBytes
from mezzotint.files import full_is_told, temporary
from mezzotint.names import Facts, Ident, base_key, trash_key
from mezzotint.objects import ObjectReader, ObjectStore
from mezzotint.transforms import libvips
from mezzotint.transforms.complete import check_complete
from mezzotint.transforms.exif import read_exif
from mezzotint.transforms.sniff import MEDIA_TYPES

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is stored. `new` is False where the same bytes were there already."""

    ident: Ident
    facts: Facts
    exif: dict[str, str | float]
    new: bool


class Spool:
    """A base on its way in: written aside and hashed as its bytes arrive."""

    def __init__(self, path: Path, stream: BinaryIO, max_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._stream, self._hash, self._max_bytes = stream, hashlib.sha256(), max_bytes

    def write(self, chunk: bytes) -> None:
        """Raises TooManyBytes, StorageFull."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise TooManyBytes("file", "is too large", f"{self._max_bytes} bytes, MEZZOTINT_MAX_UPLOAD")
        self._hash.update(chunk)
        with full_is_told("a picture"):
            self._stream.write(chunk)

    def finish(self) -> Ident:
        """No more is coming. Raises StorageFull."""
        with full_is_told("a picture"):
            self._stream.close()
        return Ident(self._hash.hexdigest())


class Bases:
    def __init__(
        self, store: ObjectStore, index: Index, spool: Path, *, max_bytes: int, max_pixels: int, allow_svg: bool
    ) -> None:
        self._store, self._index, self._spool = store, index, spool
        self._max_bytes, self._max_pixels, self._allow_svg = max_bytes, max_pixels, allow_svg
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._facts_lock = threading.Lock()

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
            yield Spool(path, stream, self._max_bytes)

    def keep(self, spool: Spool) -> Base:
        """Verify what was spooled and store it under its hash."""
        ident = spool.finish()
        if spool.size == 0:
            raise NotAnImage("file", "is empty", "a picture")
        header = libvips.read_header(spool.path, max_pixels=self._max_pixels, allow_svg=self._allow_svg)
        check_complete(spool.path, header.facts.format)
        content_type = MEDIA_TYPES[header.facts.format]
        new = self._store.put_if_absent(base_key(ident), spool.path, content_type)
        self._remember(ident, header.facts)
        return Base(ident, header.facts, read_exif(header.exif), new)

    def facts(self, ident: Ident) -> Facts:
        """From memory, from the cache, or from the base's own header. Raises NotFound."""
        facts = self._facts.get(ident)
        if facts is None:
            kept = self._index.recall(ident)
            if kept is not None:
                facts = Facts(**json.loads(kept))
                self._remember(ident, facts, keep=False)
        return facts if facts is not None else self._read_facts(ident)

    def exists(self, ident: Ident) -> bool:
        try:
            self._store.stat(base_key(ident))
        except NotFound:
            return False
        return True

    def open(self, ident: Ident, start: int = 0, length: int | None = None) -> ObjectReader:
        """Raises NotFound."""
        return self._store.get(base_key(ident), start, length)

    @contextmanager
    def on_disk(self, ident: Ident) -> Iterator[Path]:
        """The base as a local file to decode from. Raises NotFound."""
        path = self._store.local_path(base_key(ident))
        if path is not None:
            with ExitStack() as stack:
                try:
                    stream = stack.enter_context(open(path, "rb"))
                except FileNotFoundError:
                    raise NotFound(f"there is no image {ident}") from None
                # by its descriptor it stays readable, wherever it is moved meanwhile
                yield Path(f"/proc/self/fd/{stream.fileno()}")
            return
        with self._store.get(base_key(ident)) as reader, temporary(self._spool) as (copy, written):
            for chunk in reader.chunks():
                written.write(chunk)
            written.flush()
            yield copy

    def discard(self, ident: Ident) -> None:
        """To the trash; nobody finds it under its ident any more. No error where it is gone already."""
        with suppress(NotFound):
            self._store.move(base_key(ident), trash_key(ident))
        self.forget(ident)

    def recover(self, ident: Ident) -> bool:
        """Back out of the trash; False where it is not there."""
        try:
            self._store.move(trash_key(ident), base_key(ident))
        except NotFound:
            return False
        return True

    def forget(self, ident: Ident) -> None:
        with self._facts_lock:
            self._facts.pop(ident, None)
        self._index.forget(ident)

    def _read_facts(self, ident: Ident) -> Facts:
        with self.on_disk(ident) as path:
            facts = libvips.read_header(path, max_pixels=self._max_pixels, allow_svg=self._allow_svg).facts
        self._remember(ident, facts)
        return facts

    def _remember(self, ident: Ident, facts: Facts, *, keep: bool = True) -> None:
        with self._facts_lock:
            self._facts[ident] = facts
            if len(self._facts) > _REMEMBERED:
                self._facts.popitem(last=False)
        if keep:
            with suppress(StorageFull):
                self._index.remember(ident, json.dumps(asdict(facts)))
