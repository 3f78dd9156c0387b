"""An object store in an S3 bucket, on any server that speaks S3 (obstore)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions as s3_errors
from obstore.store import S3Store as Bucket

from mezzotint.errors import NotFound, StorageFull, StoreRefused, StoreUnavailable, first_line
from mezzotint.host.files import CHUNK
from mezzotint.names import check_key
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore, clip, find

_ONE_PIECE = 16 << 20
"""bytes; what is larger goes in parts, which is not conditional"""
_IN_PARTS: dict[str, Any] = {"chunk_size": 8 << 20, "max_concurrency": 4}
_RACERS, _ROUNDS = 8, 3
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY right"
_CLOCK = "set this machine's clock right: signatures hold for some minutes"
_AUTHORITY = "name the file of its CA in AWS_CA_BUNDLE, or have it certified by one that is known"
_BUCKET = "make the bucket that MEZZOTINT_STORE names, or name another one"
_WRONG_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(\w+)")
_FULL = re.compile(r"\b507 Insufficient|<Code>[^<]*(?:InsufficientStorage|QuotaExceeded)")


@dataclass
class S3Reader(ObjectReader):
    stream: Iterator[Any]
    size: int
    version: str
    left: int

    def chunks(self) -> Iterator[bytes]:
        while self.left:
            with _answering("the object"):
                chunk = bytes(next(self.stream, b""))
            if not chunk:
                raise StoreUnavailable("an object broke off as it was read")
            self.left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.stream = iter(())


class S3Store(ObjectStore):
    """Objects in `bucket`, which has its own prefix, time limits, and no retries of its own."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        with _storing(check_key(key)):
            obstore.put(self._bucket, key, body, attributes=_attributes(content_type), **_IN_PARTS)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        """Servers that ignore conditions are asked first. A file of more than 16 MB goes
        in parts and without a condition: such bodies are named by their hash."""
        if find(self, key) is not None:
            return False
        if isinstance(body, Path) and body.stat().st_size > _ONE_PIECE:
            self.put(key, body, content_type)
            return True
        with _storing(key):
            try:
                whole: dict[str, Any] = {"mode": "create", "use_multipart": False}
                obstore.put(self._bucket, key, body, attributes=_attributes(content_type), **whole)
            except s3_errors.AlreadyExistsError:
                return False
        return True

    def arbitrates(self) -> bool:
        return self._qualified

    @cached_property
    def _qualified(self) -> bool:
        """Whether of racers for one key exactly one wins here: servers that call themselves S3 differ."""
        for _ in range(_ROUNDS):
            key = f"journal/probe-{uuid.uuid4().hex}"

            def create(racer: int, key: str = key) -> bool:
                with _storing(key), suppress(s3_errors.AlreadyExistsError):
                    body = b"racer %d" % racer
                    obstore.put(self._bucket, key, body, mode="create", use_multipart=False)
                    return True
                return False

            try:
                with ThreadPoolExecutor(_RACERS) as threads:  # its end waits for every racer, also where one failed
                    won = threads.map(create, range(_RACERS))
                if sum(won) != 1 or create(_RACERS):
                    return False
            finally:
                self.delete(key)
        return True

    def get(self, key: str, start: int = 0, length: int | None = None) -> S3Reader:
        check_key(key)
        options: dict[str, Any] = {}
        if start or length is not None:
            info = self.stat(key)
            start, length = clip(start, length, info.size)
            if not length:
                return S3Reader(iter(()), info.size, info.version, 0)
            options = {"range": (start, start + length), "if_match": info.version}
        with _answering(key):
            found = obstore.get(self._bucket, key, options=options)  # type: ignore[arg-type]
            left = length if length is not None else found.meta["size"]
            stream = iter(found.stream(min_chunk_size=CHUNK))
            return S3Reader(stream, found.meta["size"], found.meta["e_tag"] or "", left)

    def stat(self, key: str) -> ObjectInfo:
        with _answering(check_key(key)):
            return _info(obstore.head(self._bucket, key))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        offset = max(start_after, _just_before(prefix))
        directory = prefix.rpartition("/")[0] or None
        listing = obstore.list(self._bucket, directory, offset=offset or None, chunk_size=1000)
        while True:
            with _answering(prefix):
                page = next(listing, None)
            if page is None:
                return
            for meta in page:
                if meta["path"].startswith(prefix):
                    yield _info(meta)
                elif meta["path"] > prefix:
                    return

    def delete(self, key: str) -> None:
        with suppress(NotFound), _answering(check_key(key)):
            obstore.delete(self._bucket, key)

    def move(self, source: str, target: str) -> None:
        check_key(target)
        with _answering(check_key(source)):
            obstore.copy(self._bucket, source, target)
        if target != source:
            self.delete(source)


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"] or "")


def _attributes(content_type: str | None) -> Any:
    return {"Content-Type": content_type or "application/octet-stream"}


def _just_before(prefix: str) -> str:
    """A text that comes before every key with `prefix`, and close to it."""
    if not prefix:
        return ""
    before = chr(ord(prefix[-1]) - 1)
    return prefix[:-1] + ("." if before == "/" else before) + "~"


@contextmanager
def _answering(key: str) -> Iterator[None]:
    """S3's answers as domain errors. Only a 404 says that something is not there."""
    try:
        yield
    except (s3_errors.NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error):
            raise StoreRefused("S3 has no such bucket", _BUCKET) from error
        raise NotFound(f"there is no object {key}") from None
    except (s3_errors.PermissionDeniedError, s3_errors.UnauthenticatedError, PermissionError) as error:
        raise _refusal(str(error)) from error
    except s3_errors.AlreadyExistsError:
        raise
    except (s3_errors.BaseError, OSError) as error:
        if "403 Forbidden" in str(error) or "401 Unauthorized" in str(error):  # as listings have it
            raise _refusal(str(error)) from error
        if (wrong := _WRONG_CERTIFICATE.search(str(error))) is not None:
            raise StoreRefused(f"S3's certificate is not accepted: {wrong[1]}", _AUTHORITY) from error
        raise StoreUnavailable(f"S3 does not answer as it should: {first_line(error)[:300]}") from error


def _refusal(said: str) -> StoreRefused:
    if "RequestTimeTooSkewed" in said:
        return StoreRefused("S3 finds that the clock here is wrong", _CLOCK)
    return StoreRefused("S3 refuses the credentials", _CREDENTIALS)


@contextmanager
def _storing(key: str) -> Iterator[None]:
    """A 404 on storing is the bucket's."""
    try:
        with _answering(key):
            yield
    except NotFound:
        raise StoreRefused("S3 has no such bucket", _BUCKET) from None
    except StoreUnavailable as error:
        if is_full(error.detail):
            raise StorageFull(f"S3 has no room for {key}") from error
        raise


def is_full(text: str) -> bool:
    """Whether an answer says that there is no room: its status or code, not the address with any digits in it."""
    return _FULL.search(text) is not None
