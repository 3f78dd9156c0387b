"""A container of Swift, and the ways to log in to it: version 1 authentication, or Keystone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from swiftclient.client import Connection

from mezzotint.objects.swift import SwiftStore
from mezzotint.settings import Settings
from mezzotint.settings.parsing import credential

_SCOPE = [f"{of}_{what}" for of in ("user", "project") for what in ("id", "domain_name", "domain_id")]


def open_swift(container: str, prefix: str, settings: Settings) -> SwiftStore:
    """Raises InvalidInput where credentials are missing."""
    given, timeout = settings.credentials, settings.store_timeout
    options = _keystone(given, timeout) if "OS_AUTH_URL" in given else _tempauth(given)
    return SwiftStore(container, prefix, partial(Connection, retries=0, starting_backoff=0, timeout=timeout, **options))


def _tempauth(given: Mapping[str, str]) -> dict[str, Any]:
    """Version 1 authentication, as TempAuth and others have it."""
    instead = "or OS_AUTH_URL and what belongs to it"
    address, user, key = (credential(given, name, instead) for name in ("ST_AUTH", "ST_USER", "ST_KEY"))
    return {"authurl": address, "user": user, "key": key, "auth_version": "1"}


def _keystone(given: Mapping[str, str], timeout: float) -> dict[str, Any]:
    """Keystone version 3: a password or an application credential, and the catalogue's own address of Swift."""
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session

    address = given["OS_AUTH_URL"]
    if "OS_APPLICATION_CREDENTIAL_ID" in given:
        plugin: Any = v3.ApplicationCredential(
            address,
            application_credential_id=given["OS_APPLICATION_CREDENTIAL_ID"],
            application_credential_secret=credential(given, "OS_APPLICATION_CREDENTIAL_SECRET"),
        )
    else:
        for name, instead in (("OS_USERNAME", "OS_USER_ID"), ("OS_PROJECT_NAME", "OS_PROJECT_ID")):
            if not given.get(instead):
                credential(given, name, f"or {instead}")
        scope: dict[str, Any] = {
            name: given.get(f"OS_{name.upper()}") for name in ("username", "project_name", *_SCOPE)
        }
        for of in ("user", "project"):
            if scope[f"{of}_domain_name"] is None and scope[f"{of}_domain_id"] is None:
                scope[f"{of}_domain_id"] = "default"
        plugin = v3.Password(address, password=credential(given, "OS_PASSWORD"), **scope)
    names = {"region_name": "OS_REGION_NAME", "endpoint_type": "OS_ENDPOINT_TYPE"}
    options = {name: given[variable] for name, variable in names.items() if variable in given}
    session = Session(auth=plugin, verify=given.get("OS_CACERT", True), timeout=timeout)
    return {"session": session, "os_options": options, "cacert": given.get("OS_CACERT")}
