"""Remote records: what is known of a picture's address. In the object store where pictures are kept, in the cache
where they are only cached."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from mezzotint.cache import Cache
from mezzotint.errors import NotFound, StorageFull, StoreUnavailable
from mezzotint.names import Ident, is_ident
from mezzotint.names.keys import remote_key
from mezzotint.objects import ObjectStore
from mezzotint.objects.protocol import find
from mezzotint.sources.failures import Failure, Failures

FORMAT = 1
_FRESH_IN_MEMORY = 1.0
"""seconds until another process's change is seen"""
_FRESH_ON_HOST = 30.0
"""seconds until another host's change to a record that lies in a store over the network is seen"""
_REMEMBERED = 20_000
_LATEST = 1e11
"""no moment is later"""


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """From a canonical address to an ident. Moments are in seconds since the epoch.

    `fetched` is when the bytes came, `checked` when the origin last said that they are the right ones, `expires`
    until when that is taken to be so; `via` is `origin`, or the peer that had it.
    """

    url: str
    ident: Ident
    fetched: float
    checked: float
    expires: float
    etag: str = ""
    last_modified: str = ""
    via: str = "origin"

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT} | {name: getattr(self, name) for name in self.__slots__}).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> RemoteRecord | None:
        """None for what is no record of a known format."""
        try:
            members = json.loads(data)
            if members.pop("format") != FORMAT:
                return None
            record = cls(**members)
            numbers = (record.fetched, record.checked, record.expires)
            texts = (record.url, record.etag, record.last_modified, record.via)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        right = all(type(n) in {int, float} and 0 <= n <= _LATEST for n in numbers) and all(
            isinstance(t, str) for t in texts
        )
        return record if right and isinstance(record.ident, str) and is_ident(record.ident) else None


_Here = tuple[RemoteRecord, bool, float]
"""what this host has: the record, whether it is kept in the store too, and when it was seen there"""


