"""The command line: `mezzotint`."""

from __future__ import annotations

import gc

from mezzotint.cli import adding, caching, coverart, durability, imagecloud, nginx, serving  # noqa: F401  each adds its commands
from mezzotint.cli.app import app, errors_told


def main() -> None:
    gc.set_threshold(20_000, 20, 20)  # a sixth of a start was spent on looking for garbage among imports
    with errors_told():
        app()
