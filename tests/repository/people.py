"""Who has a role, and a browser in which they are logged in."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client

from mezzotint.repository import roles

PASSWORD = "a long enough one 7"


def person(role: str | None, name: str = "eve") -> Client:
    user = User.objects.create_user(name, password=PASSWORD)
    if role is not None:
        roles.make()
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client
