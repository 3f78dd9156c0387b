"""The command line: `mezzotint`."""

from __future__ import annotations

import gc

from mezzotint.cli import adding, caching, coverart, durability, imagecloud, nginx, serving  # noqa: F401  each adds its commands
from mezzotint.cli.app import app, reporting_errors


def main() -> None:
    gc.set_threshold(20_000, 20, 20)  # imports leave no garbage; looking for it took a sixth of a start
    with reporting_errors():
        app()
