"""The life of a base: wanted, discarded into the trash, recovered out of it, or expired and deleted.

Nothing else moves or deletes a base's bytes. The rooms above know which are wanted; they look under the committers'
lock, and act only on a definite answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mezzotint.cache import Cache
from mezzotint.errors import NotFound, StoreUnavailable
from mezzotint.names import Ident, base_key, is_ident, trash_key
from mezzotint.names.keys import TRASH, damaged_key
from mezzotint.objects import ObjectStore
from mezzotint.objects.protocol import find


class LifeCycle:
    def __init__(self, store: ObjectStore, cache: Cache, forget: Callable[[Ident], None]) -> None:
        self._store, self._cache, self._forget_facts = store, cache, forget

    def forget(self, ident: Ident) -> int:
        """On this host: what is remembered of it, and its files in the cache. Returns how many those were."""
        files = self._cache.purge(ident)
        self._forget_facts(ident)
        return files

    def discard(self, ident: Ident) -> int:
        """To the trash, and forgotten here: nobody finds it under its ident any more. No error where it is gone
        already. Returns how many files the cache had of it."""
        self._moved(base_key(ident), trash_key(ident))
        return self.forget(ident)

    def recover(self, ident: Ident) -> bool:
        """Back out of the trash; False where it is not there."""
        return self._moved(trash_key(ident), base_key(ident))

    def is_in_trash(self, ident: Ident) -> bool:
        return find(self._store, trash_key(ident)) is not None

    def expired(self, limit: float) -> Iterator[Ident]:
        """Those that are in the trash since `limit` or longer, in seconds since the epoch by the store's clock."""
        for info in self._store.list(TRASH):
            ident = info.key[len(TRASH) :]
            if is_ident(ident) and info.modified <= limit:
                yield Ident(ident)

    def delete(self, ident: Ident, limit: float) -> bool:
        """Out of the trash for good. False where it has not been there since `limit` or longer, or is not there but
        under its ident."""
        if not self.is_over(ident, limit):
            return False
        self._store.delete(trash_key(ident))
        self.forget(ident)
        return True

    def is_over(self, ident: Ident, limit: float) -> bool:
        """Whether it has been in the trash since `limit` or longer, or nothing is left of it."""
        there = find(self._store, trash_key(ident))
        return there.modified <= limit if there is not None else find(self._store, base_key(ident)) is None

    def quarantine(self, ident: Ident) -> None:
        """A base whose bytes are damaged goes where nothing serves it."""
        self._moved(base_key(ident), damaged_key(ident))
        self._cache.generation.advance()  # processes may have it in memory
        self._forget_facts(ident)

    def release(self, ident: Ident) -> None:
        """What was quarantined has turned out to be right."""
        self._moved(damaged_key(ident), base_key(ident))

    def _moved(self, source: str, target: str) -> bool:
        try:
            self._store.move(source, target)
        except NotFound:
            if find(self._store, source) is not None:
                raise StoreUnavailable(f"{source} is there, and the store says that it is not") from None
            return False
        return True
