"""`mezzotint sign`."""

from __future__ import annotations

import sys
import time
from typing import Annotated
from urllib.parse import urlsplit

import typer

from mezzotint.cli.app import app
from mezzotint.errors import InvalidInput
from mezzotint.names import parse
from mezzotint.settings import Settings
from mezzotint.settings.parsing import parse_duration
from mezzotint.signatures import signer_of


@app.command()
def sign(
    names: Annotated[
        list[str],
        typer.Argument(help="Names of pictures, paths, or whole addresses; - reads them from standard input."),
    ],
    expires: Annotated[
        str | None, typer.Option(help="For how long the address is good: 15m, 12h, 7d. For ever without it.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The id of the key to sign with; the first of MEZZOTINT_SIGNING_KEYS without it.")
    ] = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print paths, without this server's address before them.")
    ] = False,
) -> None:
    """Print addresses that are signed, one a line: what MEZZOTINT_RENDITIONS=signed and MEZZOTINT_PUBLIC_READ=false
    give out to whoever shows them."""
    settings = Settings.read()
    mine, end = signer_of(settings), _end(expires)
    for name in (line.strip() for given in names for line in (sys.stdin if given == "-" else [given])):
        if name:
            print(("" if path else settings.address) + mine.sign(_address(name), end, key))


def _end(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(time.time() + parse_duration(text))
    except ValueError as error:
        raise InvalidInput("expires", f"cannot be {text!r:.40}", str(error)) from None


def _address(name: str) -> str:
    """Raises InvalidName for what is neither a path nor a name."""
    if name.startswith("/"):
        return name
    if name.startswith(("http://", "https://")):
        parts = urlsplit(name)
        return parts.path + (f"?{parts.query}" if parts.query else "")
    parse(name)
    return f"/images/{name}"
