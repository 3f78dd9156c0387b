"""Whether bytes are those that their name says: hashed once, and again whenever they may have changed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from mezzotint.cache import Index
from mezzotint.errors import DamagedBase, StorageFull
from mezzotint.files import CHUNK
from mezzotint.names import Ident
from mezzotint.objects import ObjectReader
from mezzotint.objects.filesystem import version_of

_REMEMBERED = 50_000


class Vouching:
    """Remembers for each base the version of its bytes that was seen to be right: in this
    process, and in the host's index. A version changes with every write to the bytes."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._right: OrderedDict[Ident, str] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, ident: Ident, version: str, opened: Callable[[], ObjectReader]) -> None:
        """Raises DamagedBase."""
        if self._is_right(ident, version):
            return
        digest = hashlib.sha256()
        with opened() as reader:
            for chunk in reader.chunks():
                digest.update(chunk)
        self._judge(ident, version, digest.hexdigest())

    def check_file(self, ident: Ident, descriptor: int) -> None:
        """The same for an open file. Raises DamagedBase."""
        version = version_of(os.fstat(descriptor))
        if self._is_right(ident, version):
            return
        digest, at = hashlib.sha256(), 0
        while chunk := os.pread(descriptor, CHUNK, at):
            digest.update(chunk)
            at += len(chunk)
        self._judge(ident, version, digest.hexdigest())

    def vouch_file(self, ident: Ident, descriptor: int) -> None:
        """Its bytes were hashed as they were written."""
        self._remember(ident, version_of(os.fstat(descriptor)))

    def forget(self, ident: Ident) -> None:
        with self._lock:
            self._right.pop(ident, None)
        self._index.forget(_key(ident))

    def _is_right(self, ident: Ident, version: str) -> bool:
        if self._right.get(ident) == version:
            return True
        if not version or self._index.recall(_key(ident)) != version:
            return False
        self._keep(ident, version)
        return True

    def _judge(self, ident: Ident, version: str, digest: str) -> None:
        if digest != ident:
            raise DamagedBase(f"the bytes of {ident} are damaged in the store; `mezzotint verify` says more")
        self._remember(ident, version)

    def _remember(self, ident: Ident, version: str) -> None:
        self._keep(ident, version)
        with suppress(StorageFull):
            self._index.remember_soon(_key(ident), version)

    def _keep(self, ident: Ident, version: str) -> None:
        with self._lock:
            self._right[ident] = version
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)


def _key(ident: Ident) -> str:
    return f"right:{ident}"
