"""`mezzotint cover-art`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from mezzotint.cli.app import app, raise_descriptors, ready_database
from mezzotint.cli.imagecloud import AS_JSON, end_with, read_lines, work_through
from mezzotint.cli.output import tell
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
