"""From an address such as `swift://container/prefix` to an object store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mezzotint.errors import InvalidInput
from mezzotint.objects import Bounded, DirectoryStore, MemoryStore, ObjectStore, Retrying
from mezzotint.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Store as BucketClient

_FORMS = "file:///absolute/path, swift://container/prefix, s3://bucket/prefix or memory://"


def open_store(url: str, settings: Settings) -> ObjectStore:
    """The store that an address names. Nothing is asked over the network yet.

    Raises InvalidInput for an address that is none, and where credentials are missing.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be {url!r}", _FORMS) from None
    where = parts.netloc, unquote(parts.path)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return DirectoryStore(Path(where[1]))
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "swift" and parts.netloc:
        return _over_the_network(_swift(*where, settings), settings)
    if parts.scheme == "s3" and parts.netloc:
        return _over_the_network(_s3(*where, settings), settings)
    raise InvalidInput("MEZZOTINT_STORE", f"cannot be {url!r}", _FORMS)


def _over_the_network(store: ObjectStore, settings: Settings) -> ObjectStore:
    """What every remote store is wrapped in. Each single request has its time limit from the client itself."""
    bounded = Bounded(store, settings.store_connections, patience=settings.store_timeout)
    return Retrying(bounded)


def _swift(container: str, prefix: str, settings: Settings) -> ObjectStore:
    from mezzotint.objects.swift import SwiftStore

    login = _keystone_login if "OS_AUTH_URL" in settings.credentials else _tempauth_login
    return SwiftStore(container, prefix, login(settings), settings.store_timeout)


def _tempauth_login(settings: Settings) -> Any:
    """Version 1 authentication, as TempAuth and others have it."""
    from swiftclient.client import Connection

    instead = "or OS_AUTH_URL and what belongs to it"
    address, user, key = (_credential(settings.credentials, name, instead) for name in _TEMPAUTH)
    return lambda timeout: Connection(
        address, user, key, retries=0, starting_backoff=0, auth_version="1", timeout=timeout
    )


_TEMPAUTH = ("ST_AUTH", "ST_USER", "ST_KEY")


def _keystone_login(settings: Settings) -> Any:
    """Keystone version 3: a password or an application credential, and the catalogue's own address of Swift."""
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session
    from swiftclient.client import Connection

    given = settings.credentials
    address = given["OS_AUTH_URL"]
    if "OS_APPLICATION_CREDENTIAL_ID" in given:
        secret = _credential(given, "OS_APPLICATION_CREDENTIAL_SECRET")
        plugin: Any = v3.ApplicationCredential(
            address,
            application_credential_id=given["OS_APPLICATION_CREDENTIAL_ID"],
            application_credential_secret=secret,
        )
    else:
        for name, instead in (("OS_USERNAME", "OS_USER_ID"), ("OS_PROJECT_NAME", "OS_PROJECT_ID")):
            if not given.get(instead):
                _credential(given, name, f"or {instead}")
        plugin = v3.Password(
            address,
            username=given.get("OS_USERNAME"),
            user_id=given.get("OS_USER_ID"),
            password=_credential(given, "OS_PASSWORD"),
            user_domain_name=given.get("OS_USER_DOMAIN_NAME"),
            user_domain_id=given.get("OS_USER_DOMAIN_ID", None if "OS_USER_DOMAIN_NAME" in given else "default"),
            project_name=given.get("OS_PROJECT_NAME"),
            project_id=given.get("OS_PROJECT_ID"),
            project_domain_name=given.get("OS_PROJECT_DOMAIN_NAME"),
            project_domain_id=given.get(
                "OS_PROJECT_DOMAIN_ID", None if "OS_PROJECT_DOMAIN_NAME" in given else "default"
            ),
        )
    names = {"region_name": "OS_REGION_NAME", "endpoint_type": "OS_ENDPOINT_TYPE"}
    options = {name: given[variable] for name, variable in names.items() if variable in given}
    session = Session(auth=plugin, verify=given.get("OS_CACERT", True), timeout=settings.store_timeout)
    return lambda timeout: Connection(
        session=session,
        os_options=options,
        retries=0,
        starting_backoff=0,
        timeout=timeout,
        cacert=given.get("OS_CACERT"),
    )


def _s3(bucket: str, prefix: str, settings: Settings) -> ObjectStore:
    """Credentials, region and endpoint as AWS's own variables have them."""
    from mezzotint.objects.s3 import S3Store

    given = settings.credentials
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        _credential(given, name)
    config = {name.lower(): value for name, value in given.items() if name in _AWS}
    try:
        return S3Store(open_bucket(bucket, config, settings, prefix=prefix.strip("/") or None))
    except ValueError as error:  # a prefix that is no path, or what is no endpoint
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be opened: {error}", "s3://bucket/prefix and AWS_*") from None


def open_bucket(
    name: str, config: dict[str, str], settings: Settings, *, tries: int = 1, **options: Any
) -> BucketClient:
    """A bucket of S3; one that is not AWS's own is addressed by its path. Raises ValueError."""
    from obstore.store import S3Store

    limit, endpoint = timedelta(seconds=settings.store_timeout), config.get("aws_endpoint_url", "")
    if endpoint:
        config = config | {"aws_virtual_hosted_style_request": "false"}
    return S3Store(
        name,
        config=config,  # type: ignore[arg-type]
        client_options={"timeout": limit, "connect_timeout": limit, "allow_http": endpoint.startswith("http:")},
        retry_config={"max_retries": tries - 1, "retry_timeout": limit * tries},
        **options,
    )


_AWS = frozenset(
    {
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
    }
)  # fmt: skip


def _credential(given: Mapping[str, str], name: str, instead: str = "") -> str:
    if not given.get(name):
        wanted = f"{name} {instead}".strip()
        raise InvalidInput(name, "is not set, and a store of this kind needs it", wanted)
    return given[name]
