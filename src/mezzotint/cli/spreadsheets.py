"""`mezzotint export`, `mezzotint describe`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mezzotint.cli.app import app, ready_database
from mezzotint.cli.output import AsJson, out, say
from mezzotint.errors import InvalidInput, visible
from mezzotint.host.files import place, sync, temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mezzotint.repository.spreadsheets.describing import Plan

_SHOWN = 20


@app.command("export")
def export(
    form: Annotated[str, typer.Option("--format", help="csv, for spreadsheets, or json.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; otherwise standard output.")] = None,
    collection: Annotated[str | None, typer.Option(help="Only the images of the collection with this slug.")] = None,
) -> None:
    """Write down what all images are said to be, a row for each. `mezzotint describe` takes the file back in."""
    ready_database(to_read=True)
    from mezzotint.repository import queries
    from mezzotint.repository.models import Image
    from mezzotint.repository.spreadsheets import exporting

    if form not in exporting.FORMS:
        raise InvalidInput("format", f"cannot be {form!r:.80}", " or ".join(exporting.FORMS))
    chosen = Image.objects.all() if collection is None else queries.collection(collection).images.all()
    pieces = exporting.lines(form, chosen)
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece.encode())
        return
    _written(output, pieces)
    say(f"{chosen.count():,} images in {escape(str(output))}")


def _written(output: Path, pieces: Iterator[str]) -> None:
    """Whole, or not at all."""
    try:
        with temporary(output.parent) as (part, stream):
            for piece in pieces:
                stream.write(piece.encode())
            sync(stream)
            place(part, output)
    except OSError as error:
        raise InvalidInput("output", f"{output} cannot be written: {error.strerror}", "a file in a folder") from None


@app.command("describe")
def describe(
    file: Annotated[Path, typer.Argument(help="CSV or JSON, as `mezzotint export` writes it.")],
    by: Annotated[str, typer.Option(help="The column by which rows are found: ident, title or source.")] = "ident",
    note: Annotated[str, typer.Option(help="Of the commit.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change, and what is wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe images anew, as a file has them: one commit of all that differs.

    A column that is not in the file changes nothing; a cell that is empty empties its field. Comma, semicolon or tab;
    UTF-8, UTF-16 or Windows-1252. With a column `version` nothing is overwritten that somebody else has changed since.

    Exit status 1 says that rows are wrong; they are listed, and left out.
    """
    ready_database(to_read=dry_run)
    from mezzotint.repository.spreadsheets import describing

    if by not in describing.BY:
        raise InvalidInput("by", f"cannot be {by!r:.80}", ", ".join(describing.BY))
    plan = describing.plan(describing.read_file(file), file.name, by)
    done = None if dry_run else describing.put_in(plan, "describe", note or f"describe {file.name}"[:200])
    if as_json:
        print(
            json.dumps(
                {
                    "edits": [asdict(one) for one in plan.edits],
                    "wrong": plan.wrong,
                    "same": plan.same,
                    "commit": done.seq if done is not None else None,
                }
            )
        )
    else:
        _show(plan, done.seq if done is not None else None, dry_run=dry_run)
    if plan.wrong:
        raise typer.Exit(1)


def _show(plan: Plan, seq: int | None, *, dry_run: bool) -> None:
    if plan.edits and dry_run:
        table = Table("image", "field", "is", "would be")
        for edit in plan.edits[:_SHOWN]:
            for name, new in edit.new.items():
                table.add_row(_short(edit.title or edit.ident), name, _short(edit.old[name]), _short(new))
        out.print(table)
        if len(plan.edits) > _SHOWN:
            say(f"and {len(plan.edits) - _SHOWN:,} more images; --json has all of them")
    for wrong in plan.wrong[:_SHOWN]:
        say(escape(visible(wrong)))
    if len(plan.wrong) > _SHOWN:
        say(f"and {len(plan.wrong) - _SHOWN:,} more that are wrong; --json has all of them")
    done = "would be" if dry_run else "are"
    commit = f" in commit {seq}" if seq is not None else ""
    say(
        f"{len(plan.edits):,} images {done} described anew{commit}, {plan.same:,} are as the file has them, "
        f"{len(plan.wrong):,} wrong"
    )


def _short(value: Any) -> str:
    text = visible(", ".join(value) if isinstance(value, list) else str(value))
    return escape(text if len(text) <= 60 else f"{text[:59]}…")
