"""The command line: `mezzotint`."""

from __future__ import annotations

import sys

from mezzotint.cli import adding, caching, coverart, durability, imagecloud, nginx, serving  # noqa: F401  each adds its commands
from mezzotint.cli.app import app
from mezzotint.cli.output import fail
from mezzotint.errors import MezzotintError


def main() -> None:
    try:
        app()
    except MezzotintError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        django = sys.modules.get("django.db")  # only where a command has had to do with it
        if django is None or not isinstance(error, django.DatabaseError):
            raise
        fail(f"the database does not answer: {error}")
