"""`mezzotint work`, `prefetch`, `clones`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mezzotint.cli.app import app, raise_descriptors, ready_database, told_to_stop
from mezzotint.cli.figures import show_figures
from mezzotint.cli.output import count_progress, fail, out, say, tell
from mezzotint.errors import InvalidInput

AS_JSON = Annotated[bool, typer.Option("--json", help="For programs.")]
_AT_ONCE = 10_000
_LOOK = 0.5
_MANY = 500
"""URLs that are worth a process more for each core"""


@app.command()
def work() -> None:
    """Work on what is queued (documents, prefetch lists, clone requests), beside `serve` or on another host, until
    Ctrl-C."""
    raise_descriptors()
    show_figures("work")
    ready_database(patient=True)
    from mezzotint.composites.worker import PageEngine
    from mezzotint.imagecloud import worker
    from mezzotint.repository import standing

    standing.check_writable()

    async def until_stopped() -> None:
        task = asyncio.create_task(worker.work())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        tell("working on what is queued  (Ctrl-C stops it)")
        with suppress(asyncio.CancelledError):
            await task

    documents = PageEngine()
    thread = threading.Thread(target=documents.run, name="composites")
    thread.start()
    try:
        asyncio.run(until_stopped())
    finally:
        documents.stop()
        thread.join()


@app.command()
def prefetch(
    file: Annotated[str, typer.Argument(help="One URL a line; - is standard input.", show_default=False)] = "",
    wait: Annotated[bool, typer.Option(help="Load them now, with a progress bar; otherwise only queue them.")] = True,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what could not be loaded before.")] = False,
    from_peers: Annotated[
        bool, typer.Option("--from-peers", help="Ask the peers of peers.json first, and the origin for the rest.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Load a list of pictures ahead of need."""
    if not file and not retry:
        raise InvalidInput("FILE", "is missing", "a file with one URL a line, or -")
    urls = read_lines(file) if file else []
    raise_descriptors()
    ready_database()
    from mezzotint.imagecloud import prefetching
    from mezzotint.imagecloud.models import PrefetchItem
    from mezzotint.repository import standing

    standing.check_writable()
    if retry:
        again = prefetching.retry(PrefetchItem.objects.all())
        tell(f"{again:,} are tried again")
    given, counts = work_through(urls, wait=wait, from_peers=from_peers)
    said = [f"{given['queued']:,} queued, {given['duplicates']:,} named twice, {given['invalid']:,} left out"]
    if counts:
        said.append(f"{counts['done']:,} loaded, {counts['dead']:,} could not be")
        if counts["waiting"]:
            said.append(f"{counts['waiting']:,} are tried again later, by `mezzotint serve` or `work`")
    end_with(given, counts, said, as_json=as_json)


@app.command()
def clones(
    retry: Annotated[bool, typer.Option("--retry", help="Try again what a peer has refused.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """What the peers are still to be sent."""
    ready_database(to_read=True)
    from django.db.models import Count

    from mezzotint.imagecloud import facts, leases
    from mezzotint.imagecloud.models import CloneRequest, Job
    from mezzotint.wiring import engine

    facts.ingest()
    if retry:
        tell(f"{leases.retry(CloneRequest.objects.all()):,} are tried again")
    none = dict.fromkeys(Job.State.values, 0)
    found: dict[str, dict[str, int]] = {peer.name: dict(none) for peer in engine().peers.all() if peer.clone}
    for group, state, count in CloneRequest.objects.order_by().values_list("group", "state").annotate(Count("id")):
        found.setdefault(group, dict(none))[state] = count
    if as_json:
        print(json.dumps(found))
        return
    table = Table("peer", *none)
    for group, states in sorted(found.items()):
        table.add_row(group, *(f"{count:,}" for count in states.values()))
    out.print(table)
    for request in CloneRequest.objects.exclude(reason="").exclude(state=Job.State.DONE)[:20]:
        tell(f"[yellow]{escape(request.group)}[/]  {escape(request.url)}: {escape(request.reason)}")


def read_lines(file: str) -> list[str]:
    from mezzotint.repository.intake.table import decoded

    try:
        lines = decoded(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def work_through(urls: list[str], *, wait: bool, from_peers: bool = False) -> tuple[dict[str, Any], dict[str, int]]:
    """Queue these and, where whoever asked is to `wait`, load them, or all that is queued where there are none; tell
    what cannot be. Returns what became of the list, and how many are in each state."""
    from mezzotint.imagecloud import prefetching
    from mezzotint.repository import standing

    standing.check_writable()
    parts = [urls[at : at + _AT_ONCE] for at in range(0, len(urls), _AT_ONCE)]
    accepted = [prefetching.enqueue(part, "command line", from_peers=from_peers) for part in parts]
    for one in accepted:
        for refused in one.refused:
            tell(f"[yellow]left out[/]  {escape(refused['url'])}: {escape(refused['detail'])}")
    given: dict[str, Any] = {
        name: sum(getattr(one, name) for one in accepted) for name in ("given", "queued", "duplicates", "invalid")
    }
    batches = [one.batch for one in accepted]
    counts = _loaded(batches) if wait else {}
    for batch in batches if counts else []:
        for dead in prefetching.dead(batch):
            tell(f"[yellow]not loaded[/]  {escape(dead['url'])}: {escape(dead['reason'])}")
    return given | {"batches": [str(batch.pk) for batch in batches]}, counts


def end_with(given: dict[str, Any], counts: dict[str, int], said: list[str], *, as_json: bool) -> None:
    """Tell what became of a list, programs or people; the exit status is 1 where not all of it is here."""
    if as_json:
        print(json.dumps(given | {"counts": counts}))
    else:
        for line in said:
            say(line)
    if counts.get("dead") or counts.get("waiting") or given["invalid"]:
        raise SystemExit(1)


def _loaded(batches: list[Any]) -> dict[str, int]:
    """Work until these batches, or all, are done or have to wait for longer; how many are in each state then."""
    from mezzotint.imagecloud import prefetching

    def counts() -> dict[str, int]:
        found = [prefetching.counts(batch) for batch in batches] if batches else [prefetching.counts()]
        return {state: sum(one[state] for one in found) for state in found[0]}

    now = counts()
    waiting = now["waiting"] + now["running"]
    more = len(os.sched_getaffinity(0)) - 1 if waiting >= _MANY else 0
    loading = count_progress("loading", sum(now.values()))
    with told_to_stop() as stop, _working(more) as worker, loading as progress:
        while worker.is_alive() and not stop.is_set() and prefetching.soon(batches):
            progress(now["done"] + now["dead"], None)
            worker.join(_LOOK)
            now = counts()
        now = counts()
        progress(now["done"] + now["dead"], None)
    if stop.is_set():
        raise KeyboardInterrupt
    return now


@contextmanager
def _working(more: int) -> Iterator[threading.Thread]:
    """A worker of this program's own, and so many more as processes, beside those that there may be: one of them
    keeps one core busy."""
    from mezzotint.imagecloud import worker

    loop = asyncio.new_event_loop()
    task = loop.create_task(worker.work())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, name="work")
    thread.start()
    command = [sys.executable, "-m", "mezzotint.cli", "work"]
    others = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(more)]
    try:
        yield thread
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.wait()
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
