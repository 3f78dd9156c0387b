"""Whether bytes are to be trusted: hashed once, and again whenever they may have changed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress

from mezzotint.errors import StorageFull
from mezzotint.host.facts import HostFacts
from mezzotint.host.files import CHUNK, version_of

_REMEMBERED = 50_000


class Digests:
    """The sha256 of bytes by their name and version, which changes with every write to them: known to this process,
    and for what is `kept` to its host."""

    def __init__(self, facts: HostFacts) -> None:
        self._facts = facts
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, name: str, version: str) -> str | None:
        """At once, from this process's memory."""
        seen, digest = self._known.get(name, ("", ""))
        return digest if version and seen == version else None

    def of(self, name: str, version: str, chunks: Callable[[], Iterable[bytes]], *, kept: bool = False) -> str:
        """From memory, or of all `chunks`. An empty `version` is one that nobody knows."""
        digest = self.known(name, version)
        if digest is None and kept and version:
            told_version, _, told = (self._facts.recall(_key(name)) or "").rpartition(" ")
            if told_version == version:
                digest = told
                self._remember(name, version, digest)
        if digest is None:
            hashed = hashlib.sha256()
            for chunk in chunks():
                hashed.update(chunk)
            digest = hashed.hexdigest()
            self.tell(name, version, digest, kept=kept)
        return digest

    def of_file(self, name: str, descriptor: int, *, kept: bool = False) -> str:
        """Of an open file."""
        return self.of(name, version_of(os.fstat(descriptor)), lambda: _read(descriptor), kept=kept)

    def tell(self, name: str, version: str, digest: str, *, kept: bool = False) -> None:
        """Somebody has hashed them as they were written."""
        if not version:
            return
        self._remember(name, version, digest)
        if kept:
            with suppress(StorageFull):
                self._facts.remember_soon(_key(name), f"{version} {digest}")

    def forget(self, name: str) -> None:
        """Where the disk is full its host does not: a digest is that of a version."""
        with self._lock:
            self._known.pop(name, None)
        with suppress(StorageFull):
            self._facts.forget(_key(name))

    def _remember(self, name: str, version: str, digest: str) -> None:
        with self._lock:
            self._known[name] = version, digest
            self._known.move_to_end(name)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _read(descriptor: int) -> Iterable[bytes]:
    at = 0
    while chunk := os.pread(descriptor, CHUNK, at):
        yield chunk
        at += len(chunk)


def _key(name: str) -> str:
    return f"digest:{name}"
