"""`mezzotint serve`."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import uuid
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from mezzotint import __version__
from mezzotint.cli.app import app, check_directories, raise_descriptors, reporting_errors
from mezzotint.cli.output import count_progress, fail, tell
from mezzotint.errors import InvalidInput
from mezzotint.front.worker import work as run
from mezzotint.front.workers import Workers, listen
from mezzotint.host import HostLocks
from mezzotint.host.files import make_directory
from mezzotint.names.listed import read_list
from mezzotint.settings import Settings
from mezzotint.site import prepare

_TO_FINISH, _PATIENCE = 20, 3
"""seconds that requests have to end in when the server is stopped; and when somebody waits for it, by Ctrl-C"""


@app.command()
def serve(
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Be a read node: follow the store's journal, accept no write.")
    ] = False,
) -> None:
    """Set up what is missing and serve, until Ctrl-C."""
    if read_only:
        os.environ["MEZZOTINT_READ_ONLY"] = "true"
    settings = Settings.read()
    host, port = settings.bind
    _check_free(host, port)
    check_directories(settings)
    if settings.renditions == "listed":
        read_list(settings.listed_renditions)
    if settings.store_url.startswith("memory:"):
        raise InvalidInput(
            "MEZZOTINT_STORE", "cannot be memory, which one process alone sees", "a directory, Swift or S3"
        )
    raise_descriptors()
    _preload(settings)
    ready = _prepared_apart()
    tell(f"Mezzotint {__version__} at [bold]{settings.address}[/]  (Ctrl-C stops it)")
    for line in ready.told(settings):
        tell(escape(line))
    if ready.alarm:
        tell(f"[bold red]ALARM[/] {escape(ready.alarm)}")
    if ready.late:
        tell("  it is asked again until it answers; what is cached is served meanwhile")
        prepare.late = True
    raise SystemExit(_serve(settings, host, port))


def _preload(settings: Settings) -> None:
    """Import once what all workers run: they are forks of this process."""
    locks, metrics = HostLocks(settings.data / "host" / "locks"), settings.data / "metrics" / uuid.uuid4().hex
    if not settings.share_data and locks.take("serve") is None:  # held until all of its workers have ended
        fail(f"MEZZOTINT_DATA: another `mezzotint serve` runs on {settings.data} (MEZZOTINT_SHARE_DATA=true allows it)")
    for other in metrics.parent.glob("*"):  # of servers that share this data, in containers of their own perhaps
        with locks.attempt(f"metrics:{other.name}") as ended:
            if ended:
                shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)
    locks.take(f"metrics:{metrics.name}")  # held until this process and all of its workers have ended
    make_directory(metrics)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)  # it is read as its library is imported
    from mezzotint.site.preloading import preload

    preload()


def _prepared_apart() -> prepare.Ready:
    """Get ready in a process of its own: this one forks the workers, and must have nothing open then."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_prepare, args=(sender,))
    child.start()
    sender.close()
    try:
        return receiver.recv()  # type: ignore[no-any-return]
    except EOFError:
        child.join()
        status = child.exitcode or 1
        raise SystemExit(status if status > 0 else 128 - status) from None
    finally:
        child.join()
        receiver.close()


def _prepare(sender: Connection) -> None:
    with reporting_errors(), count_progress("getting ready", passing=True) as progress:
        sender.send(prepare.prepare(lambda what, count: progress(count, None)))


def _serve(settings: Settings, host: str, port: int) -> int:
    """Until Ctrl-C or SIGTERM; the exit status."""
    from mezzotint.site import server

    def work(listening: socket.socket, ready: Callable[[], None]) -> None:
        run(listening, server.Server, settings.limits, ready, settings.access_log)

    try:
        sockets = listen(host, port, settings.worker_count)
    except OSError as error:
        _fail_to_listen(host, port, error)
    return Workers(sockets, work, finish=_TO_FINISH, patience=_PATIENCE).run()


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail_to_listen(host, port, error)


def _fail_to_listen(host: str, port: int, error: OSError) -> NoReturn:
    fail(f"MEZZOTINT_BIND: cannot listen at {host}:{port}: {error.strerror}")
