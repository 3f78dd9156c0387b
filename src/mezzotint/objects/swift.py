"""An object store in an OpenStack Swift container, through its native API (python-swiftclient)."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import requests
from keystoneauth1.exceptions import ClientException as KeystoneError
from keystoneauth1.exceptions import Unauthorized as KeystoneRefusal
from swiftclient.client import Connection
from swiftclient.exceptions import ClientException
from urllib3.exceptions import HTTPError as BrokenOff

from mezzotint.errors import NotFound, StorageFull, StoreRefused, StoreUnavailable
from mezzotint.host.files import CHUNK
from mezzotint.names import check_key
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore, clip, find

T = TypeVar("T")
_PAGE, _LARGE = 10_000, 8 << 20  # names, bytes
_CREDENTIALS = "set ST_USER and ST_KEY right (or OS_USERNAME and OS_PASSWORD, or the application credential)"


@dataclass
class SwiftReader(ObjectReader):
    """One object on its way; the connection goes back when it is read to its end."""

    body: Any
    size: int
    version: str
    left: int
    give_back: Callable[[bool], None]
    _open: bool = field(default=True, init=False)

    def chunks(self) -> Iterator[bytes]:
        while self.left:
            with _answering("the object"):
                chunk = self.body.read(min(CHUNK, self.left))
            if not chunk:
                raise StoreUnavailable("an object broke off as it was read")
            self.left -= len(chunk)
            yield chunk

    def close(self) -> None:
        if self._open:
            self._open = False
            with suppress(Exception):
                self.body.close()
            self.give_back(self.left == 0)


class SwiftStore(ObjectStore):
    """Objects below `prefix` in `container`, which is made when the first is put.

    Swift looks at `If-None-Match` before the body has arrived and not again, so
    two who create at once may both succeed: it does not arbitrate.
    """

    def __init__(self, container: str, prefix: str, login: Callable[[], Connection]) -> None:
        self._container, self._login = container, login
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._idle: list[Connection] = []
        self._access: tuple[str, str] | None = None
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self._put(key, body, content_type, {})

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        """A large body is not sent before Swift was asked whether the key is there."""
        if isinstance(body, Path) and body.stat().st_size > _LARGE and find(self, key) is not None:
            return False
        try:
            self._put(key, body, content_type, {"If-None-Match": "*"})
        except _Exists:
            return False
        except StoreUnavailable:
            if find(self, key) is not None:  # Swift may hang up on a body that it does not want
                return False
            raise
        return True

    def get(self, key: str, start: int = 0, length: int | None = None) -> SwiftReader:
        name, headers = self._name(key), {}
        if start or length is not None:
            info = self.stat(key)
            start, length = clip(start, length, info.size)
            if not length:
                return SwiftReader(None, info.size, info.version, 0, lambda whole: None)
            headers = {"Range": f"bytes={start}-{start + length - 1}", "If-Match": info.version}
        connection = self._take()
        try:
            with _answering(key):
                found, body = self._try(
                    connection,
                    lambda c: c.get_object(self._container, name, resp_chunk_size=CHUNK, headers=headers),
                )
        except BaseException as error:
            self._give_back(connection, usable=False)
            if isinstance(error, _Exists):
                raise StoreUnavailable(f"{key} was replaced as it was opened") from None
            raise
        size = int(found["content-range"].rpartition("/")[2]) if length is not None else int(found["content-length"])
        left = length if length is not None else size
        return SwiftReader(body, size, found["etag"], left, lambda whole: self._give_back(connection, whole))

    def stat(self, key: str) -> ObjectInfo:
        name = self._name(key)
        found = self._ask(key, lambda connection: connection.head_object(self._container, name))
        return ObjectInfo(key, int(found["content-length"]), float(found["x-timestamp"]), found["etag"])

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        marker = self._prefix + start_after if start_after else ""
        while page := self._page(self._prefix + prefix, marker):
            for entry in page:
                key = entry["name"].removeprefix(self._prefix)
                modified = datetime.fromisoformat(entry["last_modified"]).replace(tzinfo=UTC).timestamp()
                yield ObjectInfo(key, entry["bytes"], modified, entry["hash"])
            marker = page[-1]["name"]

    def delete(self, key: str) -> None:
        name = self._name(key)
        with suppress(NotFound):
            self._ask(key, lambda connection: connection.delete_object(self._container, name))

    def move(self, source: str, target: str) -> None:
        old, new = self._name(source), self._name(target)
        destination = f"/{self._container}/{new}"  # which swiftclient quotes
        self._ask(source, lambda connection: connection.copy_object(self._container, old, destination))
        if new != old:
            self.delete(source)

    def _put(self, key: str, body: bytes | Path, content_type: str | None, headers: dict[str, str]) -> None:
        """Raises _Exists where the headers' condition is not met, StoreUnavailable where Swift has received other
        bytes than were sent."""
        name = self._name(key)

        def send(connection: Connection) -> None:
            answer: dict[str, Any] = {}
            with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as stream:
                sent = _Sent(stream)
                etag = connection.put_object(
                    self._container,
                    name,
                    sent,
                    content_length=body.stat().st_size if isinstance(body, Path) else len(body),
                    content_type=content_type or "application/octet-stream",
                    headers=headers,
                    response_dict=answer,
                )
            if answer["status"] != 201:
                raise StoreUnavailable(f"{key} was not stored: another body of a later time is there")
            if etag != sent.digest.hexdigest():
                raise StoreUnavailable(f"{key} was damaged on its way")

        try:
            self._ask(key, send)
        except NotFound:
            self._ask(key, lambda connection: connection.put_container(self._container))
            self._ask(key, send)

    def _page(self, prefix: str, marker: str) -> Sequence[dict[str, Any]]:
        try:
            _, page = self._ask(
                prefix or self._container,
                lambda connection: connection.get_container(self._container, prefix=prefix, marker=marker, limit=_PAGE),
            )
        except NotFound:
            return ()
        return cast(Sequence[dict[str, Any]], page)

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _ask(self, key: str, work: Callable[[Connection], T]) -> T:
        """Do `work` with a connection of its own; anew after a login where the old one has expired."""
        connection, usable = self._take(), False
        try:
            with _answering(key):
                done = self._try(connection, work)
            usable = True
            return done
        except (NotFound, _Exists):
            usable = True
            raise
        finally:
            self._give_back(connection, usable)

    def _try(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        new = connection.token is None
        if new:
            connection.get_auth()
        token = connection.token
        try:
            return work(connection)
        except ClientException as error:
            # a 401 takes the token away; Ceph answers a token that has expired with 403
            if connection.token is not None and (new or error.http_status != 403):
                raise
        with self._lock:
            if self._access is not None and self._access[1] == token:
                self._access = None
            access = self._access
        connection.close()
        if access is not None:  # another connection has logged in meanwhile
            connection.url, connection.token = access
        else:
            connection.get_auth()
        return work(connection)

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            access = self._access
        connection = self._login()
        if access is not None:
            connection.url, connection.token = access
        return connection

    def _give_back(self, connection: Connection, usable: bool) -> None:
        if not usable:
            connection.close()
            return
        with self._lock:
            self._access = (connection.url, connection.token)
            self._idle.append(connection)


class _Sent:
    """A body on its way, read and hashed in large pieces however small those are that are asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._piece, self._at = b"", 0
        self.digest = hashlib.md5(usedforsecurity=False)

    def read(self, count: int) -> bytes:
        if self._at == len(self._piece):
            self._piece, self._at = self._stream.read(CHUNK), 0
            self.digest.update(self._piece)
        chunk = self._piece[self._at : self._at + count]
        self._at += len(chunk)
        return chunk


