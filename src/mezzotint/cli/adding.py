"""Putting pictures in, tokens, and Django's own commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from mezzotint.cli import pyramids
from mezzotint.cli.app import app, ready_database
from mezzotint.cli.output import AsJson, bytes_progress, fail, out, say, tell
from mezzotint.errors import MezzotintError, visible
from mezzotint.settings import Settings
from mezzotint.site.prepare import django_setup

if TYPE_CHECKING:
    from mezzotint.repository.intake.ingest import IngestReport, Refusal

_SHOWN = 50


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
    update: Annotated[
        bool, typer.Option("--update", help="Describe pictures that are known already anew, as --metadata has them.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be read, and what is wrong with the CSV.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put pictures in. Stopped half-way it can be started again and goes on.

    Rows of the CSV are found by the file's path, or by its name where only one has it. Comma, semicolon or tab;
    UTF-8, UTF-16 or Windows-1252.

    Exit status 1 says that files were refused, or rows of the CSV; they are listed at the end.
    """
    if dry_run:
        django_setup()
    else:
        ready_database()
    from mezzotint.repository.intake import ingest as work
    from mezzotint.repository.intake.table import Described
    from mezzotint.repository.intake.table import Table as Descriptions

    table = Descriptions(metadata) if metadata else None
    files, left = work.find_files(paths)
    described = table.match(files) if table else Described()
    size = sum(path.stat().st_size for path, _ in files if path.exists())
    if dry_run:
        wrong = [*described.wrong, *(why for path, _ in files for why in described.fields(path)[1])]
        report = work.IngestReport(wrong=wrong)
        if not as_json:
            say(f"{len(files)} pictures, {decimal(size)}; {len(left)} other files left out")
    else:
        tell(f"into {escape(Settings.read().store_url)}")
        with bytes_progress("ingest", size) as advance:
            report = work.ingest(files, "ingest", collection, described, advance, update=update)
    if as_json:
        print(json.dumps(_as_json(report, left)))
    else:
        _show(report, left, dry_run=dry_run)
    lacking = bool(report.idents) and Settings.read().pyramids == "ingest" and not pyramids.make(report.idents.values())
    if report.refused or report.wrong or lacking:
        raise typer.Exit(1)


def _as_json(report: IngestReport, left: list[Refusal]) -> dict[str, Any]:
    numbers = {name: getattr(report, name) for name in ("new", "known", "changed", "commits", "wrong")}
    files = {str(path): ident for path, ident in report.idents.items()}
    lists = {"refused": report.refused, "left_out": left}
    return (
        numbers
        | {"files": files}
        | {name: [{"file": str(one.path), "why": one.why} for one in some] for name, some in lists.items()}
    )


def _show(report: IngestReport, left: list[Refusal], *, dry_run: bool) -> None:
    for title, some in (("Refused", report.refused), ("Left out", left)):
        if some:
            table = Table("file", "why", title=title, title_justify="left")
            for one in some[:_SHOWN]:
                table.add_row(escape(visible(str(one.path))), escape(visible(one.why)))
            out.print(table)
            if len(some) > _SHOWN:
                say(f"and {len(some) - _SHOWN} more; --json has all of them")
    for wrong in report.wrong:
        say(escape(f"metadata: {wrong}"))
    if not dry_run:
        changed = f", {report.changed} described anew" if report.changed else ""
        left_out = f", {len(left)} other files left out" if left else ""
        say(f"{report.new} new, {report.known} known{changed}, {len(report.refused)} refused{left_out}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def manage(context: typer.Context) -> None:
    """Django's own commands: `mezzotint manage help`."""
    django_setup()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["mezzotint manage", *context.args])
    _flush()


def _flush() -> None:
    """What was changed, a password say, is durable when the command ends, where it can be."""
    from django.db import DatabaseError

    from mezzotint.repository import commits
    from mezzotint.repository.intake import capture

    try:
        if capture.pending():
            commits.flush("manage")
    except MezzotintError as error:
        fail(f"this is in the database, and not yet durable in the store: {error}")
    except DatabaseError:
        return  # there is no repository here yet
