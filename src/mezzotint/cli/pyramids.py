"""`mezzotint pyramid`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mezzotint.cli.app import app, check_directories
from mezzotint.cli.deriving import as_ident, tell_failed
from mezzotint.cli.output import count_progress, say, tell
from mezzotint.errors import InvalidInput, MezzotintError
from mezzotint.settings import Settings
from mezzotint.site.prepare import django_setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mezzotint.names import Ident


@app.command("pyramid")
def pyramid(
    idents: Annotated[list[str] | None, typer.Argument(help="Of which images.")] = None,
    collection: Annotated[str | None, typer.Option(help="Of all images of the collection with this slug.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Of all images.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
) -> None:
    """Make pyramids of large images ahead of who may look at them closely.

    An image of 20 megapixels or more has one; without it the first who zooms in waits for it. What is there already is
    left as it is: stopped half-way, start it again and it goes on.
    """
    ways = sum((bool(idents), collection is not None, all_))
    if ways != 1:
        raise InvalidInput("arguments", f"say {ways} ways which images", "IDENT..., --collection SLUG or --all")
    check_directories(Settings.read())
    if idents:
        chosen = [as_ident(text) for text in idents]
    else:
        django_setup()
        from mezzotint.repository import queries
        from mezzotint.transforms.tiles import LARGE

        chosen = queries.large(LARGE, collection)
    if not make(chosen, dry_run=dry_run, told=say):
        raise typer.Exit(1)


def make(chosen: Iterable[Ident], *, dry_run: bool = False, told: Callable[[str], None] = tell) -> bool:
    """Whether all of them are there now. `told` is how it went."""
    from mezzotint.transforms import tiles
    from mezzotint.transforms.tiles import Kind
    from mezzotint.wiring import engine

    bases, pyramids = engine().bases, engine().manager.pyramids
    missing, there, small, failed = [], 0, 0, []
    for ident in chosen:
        try:
            facts = bases.facts(ident)
        except MezzotintError as error:
            failed.append(f"{ident}  {error}")
            continue
        if not tiles.is_large(facts) or not pyramids.fits(facts, Kind.JPEG):
            small += 1
        elif pyramids.has(ident, Kind.JPEG):
            there += 1
        else:
            missing.append((ident, facts))
    others = f"{there:,} are there already, {small:,} need none or have no room in the cache"
    if dry_run:
        told(f"would make {len(missing):,} pyramids; {others}")
    else:
        counts = [tiles.count(facts) for _, facts in missing]
        made, done = 0, 0
        with count_progress("pyramid") as progress:
            for (ident, facts), count in zip(missing, counts, strict=True):
                try:
                    made += pyramids.make(ident, facts, Kind.JPEG, partial(_step, progress, done, sum(counts)))
                except MezzotintError as error:
                    failed.append(f"{ident}  {error}")
                done += count
        told(f"{made:,} pyramids made; {others}; {len(failed)} could not be")
    tell_failed(failed)
    return not failed


def _step(progress: Callable[[int, int], None], before: int, all_of_them: int, made: int, of: int) -> None:
    progress(before + made, all_of_them)
