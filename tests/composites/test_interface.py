"""The interface as the existing composite handler has it, word by word: addresses, statuses, JSON, errors."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.backends.aws import Aws
from tests.composites.dlcs import KEY, Dlcs
from tests.composites.world import World
from tests.documents import anything, request, text_pdf
from tests.origin import Origin
from tests.servers import Server, rows, start_server
from tests.waiting import until

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
QUEUE = "/customers/99/queue"


@pytest.fixture(scope="module")
def world(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Dlcs() as dlcs, Origin() as origin:
        yield World(tmp_path_factory.mktemp("composites"), aws, dlcs, origin, aws.new_bucket())


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Server]:
    more = {"WEB_SERVER_SCHEME": "https", "WEB_SERVER_HOSTNAME": "composites.example:444", "DLCS_BATCH_SIZE": "2"}
    started = start_server(world.directory / "data", **world.variables(**more))
    yield started
    started.stop()


@pytest.fixture
def caller(site: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers={"Authorization": KEY}, timeout=60, verify=False) as client:
        yield client


def path_of(address: str) -> str:
    assert address.startswith("https://composites.example:444/collections/")
    return address.removeprefix("https://composites.example:444")


def ended(caller: httpx.Client, path: str) -> httpx.Response:
    return until(lambda: (answer := caller.get(path)).json()["status"] in {"COMPLETED", "ERROR"} and answer)


def test_the_walk_of_an_existing_client(caller: httpx.Client, world: World) -> None:
    asked = request(
        anything(origin=world.document(text_pdf(3)), compositeId="walk", string1="Page {}"),
        anything(origin=world.origin.url("/lacking.pdf"), id="lacking-{}"),
    )
    accepted = caller.post(QUEUE, json=asked)
    assert (accepted.status_code, accepted.headers["content-type"]) == (202, "application/json")
    collection = accepted.json()
    assert list(collection) == ["id", "members"]
    first, second = collection["members"]
    assert list(first)[:4] == ["id", "status", "created", "last_updated"]
    assert first["status"] == second["status"] == "PENDING"
    assert MOMENT.fullmatch(first["created"]) and MOMENT.fullmatch(first["last_updated"])
    assert first["id"].startswith(f"{collection['id']}/members/")

    done = ended(caller, path_of(first["id"]))
    assert done.status_code == 200
    assert list(done.json()) == [
        "id", "status", "created", "last_updated", "image_count", "dlcs_uris", "pages_done", "pages_total",
    ]  # fmt: skip
    assert (done.json()["image_count"], done.json()["pages_done"], done.json()["pages_total"]) == (3, 3, 3)
    assert len(done.json()["dlcs_uris"]) == 2
    assert set(done.json()["dlcs_uris"]) <= set(world.dlcs.batches)

    failed = ended(caller, path_of(second["id"]))
    assert (failed.status_code, failed.json()["error"]) == (422, "the origin has no such document")
    assert "dlcs_uris" not in failed.json() and "image_count" not in failed.json()

    whole = caller.get(path_of(collection["id"]))
    assert (whole.status_code, [one["status"] for one in whole.json()["members"]]) == (200, ["COMPLETED", "ERROR"])


def test_an_empty_list_is_accepted(caller: httpx.Client) -> None:
    assert caller.post(QUEUE, json=request()).json()["members"] == []


def made(caller: httpx.Client) -> tuple[str, str]:
    """A collection's and a member's address."""
    collection = caller.post(QUEUE, json=request(anything())).raise_for_status().json()
    return path_of(collection["id"]), path_of(collection["members"][0]["id"])


def test_addresses_may_be_written_otherwise_and_what_is_none_is_not_found(caller: httpx.Client) -> None:
    collection, member = made(caller)
    pk = collection.rpartition("/")[2]
    for written in (pk, pk.upper(), pk.replace("-", "")):
        assert caller.get(f"/collections/{written}").status_code == 200
    for wrong in (f"{collection}/", f"{member}/", "/collections/nothing", f"/collections/{'g' * 32}", "/collections/"):
        assert caller.get(wrong).status_code == 404, wrong
    unknown = uuid.uuid4()
    for absent in (f"/collections/{unknown}", f"{collection}/members/{unknown}", member.replace(pk, str(unknown))):
        answer = caller.get(absent)
        assert (answer.status_code, answer.content) == (404, b""), absent
    assert caller.post("/customers/x/queue", json=request()).status_code == 404
    assert caller.post(f"/customers/{'9' * 30}/queue", json=request()).status_code == 404


def test_whoever_the_dlcs_does_not_know_is_refused(caller: httpx.Client, site: Server) -> None:
    collection, member = made(caller)
    for headers in ({}, {"Authorization": "Basic bm9ib2R5"}, {"Authorization": "Bearer x.y.z"}):
        for answer in (
            site.http.post(QUEUE, json=request(), headers=headers),
            site.http.post(QUEUE, content=b"no JSON", headers=headers),
            site.http.get(collection, headers=headers),
            site.http.get(member, headers=headers),
            site.http.delete(member, headers=headers),
        ):
            assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
    assert caller.post("/customers/98/queue", json=request()).status_code == 403
    assert site.http.get(f"/collections/{uuid.uuid4()}").status_code == 404, "it is looked up first"


def test_a_dlcs_that_does_not_answer_is_no_server_error_of_ours(caller: httpx.Client, world: World) -> None:
    collection, _ = made(caller)
    world.dlcs.down = True
    try:
        fresh = {"Authorization": "Basic ZnJlc2g="}
        answer = caller.get(collection, headers=fresh)
        assert (answer.status_code, "detail" in answer.json()) == (502, True)
        assert caller.get(collection).status_code == 200, "a yes is remembered for a while"
    finally:
        world.dlcs.down = False


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", QUEUE, {}, 405),
        ("PUT", QUEUE, {}, 405),
        ("DELETE", "collection", {}, 405),
        ("POST", "member", {}, 405),
        ("POST", QUEUE, {"Accept": "text/html"}, 406),
        ("GET", "member", {"Accept": "image/png"}, 406),
        ("POST", QUEUE, {"Content-Type": "text/plain"}, 415),
        ("POST", QUEUE, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("HEAD", "member", {}, 200),
        ("OPTIONS", "collection", {}, 200),
        ("GET", "member", {"Accept": "application/*"}, 200),
    ],
)
def test_methods_and_kinds(caller: httpx.Client, method: str, path: str, headers: dict[str, str], status: int) -> None:
    collection, member = made(caller)
    address = {"collection": collection, "member": member}.get(path, path)
    answer = caller.request(method, address, headers=headers, content=b"{}" if method in {"POST", "PUT"} else None)
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"nothing", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 50_000],
    ids=["half", "words", "bytes", "NaN", "deep list", "deep object"],
)
def test_a_body_that_is_no_json_is_400(caller: httpx.Client, body: bytes) -> None:
    answer = caller.post(QUEUE, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error - ")


def wrong(caller: httpx.Client, body: Any, about: str = "field") -> list[tuple[int | None, str]]:
    text = json.dumps(body)
    answer = caller.post(QUEUE, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    said = answer.json()
    assert said["json_data"] and all(isinstance(one, str) for one in said["json_data"])
    assert all(one["detail"] for one in said["errors"])
    return [(one.get("member"), one[about]) for one in said["errors"]]


@pytest.mark.parametrize("body", [[], "text", 3, None, {}, {"member": 3}])
def test_what_is_no_collection_is_refused(caller: httpx.Client, body: Any) -> None:
    assert {member for member, _ in wrong(caller, body)} == {None}


def test_a_body_that_is_empty_is_no_collection(caller: httpx.Client) -> None:
    assert caller.post(QUEUE, headers={"Content-Type": "application/json"}).json()["json_data"]


def test_the_collection_itself_is_checked(caller: httpx.Client) -> None:
    assert wrong(caller, request() | {"@type": "List"}) == [(None, "@type")]
    assert wrong(caller, request() | {"@context": "http://other"}) == [(None, "@context")]
    too_many = [anything(compositeId=f"a{n}") for n in range(10_001)]
    assert wrong(caller, request(*too_many)) == [(None, "member")]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"@type": "Composite"}, "@type"),
        ({"id": 3}, "id"),
        ({"id": None}, "id"),
        ({"space": "7"}, "space"),
        ({"space": 7.5}, "space"),
        ({"space": True}, "space"),
        ({"origin": "ftp://a.test/a.pdf"}, "origin"),
        ({"origin": "no address"}, "origin"),
        ({"origin": None}, "origin"),
        ({"incrementSeed": "1"}, "incrementSeed"),
        ({"incrementSeed": 2**60}, "incrementSeed"),
        ({"string1": 3}, "string1"),
        ({"number1": 1.5}, "number1"),
        ({"number2": None}, "number2"),
        ({"roles": ["a", "a"]}, "roles"),
        ({"roles": "a"}, "roles"),
        ({"roles": [*map(str, range(5000)), 1]}, "roles"),  # by its type: each is not compared with each
        ({"further": "\x00"}, "body"),
        ({"further": ["\ud800"]}, "body"),
        ({"id": "{\ud800}"}, "body"),
        ({"further": "x" * 70_000}, "body"),
        ({"space": 10**400}, "space"),
        ({"origin": "http://10.0.0.1/a.pdf"}, "origin"),
        ({"space": 2**31}, "space"),
        ({"maxUnauthorised": "many"}, "maxUnauthorised"),
        ({"originFormat": "image/png"}, "originFormat"),
        ({"compositeId": 3}, "compositeId"),
        ({"compositeId": "../../secrets"}, "compositeId"),
        ({"compositeId": "a\x00b"}, "body"),
        ({"compositeId": "a\nb"}, "compositeId"),
        ({"id": "{0.__class__}"}, "id"),
        ({"string2": "{:>99999999}"}, "string2"),
        ({"text": "{"}, "text"),
        ({"number3": "{} of {}"}, "number3"),
    ],
)
def test_a_member_that_is_wrong_is_named_with_its_field(caller: httpx.Client, more: dict[str, Any], field: str) -> None:
    places = ({"compositeId": "good"}, {"compositeId": "wrong"} | more)
    found = wrong(caller, request(*(anything(**place) for place in places)))
    assert {member for member, _ in found} == {1}
    assert found[0][1].split(".")[0] == field


def test_a_limit_is_told(caller: httpx.Client) -> None:
    (said,) = wrong(caller, request(anything(origin="http://10.0.0.1/a.pdf")), "detail")
    assert said == (0, "is of a host that nothing is fetched from (limit: a public address)")


@pytest.mark.parametrize("field", ["@type", "id", "space", "origin", "incrementSeed"])
def test_what_a_member_lacks_is_named(caller: httpx.Client, field: str) -> None:
    member = anything()
    del member[field]
    assert wrong(caller, request(member)) == [(0, field)]


def test_nothing_of_a_request_that_is_refused_is_stored(caller: httpx.Client, site: Server) -> None:
    def count() -> int:
        return int(rows(site.data, "SELECT COUNT(*) FROM composites_collection")[0][0])

    before = count()
    wrong(caller, request(anything(), anything(space="x")))
    assert wrong(caller, request(anything(compositeId="a"), anything(compositeId="a"))) == [(1, "compositeId")]
    assert count() == before


def test_further_members_and_whole_numbers_written_otherwise_are_accepted(caller: httpx.Client) -> None:
    member = anything(space=7.0, further={"a": [1]}, string1="{{}} {:x}", family="I", maxUnauthorised=1.5)
    assert caller.post(QUEUE, json=request(member, further=1)).status_code == 202
    assert caller.post(QUEUE, json=request(anything(space=-1))).status_code == 202


def test_a_member_can_be_cancelled(caller: httpx.Client, world: World) -> None:
    collection = caller.post(QUEUE, json=request(anything(origin=world.origin.url("/not-there.pdf")))).json()
    member = path_of(collection["members"][0]["id"])
    answer = caller.delete(member)
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (200, "ERROR", "it was cancelled")
    assert caller.get(member).status_code == 422
    done = caller.post(QUEUE, json=request(anything(origin=world.document(text_pdf(1), "/c.pdf")))).json()
    done = path_of(done["members"][0]["id"])
    ended(caller, done)
    assert caller.delete(done).status_code == 409


def test_no_credential_lies_in_the_database_or_the_queue(site: Server, caller: httpx.Client, world: World) -> None:
    caller.post(QUEUE, json=request(anything(origin=world.origin.url("/never.pdf")))).raise_for_status()
    secret = KEY.partition(" ")[2]
    assert rows(site.data, "SELECT credentials FROM composites_member WHERE credentials <> ''")
    for path in site.data.glob("mezzotint.sqlite3*"):
        assert secret.encode() not in path.read_bytes()
    assert secret not in site.log.read_text()


def test_health_is_told_in_html_and_json(site: Server) -> None:
    page = site.http.get("/health-check/")
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    said = site.http.get("/health-check/", params={"format": "json"})
    assert said.status_code == 200
    assert set(said.json().values()) == {"OK"}


def test_a_body_that_is_too_large_is_refused(caller: httpx.Client) -> None:
    answer = caller.post(QUEUE, content=b" " * (11 << 20), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_ten_thousand_members_are_accepted(caller: httpx.Client, site: Server, world: World) -> None:
    lacking = world.origin.url("/many.pdf")
    body = request(*(anything(compositeId=f"many-{n}", origin=lacking) for n in range(10_000)))
    answer = caller.post(QUEUE, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, len(answer.json()["members"])) == (202, 10_000)
    pk = answer.json()["id"].rpartition("/")[2]
    path = Path("/collections") / pk
    assert len(caller.get(str(path)).json()["members"]) == 10_000
