"""httpx without TLS: reading the certificates of the world takes longer than most answers on loopback."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx

get = partial(httpx.get, verify=False)
post = partial(httpx.post, verify=False)
request = partial(httpx.request, verify=False)


class Client(httpx.Client):
    def __init__(self, **options: Any) -> None:
        super().__init__(verify=False, **options)


def log_in(person: httpx.Client, name: str, password: str, **options: Any) -> httpx.Response:
    """What a person who fills in the form of the login sends."""
    token = person.get("/admin/login/").cookies["csrftoken"]
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
    headers = {"referer": f"{person.base_url}/admin/login/"} | options.pop("headers", {})
    return person.post("/admin/login/", data=form, headers=headers, **options)
