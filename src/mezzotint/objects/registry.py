"""The stores by the scheme of their address: `swift://container/prefix` and so on. A new store is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mezzotint.errors import InvalidInput
from mezzotint.objects.bounded import Bounded
from mezzotint.objects.filesystem import open_directory
from mezzotint.objects.memory import MemoryStore
from mezzotint.objects.observed import Observe, Observed
from mezzotint.objects.protocol import ObjectStore
from mezzotint.objects.retrying import Retrying
from mezzotint.settings import Settings

Open = Callable[[str, str, Settings], ObjectStore]
"""of the host and the path of an address; imports what it needs, and asks nothing over the network yet"""


@dataclass(frozen=True, slots=True)
class Scheme:
    """`form` is what an address looks like, and whether it `names` a container, a bucket or a path by what there has to
    be of it. A `remote` store is bounded and retried."""

    form: str
    open: Open
    names: Callable[[str, str], bool]
    remote: bool


def _open_memory(host: str, path: str, settings: Settings) -> ObjectStore:
    return MemoryStore()


def _open_swift(host: str, path: str, settings: Settings) -> ObjectStore:
    from mezzotint.objects.swift_login import open_swift

    return open_swift(host, path, settings)


def _open_s3(host: str, path: str, settings: Settings) -> ObjectStore:
    from mezzotint.objects.s3_opening import open_s3

    return open_s3(host, path, settings)


SCHEMES = {
    "file": Scheme("file:///absolute/path", open_directory, lambda host, path: bool(path and not host), remote=False),
    "swift": Scheme("swift://container/prefix", _open_swift, lambda host, path: bool(host), remote=True),
    "s3": Scheme("s3://bucket/prefix", _open_s3, lambda host, path: bool(host), remote=True),
    "memory": Scheme("memory://", _open_memory, lambda host, path: True, remote=False),
}
_FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())


def open_store(url: str, settings: Settings, observe: Observe | None = None) -> ObjectStore:
    """The store that an address names. Nothing is asked over the network yet.

    `observe` is told of each request, repeated ones too.

    Raises InvalidInput for an address that is none, and where credentials are missing.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be {url!r}", _FORMS) from None
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not scheme.names(parts.netloc, parts.path):
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be {url!r}", _FORMS)
    store = scheme.open(unquote(parts.netloc), unquote(parts.path), settings)
    if scheme.remote:  # each single request has its time limit from the client itself
        store = Bounded(store, settings.store_connections, patience=settings.store_timeout)
    if observe is not None:
        store = Observed(store, observe)
    return Retrying(store, patience=2 * settings.store_timeout) if scheme.remote else store
