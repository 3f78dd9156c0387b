"""One document from its origin to its target, page by page, each step while the others go on.

Fetch -> rasterise (processes) -> keep (threads) -> register (a thread). What is done is in the database: a page when
it is kept, a batch before it is posted and when it was. So whoever goes on where somebody else was killed repeats
nothing.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import DataError, connections, transaction
from django.db import Error as DatabaseFailure

from mezzotint import tracing
from mezzotint.composites import gauges
from mezzotint.composites.claims import Claim, Interrupted
from mezzotint.composites.dlcs import DlcsRefuses
from mezzotint.composites.dlcstarget import DlcsTarget
from mezzotint.composites.fetching import fetch, take
from mezzotint.composites.models import Batch, Page, Status, TargetKind
from mezzotint.composites.repositorytarget import RepositoryTarget
from mezzotint.composites.targets import Target
from mezzotint.errors import DocumentRefused, InvalidInput, MezzotintError, RendererEnded
from mezzotint.host.files import FULL, make_directory
from mezzotint.repository.owners import is_gone
from mezzotint.transforms.pdf import Document, PageSpec, Rasteriser, Rendered
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_PREFIX, _OWNER, _ABANDONED = "mezzotint-", "owner", 2 * 86400.0
_KILLED = 10
"""attempts after which a renderer that is killed is the document's fault, which may want more memory than there is"""


def work(claim: Claim, stop: threading.Event) -> None:
    """All of it; how it ends is in the database. Raises django.db.Error where that cannot be written."""
    member = claim.member
    tracing.request_id.set(member.collection.request)  # of this thread alone
    try:
        with tracing.span("document"), claim.kept(stop), _scratch(claim) as directory:
            try:
                _Work(claim, directory).do()
            except Exception:
                claim.check()  # what was interrupted fails in many ways
                raise
    except Interrupted:
        claim.give_back()
    except (DocumentRefused, InvalidInput, DlcsRefuses) as error:
        log.warning("member %s: %s", member.pk, error)
        claim.refuse(str(error))
    except DataError as error:
        claim.refuse(f"the database does not take what is said of it: {str(error).splitlines()[0]}")
    except DatabaseFailure:
        raise
    except RendererEnded as error:
        log.warning("member %s: %s", member.pk, error)
        (claim.refuse if member.attempts >= _KILLED else claim.fail)(str(error))
    except MezzotintError as error:
        log.warning("member %s: %s", member.pk, error)
        claim.fail(str(error), getattr(error, "retry_after", None))
    except OSError as error:
        log.exception("member %s", member.pk)
        full = error.errno in FULL
        claim.fail("no space left in the scratch directory" if full else f"scratch directory: {error.strerror}")
    except Exception:
        log.exception("member %s", member.pk)
        claim.fail("an error in this program; its log says more")


@contextmanager
def _scratch(claim: Claim) -> Iterator[Path]:
    """This claim's own directory; gone afterwards. Whose it is stands in it."""
    top = engine().settings.scratch
    make_directory(top, durable=False)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=top))
    try:
        (directory / _OWNER).write_text(claim.owner)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep_scratch() -> None:
    """Remove what killed workers have left; of other hosts' after two days."""
    for directory in engine().settings.scratch.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            owner = (directory / _OWNER).read_text() if (directory / _OWNER).exists() else ""
            old = time.time() - directory.stat().st_mtime > _ABANDONED
            if old or is_gone(owner):
                shutil.rmtree(directory, ignore_errors=True)


