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
