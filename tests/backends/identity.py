"""As much of OpenStack's Identity v3 as a password login needs, in front of a SwiftCluster.

The shapes are those of https://docs.openstack.org/api-ref/identity/v3/: version discovery, and a token with a catalog.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.backends.swift import SwiftCluster

_DOMAIN = "Default"


class Identity:
    """One user of one project. The tokens it gives are TempAuth's, so the cluster takes them."""

    username = "tester"
    password = "a pass phrase"
    project_name = "test"
    user_domain_name = project_domain_name = _DOMAIN

    def __init__(self, swift: SwiftCluster) -> None:
        """It listens, in a thread of this process, until `stop`."""
        self._swift = swift
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"identity": self}))
        self._root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.auth_url = f"{self._root}/v3"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What OpenStack's own programs and libraries read."""
        return {
            "OS_AUTH_URL": self.auth_url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_USERNAME": self.username,
            "OS_PASSWORD": self.password,
            "OS_USER_DOMAIN_NAME": self.user_domain_name,
            "OS_PROJECT_NAME": self.project_name,
            "OS_PROJECT_DOMAIN_NAME": self.project_domain_name,
            "OS_REGION_NAME": self._swift.region,
        }

    def version(self) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.auth_url}/"}]
        return {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "links": links, "media-types": []}

    def admits(self, request: Any) -> bool:
        """Whether this is a password login of our user, to our project."""
        try:
            login = request["auth"]["identity"]
            user, project = login["password"]["user"], request["auth"]["scope"]["project"]
            given = (user["name"], user["domain"]["name"], user["password"], project["name"], project["domain"]["name"])
        except (KeyError, TypeError):
            return False
        known = (self.username, _DOMAIN, self.password, self.project_name, _DOMAIN)
        return login.get("methods") == ["password"] and given == known

    def token(self) -> tuple[str, dict[str, Any]]:
        """A new login: the token, and what Identity tells about it."""
        now, domain = datetime.now(UTC), {"id": "default", "name": _DOMAIN}
        region = self._swift.region
        endpoint = {"interface": "public", "region": region, "region_id": region, "url": self._swift.storage_url}
        return self._swift.token(), {
            "methods": ["password"],
            "issued_at": _time(now),
            "expires_at": _time(now + timedelta(hours=1)),
            "user": {"id": "user", "name": self.username, "domain": domain},
            "project": {"id": "project", "name": self.project_name, "domain": domain},
            "roles": [{"id": "role", "name": "member"}],
            "catalog": [{"id": "swift", "type": "object-store", "name": "swift", "endpoints": [endpoint]}],
        }


class _Handler(BaseHTTPRequestHandler):
    identity: Identity
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        version = self.identity.version()
        if self.path.rstrip("/") == "/v3":
            self._answer(200, {"version": version})
        elif self.path == "/":
            self._answer(300, {"versions": {"values": [version]}})
        else:
            self._refuse(404, "Not Found")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v3/auth/tokens":
            return self._refuse(404, "Not Found")
        if not self.identity.admits(_parsed(body)):
            return self._refuse(401, "Unauthorized")
        try:
            token, described = self.identity.token()
        except httpx.HTTPError:
            return self._refuse(503, "Service Unavailable")
        return self._answer(201, {"token": described}, {"X-Subject-Token": token})

    def _refuse(self, status: int, title: str) -> None:
        self._answer(status, {"error": {"code": status, "title": title, "message": title}})

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        described = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self.send_response(status)
        for name, text in (described | (headers or {})).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
