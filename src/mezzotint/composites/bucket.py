"""The bucket that the DLCS reads pages from. Its keys are the existing composite handler's, which an object store of
ours would not take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from mezzotint.errors import StorageFull, StoreUnavailable, first_line
from mezzotint.objects.s3 import is_full
from mezzotint.objects.s3_opening import endpoint, open_bucket
from mezzotint.settings import Settings

_TRIES = 5


@dataclass(frozen=True)
class Bucket:
    """`origin` is what the DLCS is told of a page's address; `{key}` in it stands for the key."""

    name: str
    settings: Settings

    @property
    def _endpoint(self) -> str | None:
        given = self.settings.credentials
        return endpoint(given)

    @cached_property
    def _session(self) -> Any:
        import boto3  # late: it is large, and only a DLCS wants it

        return boto3.Session()

    @cached_property
    def _region(self) -> str | None:
        given = self.settings.credentials
        return given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or self._session.region_name

    @cached_property
    def _store(self) -> S3Store:
        from obstore.auth.boto3 import Boto3CredentialProvider

        config = {"aws_region": self._region or "us-east-1"}
        if self._endpoint:
            config["aws_endpoint_url"] = self._endpoint
        credentials = Boto3CredentialProvider(self._session)
        return open_bucket(self.name, config, self.settings, tries=_TRIES, credential_provider=credentials)

    @cached_property
    def origin(self) -> str:
        """Raises StoreUnavailable."""
        if self.settings.dlcs_origin:
            template = self.settings.dlcs_origin
            return template if "{key}" in template else f"{template}/{{key}}"
        if self._endpoint:
            return f"{self._endpoint.rstrip('/')}/{self.name}/{{key}}"
        location = self._location()
        host = f"s3-{location}.amazonaws.com" if location else "s3.amazonaws.com"
        return f"https://{host}/{self.name}/{{key}}"

    def origin_of(self, key: str) -> str:
        return self.origin.replace("{key}", quote(key))

    def put(self, key: str, path: Path, media_type: str) -> None:
        """Raises StorageFull, StoreUnavailable."""
        with _answering(f"{self.name} does not take {key}"):
            obstore.put(self._store, key, path, attributes={"Content-Type": media_type}, use_multipart=False)

    def keys(self, prefix: str) -> list[str]:
        """All that begin with `prefix`, which ends with a slash. Raises StoreUnavailable."""
        with _answering(f"{self.name} cannot be listed"):
            return [entry["path"] for page in obstore.list(self._store, prefix.rstrip("/")) for entry in page]

    def delete(self, keys: list[str]) -> None:
        """Raises StoreUnavailable."""
        for key in keys:
            with _answering(f"{self.name} does not delete {key}"):
                obstore.delete(self._store, key)

    def _location(self) -> str | None:
        import botocore.exceptions

        try:
            client = self._session.client("s3", endpoint_url=self._endpoint)
            return client.get_bucket_location(Bucket=self.name).get("LocationConstraint")  # type: ignore[no-any-return]
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise StoreUnavailable(f"S3 does not say where the bucket {self.name} is: {error}") from None


@contextmanager
def _answering(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (BaseError, OSError, BotoCoreError) as error:
        text = first_line(error)[:300]
        if is_full(text):
            raise StorageFull(f"{what}: {text}") from None
        raise StoreUnavailable(f"{what}: {text}") from None
