"""A bucket of S3, and what opens it: endpoint, credentials and CA as the variables of AWS's own programs have them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.store import S3Store as Bucket

from mezzotint.errors import InvalidInput, first_line
from mezzotint.objects.s3 import S3Store
from mezzotint.settings import Settings
from mezzotint.settings.parsing import credential

_GIVEN = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_KEPT_ELSEWHERE = (
    "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
_ROOTS = "SSL_CERT_FILE"
_environment = threading.Lock()


def open_s3(bucket: str, prefix: str, settings: Settings) -> S3Store:
    """Raises InvalidInput, which names the variable."""
    given = settings.credentials
    config = {name.lower(): value for name, value in given.items() if name in _GIVEN}
    options: dict[str, Any] = {}
    elsewhere = next((name for name in _KEPT_ELSEWHERE if name in given), None)
    if elsewhere is not None and "AWS_ACCESS_KEY_ID" not in given:
        options["credential_provider"] = _kept_elsewhere(elsewhere, given, config)
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            credential(given, name, f"or one of {', '.join(_KEPT_ELSEWHERE)}")
    if address := endpoint(given):
        config["aws_endpoint_url"] = address
    try:
        return S3Store(open_bucket(bucket, config, settings, prefix=prefix.strip("/") or None, **options))
    except ValueError as error:  # a prefix that is no path
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be opened: {error}", "s3://bucket/prefix and AWS_*") from None


def endpoint(given: Mapping[str, str]) -> str | None:
    """None for Amazon's own. Raises InvalidInput."""
    name = next((name for name in _ENDPOINTS if given.get(name)), None)
    if name is None:
        return None
    try:
        parts = urlsplit(given[name])
        right = parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment)
    except ValueError:
        right = False
    if not right:
        raise InvalidInput(name, f"cannot be {given[name]!r}", "http://host:port or https://host")
    return given[name]


def open_bucket(name: str, config: dict[str, str], settings: Settings, *, tries: int = 1, **options: Any) -> Bucket:
    """One that is not AWS's own is addressed by its path. Raises ValueError, InvalidInput."""
    limit, address = timedelta(seconds=settings.store_timeout), config.get("aws_endpoint_url", "")
    if address:
        config = config | {"aws_virtual_hosted_style_request": "false"}
    with _authorities(settings.credentials.get("AWS_CA_BUNDLE")):
        return Bucket(
            name,
            config=config,  # type: ignore[arg-type]
            client_options={"timeout": limit, "connect_timeout": limit, "allow_http": address.startswith("http:")},
            retry_config={"max_retries": tries - 1, "retry_timeout": limit * tries},
            **options,
        )


@contextmanager
def _authorities(bundle: str | None) -> Iterator[None]:
    """obstore has no option for a CA of one's own: as its client is made it reads the file of `SSL_CERT_FILE`."""
    if bundle is None:
        yield
        return
    if not os.access(bundle, os.R_OK):
        raise InvalidInput("AWS_CA_BUNDLE", f"cannot be read: {bundle}", "a file of certificates in PEM")
    with _in_environment({_ROOTS: bundle}):
        yield


@contextmanager
def _in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """What libraries read there alone, meanwhile."""
    with _environment:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _kept_elsewhere(which: str, given: Mapping[str, str], config: dict[str, str]) -> Any:
    """What boto3 finds in a profile, in a container, by a token of a Kubernetes service account; renewed in time.
    `given` may come from a file of settings, and be in no environment. Raises InvalidInput."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        with _in_environment({name: value for name, value in given.items() if name.startswith("AWS_")}):
            session = boto3.Session()
            found = session.get_credentials()
            if session.region_name:
                config.setdefault("aws_region", session.region_name)
            if found is not None:
                found.get_frozen_credentials()
                return Boto3CredentialProvider(session)
        why = "no credentials were found"
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        why = first_line(error)[:200]
    raise InvalidInput(which, f"gives no credentials: {why}", "what AWS's own programs take")
