"""An object store in memory, for tests and for trying things out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from mezzotint.errors import NotFound
from mezzotint.names import check_key
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore, clip


class MemoryReader(ObjectReader):
    def __init__(self, data: bytes, size: int, version: str) -> None:
        self._data = data
        self.size, self.version = size, version

    def chunks(self) -> Iterator[bytes]:
        if self._data:
            yield self._data

    def close(self) -> None:
        pass


class MemoryStore(ObjectStore):
    """Objects are lost with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        data = _bytes(body)
        with self._lock:
            self._objects[check_key(key)] = (data, time.time())

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        data = _bytes(body)
        with self._lock:
            if check_key(key) in self._objects:
                return False
            self._objects[key] = (data, time.time())
            return True

    def get(self, key: str, start: int = 0, length: int | None = None) -> MemoryReader:
        data, modified = self._find(key)
        begin, count = clip(start, length, len(data))
        return MemoryReader(data[begin : begin + count], len(data), str(modified))

    def arbitrates(self) -> bool:
        return True

    def stat(self, key: str) -> ObjectInfo:
        data, modified = self._find(key)
        return ObjectInfo(key, len(data), modified, str(modified))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            found = sorted((k, v) for k, v in self._objects.items() if k.startswith(prefix) and k > start_after)
        for key, (data, modified) in found:
            yield ObjectInfo(key, len(data), modified, str(modified))

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(check_key(key), None)

    def move(self, source: str, target: str) -> None:
        with self._lock:
            if check_key(source) not in self._objects:
                raise NotFound(f"there is no object {source}")
            check_key(target)
            self._objects[target] = (self._objects.pop(source)[0], time.time())

    def _find(self, key: str) -> tuple[bytes, float]:
        with self._lock:
            try:
                return self._objects[check_key(key)]
            except KeyError:
                raise NotFound(f"there is no object {key}") from None


def _bytes(body: bytes | Path) -> bytes:
    return body.read_bytes() if isinstance(body, Path) else body
