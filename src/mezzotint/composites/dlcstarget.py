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
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils import timezone

from mezzotint.composites import sealing, wording
from mezzotint.composites.bucket import Bucket
from mezzotint.composites.claims import Claim
from mezzotint.composites.dlcs import LONGEST, Dlcs, DlcsRefuses, DlcsUnavailable, NameUnknown, OutcomeUnknown
from mezzotint.composites.models import Batch, Page
from mezzotint.errors import StorageFull, StoreUnavailable
from mezzotint.transforms.pdf import FORMATS, Document, Rendered
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_PAGE_OF_OURS = re.compile(r"imager?-[0-9-]+\.(?:jpg|jpeg|png|tif|tiff|ppm)")
UNDER_WAY = 20.0
"""seconds that the DLCS may still be about a request whose answer is lost"""
_CANNOT_TELL = "?"
_GIVEN_UP = 86400.0
"""seconds after which a name that cannot be found out is given up"""
_LOOKS = (0.0, 0.5, 2.0)
"""seconds before each look"""


class DlcsTarget:
    def __init__(self, claim: Claim) -> None:
        self._claim, self._settings = claim, engine().settings
        member = claim.member
        self._asked: dict[str, Any] = member.json_data
        self._bucket = Bucket(self._settings.dlcs_bucket, self._settings)
        if self._settings.dlcs_root is None:
            raise DlcsRefuses("there is no DLCS here any more (DLCS_API_ROOT)")
        customer, authorization = member.collection.customer, sealing.opened(member.credentials)
        if not authorization:
            raise DlcsRefuses("its credentials cannot be read any more; send the request again")
        self._dlcs = Dlcs(self._settings.dlcs_root, customer, authorization)
        self._total = 0

    def begin(self, document: Document) -> None:
        self._total = document.pages
        self._bucket.origin_of("")  # or the first page would find out that it cannot be known

    def keep(self, page: Rendered) -> dict[str, Any]:
        key = self._key(page.page)
        self._bucket.put(key, page.path, FORMATS[self._settings.page_format])
        return {"key": key}

    def register(self, done: set[int]) -> None:
        batches = self._claim.member.batches.order_by("number")
        for batch in batches.exclude(state=Batch.State.SENT):
            self._settle(batch)
        newest = batches.defer("json_data").last()
        number, at = (newest.number + 1, newest.last + 1) if newest is not None else (0, 1)
        while at <= self._total:
            last = min(self._total, at + self._settings.dlcs_batch_size - 1)
            if not done.issuperset(range(at, last + 1)):
                return
            self._send(self._noted(number, at, last))
            number, at = number + 1, last + 1

    def finish(self) -> None:
        """The pages of an earlier, longer version go, and those that had other names. What cannot go stays: all that
        was asked for is done."""
        kept = set(Page.objects.filter(member=self._claim.member).values_list("key", flat=True))
        prefix = self._claim.member.place
        self._claim.own()
        self._find_names()
        try:
            found = [key for key in self._bucket.keys(f"{prefix}/") if key not in kept]
            self._bucket.delete([key for key in found if _PAGE_OF_OURS.fullmatch(key.removeprefix(f"{prefix}/"))])
        except (StoreUnavailable, StorageFull) as error:
            log.warning("member %s: pages of an earlier version may have been left: %s", self._claim.member.pk, error)

    def close(self) -> None:
        self._dlcs.close()

    def _find_names(self) -> None:
        """Of batches that were taken and did not say what they are called. Raises OutcomeUnknown, DlcsUnavailable, for
        a day."""
        for batch in self._claim.member.batches.filter(state=Batch.State.SENT, uri=""):
            try:
                self._mark(batch, Batch.State.SENT, self._taken(batch))
            except (OutcomeUnknown, DlcsUnavailable):
                if (timezone.now() - batch.created_date).total_seconds() < _GIVEN_UP:
                    raise

    def _key(self, page: int) -> str:
        padded = str(page).zfill(len(str(self._total)))
        return f"{self._claim.member.place}/image-{padded}.{self._settings.page_format}"

    def _said(self, page: int) -> dict[str, Any]:
        """What the DLCS is told of a page."""
        media_type = FORMATS[self._settings.page_format]
        origin = self._bucket.origin_of(self._key(page))
        return wording.of_page(self._asked, page) | {"mediaType": media_type, "family": "I", "origin": origin}

    def _noted(self, number: int, first: int, last: int) -> Batch:
        """Written down before it is posted, with what the DLCS says of its first image now."""
        said = [self._said(page) for page in range(first, last + 1)]
        try:
            found = self._dlcs.image(said[0]["space"], said[0]["id"])
            before = found.batch if found is not None else ""
        except (OutcomeUnknown, DlcsRefuses):  # whether it takes a batch is for the batch to find out
            before = _CANNOT_TELL
        now = timezone.now()
        with transaction.atomic():
            self._claim.own()
            return Batch.objects.create(
                member=self._claim.member,
                number=number,
                first=first,
                last=last,
                json_data={"member": said},
                before=before,
                created_date=now,
                last_updated_date=now,
            )

    def _send(self, batch: Batch) -> None:
        """Raises DlcsRefuses, DlcsUnavailable; OutcomeUnknown where even that cannot be found out now."""
        self._claim.check()
        try:
            uri = self._dlcs.post(batch.json_data["member"])
        except NameUnknown:
            self._mark(batch, Batch.State.SENT, "")  # it is there, whatever it is called
            with suppress(OutcomeUnknown, DlcsUnavailable):
                self._mark(batch, Batch.State.SENT, self._looked_up(batch))
            return
        except OutcomeUnknown as error:
            log.warning("%s: batch %d: %s", self._claim.member.pk, batch.number, error)
            self._mark(batch, Batch.State.UNKNOWN)
            self._settle(batch)
            return
        except (DlcsRefuses, DlcsUnavailable):  # nothing was done: nothing is to be found out
            batch.delete()
            raise
        self._mark(batch, Batch.State.SENT, uri)

    def _settle(self, batch: Batch) -> None:
        """Find out what became of a batch; post it where it was not taken, once nobody can be about it any more.

        Raises DlcsUnavailable until then."""
        uri = self._looked_up(batch)
        if uri:
            self._mark(batch, Batch.State.SENT, uri)
            return
        # whoever was killed as it posted would have waited for so long
        window = UNDER_WAY if batch.state == Batch.State.UNKNOWN else UNDER_WAY + LONGEST
        if (timezone.now() - batch.last_updated_date).total_seconds() < window:
            raise DlcsUnavailable("the DLCS did not say whether it has taken a batch; it is looked up again")
        self._mark(batch, Batch.State.SENDING)
        self._send(batch)

    def _looked_up(self, batch: Batch) -> str:
        """The DLCS's name of a batch that it has taken; nothing where it has not. Raises OutcomeUnknown."""
        for pause in _LOOKS:
            time.sleep(pause)
            self._claim.check()
            if uri := self._taken(batch):
                return uri
        return ""

    def _taken(self, batch: Batch) -> str:
        """The batch that the first image is of now, where that is another one than before. Raises OutcomeUnknown."""
        if batch.before == _CANNOT_TELL:
            return ""
        first = batch.json_data["member"][0]
        try:
            found = self._dlcs.image(first["space"], first["id"])
        except DlcsRefuses:
            return ""
        if found is None or found.origin != first["origin"] or found.batch == batch.before:
            return ""
        return found.batch

    def _mark(self, batch: Batch, state: Batch.State, uri: str = "") -> None:
        batch.state, batch.uri, batch.last_updated_date = state, uri, timezone.now()
        with transaction.atomic():
            self._claim.own()
            batch.save(update_fields=["state", "uri", "last_updated_date"])
