"""Putting pictures in, tokens, and Django's own commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from mezzotint import tokens
from mezzotint.cli.app import app, ready_database
from mezzotint.cli.output import bytes_progress, fail, out, say
from mezzotint.errors import MezzotintError
from mezzotint.settings import Settings
from mezzotint.site.prepare import django_setup

token_app = typer.Typer(no_args_is_help=True, help="Tokens for machines.")
app.add_typer(token_app, name="token")


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
    if dry_run:
        django_setup()
    else:
        ready_database()
    from mezzotint.repository.intake import ingest as work

    table = work.Table(metadata) if metadata else None
    files, others = work.find_files(paths)
    size = sum(path.stat().st_size for path, _ in files if path.exists())
    if dry_run:
        out.print(f"{len(files)} pictures, {decimal(size)}; {others} other files left out")
        return
    with bytes_progress("ingest", size) as advance:
        report = work.ingest(files, "ingest", collection, table, advance)
    if report.refused:
        refused = Table("file", "why", title="Refused", title_justify="left")
        for refusal in report.refused:
            refused.add_row(escape(str(refusal.path)), escape(refusal.why))
        out.print(refused)
    left_out = f", {others} other files left out" if others else ""
    say(f"{report.new} new, {report.known} known, {len(report.refused)} refused{left_out}")
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
