"""Getting ready: the database's tables, what the journal has ahead, the first person and token."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """`password` and `token` are there at the very first start only; `alarm` says what is not ready."""

    password: str | None = None
    token: str | None = None
    alarm: str | None = None


def django_setup() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")
    import django

    django.setup()


def prepare() -> Ready:
    """Bring the database up to date and to the journal's end. A database that does
    not answer is an alarm and no error: pictures are served without it."""
    django_setup()
    from django.core.management import call_command
    from django.db import DatabaseError, connections

    from mezzotint.errors import MezzotintError
    from mezzotint.repository.services import catch_up, check_store

    try:
        call_command("migrate", verbosity=0, interactive=False)
        catch_up()
        check_store()
        return _first_person()
    except DatabaseError as error:
        return Ready(alarm=f"the database does not answer ({error}); pictures are served, the rest is not")
    except MezzotintError as error:
        return Ready(
            alarm=f"the journal cannot be followed ({error}); what is shown may be old, and nothing can be committed"
        )
    finally:
        connections.close_all()


def _first_person() -> Ready:
    from django.contrib.auth.models import User

    from mezzotint import tokens
    from mezzotint.wiring import engine

    if User.objects.exists():
        return Ready()
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser("admin", password=password)
    token = tokens.issue(engine().settings.secret_key, tokens.Scope.WRITE, days=90, name="first")
    return Ready(password, token)
