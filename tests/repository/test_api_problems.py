"""What the API says where a request is odd, where it is refused, and where the program itself errs."""

from __future__ import annotations

import shutil
from collections import namedtuple
from typing import Any

import PIL.Image
import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, DataError, IntegrityError, OperationalError
from rest_framework.test import APIClient

from mezzotint import tokens
from mezzotint.names import base_key
from mezzotint.repository import filters, queries, services
from mezzotint.repository.models import Collection, Image
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.repository.keeping import put_in


@pytest.fixture
def client(repository: Engine) -> APIClient:
    token = tokens.issue(repository.settings.secret_key, tokens.Scope.WRITE, 1)
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


def picture(seed: int) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.png", pictures.png(seed=seed), "image/png")


def is_a_problem(answer: Any, status: int, field: str = "") -> None:
    assert answer["content-type"] == "application/problem+json", answer.content
    said = answer.json()
    assert (answer.status_code, said["status"]) == (status, status), said
    assert said["title"] and said["detail"]
    if field:
        assert [one["field"] for one in said["errors"]] == [field]


def new_session(client: APIClient) -> str:
    return f"/api/sessions/{client.post('/api/sessions/', {}, format='json').json()['id']}"


def test_a_session_removes_a_collection_when_it_is_committed(client: APIClient, repository: Engine) -> None:
    ident = put_in(repository, 1)
    session = new_session(client)
    answer = client.delete(f"{session}/collections/shelf/")
    assert (answer.status_code, answer["x-durable"]) == (204, "false")
    is_a_problem(client.delete(f"{session}/collections/attic/"), 404)
    assert Collection.objects.filter(slug="shelf").exists(), "not before the commit"
    assert client.post(f"{session}/commit/").status_code == 200
    assert not Collection.objects.exists()
    assert list(Image.objects.values_list("ident", flat=True)) == [ident]


def test_every_filter_of_the_list_is_the_lists_own(client: APIClient, repository: Engine) -> None:
    """Django REST framework has a parameter `format` of its own."""
    ident = put_in(repository, 1)
    image = Image.objects.get()
    given = {"format": image.format, "orientation": "square"} | dict.fromkeys(
        ("tag", "collection", "creator", "search"), "none"
    )
    for name in filters.FILTERS:
        value = given.get(name) or ("2001-01-01" if name.startswith("captured") else "1")
        assert client.get("/api/images/", {name: value}).status_code == 200, name
    assert [one["ident"] for one in client.get("/api/images/", {"format": image.format}).json()["results"]] == [ident]
    assert client.get("/api/images/", {"format": "bmp"}).json()["results"] == []


def test_the_schema_can_be_had_as_json(client: APIClient) -> None:
    assert client.get("/api/schema/?format=json").json()["info"]["title"] == "Mezzotint"


def test_a_request_takes_five_hundred_files(client: APIClient) -> None:
    session = new_session(client)
    files = [SimpleUploadedFile(f"{n}.png", b"none") for n in range(500)]
    answer = client.post(f"{session}/images/", {"file": files})
    assert (answer.status_code, len(answer.json()["refused"])) == (422, 500)
    assert client.get(f"{session}/").json()["changes"] == []


def test_a_form_of_too_many_fields_or_too_much_text_is_refused(client: APIClient) -> None:
    many = {f"field{n}": "x" for n in range(20_100)}
    is_a_problem(client.post("/api/images/", many | {"file": picture(2)}), 400, "body")
    is_a_problem(client.post("/api/images/", {"file": picture(2)} | many), 400, "body")
    is_a_problem(client.post("/api/images/", {"description": "x" * (11 << 20), "file": picture(2)}), 413, "body")
    assert not Image.objects.exists()


def test_more_files_than_one_request_may_have_are_refused(client: APIClient, repository: Engine) -> None:
    session = new_session(client)
    files = [SimpleUploadedFile(f"{n}.png", b"x", "image/png") for n in range(501)]
    answer = client.post(f"{session}/images/", {"file": files})
    is_a_problem(answer, 400, "file")
    assert answer.json()["errors"][0]["limit"] == "up to 500"
    assert not list((repository.settings.data / "incoming").iterdir()), "nothing is left of those that were read"


def test_a_person_without_permissions_reads_and_does_not_write(repository: Engine) -> None:
    ident = put_in(repository, 3)
    client = APIClient(raise_request_exception=False)
    client.force_login(User.objects.create_user("visitor", password="a long enough one 7"))
    assert client.get(f"/api/images/{ident}/").status_code == 200
    refused = client.patch(f"/api/images/{ident}/", {"version": 1, "title": "Mine"}, format="json")
    is_a_problem(refused, 403)
    assert "the permission repository.change_image" in refused.json()["detail"]
    assert Image.objects.get().title == ""
    curator = User.objects.create_user("curator", password="a long enough one 7")
    curator.user_permissions.set(Permission.objects.filter(codename__in=["change_image", "add_commit"]))
    client.force_login(curator)
    answer = client.patch(f"/api/images/{ident}/", {"version": 1, "title": "Mine"}, format="json")
    assert (answer.status_code, Image.objects.get().title) == (200, "Mine")


