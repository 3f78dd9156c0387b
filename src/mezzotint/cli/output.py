"""What the commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mezzotint.errors import visible

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

told = Console(stderr=True)
out = Console(width=None if sys.stdout.isatty() else 400)


def say(text: str) -> None:
    out.print(visible(text), highlight=False, soft_wrap=True)


def tell(text: str) -> None:
    told.print(visible(text), highlight=False, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """End the program, saying why."""
    told.print(f"mezzotint: {escape(visible(message))}", style="red", highlight=False, soft_wrap=True)
    raise SystemExit(2)


@contextmanager
def bytes_progress(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar that is told of bytes as they are done, and what to say beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=told) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count, shown=what: progress.update(task, advance=count, description=shown)


@contextmanager
def pages_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that is told how many pages are done and of how many, with their rate and the time that is left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=told) as progress:
        task = progress.add_task(escape(what), total=None, rate="")

        def step(done: int, of: int | None) -> None:
            progress.update(task, completed=done, total=of)
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            progress.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield step


@contextmanager
def count_progress(
    what: str, total: int | None = None, *, passing: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that is told how many are done, and of how many, where that is known."""
    spinner = SpinnerColumn() if total is None else BarColumn()
    columns = (spinner, TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=told, transient=passing, disable=passing and not told.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, of: progress.update(task, completed=done, total=of)
