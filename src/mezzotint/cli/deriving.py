"""`mezzotint derive`, `mezzotint doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mezzotint.cli.app import app, check_directories
from mezzotint.cli.output import count_progress, out, say, tell
from mezzotint.errors import InvalidInput, MezzotintError
from mezzotint.settings import Settings

if TYPE_CHECKING:
    from mezzotint.names import Ident, Rendition

_SHOWN = 20


@app.command("derive")
def derive(
    idents: Annotated[list[str] | None, typer.Argument(help="Of which bases; of all in the store without any.")] = None,
    rendition: Annotated[
        list[str] | None, typer.Option("--rendition", "-r", help="As in a name, e.g. w400.webp; may be given again.")
    ] = None,
    levels: Annotated[bool, typer.Option(help="The reduced copies that sizes of large bases are made from.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is to look at.")] = False,
) -> None:
    """Make levels and renditions ahead of who may ask for them. What is in the cache already is left as it is."""
    from mezzotint.wiring import engine

    check_directories(Settings.read())
    asked = [_rendition(text) for text in rendition or ()]
    chosen = [as_ident(text) for text in idents] if idents else list(_all())
    if dry_run:
        say(f"would look at {len(chosen):,} bases, {len(asked)} renditions of each" + (" and its levels" * levels))
        return
    manager, bases = engine().manager, engine().bases
    made, failed = 0, []
    with count_progress("derive") as progress:
        for count, ident in enumerate(chosen):
            try:
                made += manager.prepare(ident) if levels else 0
                for one in asked:
                    canonical = manager.canonical(one, bases.facts(ident))
                    made += manager.request(ident, canonical).result().made
            except MezzotintError as error:
                failed.append(f"{ident}  {error}")
            progress(count + 1, len(chosen))
    tell_failed(failed)
    say(f"{made:,} made for {len(chosen):,} bases; {len(failed)} could not be")
    if failed:
        raise typer.Exit(1)


def tell_failed(failed: list[str]) -> None:
    """What could not be made, and why."""
    for line in failed[:_SHOWN]:
        tell(f"[yellow]not made[/]  {line}")


def _rendition(text: str) -> Rendition:
    from mezzotint.names import Format
    from mezzotint.names.grammar import parse_rendition

    parsed = parse_rendition(text if text.startswith((".", "-")) else f"-{text}")
    if parsed.format is Format.AUTO:
        raise InvalidInput("rendition", "auto is what a client chooses", "a format by its name, e.g. w400.webp")
    return parsed


def as_ident(text: str) -> Ident:
    from mezzotint.names import Ident
    from mezzotint.names.ident import is_ident

    if not is_ident(text):
        raise InvalidInput("ident", f"{text!r:.80} is none", "64 lowercase hexadecimal digits")
    return Ident(text)


def _all() -> Iterator[Ident]:
    from mezzotint.names import Ident
    from mezzotint.names.ident import is_ident
    from mezzotint.names.keys import IMAGES
    from mezzotint.wiring import engine

    for info in engine().store.list(IMAGES):
        if is_ident(name := info.key[len(IMAGES) :]):
            yield Ident(name)


@app.command("doctor")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """What this installation's libraries are, and which formats it reads and writes."""
    from mezzotint.transforms import able

    accepted = Settings.read().accepted
    found = able.formats()
    if as_json:
        print(json.dumps({"libraries": able.libraries(), "formats": found, "accepted": sorted(accepted)}))
        return
    table = Table("library", "version", "for")
    for name, version in able.libraries().items():
        table.add_row(name, version, able.USES[name])
    out.print(table)
    table = Table("format", "taken in", "given out", "decoded by")
    for name, one in found.items():
        given = "yes" if one["written"] else "-"
        taken = "no: a codec is missing" if not one["read"] else "yes" if name in accepted else "switched off"
        table.add_row(name, taken, given, str(one["by"]))
    out.print(table)
    if not able.confined():
        tell("[yellow]children have a network here[/]  this kernel or machine has no filter of system calls (seccomp)")