class _Work:
    def __init__(self, claim: Claim, directory: Path) -> None:
        self._claim, self._directory, self._settings = claim, directory, engine().settings
        self._member = claim.member
        self._pushing: dict[Future[dict[str, Any]], Rendered] = {}
        self._registering: list[Future[None]] = []
        self._done: set[int] = set()

    def do(self) -> None:
        path = self._directory / "source.pdf"
        self._claim.update(status=Status.FETCHING_ORIGIN, error="")
        self._begin_with(self._fetched(path))
        self._claim.update(status=Status.RASTERIZING)
        asked = self._asked()
        with Rasteriser(path, asked, self._settings.page_renderers) as rasteriser:
            self._claim.interrupts.append(rasteriser.stop)
            document = rasteriser.document()
            facts = {name: value for name, value in asdict(document).items() if name not in {"labels", "outline"}}
            self._claim.update(pages_total=document.pages, facts=facts)
            with closing(self._target(path)) as target:
                target.begin(document)
                self._pages(rasteriser, document, target)
                self._claim.update(status=Status.BUILDING_DLCS_REQUEST)
                target.register(self._done)
                self._claim.check()
                target.finish()
        self._claim.complete(image_count=document.pages, pages_done=document.pages)

    def _fetched(self, path: Path) -> str:
        if self._member.local:
            return take(Path(self._member.local), path, self._claim.check)
        return fetch(self._member.json_data["origin"], path, self._claim.check)

    def _asked(self) -> PageSpec:
        settings = self._settings
        return PageSpec(
            dpi=settings.page_dpi,
            fallback_dpi=settings.page_fallback_dpi,
            format=settings.page_format,
            max_length=settings.page_max_length,
            crop=settings.page_crop,
            max_pixels=min(settings.max_pixels, (2**31 - 1) // 4),
        )

    def _target(self, path: Path) -> Target:
        dlcs = self._member.target == TargetKind.DLCS
        return DlcsTarget(self._claim) if dlcs else RepositoryTarget(self._claim, path)

    def _begin_with(self, digest: str) -> None:
        """Where the origin has another document now, or pages are made otherwise, what was done before is nothing."""
        asked = asdict(self._asked())
        rendering = " ".join(str(asked[name]) for name in ("dpi", "fallback_dpi", "format", "max_length", "crop"))
        if (self._member.document, self._member.rendering) not in {("", ""), (digest, rendering)}:
            with transaction.atomic():
                self._claim.update(pages_done=0, pages_total=None, image_count=None)
                Page.objects.filter(member=self._member).delete()
                Batch.objects.filter(member=self._member).delete()
        self._claim.update(document=digest, rendering=rendering)
        self._done = set(Page.objects.filter(member=self._member).values_list("number", flat=True))

    def _pages(self, rasteriser: Rasteriser, document: Document, target: Target) -> None:
        """All that are not kept yet. No more wait on the disk than are rendered and pushed at once."""
        numbers = [number for number in range(1, document.pages + 1) if number not in self._done]
        threads, ahead = self._settings.dlcs_upload_threads, self._settings.page_renderers
        pool = ThreadPoolExecutor(threads, thread_name_prefix="keep-page")
        registrar = ThreadPoolExecutor(1, thread_name_prefix="register")
        try:
            if self._done:
                self._register(registrar, target)
            with closing(rasteriser.pages(numbers, self._directory, ahead)) as rendered:
                for page in rendered:
                    self._claim.check()
                    self._pushing[pool.submit(copy_context().run, _kept, target, page)] = page
                    self._collect(registrar, target, full=len(self._pushing) >= 2 * threads)
            while self._pushing:
                self._claim.check()
                self._collect(registrar, target, full=True)
            wait(self._registering)
            for one in self._registering:
                one.result()
        except Exception:
            pool.shutdown(cancel_futures=True)
            self._salvage()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            registrar.submit(connections.close_all)
            registrar.shutdown()

    def _collect(self, registrar: ThreadPoolExecutor, target: Target, *, full: bool) -> None:
        """Write down which pages are kept; wait for one where there are so many."""
        finished, _ = wait(self._pushing, None if full else 0, FIRST_COMPLETED)
        kept = [(one, one.result()) for one in finished]  # raises before any is taken out: others are salvaged
        if kept:
            self._write([(self._pushing.pop(one), where) for one, where in kept])
            self._register(registrar, target)
        for registered in [one for one in self._registering if one.done()]:
            self._registering.remove(registered)
            registered.result()

    def _salvage(self) -> None:
        """What was kept before something else failed need not be done again."""
        ended = [(one, page) for one, page in self._pushing.items() if not (one.cancelled() or one.exception())]
        kept = [(page, one.result()) for one, page in ended]
        if kept:
            with suppress(Interrupted, DatabaseFailure):
                self._write(kept)

    def _write(self, kept: list[tuple[Rendered, dict[str, Any]]]) -> None:
        rows = [
            Page(member=self._member, number=page.page, width=page.width, height=page.height, bytes=page.bytes, **where)
            for page, where in kept
        ]
        done = self._done | {page.page for page, _ in kept}
        first = {} if self._done else {"status": Status.PUSHING_TO_DLCS, "image_count": self._member.pages_total}
        with transaction.atomic():
            self._claim.update(pages_done=len(done), **first)
            Page.objects.bulk_create(rows)
        gauges.PAGES.inc(len(rows))
        self._done = done

    def _register(self, registrar: ThreadPoolExecutor, target: Target) -> None:
        if not self._registering:  # the next one sees what this one does not
            self._registering.append(registrar.submit(copy_context().run, target.register, set(self._done)))


def _kept(target: Target, page: Rendered) -> dict[str, Any]:
    try:
        return target.keep(page)
    finally:
        page.path.unlink(missing_ok=True)
