"""Commits, checkpoints, restoring, reconciling, verifying, copying."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from mezzotint.cli.app import app, ready_database
from mezzotint.cli.output import AsJson, bytes_progress, count_progress, out, say
from mezzotint.errors import InvalidInput, NotAnImage

if TYPE_CHECKING:
    from mezzotint.repository.upkeep.reconciling import RepairPlan

_SHOWN = 20


@app.command()
def commits(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Who committed what, when."""
    ready_database(to_read=True)
    from mezzotint.repository.models import Commit

    found = Commit.objects.order_by("-seq")[:count]
    if as_json:
        from mezzotint.repository.api.serializers import CommitSerializer

        print(json.dumps(CommitSerializer(found, many=True).data))
        return
    table = Table("seq", "at", "by", "added", "edited", "removed", "collections", "note")
    for one in found:
        numbers = (f"{n:,}" if n else "" for n in (one.added, one.edited, one.removed, one.collections))
        table.add_row(str(one.seq), f"{one.at:%Y-%m-%d %H:%M:%S}", escape(one.by), *numbers, escape(one.note))
    out.print(table)


@app.command()
def snapshot(
    wait: Annotated[bool, typer.Option("--wait", help="Make it here and now, and see it done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a checkpoint made: the whole state as one object in the store.

    Without --wait the running server makes it in the background.
    """
    ready_database()
    from mezzotint.repository.upkeep import checkpointing

    asked = checkpointing.ask("snapshot")
    if wait:
        with count_progress("snapshot", 0) as progress:
            asked = checkpointing.make(asked, progress)
    if as_json:
        from mezzotint.repository.api.serializers import SnapshotSerializer

        print(json.dumps(SnapshotSerializer(asked).data))
    elif wait:
        say(f"kept commit {asked.seq} as {asked.key}, {decimal(asked.bytes or 0)}")
    else:
        say(f"asked for: {asked.pk}. The running server makes it; GET /api/snapshots/{asked.pk}/ says how it stands")


@app.command()
def restore(
    at: Annotated[int | None, typer.Option(min=1, help="As it was after this commit; without, as it is.")] = None,
) -> None:
    """Fill an empty database from the object store.

    DATABASE_URL, or MEZZOTINT_DATA, names the empty database. Restored at an earlier commit it
    is for looking at: it can be served, and nothing can be changed in it.
    """
    from mezzotint.site.prepare import django_setup

    django_setup()
    from mezzotint.repository import standing
    from mezzotint.repository.upkeep import restoring

    with count_progress("restore") as progress:
        seq = restoring.restore(at, lambda what, count: progress(count, None))
    if at is None:
        standing.compare()
    say(f"restored up to commit {seq}")


@app.command()
def reconcile(
    apply: Annotated[bool, typer.Option("--apply", help="Do what the plan says.")] = False,
    entries: Annotated[
        bool,
        typer.Option("--entries", help="With --apply: remove entries whose bytes are nowhere, by a commit."),
    ] = False,
    over_cap: Annotated[
        bool, typer.Option("--over-cap", help="Even if more than 1 % of what is there, or more than 100, do not agree.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare store and repository, and print the plan that brings them back into agreement.

    An object that no entry refers to goes to the trash once it was seen so a grace ago
    (MEZZOTINT_GRACE), and is deleted another grace later. An entry whose object is missing is
    mended from the trash, or reported: exit status 1. With --entries it is removed, and the commit can be seen by
    `mezzotint commits`; the bytes cannot be had back, what described them can until the grace is over.
    """
    ready_database()
    from mezzotint.repository.upkeep import reconciling

    with count_progress("compare") as progress:
        found = reconciling.plan(lambda count: progress(count, None))
    done = None
    if apply and not found.is_clean:
        with count_progress("reconcile") as progress:
            done = reconciling.carry_out(found, over_cap=over_cap, progress=lambda count: progress(count, None))
    removed = reconciling.remove_entries(found, "reconcile", over_cap=over_cap) if apply and entries else None
    if as_json:
        said = {"over_cap": found.over_cap, "done": asdict(done) if done else None}
        print(json.dumps(asdict(found) | said | {"commit": removed.seq if removed else None}))
    else:
        _show_plan(found)
        if done:
            say(f"done: {done.trashed} to the trash, {done.recovered} mended, {done.purged} deleted for good")
        elif not found.is_clean:
            say("nothing was changed: --apply does it")
        if removed:
            say(f"commit {removed.seq} removed {removed.removed:,} entries whose bytes are gone")
        elif found.missing.count and not apply:
            say("--apply --entries removes the entries that are missing their bytes")
    if found.missing.count > (removed.removed if removed else 0):
        raise typer.Exit(1)


def _show_plan(found: RepairPlan) -> None:
    say(f"{found.objects:,} bases, {found.entries:,} entries, {found.others:,} other objects below images/")
    table = Table("what", "how many", "for example")
    for what, one in (
        ("no entry: to the trash", found.strays),
        ("missing, and in the trash: mend", found.recoverable),
        ("in the trash, grace over: delete", found.expired),
        ("missing, and nowhere to be had", found.missing),
    ):
        table.add_row(what, f"{one.count:,}", "\n".join(one.idents[:3]))
    table.add_row("no entry, seen too short a time ago: wait", f"{found.young:,}", "")
    out.print(table)


@app.command()
def verify(
    quick: Annotated[bool, typer.Option("--quick", help="Only presence and size.")] = False,
    rate: Annotated[str, typer.Option(help="So many bytes a second at the most, e.g. 50M; 0 for no limit.")] = "0",
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew where it was stopped half-way.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read every base and hash it. Stopped half-way it goes on from there.

    What does not match its name is quarantined: nothing serves it. It is mended from the trash or
    by uploading the picture again. Exit status 1 says that something is damaged or missing.
    """
    ready_database()
    from mezzotint.repository.upkeep import verifying
    from mezzotint.settings.parsing import parse_bytes

    try:
        limit = parse_bytes(rate)
    except ValueError as error:
        raise InvalidInput("rate", f"cannot be {rate!r}", str(error)) from None
    size = verifying.total_bytes()
    with _objects_progress("verify", size) as step:
        report = verifying.quick(step) if quick else verifying.verify(limit, restart=restart, progress=step)
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        for what, idents in (
            ("damaged", report.damaged),
            ("mended", report.healed),
            ("missing", report.missing),
            ("unread", report.unread),
        ):
            for ident in idents[:_SHOWN]:
                say(f"{what}  {ident}")
            if len(idents) > _SHOWN:
                say(f"{what}  and {len(idents) - _SHOWN} more")
        say(
            f"{report.objects:,} bases, {decimal(report.bytes)}: {len(report.damaged)} damaged, "
            f"{len(report.healed)} mended, {len(report.missing)} missing, {len(report.unread)} unread"
        )
    if report.damaged or report.missing or report.unread:
        raise typer.Exit(1)


@app.command("copy-store")
def copy_store(
    source: Annotated[str, typer.Argument(help="Where from: file:///..., swift://..., s3://...")],
    target: Annotated[str, typer.Argument(help="Where to.")],
) -> None:
    """Copy a whole repository from one store to another. Begun again it goes on.

    Every object is read back; a base that is damaged at the source is not copied, and reported.
    Then set MEZZOTINT_STORE to the new place: the database stays.
    """
    from mezzotint.objects.copying import copy
    from mezzotint.objects.registry import open_store
    from mezzotint.settings import Settings

    settings = Settings.read()
    opened = open_store(source, settings), open_store(target, settings)
    with _objects_progress("copy", None) as step:
        report = copy(*opened, settings.data / "incoming", _content_type, step)
    for key in report.damaged[:_SHOWN]:
        say(f"damaged, not copied  {key}")
    say(
        f"{report.copied:,} copied, {decimal(report.bytes)}; {report.there:,} were there; {len(report.damaged)} damaged"
    )
    if report.damaged:
        raise typer.Exit(1)


def _content_type(key: str, path: Path) -> str:
    from mezzotint.names import FORMATS
    from mezzotint.names.keys import JOURNAL
    from mezzotint.transforms.sniff import HEAD, sniff

    if key.startswith(JOURNAL):
        return "application/json" if not key.endswith(".zst") else "application/zstd"
    if key.endswith(".json"):
        return "application/json"
    with open(path, "rb") as stream, suppress(NotAnImage):
        return FORMATS[sniff(stream.read(HEAD))].media_type
    return "application/octet-stream"


@contextmanager
def _objects_progress(what: str, size: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar over bytes that counts objects beside it."""
    objects = itertools.count(1)
    with bytes_progress(what, size) as advance:
        yield lambda count, done: advance(done, f"{what}, {next(objects):,} objects")
