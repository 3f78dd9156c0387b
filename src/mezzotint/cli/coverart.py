"""`mezzotint cover-art`."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mezzotint.cli.app import app, raise_descriptors, ready_database
from mezzotint.cli.imagecloud import AS_JSON, end_with, read_lines, work_through
from mezzotint.cli.output import count_progress, tell
from mezzotint.errors import InvalidInput, NotFound

cover_art_app = typer.Typer(no_args_is_help=True, help="Covers of the Cover Art Archive.")
app.add_typer(cover_art_app, name="cover-art")


class Sizes(StrEnum):
    ORIGINAL = "original"
    SMALL = "250"
    LARGE = "500"
    LARGEST = "1200"


@cover_art_app.command("warm")
def warm(
    file: Annotated[
        str, typer.Argument(help="An MBID of a release, or release-group/MBID, a line; - is standard input.")
    ],
    size: Annotated[
        list[Sizes] | None, typer.Option(help="Of the front, more than once if need be; all of them by default.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Load them now, with a progress bar; otherwise only queue them.")] = True,
    as_json: AS_JSON = False,
) -> None:
    """Load listings and fronts ahead of need."""
    from mezzotint.settings import Settings
    from mezzotint.sources.coverart.asking import FRONT, CoverRequest, parse_line

    upstream, urls, refused = Settings.read().cover_art_upstream, [], 0
    for line in read_lines(file):
        try:
            asked = parse_line(line)
        except (InvalidInput, NotFound) as error:
            refused += 1
            tell(f"[yellow]left out[/]  {escape(line[:100])}: {escape(str(error))}")
            continue
        sizes = [None if one is Sizes.ORIGINAL else int(one) for one in size or Sizes]
        wanted = [asked, *(CoverRequest(asked.entity, asked.mbid, FRONT, one) for one in sizes)]
        urls += [upstream + one.path for one in wanted]
    raise_descriptors()
    ready_database()
    given, done = work_through(urls, wait=wait)
    given["invalid"] += refused
    said = [f"{given['queued']:,} listings and covers queued, {given['invalid']:,} lines left out"]
    if done:
        said.append(
            f"{done['done']:,} loaded, {done['dead']:,} could not be, {done['waiting']:,} are tried again later"
        )
    end_with(given, done, said, as_json=as_json)


@cover_art_app.command("import")
def take_over(
    directory: Annotated[Path, typer.Argument(help="Of the other cache; nothing in it is changed.", file_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Take over the directory of another cover art cache."""
    if not directory.is_dir():
        raise InvalidInput("DIR", f"{directory} is no directory", "the directory of a cover art cache")
    from mezzotint.sources.coverart import importing
    from mezzotint.sources.coverart.keeping import Keeping
    from mezzotint.wiring import engine

    keeping = Keeping(engine().cache, engine().bases)
    if directory.resolve() == engine().cache.directory.resolve():
        raise InvalidInput("DIR", "is this installation's own cache", "the directory of another one")
    with count_progress("taking over") as progress:
        taken = importing.take_over(directory, keeping, lambda count: progress(count, None), really=not dry_run)
    if as_json:
        print(json.dumps(asdict(taken)))
        return
    would = "would be " if dry_run else ""
    tell(f"{taken.pictures:,} pictures and {taken.listings:,} listings {would}taken over, {taken.here:,} here already")
    tell(f"left alone: {taken.unknown:,} files whose names say nothing, {taken.refused:,} that are not what they say")
