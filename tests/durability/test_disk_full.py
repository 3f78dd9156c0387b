"""No space left, at every write of what an operator and a user do: it is told, nothing is lost, and it goes on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import DatabaseError

from mezzotint.errors import MezzotintError
from mezzotint.host.generation import Generation
from mezzotint.names import Ident
from tests import pictures
from tests.conftest import run
from tests.durability.oracle import check, check_directory, look, started
from tests.durability.walk import colour
from tests.repository.adding import add_image

ROOM = 16 << 20
PAGE = 4096
LARGE = pictures.jpeg(400, 300, seed=950)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of its own, of 16 megabytes."""
    path = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """Only so many pages are left."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - left * PAGE)))
    try:
        yield
    finally:
        filler.unlink()


def upload(ident: Ident) -> None:
    from mezzotint.wiring import engine

    engine().bases.add([LARGE])


def commit(ident: Ident) -> None:
    from mezzotint.repository import services
    from mezzotint.repository.models import Image

    version = Image.objects.get(ident=ident).version
    services.at_once("ada", lambda s: services.edit_image(s, ident, version, {"description": "long " * 1900}))


def remove(ident: Ident) -> None:
    """Where it is removed already, and its base is not away yet, that is made good."""
    from mezzotint.repository import commits, services
    from mezzotint.repository.upkeep import removals

    if ident in look().images:
        services.at_once("ada", lambda session: services.remove_image(session, ident))
    removals.settle(commits.catch_up)


def change_a_user(ident: Ident) -> None:
    from django.contrib.auth.models import User

    from mezzotint.repository import commits

    if not User.objects.filter(username="eve").exists():
        User.objects.create_user("eve", first_name="x" * 100)
    commits.flush("ada")


def snapshot(ident: Ident) -> None:
    from mezzotint.repository.upkeep import checkpointing

    checkpointing.make(checkpointing.ask("ada"))


def verify(ident: Ident) -> None:
    from mezzotint.repository.upkeep import verifying

    assert not verifying.verify().damaged


def reconcile(ident: Ident) -> None:
    """Something that nobody refers to goes to the trash, and out of it."""
    from mezzotint.repository.upkeep import reconciling

    reconciling.carry_out(reconciling.plan())


DEEDS = [upload, commit, remove, change_a_user, snapshot, verify, reconcile]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_full_disk_is_told_and_loses_nothing(deed: Callable[[Ident], None], disk: Path) -> None:
    """With ever more room, until it is enough: so the disk is full at each of its writes in turn."""
    from mezzotint.repository import services
    from mezzotint.wiring import engine

    data = disk / deed.__name__
    with started(data, {"MEZZOTINT_GRACE": "0s"}):
        bases = [engine().bases.add([colour(1, 2, n)]) for n in range(3)]
        services.at_once("ada", lambda s: [add_image(s, base, {"title": "A"}) for base in bases])
        engine().bases.add([colour(9, 9, 9)])
        ident, *others = (base.ident for base in bases)
        refused = 0
        for left in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, ROOM):
            with full(disk, left):
                done = is_done(deed, ident)
                refused += not done
                for other in others:
                    assert_read(other)
            if done:
                break
        assert refused, "there was room: nothing was injected"
        assert left < ROOM, "it never goes on"
        assert not list((data / "incoming").glob(".*.part"))
        shown = set(look().images)
        assert shown == {*others} | (set() if deed is remove else {ident})
        deed(ident)
        check()


def is_done(deed: Callable[[Ident], None], ident: Ident) -> bool:
    try:
        deed(ident)
    except (MezzotintError, DatabaseError):
        return False
    return True


def assert_read(ident: Ident) -> None:
    from mezzotint.wiring import engine

    assert ident in look().images
    with engine().bases.open(ident) as reader:
        assert hashlib.sha256(b"".join(reader.chunks())).hexdigest() == ident


def test_a_command_on_a_full_disk_says_so(disk: Path) -> None:
    data, picture = disk / "commands", disk / "a.png"
    picture.write_bytes(pictures.png(seed=951))
    commands = [["verify"], ["ingest", str(picture)]]
    with started(data):
        commit_one()
    with full(disk, 0):
        for command in commands:
            done = run(data, *command)
            assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False), done.stderr
            assert "mezzotint: " in done.stderr
            assert "full" in done.stderr or "no space left" in done.stderr or "does not answer" in done.stderr
    assert run(data, *commands[-1]).returncode == 0
    check_directory(data)


def test_a_purge_on_a_full_disk_kills_nobody(disk: Path) -> None:
    """What processes share in memory is a file too, and a hole in it is written to like any."""
    path = disk / "counters" / "generation"
    counter = Generation(path)
    before = int.from_bytes(counter.now(), "little")
    with full(disk, 0):
        assert path.stat().st_blocks, "its room is not its own yet"
        counter.advance()
    assert int.from_bytes(counter.now(), "little") == before + 1
    counter.close()


def commit_one() -> None:
    from mezzotint.repository import services
    from mezzotint.wiring import engine

    base = engine().bases.add([colour(1, 1, 1)])
    services.at_once("ada", lambda session: add_image(session, base, {"title": "A"}))
