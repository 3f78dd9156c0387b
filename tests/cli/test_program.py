"""The program itself: its version, how it ends on errors, and what its smaller commands tell."""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from mezzotint import __version__
from mezzotint.cli import durability
from mezzotint.cli.app import raise_descriptors, reporting_errors
from mezzotint.errors import StorageFull
from mezzotint.imagecloud.models import CloneRequest, Job
from mezzotint.settings import Settings
from mezzotint.wiring import Engine
from tests.cli.calling import Program
from tests.conftest import environment, run
from tests.servers import rows
from tests.waiting import PATIENCE


@pytest.mark.processes
def test_the_module_is_the_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mezzotint.cli", "--version"]
    done = subprocess.run(
        command, env=environment(tmp_path / "data"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")
    assert not (tmp_path / "data").exists()


def test_ctrl_c_is_status_130(mezzotint: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**options: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(durability, "ready_database", interrupted)
    assert mezzotint("commits").status == 130
    with pytest.raises(SystemExit) as ended, reporting_errors():
        interrupted()
    assert ended.value.code == 130


def test_a_database_that_does_not_answer_is_one_sentence(mezzotint: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**options: bool) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(durability, "ready_database", fails)
    done = mezzotint("commits")
    assert (done.status, done.out) == (2, "")
    assert done.err == "mezzotint: the database does not answer: connection refused\n"


def test_an_error_of_the_program_itself_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), reporting_errors():
        _ = 1 / 0


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_as_many_files_may_be_open_as_the_system_allows(few_descriptors: int) -> None:
    allowed = 65_536 if few_descriptors == resource.RLIM_INFINITY else min(few_descriptors, 65_536)
    for _ in range(2):
        raise_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, few_descriptors)


@pytest.mark.processes
def test_what_manage_changes_and_may_not_commit_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "commits").returncode == 0
    create = ("manage", "createsuperuser", "--noinput", "--username", "erna", "--email", "e@example.org")
    made = run(data, *create, DJANGO_SUPERUSER_PASSWORD="a long enough one 9", MEZZOTINT_READ_ONLY="true")
    assert made.returncode == 2
    assert "this is in the database, and not yet durable in the store: " in made.stderr
    assert "read node" in made.stderr and "Traceback" not in made.stderr
    assert ("erna",) in rows(data, "SELECT username FROM auth_user")
    (newest,) = json.loads(run(data, "commits", "-n", "1", "--json").stdout)
    assert (newest["by"], newest["note"]) == ("setup", "changed in the database"), "the next start takes it along"


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_cleaning_that_finds_no_room_to_work_in_says_not_now(
    mezzotint: Program, keeping: Engine, monkeypatch: pytest.MonkeyPatch, handlers: None
) -> None:
    def full() -> None:
        raise StorageFull("no space left for the [index]")

    with monkeypatch.context() as patch:
        patch.setattr(keeping.cache, "flush", full)
        done = mezzotint("clean")
    assert (done.status, done.out, done.err) == (0, "", "not now  no space left for the [index]\n")


def test_a_rescan_whose_index_goes_away_meanwhile_is_not_called_complete(
    mezzotint: Program, keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescan = keeping.cache.rescan

    def goes_away(progress: Any) -> Any:
        totals = rescan(progress)
        keeping.host.database.available = False
        return totals

    monkeypatch.setattr(keeping.cache, "rescan", goes_away)
    done = mezzotint("cache", "rescan")
    assert (done.status, done.out) == (2, "")
    assert "the rescan is not complete" in done.err


@pytest.mark.parametrize("known", [True, False])
def test_nginx_runs_as_the_owner_where_the_owner_has_a_name(
    mezzotint: Program, keeping: Engine, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Settings, "read", lambda environment=None: keeping.settings)
    if not known:
        monkeypatch.setattr(pwd, "getpwuid", unknown)
    done = mezzotint("nginx-config")
    owners = [line for line in done.out.splitlines() if line.startswith("user ")]
    assert (done.status, len(owners)) == (0, known)


def test_what_a_peer_has_refused_is_named_with_its_reason(mezzotint: Program, keeping: Engine) -> None:
    urls = [f"http://a.example/{n}.jpg" for n in range(22)]
    for number, url in enumerate(urls):
        CloneRequest.objects.create(group="north", url=url, key=f"{number:064x}", reason="[401] no")
    CloneRequest.objects.filter(url=urls[0]).update(state=Job.State.DONE)
    done = mezzotint("clones")
    assert done.status == 0
    assert "north" in done.out
    told = [line for line in done.err.splitlines() if line.startswith("north  ")]
    assert len(told) == 20, "as many as one reads"
    assert all(line.endswith(": [401] no") for line in told) and urls[0] not in done.err


@pytest.mark.parametrize("name", ["MEZZOTINT_DATA", "MEZZOTINT_CACHE_DIR"])
def test_a_directory_that_is_none_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", Path("/proc/none")):
        done = run(tmp_path / "data", "cache", "status", **{name: str(wrong)})
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert str(wrong) in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://[::1/x"),
        ("MEZZOTINT_STORE", "s3://[::1/x"),
        ("MEZZOTINT_STORE", "s3://bucket/a//b"),
        ("MEZZOTINT_STORE", "s3://bucket/%00"),
    ],
)
def test_an_address_that_is_none_is_told_in_a_sentence(tmp_path: Path, name: str, value: str) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = run(tmp_path / "data", "commits", **credentials, **{name: value})
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert f"{name}: " in done.stderr
