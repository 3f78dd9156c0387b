"""All commands, each module adding its own to the program."""

from __future__ import annotations

from mezzotint.cli import adding, caching, composites, coverart, durability, imagecloud, nginx, serving  # noqa: F401
from mezzotint.cli.app import app, reporting_errors


def run() -> None:
    with reporting_errors():
        app()
