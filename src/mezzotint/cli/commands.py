"""All commands, each module adding its own to the program."""

from __future__ import annotations

from mezzotint.cli import (  # noqa: F401
    adding,
    caching,
    composites,
    coverart,
    deriving,
    durability,
    imagecloud,
    nginx,
    pyramids,
    serving,
    signing,
    spreadsheets,
    tokens,
)
from mezzotint.cli.app import app, reporting_errors


def run() -> None:
    with reporting_errors():
        app()
