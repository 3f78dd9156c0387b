"""`mezzotint token`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mezzotint import tokens
from mezzotint.cli.app import app
from mezzotint.cli.output import out, say
from mezzotint.errors import InvalidInput, NotFound, visible
from mezzotint.settings import Settings

if TYPE_CHECKING:
    from mezzotint.wiring.registry import Registry

token_app = typer.Typer(no_args_is_help=True, help="Tokens for machines.")
app.add_typer(token_app, name="token")


@token_app.command("issue")
def token_issue(
    scope: Annotated[
        tokens.Scope, typer.Option(help="What it allows; each includes the ones before.")
    ] = tokens.Scope.READ,
    days: Annotated[int, typer.Option(help="How long it is valid.")] = 30,
    name: Annotated[str, typer.Option(help="Who it is for; commits are made in this name.")] = "token",
    person: Annotated[
        str | None, typer.Option(help="Whose it is: it may do what this login may, in its name; no --scope.")
    ] = None,
) -> None:
    """Print a new token. It is shown this once: the list has its name and its end."""
    if person is None:
        text, listed = _registry().issue(scope, days, name)
    else:
        if scope is not tokens.Scope.READ:
            raise InvalidInput("scope", f"cannot be {scope} with --person", "nothing: it may do what the person may")
        text, listed = _registry().issue_for(person, _joined(person), name, days)
    print(text)
    if not listed:
        say("it is good, but not in the list: the object store cannot be written to")


@token_app.command("list")
def token_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
) -> None:
    """Show the tokens that were issued and have not ended, the last to end first."""
    found = sorted(_registry().issued(), key=lambda one: -one[0].expires)
    if as_json:
        for about, revoked in found:
            print(json.dumps(asdict(about) | {"revoked": revoked}))
        return
    table = Table("name", "may", "issued", "ends", "")
    for about, revoked in found:
        moments = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (about.issued, about.expires))
        table.add_row(
            escape(visible(about.name)),
            "as the person" if about.person else about.scope,
            *moments,
            "revoked" if revoked else "",
        )
    out.print(table)


@token_app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="Whose tokens: the name that they were issued for.")],
) -> None:
    """End all tokens of a name that were issued until now, those that are in no list too. All nodes know within some
    ten seconds."""
    registry = _registry()
    count = sum(about.name == name and not revoked for about, revoked in registry.issued())
    registry.revoke(name)
    what = "1 token" if count == 1 else f"{count} tokens"
    say(f"{what} of {escape(visible(name))} in the list; all that were issued until now have ended")


def _joined(name: str) -> datetime:
    """Since when that person has a login. Raises NotFound."""
    from mezzotint.site.prepare import django_setup

    django_setup()
    from django.contrib.auth.models import User

    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise NotFound(f"there is no login {name}")
    return found.date_joined


def _registry() -> Registry:
    from mezzotint.objects.registry import open_store
    from mezzotint.wiring.registry import Registry

    settings = Settings.read()
    return Registry(
        open_store(settings.store_url, settings), settings.secret_key, settings.data / "host" / "revoked.json"
    )
