"""The REST interface as its own schema describes it: whatever is sent, no 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests import pictures
from tests.conftest import Server

schemathesis.openapi.media_type("application/offset+octet-stream", st.binary(max_size=100))
OPERATIONS = [
    ("get", "/alternative_clouds"),
    ("delete", "/delete_image"),
    ("post", "/delete_image"),
    ("post", "/fire_and_forget"),
    ("get", "/fire_and_forget/batches/{id}"),
    ("get", "/api/collections/"),
    ("post", "/api/collections/"),
    ("get", "/api/collections/{slug}/"),
    ("patch", "/api/collections/{slug}/"),
    ("delete", "/api/collections/{slug}/"),
    ("get", "/api/collections/{slug}/history/"),
    ("patch", "/api/collections/{slug}/members/"),
    ("get", "/api/commits/"),
    ("post", "/api/commits/{seq}/undo/"),
    ("get", "/api/export/"),
    ("get", "/api/images/"),
    ("post", "/api/images/"),
    ("patch", "/api/images/"),
    ("get", "/api/images/{ident}/"),
    ("get", "/api/images/{ident}/history/"),
    ("patch", "/api/images/{ident}/"),
    ("delete", "/api/images/{ident}/"),
    ("get", "/api/removals/"),
    ("post", "/api/removals/{ident}/restore/"),
    ("get", "/api/snapshots/"),
    ("post", "/api/snapshots/"),
    ("get", "/api/snapshots/{id}/"),
    ("post", "/api/sessions/{id}/uploads/"),
    ("patch", "/api/sessions/{id}/uploads/{upload}/"),
    ("delete", "/api/sessions/{id}/uploads/{upload}/"),
    ("get", "/api/sessions/"),
    ("post", "/api/sessions/"),
    ("get", "/api/sessions/{id}/"),
    ("delete", "/api/sessions/{id}/"),
    ("put", "/api/sessions/{id}/collections/{slug}/"),
    ("delete", "/api/sessions/{id}/collections/{slug}/"),
    ("patch", "/api/sessions/{id}/collections/{slug}/members/"),
    ("post", "/api/sessions/{id}/commit/"),
    ("post", "/api/sessions/{id}/images/"),
    ("patch", "/api/sessions/{id}/images/"),
    ("patch", "/api/sessions/{id}/images/{ident}/"),
    ("delete", "/api/sessions/{id}/images/{ident}/"),
    ("get", "/api/status/"),
]
EXAMPLES = 25


@pytest.fixture(scope="module")
def schema(server: Server) -> Any:
    answer = server.http.get("/api/schema/", headers={"accept": "application/json"})
    return schemathesis.openapi.from_dict(answer.raise_for_status().json())


@pytest.fixture(scope="module")
def there(server: Server) -> Iterator[dict[str, Any]]:
    """Something to change that is there."""
    ident = server.upload(pictures.png(seed=950), title="There", collection="There")
    session = server.writer.post("/api/sessions/", json={}).json()["id"]
    about = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    begun = server.writer.post(f"/api/sessions/{session}/uploads/", headers=about).headers["location"]
    upload = begun.rstrip("/").rpartition("/")[2]
    yield {"ident": ident, "slug": "there", "id": session, "pk": session, "upload": upload, "seq": 1}
    server.writer.delete(f"/api/sessions/{session}/")


def test_the_schema_names_every_operation(server: Server) -> None:
    described = server.http.get("/api/schema/", headers={"accept": "application/json"}).json()
    found = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert {(method, path) for method, path in found} == set(OPERATIONS)
    assert server.http.get("/api/docs/").status_code == 200


CASES = [(method, path, real) for method, path in OPERATIONS for real in (False, True) if "{" in path or not real]


@pytest.mark.parametrize(
    ("method", "path", "real"), CASES, ids=[f"{m} {p} {'there' if real else 'any'}" for m, p, real in CASES]
)
def test_nothing_that_is_sent_is_a_server_error(
    server: Server, schema: Any, there: dict[str, Any], method: str, path: str, real: bool
) -> None:
    operation = schema[path][method.upper()]
    statuses: list[int] = []
    varies = method != "get" or "parameters" in operation.definition.raw  # or there is one request, and no other

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def sent(data: Any) -> None:
        mode = data.draw(st.sampled_from([schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]))
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            case = data.draw(strategy)
        except schemathesis.errors.SchemathesisError:
            return
        if real and method != "delete":
            for name in case.path_parameters or {}:
                case.path_parameters[name] = there[name]
        try:
            answer = case.call(base_url=server.url, headers=dict(server.writer.headers))
        except (ValueError, httpx.InvalidURL):
            return  # no client can send it
        statuses.append(answer.status_code)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text[:300])

    sent()
    assert len(statuses) > (EXAMPLES // 3 if varies else 0)


def test_the_schema_says_what_generated_clients_need(server: Server) -> None:
    """Files are binary, errors are problems, and reading needs no token where everybody may read."""
    said = server.http.get("/api/schema/", headers={"accept": "application/json"}).json()
    assert said["components"]["schemas"]["UploadRequest"]["properties"]["file"]["format"] == "binary"
    images = said["paths"]["/api/images/"]
    assert {} in images["get"]["security"]
    assert {} not in images["post"]["security"]
    assert {} not in said["paths"]["/api/sessions/"]["get"]["security"]
    for operations in said["paths"].values():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "/api/schema/" not in str(operation.get("operationId")):
                for status, answer in operation["responses"].items():
                    assert int(status) < 400 or list(answer["content"]) == ["application/problem+json"], (
                        method,
                        status,
                    )
