"""`mezzotint nginx-config`."""

from __future__ import annotations

import grp
import os
import pwd
import re
from pathlib import Path
from typing import Annotated

import typer

from mezzotint.cli.app import app
from mezzotint.cli.output import tell
from mezzotint.errors import InvalidInput
from mezzotint.settings import Settings

_LISTEN = re.compile(r"(?:[A-Za-z0-9.*-]+:|\[[0-9A-Fa-f:]+\]:)?(?P<port>[0-9]{1,5})|unix:/[^\s;{}\"']+")


@app.command("nginx-config")
def nginx_config(
    listen: Annotated[str, typer.Option(help="Port, or address and port, that nginx listens at.")] = "8080",
    site: Annotated[
        bool, typer.Option("--site", help="Only what goes into the `http` block of an nginx that has other sites too.")
    ] = False,
    user: Annotated[
        str | None,
        typer.Option(
            help="Who nginx's workers run as, where root starts it. Without it: whose the data is; nobody for root's."
        ),
    ] = None,
) -> None:
    """Print a configuration of nginx for this installation: `nginx -c FILE` runs it."""
    from mezzotint.cache.hits import Hits
    from mezzotint.delivery import nginx

    match = _LISTEN.fullmatch(listen)
    if match is None or not 1 <= int(match["port"] or 1) <= 65535:
        raise InvalidInput("listen", f"cannot be {listen!r:.50}", "8080, 127.0.0.1:8080, [::1]:8080 or unix:/path")
    settings = Settings.read()
    Hits(settings.nginx / "hits.log").prepare()
    if user is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+( [A-Za-z0-9_.-]+)?", user):
        raise InvalidInput("user", f"cannot be {user!r:.50}", "a user, or a user and a group")
    runs_as = user or (_owner(settings.nginx) if os.geteuid() == 0 else None)
    print(nginx.site(settings, listen) if site else nginx.whole(settings, listen, runs_as), end="")
    if user is None and os.geteuid() == 0 and settings.nginx.stat().st_uid == 0:
        tell(f"nginx's workers run as {runs_as}: what they cannot read in {settings.data} they ask Mezzotint for.")
        if settings.umask & 0o005:
            tell("They can read nothing of it: MEZZOTINT_UMASK=022 lets them, what is there wants `chmod -R o+rX`")
    if not settings.public_bytes:
        tell("reading needs a token here, so every request is shown to Mezzotint, and only files are sent by nginx")


def _owner(directory: Path) -> str | None:
    """User and group, as nginx names them, and nobody instead of root; None where the system has no name for them."""
    status = directory.stat()
    try:
        nobody = pwd.getpwnam("nobody")
        owner, group = (status.st_uid, status.st_gid) if status.st_uid else (nobody.pw_uid, nobody.pw_gid)
        return f"{pwd.getpwuid(owner).pw_name} {grp.getgrgid(group).gr_name}"
    except KeyError:
        return None
