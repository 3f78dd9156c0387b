"""`mezzotint cache`."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from mezzotint.cli.app import app, check_directories, told_to_stop
from mezzotint.cli.figures import show_figures
from mezzotint.cli.output import bytes_progress, count_progress, fail, out, say, tell
from mezzotint.errors import InvalidInput, StorageFull
from mezzotint.settings import Settings

cache_app = typer.Typer(no_args_is_help=True, help="The cache of derivatives and cover art.")
app.add_typer(cache_app, name="cache")

_UNAVAILABLE = {"redis": "REDIS_URL: Redis does not answer", "sqlite": "MEZZOTINT_DATA/host is full or damaged"}


@cache_app.command("status")
def cache_status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """How much is in the cache."""
    from mezzotint.wiring import engine

    cache = engine().cache
    totals, kinds = cache.totals(), cache.index.totals_by_kind()
    if as_json:
        by_kind = {kind: {"files": t.files, "bytes": t.bytes} for kind, t in kinds.items()}
        found = {"files": totals.files, "bytes": totals.bytes, "kinds": by_kind}
        room = {"on_disk": totals.on_disk, "max_bytes": cache.max_size}
        print(json.dumps(found | room | {"index": cache.index.kind, "available": cache.index.available}))
        return
    table = Table("kind", "files", "bytes")
    for kind, t in kinds.items():
        table.add_row(kind, f"{t.files:,}", f"{t.bytes:,}")
    table.add_row("all", f"{totals.files:,}", f"{totals.bytes:,}", style="bold")
    out.print(table)
    used = f" ({totals.on_disk / cache.max_size:.1%})" if cache.max_size else ""
    say(f"{decimal(totals.on_disk)} of {decimal(cache.max_size)}{used} in {cache.directory}")
    if not cache.index.available:
        tell(f"[bold red]{_UNAVAILABLE[cache.index.kind]}[/], and these figures are of nothing")


@cache_app.command("clean")
def cache_clean(
    to: Annotated[str | None, typer.Option(help="Clean down to this size, e.g. 500M or 0, however full it is.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove the least recently used derivatives, where the cache is too full."""
    from mezzotint.cache.cleaner import LOW_WATER
    from mezzotint.settings.parsing import parse_bytes
    from mezzotint.wiring import engine

    cache, cleaner = engine().cache, engine().cleaner
    try:
        target = parse_bytes(to) if to is not None else int(cache.max_size * LOW_WATER)
    except ValueError as error:
        raise InvalidInput("to", f"cannot be {to!r}", str(error)) from None
    excess = cleaner.excess(target) if to is not None or cleaner.is_needed() else 0
    if dry_run:
        say(f"would remove about {decimal(excess)}")
        return
    with bytes_progress("clean", excess) as advance:
        done = cleaner.clean_to(target, advance) if excess else cleaner.clean(advance)
    say(f"removed {done.removed_files:,} files, {decimal(done.removed_bytes)}")


@app.command("clean")
def clean(
    loop: Annotated[
        bool, typer.Option("--loop", help="Go on, every COVER_ART_CACHE_CLEANUP_INTERVAL seconds, until Ctrl-C.")
    ] = False,
) -> None:
    """Clean the cache where it is too full: beside `serve`, or on a host of its own that has the directory."""
    check_directories(Settings.read())
    if loop:
        show_figures("clean")
    from mezzotint.cache.cleaner import FLUSH_SECONDS
    from mezzotint.wiring import engine

    cache, interval = engine().cache, engine().settings.cleanup_interval
    cleaned = -interval
    with told_to_stop() as stopped:
        if loop:
            tell(f"cleaning {cache.directory} every {interval:g} s  (Ctrl-C stops it)")
        while True:
            try:
                cache.flush()
                if cache.look():
                    cache.complete()
                if time.monotonic() - cleaned >= interval or not loop:
                    cleaned = time.monotonic()
                    done = engine().cleaner.clean()
                    if done.removed_files or not loop:
                        say(f"removed {done.removed_files:,} files, {decimal(done.removed_bytes)}")
            except StorageFull as error:
                tell(f"[yellow]not now[/]  {escape(str(error))}")
            if not loop or stopped.wait(min(interval, FLUSH_SECONDS)):
                return


@cache_app.command("rescan")
def cache_rescan() -> None:
    """Make the cache's index agree with the files that are there."""
    from mezzotint.wiring import engine

    cache = engine().cache
    cache.look()
    if not cache.index.available:
        fail(f"{_UNAVAILABLE[cache.index.kind]}, and the index is there")
    with count_progress("rescan") as progress:
        totals = cache.rescan(lambda count: progress(count, None))
    if not cache.index.available:
        fail(f"{_UNAVAILABLE[cache.index.kind]}: the rescan is not complete")
    say(f"{totals.files:,} files, {decimal(totals.bytes)}")
