"""Data directories with their databases, whichever kind the tests run on, and programs that run with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.servers import environment
from tests.waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent


def program(module: str, data: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start one of this package's programs with a data directory of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.durability.{module}", *arguments],
        cwd=ROOT,
        env=environment(data, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(module: str, data: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run one to its end; returns its status, what it said, and what it complained of."""
    with program(module, data, *arguments, **variables) as process:
        said, complained = process.communicate(timeout=PATIENCE)
    return process.returncode, said, complained


def copied(source: Path, target: Path) -> Path:
    """A copy of a data directory that no process has open."""
    shutil.copytree(source, target)
    put_database(source, target)
    return target


def put_database(source: Path, target: Path) -> None:
    """The one has a copy of the other's database in its own's place."""
    if "DATABASE_URL" in os.environ:
        _make_database(target, f"TEMPLATE {_database(source)}")
        return
    lose_database(target)
    for file in source.glob("mezzotint.sqlite3*"):
        shutil.copy(file, target)


def lose_database(data: Path) -> None:
    """What stands there afterwards is what a first start finds."""
    if "DATABASE_URL" in os.environ:
        _make_database(data)
    for file in data.glob("mezzotint.sqlite3*"):
        file.unlink()


def _database(data: Path) -> str:
    return environment(data)["DATABASE_URL"].rpartition("/")[2]


def _make_database(data: Path, like: str = "") -> None:
    name = _database(data)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} {like}".encode())
