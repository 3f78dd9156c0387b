"""A document's pages as files, by renderers that may be killed: so many processes, each with one page at a time."""

from __future__ import annotations

import json
import logging
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mezzotint.errors import DocumentRefused, MezzotintError, RendererEnded, StorageFull
from mezzotint.host.files import FULL
from mezzotint.transforms.children.confine import ENVIRONMENT
from mezzotint.transforms.pdf.asking import PageSpec

log = logging.getLogger(__name__)
_PROGRAM = [sys.executable, "-m", "mezzotint.transforms.pdf.child"]
_BASE_MEMORY, _BYTES_A_PIXEL = 1 << 30, 10
_SLOWER = 4
"""times its seconds of CPU is what a page may take of everybody's time: the processor may be busy with others"""


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says of itself; `labels` are its pages' own numbers, or none."""

    pages: int
    title: str = ""
    author: str = ""
    subject: str = ""
    keywords: str = ""
    created: str = ""
    modified: str = ""
    language: str = ""
    labels: Sequence[str] = ()
    outline: Sequence[dict[str, Any]] = field(default=())


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as a file, which is whoever's it was given to. `passed_on`: the scan that the page is, untouched."""

    page: int
    path: Path
    width: int
    height: int
    dpi: float
    bytes: int
    gray: bool
    passed_on: bool


class Rasteriser:
    """Of one document. `seconds` of CPU is what a page may cost. Use it as a context manager."""

    def __init__(self, path: Path, asked: PageSpec, processes: int = 1, seconds: int = 300) -> None:
        self._path, self._asked, self._processes, self._seconds = path, asked, processes, seconds
        self._stopped = threading.Event()
        self._renderers: list[_Renderer] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Rasteriser:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        for one in self._renderers:
            one.close()

    def stop(self) -> None:
        """At once, from any thread."""
        self._stopped.set()
        with self._lock:
            for one in self._renderers:
                one.kill()

    def document(self) -> Document:
        """Raises DocumentRefused."""
        return Document(**self._renderer(facts=True).about)

    def pages(self, numbers: Sequence[int], directory: Path, ahead: int) -> Generator[Rendered]:
        """These pages, about in their order, as files in `directory`: no more than `ahead` of them wait to be taken.

        Raises DocumentRefused, which names the page; RendererEnded, StorageFull.
        """
        waiting: queue.Queue[Rendered | BaseException | None] = queue.Queue(max(1, ahead))
        left = iter(numbers)
        threads = [
            threading.Thread(target=self._work, args=(left, directory, waiting), name="rasterise", daemon=True)
            for _ in range(min(self._processes, len(numbers)))
        ]
        for thread in threads:
            thread.start()
        try:
            working = len(threads)
            while working:
                got = waiting.get()
                if got is None:
                    working -= 1
                elif isinstance(got, BaseException):
                    raise got
                else:
                    yield got
        finally:
            self.stop()
            while any(thread.is_alive() for thread in threads):
                with suppress(queue.Empty):
                    waiting.get(timeout=0.05)

    def _work(
        self, left: Iterator[int], directory: Path, waiting: queue.Queue[Rendered | BaseException | None]
    ) -> None:
        try:
            renderer = self._renderer()
            while not self._stopped.is_set():
                with self._lock:
                    number = next(left, None)
                if number is None:
                    break
                waiting.put(renderer.render(number, directory / f"{number}.{self._asked.format}"))
            waiting.put(None)
        except BaseException as error:
            waiting.put(error)

    def _renderer(self, *, facts: bool = False) -> _Renderer:
        """One that has the document open, and nothing to do. Raises DocumentRefused."""
        with self._lock:
            free = next((one for one in self._renderers if not one.taken), None)
            if free is not None:
                free.taken = not facts
                return free
        started = _Renderer(self._path, self._asked, self._seconds)
        with self._lock:
            self._renderers.append(started)  # first: it may have to be killed as it opens the document
            if self._stopped.is_set():
                started.kill()
        started.open(facts=facts)
        started.taken = not facts
        return started


class _Renderer:
    about: dict[str, Any]

    def __init__(self, path: Path, asked: PageSpec, seconds: int) -> None:
        self.taken, self._killed = True, False
        self._path, self._asked, self._seconds = path, asked, seconds
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(  # noqa: S603  this program's own
            _PROGRAM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        )

    def open(self, *, facts: bool) -> None:
        """Raises DocumentRefused, RendererEnded."""
        limits = {
            "memory": _BASE_MEMORY + _BYTES_A_PIXEL * self._asked.max_pixels,
            "seconds": self._seconds,
        }
        order = {"document": str(self._path), "asked": asdict(self._asked), "limits": limits, "facts": facts}
        self.about = self._told(order, "the document")

    def render(self, number: int, path: Path) -> Rendered:
        try:
            answer = self._told({"page": number, "path": str(path)}, f"page {number}")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Rendered(number, path, **answer)

    def kill(self) -> None:
        """From any thread; whoever waits for its answer finds its end."""
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """When nobody has to do with it any more."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            with suppress(OSError, ValueError):
                stream.close()  # type: ignore[union-attr]

    def _told(self, order: dict[str, Any], what: str) -> dict[str, Any]:
        """What it answers to an order. Raises DocumentRefused, StorageFull."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline() if self._answers() else None
        except (OSError, ValueError):
            line = ""
        if line is None:
            self.kill()
            raise DocumentRefused(f"{what} took longer than {self._seconds * _SLOWER} s")
        if not line:
            raise self._end(what)
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise DocumentRefused(answer["refused"] if what == "the document" else f"{what}: {answer['refused']}")
        if "failed" in answer:
            if answer["failed"] in FULL:
                raise StorageFull("no space left in the scratch directory")
            raise OSError(answer["failed"], answer["why"])
        return answer

    def _answers(self) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
            return bool(selector.select(self._seconds * _SLOWER))

    def _end(self, what: str) -> MezzotintError:
        """What its end says: of the document, or of this machine."""
        status = self._process.wait()
        if not self._killed:
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 2000))
            log.warning("a renderer ended with status %d: %s", status, self._said.read().decode(errors="replace"))
        if -status in {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP}:
            return RendererEnded(f"the renderer of {what} was killed")
        if -status == signal.SIGXCPU:
            return DocumentRefused(f"{what} took more than {self._seconds} s of a processor")
        return DocumentRefused(f"{what} broke its renderer")