class RemoteRecords:
    """By key, the sha256 of the canonical address. `keeps` says of a host whether its pictures are kept."""

    def __init__(
        self,
        store: ObjectStore,
        cache: Cache,
        failures: Failures,
        keeps: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
        *,
        read_only: bool = False,
    ) -> None:
        self._store, self._cache, self._clock, self._read_only = store, cache, clock, read_only
        self._failures, self._keeps = failures, keeps
        self._memory: OrderedDict[str, tuple[float, bytes, RemoteRecord | None]] = OrderedDict()
        self._lock = threading.Lock()

    def keeps(self, host: str) -> bool:
        """A read node keeps nothing."""
        return not self._read_only and self._keeps(host)

    def may_renew(self, key: str) -> bool:
        """What lies in the store is for those to look after who write to it."""
        try:
            return not self._read_only or not self.is_kept(key)
        except StoreUnavailable:
            return False

    def find(self, key: str) -> RemoteRecord | None:
        """What is known, as of a second ago at most. Raises StoreUnavailable."""
        known, record = self.peek(key)
        return record if known else self.look_again(key)

    def peek(self, key: str) -> tuple[bool, RemoteRecord | None]:
        """What this process remembers of the last second: whether it does, and what."""
        kept = self._memory.get(key)
        if kept is not None and kept[0] > time.monotonic() and kept[1] == self._cache.generation.now():
            return True, kept[2]
        return False, None

    def look_here(self, key: str) -> tuple[RemoteRecord | None, bool]:
        """What this host has seen last, and whether nobody else need be asked. The store is not."""
        generation = self._cache.generation.now()
        here = None if self._is_near(key) else self._read_here(key)
        if here is None:
            return None, False
        fresh = self._is_ours(here) or self._is_fresh(here)
        if fresh:
            self._remember(key, here[0], generation)
        return here[0], fresh

    def look_again(self, key: str) -> RemoteRecord | None:
        """What is known now. Raises StoreUnavailable."""
        generation = self._cache.generation.now()
        record = self._read(key)
        self._remember(key, record, generation)
        return record

    def put(self, key: str, record: RemoteRecord, *, kept: bool) -> None:
        """Durable when it returns, where it is `kept`. Raises StorageFull, StoreUnavailable."""
        if kept:
            self._store.put(remote_key(key), record.to_json(), "application/json")
        if not kept or not self._is_near(key):
            self._put_here(key, record, kept)
        else:
            self._cache.purge_file(_record_name(key))  # from when it was only cached
        self._remember(key, record, self._cache.generation.now())
        self.forget_failure(key)

    def delete(self, key: str) -> bool:
        """Whether there was one."""
        was = self._read(key, anew=True) is not None
        self._store.delete(remote_key(key))
        self._cache.purge(key)
        self.forget_failure(key)
        with self._lock:
            self._memory.pop(key, None)
        return was

    def is_kept(self, key: str) -> bool:
        return find(self._store, remote_key(key)) is not None

    def failure(self, key: str) -> Failure | None:
        """One that is still to be heeded."""
        failure = self._failures.find(key)
        return failure if failure is not None and failure.until > self._clock() else None

    def check(self, key: str) -> None:
        """Raises the OriginError that is still to be heeded."""
        if (failure := self.failure(key)) is not None:
            raise failure.error(self._clock())

    def fail(self, key: str, failure: Failure) -> None:
        self._failures.remember(key, failure)

    def forget_failure(self, key: str) -> None:
        self._failures.forget(key)

    def _is_near(self, key: str) -> bool:
        return self._store.local_path(remote_key(key)) is not None

    def _read(self, key: str, *, anew: bool = False) -> RemoteRecord | None:
        here = self._read_here(key)
        if here is not None and self._is_ours(here):
            return here[0]
        near = self._is_near(key)
        if here is not None and not anew and not near and self._is_fresh(here):
            return here[0]
        try:
            with self._store.get(remote_key(key)) as reader:
                record = RemoteRecord.from_json(b"".join(reader.chunks()))
        except NotFound:
            if here is not None and not here[1]:
                if not near:
                    self._put_here(key, here[0], kept=False)  # with the moment that this was seen
                return here[0]  # a read node's own, which nobody has kept yet
            if here is not None:
                self._cache.purge(key)
                self._cache.purge(here[0].ident)  # deleted elsewhere; what is not can be had again
            return None
        except StoreUnavailable:
            if here is None or anew:
                raise
            return here[0]  # as it was a while ago
        if record is not None and not near:
            self._put_here(key, record, kept=True)
        elif here is not None:
            self._cache.purge_file(_record_name(key))
        return record

    def _is_ours(self, here: _Here) -> bool:
        """It is only cached: nobody else knows of it."""
        return not here[1] and not self._read_only

    def _is_fresh(self, here: _Here) -> bool:
        return here[2] + _FRESH_ON_HOST > self._clock()

    def _read_here(self, key: str) -> _Here | None:
        """The record, whether it is kept in the store too, and when it was seen there."""
        members = self._read_file(_record_name(key))
        try:
            record = RemoteRecord.from_json(members["record"])
            return (record, bool(members["kept"]), float(members["seen"])) if record is not None else None
        except (KeyError, TypeError, ValueError):
            return None

    def _put_here(self, key: str, record: RemoteRecord, kept: bool) -> None:
        body = json.dumps({"record": record.to_json().decode(), "kept": kept, "seen": self._clock()}).encode()
        with suppress(StorageFull) if kept else nullcontext():
            self._cache.put(_record_name(key), body)

    def _read_file(self, name: str) -> dict[str, Any]:
        """Nothing, where there is none, or where it is none of ours."""
        file = self._cache.open(name)
        try:
            members = json.loads(file.read()) if file is not None else {}
        except (ValueError, RecursionError):
            return {}
        return members if isinstance(members, dict) else {}

    def _remember(self, key: str, record: RemoteRecord | None, generation: bytes) -> None:
        with self._lock:
            self._memory[key] = (time.monotonic() + _FRESH_IN_MEMORY, generation, record)
            self._memory.move_to_end(key)
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)


def _record_name(key: str) -> str:
    return f"{key}.json"
