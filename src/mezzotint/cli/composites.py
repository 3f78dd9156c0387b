"""Documents of pages: adding them, how they stand, the worker."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mezzotint.cli.app import app, raise_descriptors, ready_database, told_to_stop
from mezzotint.cli.imagecloud import AS_JSON
from mezzotint.cli.output import fail, out, pages_progress, say, tell
from mezzotint.errors import InvalidInput

if TYPE_CHECKING:
    from mezzotint.composites.models import Member

composite_app = typer.Typer(no_args_is_help=True, help="Documents of pages (PDF) made into images.")
app.add_typer(composite_app, name="composite")
_LOOK = 0.2
ID = Annotated[str, typer.Argument(help="A member's or a collection's id.", show_default=False)]


@composite_app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A PDF.", exists=True, dir_okay=False)],
    collection: Annotated[
        str | None, typer.Option(help="Name of the collection; otherwise as the document's title, or its file, is.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Put a document into the repository: its pages as an ordered collection, in one commit.

    Stopped half-way, `serve` or `work` on this host goes on.
    """
    raise_descriptors()
    ready_database()
    from mezzotint.composites import claims, receiving
    from mezzotint.composites.models import Status
    from mezzotint.composites.repositorytarget import slug_of
    from mezzotint.composites.working import work
    from mezzotint.repository.owners import Owner

    logging.getLogger("mezzotint.composites").setLevel(logging.ERROR)  # why it was refused is said at the end
    claims.take_over()
    owner = Owner()
    name = owner.next_claim()
    member = receiving.add_file(
        str(file.absolute()), collection or file.stem, "composite", name, time.time() + claims.LEASE
    )
    with told_to_stop() as stop, pages_progress(file.name) as progress:
        worker = threading.Thread(target=_worked, args=(work, claims.Claim(member, name), stop), name="composite")
        worker.start()
        while worker.is_alive():
            progress(member.pages_done, member.pages_total)
            worker.join(_LOOK)
        progress(member.pages_done, member.pages_total)
    owner.close()
    member.refresh_from_db()
    if stop.is_set() and not member.ended:
        tell("stopped; `mezzotint serve` or `mezzotint work` on this host goes on")
        raise SystemExit(130)
    if as_json:
        print(json.dumps(_said(member)))
    elif member.status == Status.COMPLETED:
        say(f"{member.pages_done:,} pages in the collection {slug_of(member)}")
    else:
        fail(f"{file}: {member.error}")
    if member.status != Status.COMPLETED:
        raise SystemExit(2)


@composite_app.command()
def status(
    which: Annotated[str, typer.Argument(metavar="[ID]", help="A member's or a collection's id.")] = "",
    most: Annotated[int, typer.Option("--most", help="How many, the newest first.", min=1)] = 20,
    as_json: AS_JSON = False,
) -> None:
    """How documents stand."""
    ready_database(to_read=True)
    from mezzotint.composites.models import Member

    found = list(
        _named(which) if which else Member.objects.select_related("collection").order_by("-created_date")[:most]
    )
    if as_json:
        print(json.dumps([_said(member) for member in found]))
        return
    table = Table("member", "collection", "status", "pages", "tries", "error")
    for member in found:
        pages = f"{member.pages_done:,} of {'?' if member.pages_total is None else f'{member.pages_total:,}'}"
        table.add_row(
            str(member.pk), str(member.collection_id), member.status, pages, str(member.attempts), escape(member.error)
        )
    out.print(table)


@composite_app.command()
def retry(which: ID) -> None:
    """Try again now what has failed, or was cancelled. `mezzotint serve` or `work` does it."""
    ready_database()
    from mezzotint.composites import receiving

    count = receiving.retry(_named(which))
    say(f"{count:,} are tried again")
    if not count:
        raise SystemExit(1)


@composite_app.command()
def cancel(which: ID) -> None:
    """Stop working on a document. What is registered already stays so."""
    ready_database()
    from mezzotint.composites import receiving
    from mezzotint.errors import Conflict

    count = 0
    for member in _named(which):
        try:
            receiving.cancel(member)
            count += 1
        except Conflict as error:
            tell(f"[yellow]{member.pk}[/]  {escape(str(error))}")
    say(f"{count:,} were cancelled")
    if not count:
        raise SystemExit(1)


@composite_app.command("import")
def take_over(
    source: Annotated[
        str,
        typer.Argument(
            help="postgresql://... of an existing composite handler, or a file that `dumpdata common` wrote there.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken over.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Take over an existing composite handler's collections, members and batches, under their ids.

    What is here already stays as it is. Members that were under way there are to be sent again.
    """
    ready_database()
    from mezzotint.composites import importing

    with pages_progress("taking over") as progress:
        report = importing.take_over(source, dry_run=dry_run, progress=progress)
    if as_json:
        print(json.dumps(asdict(report)))
        return
    taken = f"{report.collections:,} collections, {report.members:,} members, {report.batches:,} batches"
    say(f"{taken} {'would be ' if dry_run else ''}taken over")
    say(f"{report.known:,} collections were here; {report.unfinished:,} members were under way there")


def _worked(work: Any, claim: Any, stop: threading.Event) -> None:
    from django.db import connections

    try:
        work(claim, stop)
    finally:
        connections.close_all()


def _named(which: str) -> Any:
    """The member, or the collection's members. Ends the program where there are none."""
    from mezzotint.composites.models import Member

    try:
        pk = uuid.UUID(which)
    except ValueError:
        raise InvalidInput("ID", f"cannot be {which!r}", "a UUID") from None
    members = Member.objects.select_related("collection").order_by("position")
    found = members.filter(pk=pk) if members.filter(pk=pk).exists() else members.filter(collection_id=pk)
    if not found.exists():
        fail(f"there is no member and no collection {which}")
    return found


def _said(member: Member) -> dict[str, Any]:
    from mezzotint.composites.api import member_json

    return member_json(member) | {"attempts": member.attempts}
