"""An attempt that fails: whether it ends the member, when it is tried again, and in what words it is told."""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DataError, OperationalError

from mezzotint.composites import fetching, receiving, working
from mezzotint.composites.models import Member, Status
from mezzotint.errors import DocumentRefused, MezzotintError, RendererEnded
from tests.composites.world import World, settle
from tests.documents import anything, text_pdf

pytestmark = pytest.mark.processes


def fails(error: Exception) -> Callable[..., Any]:
    def failing(*arguments: object) -> None:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "told", "ends"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left in the scratch directory", False),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no space left in the scratch directory", False),
        (OSError(errno.EACCES, "Permission denied"), "scratch directory: Permission denied", False),
        (RendererEnded("its renderer ended"), "its renderer ended", False),
        (ZeroDivisionError("a defect"), "an error in this program; its log says more", False),
        (DocumentRefused("it is no document"), "it is no document", True),
        (
            DataError("value too long\nLINE 1: UPDATE"),
            "the database does not take what is said of it: value too long",
            True,
        ),
    ],
    ids=["full", "quota", "denied", "renderer", "defect", "document", "data"],
)
def test_what_fails_is_told_in_words(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    told: str,
    ends: bool,
) -> None:
    monkeypatch.setattr(working, "fetch", fails(error))
    member = world.work(world.accept(anything()).members.get())
    assert (member.status, member.error, member.ended, member.owner) == (Status.ERROR, told, ends, "")
    assert ends or member.due > time.time() + 30
    defect = isinstance(error, OSError | ZeroDivisionError)
    assert defect is any(f"member {member.pk}" in line for line in caplog.text.splitlines() if "ERROR" in line)


def test_a_renderer_that_ends_again_and_again_is_the_documents_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "fetch", fails(RendererEnded("its renderer ended")))
    member = world.accept(anything()).members.get()
    Member.objects.update(attempts=8)
    assert world.work(member).ended is False
    member = world.work(member)
    assert (member.ended, member.error, member.attempts) == (True, "its renderer ended", 10)


def test_a_database_that_is_away_leaves_the_member_to_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "fetch", fails(OperationalError("the database is away")))
    member = world.accept(anything()).members.get()
    with pytest.raises(OperationalError):
        world.work(member)
    member.refresh_from_db()
    assert (member.status, member.ended, member.owner != "") == (Status.FETCHING_ORIGIN, False, True)
    assert not world.left_in_scratch()


@pytest.mark.parametrize("what", ["missing", "directory"])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(world: World, tmp_path: Path, what: str) -> None:
    path = tmp_path / "report.pdf"
    if what == "directory":
        path.mkdir()
    member = world.work(receiving.add_file(str(path), "Report", "anna", owner="", lease=0.0))
    why = {"missing": "No such file or directory", "directory": "Is a directory"}[what]
    assert (member.status, member.ended) == (Status.ERROR, True)
    assert member.error == f"report.pdf cannot be read: {why}"


@pytest.mark.parametrize(("length", "size"), [(99, 5), (3, 5)], ids=["less", "more"])
def test_a_document_of_another_length_than_was_said_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch, length: int, size: int
) -> None:
    """Whatever the client lets through."""

    class Client:
        @asynccontextmanager
        async def get(self, target: object, headers: object) -> AsyncIterator[Any]:
            async def chunks() -> AsyncIterator[bytes]:
                yield b"x" * size

            yield SimpleNamespace(length=length, chunks=chunks())

        async def close(self) -> None: ...

    monkeypatch.setattr(fetching, "open_client", lambda *arguments, **options: Client())
    member = world.work(world.composite(text_pdf(1)))
    assert (member.status, member.ended) == (Status.ERROR, False)
    assert member.error == "the document could not be had from its origin"


def test_a_document_of_the_length_that_was_said_is_taken_whole(world: World, tmp_path: Path) -> None:
    data = text_pdf(2)
    path, checks = tmp_path / "copy.pdf", list[int]()
    fetching.fetch(world.document(data), path, lambda: checks.append(1))
    assert (path.read_bytes() == data, bool(checks)) == (True, True)


def test_what_the_check_raises_ends_the_fetching(world: World, tmp_path: Path) -> None:
    class Enough(MezzotintError):
        title = "Enough"

    with pytest.raises(Enough):
        fetching.fetch(world.document(text_pdf(1)), tmp_path / "copy.pdf", fails(Enough("of it")))


def test_a_file_that_is_too_large_is_refused_before_it_is_copied(world: World, tmp_path: Path) -> None:
    settle(max_upload=1000)
    (tmp_path / "large.pdf").write_bytes(b"%PDF-" + bytes(996))
    with pytest.raises(DocumentRefused, match="it is larger than 1000 bytes, MEZZOTINT_MAX_UPLOAD"):
        fetching.take(tmp_path / "large.pdf", tmp_path / "copy.pdf", fails(AssertionError()))
    assert not (tmp_path / "copy.pdf").exists()
    (tmp_path / "large.pdf").write_bytes(b"%PDF-" + bytes(995))
    fetching.take(tmp_path / "large.pdf", tmp_path / "copy.pdf", lambda: None)
    assert (tmp_path / "copy.pdf").stat().st_size == 1000
