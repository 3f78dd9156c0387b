"""The command line: `mezzotint`."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from mezzotint import __version__, tokens
from mezzotint.errors import InvalidInput, MezzotintError
from mezzotint.settings import Settings
from mezzotint.site.prepare import Ready

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted image store and image server.",
)
token_app = typer.Typer(no_args_is_help=True, help="Tokens for machines.")
cache_app = typer.Typer(no_args_is_help=True, help="The cache of derivatives on this host.")
app.add_typer(token_app, name="token")
app.add_typer(cache_app, name="cache")

told = Console(stderr=True)
out = Console(width=None if sys.stdout.isatty() else 400)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def serve() -> None:
    """Set up what is missing and serve, until Ctrl-C."""
    settings = Settings.read()
    host, port = settings.bind
    _check_free(host, port)
    if settings.store_url.startswith("memory:") and settings.worker_count > 1:
        raise InvalidInput("MEZZOTINT_WORKERS", "has to be 1 with a store in memory, which no other process sees", "1")
    ready = _prepared_apart()
    address = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    told.print(f"Mezzotint {__version__} at [bold]{address}[/]  (Ctrl-C stops it)", highlight=False, soft_wrap=True)
    if ready.password:
        told.print(
            f"  admin    {address}/admin/   user: admin   password: {ready.password}", highlight=False, soft_wrap=True
        )
        told.print(f"  token    {ready.token}", highlight=False, soft_wrap=True)
        told.print(
            "  Both are shown this once. `mezzotint token issue` makes further tokens.", highlight=False, soft_wrap=True
        )
    if ready.alarm:
        told.print(f"[bold red]ALARM[/] {escape(ready.alarm)}", highlight=False, soft_wrap=True)
    _serve(settings, host, port)


def _prepared_apart() -> Ready:
    """Get ready in a process of its own: this one forks the workers, and must have nothing open then."""
    done = subprocess.run([sys.executable, "-m", "mezzotint.cli", "prepare"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return Ready(**json.loads(done.stdout))


@app.command("prepare", hidden=True)
def prepare_alone() -> None:
    """Get ready to serve, and say as JSON what there is to tell."""
    from mezzotint.site.prepare import prepare

    print(json.dumps(dataclasses.asdict(prepare())))


def _serve(settings: Settings, host: str, port: int) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops

    metrics = settings.data / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    server = Granian(
        "mezzotint.site.server:app",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=settings.worker_count,
        loop=Loops.auto,
        backlog=2048,
        workers_kill_timeout=3,
        respawn_failed_workers=True,
        http=HTTPModes.http1,
        websockets=False,
        log_access=False,
        log_level="warning",  # type: ignore[arg-type]
    )
    try:
        server.serve()
    except SystemExit:
        # Ctrl-C reaches the workers too: one that ends first is taken for one that failed.
        if not server.interrupt_signal:
            raise


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail(f"MEZZOTINT_BIND: cannot listen at {host}:{port}: {error.strerror}")


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Folders and files.", exists=True)],
    collection: Annotated[str | None, typer.Option(help="Name of the collection to put them in.")] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column `file` and any of title, description, creator, rights, source, tags, captured."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read.")] = False,
) -> None:
    """Put pictures in. Stopped half-way it can be started again and goes on.

    Exit status 1 says that some files were refused; they are listed at the end.
    """
    _prepare()
    from mezzotint.repository import ingest as work

    table = work.Table(metadata) if metadata else None
    files, others = work.find_files(paths)
    size = sum(path.stat().st_size for path, _ in files if path.exists())
    if dry_run:
        out.print(f"{len(files)} pictures, {decimal(size)}; {others} other files left out")
        return
    with _bytes_progress("ingest", size) as advance:
        report = work.ingest(files, "ingest", collection, table, advance)
    if report.refused:
        refused = Table("file", "why", title="Refused", title_justify="left")
        for refusal in report.refused:
            refused.add_row(escape(str(refusal.path)), escape(refusal.why))
        out.print(refused)
    left_out = f", {others} other files left out" if others else ""
    out.print(
        f"{report.new} new, {report.known} known, {len(report.refused)} refused{left_out}",
        highlight=False,
        soft_wrap=True,
    )
    if report.refused:
        raise typer.Exit(1)


@token_app.command("issue")
def token_issue(
    scope: Annotated[
        tokens.Scope, typer.Option(help="What it allows; each includes the ones before.")
    ] = tokens.Scope.READ,
    days: Annotated[int, typer.Option(help="How long it is valid.")] = 30,
    name: Annotated[str, typer.Option(help="Who it is for; commits are made in this name.")] = "token",
) -> None:
    """Print a new token."""
    print(tokens.issue(Settings.read().secret_key, scope, days, name))


@cache_app.command("status")
def cache_status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """How much is in the cache."""
    from mezzotint.wiring import engine

    cache = engine().cache
    totals, kinds = cache.totals(), cache.index.totals_by_kind()
    if as_json:
        by_kind = {kind: {"files": t.files, "bytes": t.bytes} for kind, t in kinds.items()}
        print(json.dumps({"files": totals.files, "bytes": totals.bytes, "max_bytes": cache.max_size, "kinds": by_kind}))
        return
    table = Table("kind", "files", "bytes")
    for kind, t in kinds.items():
        table.add_row(kind, f"{t.files:,}", f"{t.bytes:,}")
    table.add_row("all", f"{totals.files:,}", f"{totals.bytes:,}", style="bold")
    out.print(table)
    used = f" ({totals.bytes / cache.max_size:.1%})" if cache.max_size else ""
    out.print(
        f"{decimal(totals.bytes)} of {decimal(cache.max_size)}{used} in {cache.directory}",
        highlight=False,
        soft_wrap=True,
    )


@cache_app.command("clean")
def cache_clean(
    to: Annotated[str | None, typer.Option(help="Clean down to this size, e.g. 500M or 0, however full it is.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove the least recently used derivatives, where the cache is too full."""
    from mezzotint.cache import Cleaner
    from mezzotint.cache.cleaner import LOW_WATER
    from mezzotint.settings import parse_bytes
    from mezzotint.wiring import engine

    cache = engine().cache
    cleaner = Cleaner(cache)
    try:
        target = parse_bytes(to) if to is not None else int(cache.max_size * LOW_WATER)
    except ValueError as error:
        raise InvalidInput("to", f"cannot be {to!r}", str(error)) from None
    excess = max(0, cache.totals().bytes - target) if to is not None or cleaner.is_needed() else 0
    if dry_run:
        out.print(f"would remove about {decimal(excess)}", highlight=False, soft_wrap=True)
        return
    with _bytes_progress("clean", excess) as advance:
        done_bytes = 0

        def step(done: object) -> None:
            nonlocal done_bytes
            removed = getattr(done, "removed_bytes", 0)
            advance(removed - done_bytes)
            done_bytes = removed

        done = cleaner.clean_to(target, step) if excess else cleaner.clean(step)
    out.print(f"removed {done.removed_files:,} files, {decimal(done.removed_bytes)}", highlight=False, soft_wrap=True)