class _Exists(Exception):
    """The key is there already (412)."""


@contextmanager
def _answering(key: str) -> Iterator[None]:
    """Swift's answers as domain errors. Only a 404 says that something is not there."""
    try:
        yield
    except ClientException as error:
        if error.http_status == 404:
            raise NotFound(f"there is no object {key}") from None
        if error.http_status == 412:
            raise _Exists from None
        if error.http_status in {413, 507}:
            raise StorageFull(f"Swift has no room for {key}, or it is larger than Swift takes") from error
        said = f"{error.http_status or ''} {error.msg}".strip()
        if error.http_status in {401, 403}:
            raise StoreRefused(f"Swift refuses the credentials: {said}", _CREDENTIALS) from error
        unavailable = StoreUnavailable(f"Swift does not answer as it should: {said}")
        unavailable.pause = _pause(error)
        raise unavailable from error
    except KeystoneRefusal as error:
        raise StoreRefused("Keystone refuses the credentials", _CREDENTIALS) from error
    except (requests.RequestException, BrokenOff, KeystoneError, OSError) as error:
        raise StoreUnavailable(f"Swift does not answer: {type(error).__name__}") from error


def _pause(error: ClientException) -> float:
    """Seconds that an answer asks for (Retry-After, RFC 9110 section 10.2.3). Swift names no dates there."""
    text = str((error.http_response_headers or {}).get("retry-after", ""))
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0
