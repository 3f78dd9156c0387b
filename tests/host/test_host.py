"""What a host remembers: facts, digests, marks, and when the machine went down."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mezzotint.errors import StorageFull
from mezzotint.host import Host
from mezzotint.host import digests as digests_module
from mezzotint.host.files import version_of


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    opened = Host(tmp_path / "host")
    yield opened
    opened.close()


@pytest.fixture
def other(host: Host, tmp_path: Path) -> Iterator[Host]:
    """Another process's."""
    opened = Host(tmp_path / "host")
    yield opened
    opened.close()


def test_facts_are_remembered_until_they_are_forgotten(host: Host, other: Host) -> None:
    host.facts.remember("a", "1")
    host.facts.remember("a", "2")
    assert (other.facts.recall("a"), other.facts.recall("b")) == ("2", None)
    other.facts.forget("a")
    other.facts.forget("a")
    assert host.facts.recall("a") is None


def test_what_is_remembered_soon_is_told_to_others_when_somebody_looks(host: Host, other: Host) -> None:
    host.facts.remember_soon("a", "1")
    assert (host.facts.recall("a"), other.facts.recall("a")) == ("1", None)
    host.look()
    assert (host.facts.recall("a"), other.facts.recall("a")) == ("1", "1")


def test_many_that_are_remembered_soon_are_told_at_once(host: Host, other: Host) -> None:
    for n in range(250):
        host.facts.remember_soon(f"{n}", f"{n}")
    assert other.facts.recall("7") == "7"
    host.facts.forget("249")
    host.look()
    assert (other.facts.recall("248"), other.facts.recall("249")) == ("248", None)


def test_what_a_full_disk_does_not_take_is_forgotten(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> bool:
        raise StorageFull("no space left")

    monkeypatch.setattr(host.database, "change", full)
    host.facts.remember_soon("a", "1")
    host.look()
    host.digests.tell("b", "1", "digest", kept=True)
    assert host.facts.recall("a") is None
    assert host.digests.known("b", "1") == "digest"


def test_what_is_remembered_soon_is_told_at_the_end(other: Host, tmp_path: Path) -> None:
    host = Host(tmp_path / "host")
    host.facts.remember_soon("a", "1")
    host.close()
    assert other.facts.recall("a") == "1"


def digest_of(host: Host, path: Path, *, kept: bool = False) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return host.digests.of_file("name", descriptor, kept=kept)
    finally:
        os.close(descriptor)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"one" * 1_000_000)
    return tmp_path / "file"


@pytest.mark.parametrize("kept", [False, True])
def test_bytes_are_hashed_once_and_again_when_they_may_have_changed(
    host: Host, other: Host, file: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()
    original = digests_module._read

    def reading(descriptor: int) -> Iterable[bytes]:
        read.append(descriptor)
        return original(descriptor)

    monkeypatch.setattr(digests_module, "_read", reading)
    for _ in range(3):
        assert digest_of(host, file, kept=kept) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(read) == 1
    host.look()
    assert digest_of(other, file, kept=kept) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(read) == (1 if kept else 2)
    read.clear()
    with file.open("r+b") as stream:
        stream.write(b"x")
    os.utime(file, (0, 0))
    for one in (host, other):
        assert digest_of(one, file, kept=kept) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(read) == 2


def test_who_wrote_the_bytes_may_tell_their_digest(host: Host, file: Path) -> None:
    host.digests.tell("name", version_of(file.stat()), "as told")
    assert digest_of(host, file) == host.digests.known("name", version_of(file.stat())) == "as told"
    host.digests.forget("name")
    assert digest_of(host, file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_version_that_nobody_knows_is_hashed_each_time(host: Host) -> None:
    given = iter([[b"a"], [b"b"]])
    seen = [host.digests.of("name", "", lambda: next(given), kept=True) for _ in range(2)]
    assert seen == [hashlib.sha256(data).hexdigest() for data in (b"a", b"b")]
    assert host.digests.known("name", "") is None


def test_what_is_remembered_of_bytes_is_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_module, "_REMEMBERED", 3)
    for n in range(10):
        host.digests.tell(f"{n}", "1", f"{n}")
    assert [n for n in range(10) if host.digests.known(f"{n}", "1")] == [7, 8, 9]


def test_what_was_written_shortly_before_the_machine_went_down_is_doubted(tmp_path: Path) -> None:
    now = time.time()
    (tmp_path / "host").mkdir()
    for name, age in (("boot-1", 900_000), ("boot-2", 5_000)):
        (tmp_path / "host" / name).touch()
        os.utime(tmp_path / "host" / name, (now - age, now - age))
    host = Host(tmp_path / "host")
    ages = {
        0: False,
        4_000: False,
        5_000 - 50: True,
        5_000 - 100: False,
        5_000: True,
        5_500: True,
        6_000: False,
        900_000: False,
    }
    assert {age: host.boots.is_doubtful(now - age) for age in ages} == ages
    host.close()


def test_on_a_machine_that_never_went_down_nothing_is_doubted(host: Host, other: Host) -> None:
    host.look()
    assert not any(other.boots.is_doubtful(time.time() - age) for age in (0, 1, 1_000))


def test_a_host_is_named_by_what_holds_its_locks(host: Host, other: Host, tmp_path: Path) -> None:
    another = Host(tmp_path / "another")
    assert host.name == other.name != another.name
    another.close()


def test_files_of_earlier_boots_go_but_the_last(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    for n in range(4):
        (tmp_path / "host" / f"boot-{n}").touch()
        os.utime(tmp_path / "host" / f"boot-{n}", (n, n))
    Host(tmp_path / "host").close()
    assert (tmp_path / "host" / "boot-3").exists()
    assert len(list((tmp_path / "host").glob("boot-*"))) == 2
