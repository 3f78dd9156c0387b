"""The roles that people commonly have, as groups of Django's. An installation may change them, and make others."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

_SEE = [f"repository.view_{what}" for what in ("image", "collection")]
_PUT_IN = [f"repository.{verb}_{what}" for verb in ("add", "change") for what in ("image", "collection")]
_TAKE_AWAY = [f"repository.delete_{what}" for what in ("image", "collection")]
_COMMIT = [
    "repository.add_commit", "repository.view_commit", "repository.view_removal", "repository.view_updatesession",
    "repository.change_updatesession",
]  # fmt: skip
_RUN = ["repository", "imagecloud", "composites", "auth"]
"""apps, all of whose permissions an admin has"""

ROLES: dict[str, tuple[str, list[str]]] = {
    "viewer": ("sees all that is described, whatever its visibility", _SEE),
    "contributor": ("puts pictures into sessions and describes them; others commit", [*_SEE, *_PUT_IN]),
    "editor": ("commits, and takes away", [*_SEE, *_PUT_IN, *_TAKE_AWAY, *_COMMIT]),
    "admin": ("has every permission; the admin's pages want the flag `staff` too", _RUN),
}


def make() -> list[str]:
    """Those that are not there, with their permissions. Their names."""
    there = set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True))
    for name, (_, permissions) in ROLES.items():
        if name not in there:
            Group.objects.create(name=name).permissions.set(_named(permissions))
    return [name for name in ROLES if name not in there]


def _named(names: Iterable[str]) -> list[Permission]:
    wanted = Q()
    for name in names:
        app, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=app) & (Q(codename=codename) if codename else Q())
    return list(Permission.objects.filter(wanted))
