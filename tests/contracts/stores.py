"""The kinds of object store. A new store, or a wrapper of one, joins `STORES` and passes the whole suite."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mezzotint.objects import Bounded, DirectoryStore, MemoryStore, ObjectStore, Observed, Retrying
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.faults import FaultyStore, Rates

KEY = "images/" + "ab" * 32
OTHER = "images/" + "cd" * 32
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a test may open stores: an empty directory, and a Swift, which is started for whoever asks for it."""

    directory: Path
    swift: Callable[[], SwiftCluster]


@dataclass(frozen=True)
class Kind:
    """A kind of store: how an empty one is opened, and how it differs from the others.

    in_memory       it keeps its objects there
    over_network    every operation takes a while, and it tells the time in whole seconds
    may_break_off   an object that is replaced or deleted as it is read may be StoreUnavailable
    may_let_two_in  of several who create one key at once more than one may be told that it did
    """

    name: str
    open: Callable[[Place], ObjectStore]
    in_memory: bool = False
    over_network: bool = False
    may_break_off: bool = False
    may_let_two_in: bool = False


def directory(place: Place) -> DirectoryStore:
    return DirectoryStore(place.directory / "store")


def wrapped(store: ObjectStore) -> ObjectStore:
    """As production does, but without waiting between attempts."""
    observed = Observed(Bounded(store, connections=4, patience=60), lambda operation, seconds, failed: None)
    return Retrying(observed, attempts=10, pause=lambda seconds: None)


def failing(place: Place) -> ObjectStore:
    """Acknowledgements are not lost here: what `put_if_absent` says would not be known."""
    return wrapped(FaultyStore(directory(place), Rates(refused=0.2, half=0.2), seed=20))


def in_swift(place: Place) -> ObjectStore:
    return opened("swift", place.swift(), place.swift().new_container())


ODD = "glass plates+ü%41 写真 🎞"
"""what has to be quoted in an address, and not twice"""


def odd_directory(place: Place) -> DirectoryStore:
    return DirectoryStore(place.directory / ODD / "store")


def odd_in_swift(place: Place) -> ObjectStore:
    """In a container and below a prefix of such names."""
    variables = place.swift().environment()
    return open_store(f"swift://{quote(ODD)}-{uuid.uuid4().hex[:8]}/{quote(ODD)}", Settings.read(variables))


def odd_in_s3(place: Place) -> ObjectStore:
    variables = place.swift().environment()
    return open_store(f"s3://{place.swift().new_container()}/{quote(ODD)}", Settings.read(variables))


def in_s3(place: Place) -> ObjectStore:
    return opened("s3", place.swift(), place.swift().new_container())


def opened(scheme: str, swift: SwiftCluster, container: str, **variables: str) -> ObjectStore:
    """A store below a prefix, opened as production does."""
    return open_store(f"{scheme}://{container}/some/where", Settings.read(swift.environment() | variables))


def bare(store: ObjectStore) -> ObjectStore:
    """The same without its wrappers, so that nobody asks a second time."""
    while isinstance(store, Retrying | Observed | Bounded):
        store = store._store
    return store


STORES = [
    Kind("directory", directory),
    Kind("memory", lambda place: MemoryStore(), in_memory=True),
    Kind("wrapped", lambda place: wrapped(directory(place))),
    Kind("failing", failing, may_break_off=True),
    Kind("swift", in_swift, over_network=True, may_let_two_in=True),
    Kind("s3", in_s3, over_network=True, may_let_two_in=True),
    Kind("odd-directory", odd_directory),
    Kind("odd-swift", odd_in_swift, over_network=True, may_let_two_in=True),
    Kind("odd-s3", odd_in_s3, over_network=True, may_let_two_in=True),
]


def got(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.get(key, start, length) as reader:
        return b"".join(reader.chunks())


def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [info.key for info in store.list(prefix, start_after)]
