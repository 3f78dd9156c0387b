"""The program, for its commands to join."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape

from mezzotint import __version__
from mezzotint.cli.output import count_progress, fail, out, tell
from mezzotint.errors import InvalidInput, MezzotintError
from mezzotint.host.files import make_directory
from mezzotint.settings import Settings

_DESCRIPTORS = 65_536
_LATE = 2.0
"""seconds between two times that what is late is asked"""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted image store and image server.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None: ...


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Ends the program with one sentence, not a traceback, for errors that the user can do something about."""
    try:
        yield
    except MezzotintError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror}")
    except Exception as error:
        django = sys.modules.get("django.db")  # only where a command has had to do with it
        if django is None or not isinstance(error, django.DatabaseError):
            raise
        fail(f"the database does not answer: {error}")


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. They interrupt nothing meanwhile: a `Thread.join` that is interrupted takes
    its thread for ended (Python 3.11), and the program would end before it."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_descriptors() -> None:
    """As many open files as the system allows: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def check_directories(settings: Settings) -> None:
    """Raises InvalidInput for a local directory that cannot be written to, or made, naming the variable."""
    directories = {"MEZZOTINT_DATA": settings.data, "MEZZOTINT_CACHE_DIR": settings.cache}
    if settings.store_directory is not None and not settings.store_directory.exists():
        directories["MEZZOTINT_STORE"] = settings.store_directory  # one that is there may be read at least
    if settings.sqlite is not None and settings.sqlite.parent != settings.data:
        directories["DATABASE_URL"] = settings.sqlite.parent
    for variable, directory in directories.items():
        try:
            make_directory(directory)
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError as error:
            whose = f"a directory that the user of number {os.getuid()} may write to"
            raise InvalidInput(variable, f"cannot be {directory}: {error.strerror}", whose) from None


def _raised_meanwhile() -> str:
    """The alarm that another process has raised since all was well here; it may end by itself."""
    from django.db import DatabaseError

    from mezzotint.repository import standing

    try:
        return standing.installation().alarm
    except DatabaseError as error:
        return str(error)


def ready_database(*, to_read: bool = False, patient: bool = False) -> None:
    """Bring the database up to date and to the journal's end. Where that cannot be, end the program; or, where it is
    only `to_read`, say so; where whoever asks is `patient`, wait for what does not answer yet."""
    from mezzotint.site.prepare import prepare

    check_directories(Settings.read())
    told = ""
    while True:
        with count_progress("getting ready", passing=True) as progress:
            ready = prepare(lambda what, count: progress(count, None))
        for line in ready.told(Settings.read()):
            tell(escape(line))
        late = ready.alarm if ready.late else "" if ready.alarm or ready.pinned else _raised_meanwhile()
        if not (patient and late):
            break
        if late != told:
            told = late
            tell(f"waiting: {escape(told)}")
        time.sleep(_LATE)
    if ready.alarm and not to_read:
        fail(ready.alarm)
    if ready.alarm:
        tell(f"[bold red]ALARM[/] {escape(ready.alarm)}")