@cache_app.command("rescan")
def cache_rescan() -> None:
    """Make the cache's index agree with the files that are there."""
    from mezzotint.wiring import engine

    with Progress(SpinnerColumn(), TextColumn("rescan"), MofNCompleteColumn(), console=told) as progress:
        task = progress.add_task("rescan", total=None)
        totals = engine().cache.rescan(lambda count: progress.update(task, completed=count))
    out.print(f"{totals.files:,} files, {decimal(totals.bytes)}", highlight=False, soft_wrap=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def manage(context: typer.Context) -> None:
    """Django's own commands: `mezzotint manage help`."""
    from mezzotint.site.prepare import django_setup

    django_setup()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["mezzotint manage", *context.args])


def _prepare() -> None:
    from mezzotint.site.prepare import prepare

    ready = prepare()
    if ready.alarm:
        _fail(ready.alarm)
    if ready.password:
        told.print(
            f"made the user admin, password: {ready.password} (shown this once)", highlight=False, soft_wrap=True
        )


@contextmanager
def _bytes_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=told) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _fail(message: str) -> None:
    told.print(f"mezzotint: {escape(message)}", style="red", highlight=False, soft_wrap=True)
    raise SystemExit(2)


def main() -> None:
    try:
        app()
    except MezzotintError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
