"""`mezzotint manage roles`"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mezzotint.repository import commits, roles


class Command(BaseCommand):
    help = "Make the groups viewer, contributor, editor and admin, where they are not there."

    def handle(self, *args: Any, **options: Any) -> None:
        made = set(roles.make())
        commits.flush("roles")
        for name, (told, _) in roles.ROLES.items():
            self.stdout.write(f"{name:12} {'made' if name in made else 'is there':9} {told}")
