"""S3 and SQS on loopback (moto's server)."""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import boto3
import httpx

from tests import http
from tests.backends.processes import Leashed, lasting_port
from tests.waiting import until

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
_count = itertools.count(1)


@dataclass(frozen=True)
class Aws:
    """One server that keeps everything in memory. It ends with its owner, a process, if nobody stops it before."""

    port: int
    process: Leashed

    @classmethod
    def start(cls, directory: Path, owner: int | None = None) -> Self:
        directory.mkdir(parents=True, exist_ok=True)
        port = lasting_port()
        command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
        process = Leashed.start(command, owner=owner or os.getpid(), log=directory / "aws.log")
        started = cls(port, process)
        until(started._answers)
        return started

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return _CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> Any:
        session = boto3.Session("key", "secret", region_name="eu-west-1")
        return session.client(service, endpoint_url=self.url)

    def new_bucket(self) -> str:
        name = f"pages-{os.getpid()}-{next(_count)}-{uuid.uuid4().hex[:6]}"
        where = {"LocationConstraint": "eu-west-1"}
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return name

    def keys(self, bucket: str) -> dict[str, int]:
        """All keys with their sizes."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}

    def read(self, bucket: str, key: str) -> tuple[bytes, str]:
        """An object's bytes and media type."""
        found = self.client("s3").get_object(Bucket=bucket, Key=key)
        return found["Body"].read(), found["ContentType"]

    def state(self) -> dict[str, Any]:
        return {"port": self.port, "process": asdict(self.process)}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["port"], Leashed(**state["process"]))

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        try:
            return http.get(f"{self.url}/moto-api/", timeout=5).status_code < 500
        except httpx.HTTPError:
            return False
