"""A container of Swift, and the ways to log in to it: version 1 authentication, or Keystone."""

from __future__ import annotations

from typing import Any

from mezzotint.objects.swift import SwiftStore
from mezzotint.settings import Settings
from mezzotint.settings.parsing import credential

_TEMPAUTH = ("ST_AUTH", "ST_USER", "ST_KEY")


def open_swift(container: str, prefix: str, settings: Settings) -> SwiftStore:
    """Raises InvalidInput where credentials are missing."""
    login = _keystone_login if "OS_AUTH_URL" in settings.credentials else _tempauth_login
    return SwiftStore(container, prefix, login(settings), settings.store_timeout)


def _tempauth_login(settings: Settings) -> Any:
    """Version 1 authentication, as TempAuth and others have it."""
    from swiftclient.client import Connection

    instead = "or OS_AUTH_URL and what belongs to it"
    address, user, key = (credential(settings.credentials, name, instead) for name in _TEMPAUTH)
    return lambda timeout: Connection(
        address, user, key, retries=0, starting_backoff=0, auth_version="1", timeout=timeout
    )


def _keystone_login(settings: Settings) -> Any:
    """Keystone version 3: a password or an application credential, and the catalogue's own address of Swift."""
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session
    from swiftclient.client import Connection

    given = settings.credentials
    address = given["OS_AUTH_URL"]
    if "OS_APPLICATION_CREDENTIAL_ID" in given:
        secret = credential(given, "OS_APPLICATION_CREDENTIAL_SECRET")
        plugin: Any = v3.ApplicationCredential(
            address,
            application_credential_id=given["OS_APPLICATION_CREDENTIAL_ID"],
            application_credential_secret=secret,
        )
    else:
        for name, instead in (("OS_USERNAME", "OS_USER_ID"), ("OS_PROJECT_NAME", "OS_PROJECT_ID")):
            if not given.get(instead):
                credential(given, name, f"or {instead}")
        plugin = v3.Password(
            address,
            username=given.get("OS_USERNAME"),
            user_id=given.get("OS_USER_ID"),
            password=credential(given, "OS_PASSWORD"),
            user_domain_name=given.get("OS_USER_DOMAIN_NAME"),
            user_domain_id=given.get("OS_USER_DOMAIN_ID", None if "OS_USER_DOMAIN_NAME" in given else "default"),
            project_name=given.get("OS_PROJECT_NAME"),
            project_id=given.get("OS_PROJECT_ID"),
            project_domain_name=given.get("OS_PROJECT_DOMAIN_NAME"),
            project_domain_id=given.get(
                "OS_PROJECT_DOMAIN_ID", None if "OS_PROJECT_DOMAIN_NAME" in given else "default"
            ),
        )
    names = {"region_name": "OS_REGION_NAME", "endpoint_type": "OS_ENDPOINT_TYPE"}
    options = {name: given[variable] for name, variable in names.items() if variable in given}
    session = Session(auth=plugin, verify=given.get("OS_CACERT", True), timeout=settings.store_timeout)
    return lambda timeout: Connection(
        session=session,
        os_options=options,
        retries=0,
        starting_backoff=0,
        timeout=timeout,
        cacert=given.get("OS_CACERT"),
    )
