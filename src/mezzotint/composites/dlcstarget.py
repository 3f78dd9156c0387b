"""Pages for a DLCS: pushed to its bucket, registered in batches, in the order of the pages.

No batch is posted twice. What is to be posted is written down before it is; where the answer is lost, the DLCS is
asked which batch the first image of it came with. It was posted if that is another one than before, and the origin is
this page's. Where the DLCS does not say which batch an image is of, it is posted again: registering an image anew does
no harm there, it is only read once more.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from mezzotint.composites import sealing, wording
from mezzotint.composites.bucket import Bucket
from mezzotint.composites.claims import Claim
from mezzotint.composites.dlcs import Dlcs, OutcomeUnknown
from mezzotint.composites.models import Batch, Page
from mezzotint.transforms.pdf import FORMATS, Document, Rendered
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_PAGE_OF_OURS = re.compile(r"imager?-[0-9-]+\.(?:jpg|jpeg|png|tif|tiff|ppm)")
UNDER_WAY, _PAUSE = 5.0, 0.5
"""seconds that a request may still be under way whose answer is lost, and between two looks"""


class DlcsTarget:
    def __init__(self, claim: Claim) -> None:
        self._claim, self._settings = claim, engine().settings
        member = claim.member
        self._asked: dict[str, Any] = member.json_data
        self._bucket = Bucket(self._settings.dlcs_bucket, self._settings)
        assert self._settings.dlcs_root is not None
        customer, authorization = member.collection.customer, sealing.opened(member.credentials)
        self._dlcs = Dlcs(self._settings.dlcs_root, customer, authorization)
        self._total = 0

    def begin(self, document: Document) -> None:
        self._total = document.pages
        self._origin = self._bucket.origin  # or the first page would find out that it cannot be known

    def keep(self, page: Rendered) -> dict[str, Any]:
        key = self._key(page.page)
        self._bucket.put(key, page.path, FORMATS[self._settings.page_format].media_type)
        return {"key": key}

    def register(self, done: set[int]) -> None:
        batches = list(self._claim.member.batches.order_by("number"))
        at = 1
        for batch in batches:
            if batch.state == Batch.State.SENDING:
                self._settle(batch)
            at += len(batch.json_data["member"])
        number = len(batches)
        while at <= self._total:
            last = min(self._total, at + self._settings.dlcs_batch_size - 1)
            if not done.issuperset(range(at, last + 1)):
                return
            self._send(self._noted(number, at, last))
            number, at = number + 1, last + 1

    def finish(self) -> None:
        """The pages of an earlier, longer version go, and those that had other names."""
        kept = set(Page.objects.filter(member=self._claim.member).values_list("key", flat=True))
        prefix = self._claim.member.place
        found = [key for key in self._bucket.keys(f"{prefix}/") if key not in kept]
        self._bucket.delete([key for key in found if _PAGE_OF_OURS.fullmatch(key.removeprefix(f"{prefix}/"))])

    def close(self) -> None:
        self._dlcs.close()

    def _key(self, page: int) -> str:
        padded = str(page).zfill(len(str(self._total)))
        return f"{self._claim.member.place}/image-{padded}.{self._settings.page_format}"

    def _said(self, page: int) -> dict[str, Any]:
        """What the DLCS is told of a page."""
        media_type = FORMATS[self._settings.page_format].media_type
        return wording.of_page(self._asked, page) | {
            "mediaType": media_type,
            "family": "I",
            "origin": self._bucket.origin_of(self._key(page)),
        }

    def _noted(self, number: int, first: int, last: int) -> Batch:
        """Written down before it is posted, with what the DLCS says of its first image now."""
        said = [self._said(page) for page in range(first, last + 1)]
        before = self._dlcs.image(said[0]["space"], said[0]["id"])
        now = timezone.now()
        with transaction.atomic():
            self._claim.own()
            return Batch.objects.create(
                member=self._claim.member,
                number=number,
                json_data={"member": said},
                before=before.batch if before is not None else "",
                created_date=now,
                last_updated_date=now,
            )

    def _send(self, batch: Batch) -> None:
        """Raises DlcsRefuses, DlcsUnavailable; OutcomeUnknown where even that cannot be found out now."""
        self._claim.check()
        try:
            uri = self._dlcs.post(batch.json_data["member"])
        except OutcomeUnknown as error:
            log.warning("%s: batch %d: %s", self._claim.member.pk, batch.number, error)
            self._settle(batch, error)
            return
        self._sent(batch, uri)

    def _settle(self, batch: Batch, why: OutcomeUnknown | None = None) -> None:
        """Find out what became of a batch, and post it where it was not taken."""
        uri = self._looked_up(batch)
        if not uri:
            self._claim.check()
            try:
                uri = self._dlcs.post(batch.json_data["member"])
            except OutcomeUnknown as error:
                Batch.objects.filter(pk=batch.pk).update(last_updated_date=timezone.now())
                uri = self._looked_up(batch)
                if not uri:
                    raise why or error from None
        self._sent(batch, uri)

    def _looked_up(self, batch: Batch) -> str:
        """The DLCS's name of a batch that it has taken; nothing where it has not, and a while has passed in which it
        may still have been about it. Raises OutcomeUnknown."""
        until = time.monotonic() + UNDER_WAY
        while True:
            uri, unknown = "", None
            try:
                uri = self._taken(batch)
            except OutcomeUnknown as error:
                unknown = error
            if uri or time.monotonic() > until:
                if unknown is not None:
                    raise unknown
                return uri
            time.sleep(_PAUSE)
            self._claim.check()

    def _taken(self, batch: Batch) -> str:
        """The batch that the first image is of now, where that is another one than before. Raises OutcomeUnknown."""
        first = batch.json_data["member"][0]
        found = self._dlcs.image(first["space"], first["id"])
        if found is None or found.origin != first["origin"] or found.batch == batch.before:
            return ""
        return found.batch

    def _sent(self, batch: Batch, uri: str) -> None:
        with transaction.atomic():
            self._claim.own()
            Batch.objects.filter(pk=batch.pk).update(uri=uri, state=Batch.State.SENT, last_updated_date=timezone.now())
