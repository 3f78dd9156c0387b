"""What composites are tested in: an origin, a bucket, a DLCS; requests, and what became of them."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mezzotint.composites import claims, receiving
from mezzotint.composites.models import Collection, Member
from mezzotint.composites.working import work
from mezzotint.repository.owners import Owner
from mezzotint.wiring import engine
from tests.backends.aws import Aws
from tests.composites.dlcs import KEY, Dlcs
from tests.documents import anything, request
from tests.origin import Origin

CUSTOMER = 99


@dataclass
class World:
    directory: Path
    aws: Aws
    dlcs: Dlcs
    origin: Origin
    bucket: str

    def variables(self, **more: str) -> dict[str, str]:
        return (
            self.aws.environment()
            | {
                "DLCS_API_ROOT": self.dlcs.root,
                "DLCS_S3_BUCKET_NAME": self.bucket,
                "SCRATCH_DIRECTORY": str(self.directory / "scratch"),
                "PDF_RASTERIZER_DPI": "36",
                "PDF_RASTERIZER_THREAD_COUNT": "2",
                "DLCS_BATCH_SIZE": "4",
                "MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8",
                "MEZZOTINT_FETCH_PORTS": "*",
            }
            | more
        )

    def document(self, data: bytes, path: str = "/a.pdf", **options: Any) -> str:
        return self.origin.picture(path, data, content_type="application/pdf", **options)

    def accept(self, *members: dict[str, Any], customer: int = CUSTOMER) -> Collection:
        return receiving.accept(customer, request(*members), KEY, "tests")

    def composite(self, data: bytes, path: str = "/a.pdf", **more: Any) -> Member:
        """A member that waits to be worked on."""
        return self.accept(anything(origin=self.document(data, path)) | more).members.get()

    def work(self, member: Member, stop: threading.Event | None = None) -> Member:
        """One attempt, now; back with how the member stands."""
        Member.objects.filter(pk=member.pk).update(due=0)
        owner = Owner()
        try:
            claim = claims.take(member.pk, owner)
            assert claim is not None, "it cannot be had"
            work(claim, stop or threading.Event())
        finally:
            owner.close()
        member.refresh_from_db()
        assert not self.left_in_scratch()
        return member

    def left_in_scratch(self) -> list[Path]:
        scratch = self.directory / "scratch"
        return list(scratch.iterdir()) if scratch.exists() else []

    def keys(self) -> list[str]:
        return sorted(self.aws.keys(self.bucket))

    def picture(self, key: str) -> Image.Image:
        return Image.open(io.BytesIO(self.aws.read(self.bucket, key)[0]))

    def registered(self) -> list[dict[str, Any]]:
        """What the DLCS has taken, batch after batch."""
        return [member for batch in self.dlcs.batches.values() for member in batch]


def settle(**values: object) -> None:
    """Set settings of the engine that is open, which is this test's own."""
    for name, value in values.items():
        object.__setattr__(engine().settings, name, value)