@pytest.mark.parametrize("version", ["1", "0", "x", "", "99999999999"])
def test_an_image_is_removed_only_at_the_version_in_the_address(
    client: APIClient, repository: Engine, version: str
) -> None:
    ident = put_in(repository, 4)
    address = f"/api/images/{ident}/"
    client.patch(address, {"version": 1, "title": "Changed meanwhile"}, format="json")
    answer = client.delete(f"{address}?version={version}")
    is_a_problem(answer, *((409,) if version == "1" else (400, "version")))
    assert Image.objects.exists()
    is_a_problem(client.delete(f"{address}?version=3"), 409)
    assert client.delete(f"{address}?version=2").status_code == 200
    assert not Image.objects.exists()


def test_bytes_that_vanish_before_the_commit_are_asked_for_again(client: APIClient, repository: Engine) -> None:
    session = new_session(client)
    ident = client.post(f"{session}/images/", {"file": picture(5)}).json()["ident"]
    repository.store.delete(base_key(ident))
    answer = client.post(f"{session}/commit/")
    is_a_problem(answer, 409)
    assert answer.json()["conflicts"] == {ident: ["file"]}
    assert client.get(f"{session}/").json()["state"] == "open"
    client.post(f"{session}/images/", {"file": picture(5)})
    assert client.post(f"{session}/commit/").status_code == 200
    assert Image.objects.filter(ident=ident).exists()


def test_an_image_does_not_come_back_without_its_bytes(client: APIClient, repository: Engine) -> None:
    ident = put_in(repository, 6)
    services.at_once("x", lambda s: services.remove_image(s, ident))
    repository.store.delete(f"trash/{base_key(ident)}")
    answer = client.post(f"/api/removals/{ident}/restore/")
    is_a_problem(answer, 404)
    assert "not in the trash any more" in answer.json()["detail"]
    assert not Image.objects.exists()


def test_a_date_that_no_calendar_has_is_left_out(client: APIClient) -> None:
    for seed, (date, captured) in enumerate(
        {"1931:13:45 10:00:00": "", "1931:12:24 10:00:00": "1931-12-24T10:00:00"}.items()
    ):
        exif = PIL.Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = date
        data = pictures.jpeg(60, 40, seed=seed, exif=exif)
        answer = client.post("/api/images/", {"file": SimpleUploadedFile("a.jpg", data)})
        assert (answer.status_code, answer.json()["captured"]) == (201, captured)


ERRORS: list[tuple[Exception, int]] = [
    (OperationalError("disk I/O error"), 503),
    (OperationalError("database or disk is full"), 507),
    (SuspiciousOperation(), 400),
    (IntegrityError("UNIQUE constraint failed"), 500),
    (DataError("out of range"), 500),
    (ZeroDivisionError("division by zero"), 500),
]


@pytest.mark.parametrize(
    ("error", "status"), ERRORS, ids=lambda it: type(it).__name__ if isinstance(it, Exception) else ""
)
def test_what_goes_wrong_underneath_has_its_status(
    client: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fails(ident: str, reader: object) -> Image:
        raise error

    monkeypatch.setattr(queries, "image", fails)
    answer = client.get(f"/api/images/{'a' * 64}/")
    if status < 500 or (isinstance(error, DatabaseError) and status != 500):
        is_a_problem(answer, status)
    assert answer.status_code == status
    assert status == 400 or str(error) not in answer.content.decode(), "that is for the log"
    if isinstance(error, SuspiciousOperation):
        assert answer.json()["detail"] == "body: is not acceptable"


def test_an_error_of_a_disk_that_is_full_says_so(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(ident: str, reader: object) -> Image:
        raise OperationalError("disk I/O error")

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(queries, "image", fails)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 30, 1 << 30, 0))
    is_a_problem(client.get(f"/api/images/{'a' * 64}/"), 507)


EVERYWHERE = [
    "/api/docs/", "/api/schema/", "/api/images/", "/api/sessions/", "/api/status/", "/api/", "/", "/admin/", "/ready",
    "/fire_and_forget", "/delete_image", "/alternative_clouds", "/customers/1/queue",
]  # fmt: skip
HEADERS = [
    {"accept": "application/xml"},
    {"authorization": b"Basic \xff\xfe"},
    {"authorization": b"Bearer \xff\xfe"},
    {"content-type": "text/plain"},
    {"content-type": "multipart/form-data; boundary=x"},
    {"cookie": "sessionid=x"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_no_method_and_no_header_anywhere_is_an_error_of_ours(server: Server, headers: dict[str, Any]) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        for address in EVERYWHERE:
            for body in (b"", b"x"):
                answer = server.http.request(method, address, headers=headers, content=body)
                assert answer.status_code < 500, (method, address, body)
                if method != "HEAD" and answer.headers.get("content-type", "").startswith("application/problem"):
                    assert "{" not in answer.json()["title"] + answer.json()["detail"]


def test_an_authorization_that_is_no_text_is_refused(server: Server) -> None:
    for scheme in (b"Basic", b"Bearer", b"\xff"):
        for address in ("/api/images/", "/api/status/", f"/images/{'0' * 64}", "/metrics"):
            answer = server.http.get(address, headers={b"authorization": scheme + b" \xff\xfe"})
            assert answer.status_code == (200 if address == "/metrics" else 401), address


def test_a_form_of_many_files_is_refused_wherever_it_is_sent(server: Server) -> None:
    files = [(f"f{number}", (f"{number}.png", b"x")) for number in range(600)]
    for address in EVERYWHERE:
        assert server.writer.post(address, files=files).status_code < 500, address
