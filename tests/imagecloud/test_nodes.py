"""Two and three real nodes that are peers of each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from mezzotint import tokens
from tests import pictures
from tests.conftest import Server
from tests.imagecloud.nodes import (
    OPEN,
    again,
    batch,
    befriend,
    clones,
    finished,
    has_base,
    image,
    in_trash,
    key_of,
    limit,
    named,
    record_file,
    standing,
)
from tests.network.host import leading
from tests.network.host import status as status_of
from tests.origin import Origin
from tests.servers import rows, run
from tests.waiting import IN_TIME, until

Start = Callable[..., Server]
ABSENT, BROKEN = "127.0.1.1", "127.0.2.1"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", ABSENT, BROKEN)) as started:
        yield started


@pytest.fixture
def node(tmp_path: Path, serve: Callable[..., Server]) -> Start:
    """Start a node by its name, with further variables."""
    return lambda name, **variables: serve(tmp_path / name, **(OPEN | variables))


def ident_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def fetched(server: Server, url: str, **parameters: str) -> httpx.Response:
    return image(server.writer, url, **parameters).raise_for_status()


def has(server: Server, url: str) -> bool:
    """Whether it would give this picture to a peer that asks."""
    return image(server.http, url, only_send_if_local="true").status_code == 200


def test_a_list_is_accepted_at_once_and_loaded_and_what_could_not_be_is_told(node: Start, origin: Origin) -> None:
    a = node("a")
    good = [origin.picture(f"/{number}.jpg", pictures.jpeg(60, 40, seed=number)) for number in range(12)]
    answering = origin.holding("/0.jpg")
    lacking = origin.url("/lacking.jpg", ABSENT)
    given = [*good, lacking, good[0], good[0].replace("http", "HTTP"), "ftp://example.com/a", "", "http://10.1.2.3/a"]
    accepted = batch(a.writer, given)
    assert not standing(a.writer, accepted)["finished"], "it was answered before they were there"
    answering.set()
    counts = {name: accepted[name] for name in ("queued", "duplicates", "invalid")}
    assert counts == {"queued": 13, "duplicates": 2, "invalid": 3}
    assert sorted(one["index"] for one in accepted["refused"]) == [15, 16, 17]
    assert standing(a.writer, accepted)["id"] == accepted["id"]
    stand = finished(a.writer, accepted)
    assert (stand["finished"], stand["counts"]) == (True, {"waiting": 0, "running": 0, "done": 12, "dead": 1})
    assert [one["url"] for one in stand["dead"]] == [lacking]
    assert stand["dead"][0]["reason"]
    assert [url for url in good if not has(a, url)] == []
    assert set(origin.asked.values()) == {1}


def test_what_fails_is_not_given_up_at_once(node: Start, origin: Origin) -> None:
    origin.picture("/fails.jpg", b"", 500)
    a = node("a")
    accepted = batch(a.writer, [origin.url("/fails.jpg", BROKEN)])
    until(lambda: rows(a.data, "SELECT reason FROM imagecloud_prefetchitem WHERE reason <> ''"))
    stand = standing(a.writer, accepted)
    assert (stand["finished"], stand["counts"]["waiting"], stand["dead"]) == (False, 1, [])


def test_lists_that_cannot_be_are_refused_and_strangers_have_none_loaded(node: Start) -> None:
    a = node("a")
    wrong: object
    for wrong in ({}, {"urls": []}, {"urls": "http://example.com/a.jpg"}, {"urls": None}, ["http://example.com/"], 3):
        answer = a.writer.post("/fire_and_forget", json=wrong)
        assert answer.status_code == 400, (wrong, answer.text)
    mixed = a.writer.post(
        "/fire_and_forget", json={"urls": [None, 3, {"a": 1}, ["x"], "\x00", "http://[::", "a" * 9000]}
    )
    assert (mixed.status_code, mixed.json()["queued"], mixed.json()["invalid"]) == (202, 0, 7)
    assert standing(a.writer, mixed.json())["finished"]
    assert a.http.post("/fire_and_forget", json={"urls": ["http://example.com/a.jpg"]}).status_code == 401
    assert a.http.get(mixed.json()["status"]).status_code == 401
    for unknown in ("00000000-0000-0000-0000-000000000000", "x"):
        assert a.writer.get(f"/fire_and_forget/batches/{unknown}").status_code == 404


def test_a_peer_that_has_it_is_asked_before_the_origin_and_the_origin_where_it_has_not(
    node: Start, origin: Origin
) -> None:
    a, b, c = node("a"), node("b"), node("c")
    befriend(a.data, named(c, "c", scope=tokens.Scope.READ), named(b, "b", scope=tokens.Scope.READ))
    body = pictures.jpeg(80, 60, seed=50)
    url = origin.picture("/at-b.jpg", body)
    fetched(b, url)
    answer = fetched(a, url, use_alternativ_clouds="true")
    assert (answer.content == body, answer.headers["x-cache-status"], origin.asked["/at-b.jpg"]) == (True, "PEER", 1)
    assert fetched(a, url, use_alternativ_clouds="true").headers["x-cache-status"] == "HIT"
    assert not has(c, url), "who was asked and had it not does not go and get it"
    found = until(lambda: rows(a.data, f"SELECT via FROM imagecloud_remoteimage WHERE key = '{key_of(url)}'"))
    assert found == [("peer:b",)]

    other = origin.picture("/nowhere.jpg", pictures.jpeg(80, 60, seed=51))
    answer = fetched(a, other, use_alternative_clouds="true", resize_width="40")
    assert (answer.headers["x-cache-status"], origin.asked["/nowhere.jpg"]) == ("MISS", 1)
    assert not has(b, other) and not has(c, other)

    unasked = origin.picture("/unasked.jpg", pictures.jpeg(80, 60, seed=52))
    fetched(b, unasked)
    assert fetched(a, unasked).headers["x-cache-status"] == "MISS", "peers are asked only where that is wanted"
    b.stop()
    late = origin.picture("/late.jpg", pictures.jpeg(80, 60, seed=53))
    assert fetched(a, late, use_alternativ_clouds="true").headers["x-cache-status"] == "MISS"


def test_a_private_peer_shows_a_stranger_nothing_by_way_of_another(node: Start, origin: Origin) -> None:
    """`a` fetches for everybody, and has a token for `b`, which is private: it does not use it for a stranger."""
    b = node("b", MEZZOTINT_PUBLIC_READ="false")
    a = node("a", MEZZOTINT_FETCH_FOR_ALL="true")
    befriend(a.data, named(b, "b", scope=tokens.Scope.READ))
    url = origin.picture("/private.jpg", pictures.jpeg(80, 60, seed=55))
    fetched(b, url)
    origin.picture("/private.jpg", b"", status=404)
    assert image(a.http, url, use_alternativ_clouds="true").status_code == 404
    known = origin.picture("/known.jpg", pictures.jpeg(80, 60, seed=56))
    fetched(b, known)
    assert fetched(a, known, use_alternativ_clouds="true").headers["x-cache-status"] == "PEER"


def test_what_is_new_is_sent_to_the_peers_that_are_to_have_it_and_goes_no_further(node: Start, origin: Origin) -> None:
    a, b, c = node("a"), node("b"), node("c")
    befriend(a.data, named(b, "b", clone=True), named(c, "c", clone=False))
    befriend(b.data, named(a, "a", clone=True), named(c, "c", clone=True))
    urls = [origin.picture(f"/{number}.jpg", pictures.jpeg(60, 40, seed=60 + number)) for number in range(4)]
    for url in urls:
        fetched(a, url)
    assert until(lambda: all(has(b, url) for url in urls))
    assert set(origin.asked.values()) == {1}, "it was sent, and not fetched again"
    for url in urls:
        assert image(b.http, url).content == image(a.http, url).content
    assert until(lambda: clones(a.data) == [("copy", "done", "b")] * 4)
    vias = until(lambda: len(found := rows(b.data, "SELECT via FROM imagecloud_remoteimage")) == 4 and found)
    assert vias == [("clone",)] * 4
    own = origin.picture("/of-b.jpg", pictures.jpeg(60, 40, seed=70))
    fetched(b, own)
    assert until(lambda: has(a, own) and has(c, own))
    # and nothing else: a copy is sent to nobody
    assert until(lambda: sorted(clones(b.data)) == [("copy", "done", "a"), ("copy", "done", "c")])
    assert not any(has(c, url) for url in urls)
    later = origin.picture("/of-a.jpg", pictures.jpeg(60, 40, seed=71))
    fetched(a, later)
    assert until(lambda: has(b, later))
    assert until(lambda: clones(a.data) == [("copy", "done", "b")] * 5)
    assert origin.asked["/of-b.jpg"] == 1


def test_a_peer_that_is_down_is_sent_everything_when_it_is_up_again(node: Start, origin: Origin) -> None:
    a, b = node("a"), node("b")
    befriend(a.data, named(b, "b", clone=True))

    def shown() -> tuple[bool, int]:
        answer = a.writer.get("/alternative_clouds").raise_for_status().json()
        assert [(one["name"], one["url"], one["clone"]) for one in answer] == [("b", b.url, True)]
        return answer[0]["answers"], answer[0]["backlog"]

    assert shown() == (True, 0)
    b.stop()
    urls = [origin.picture(f"/{number}.jpg", pictures.jpeg(60, 40, seed=80 + number)) for number in range(2)]
    for url in urls:
        assert fetched(a, url).elapsed.total_seconds() < IN_TIME, "whoever asks does not wait for the peer"
    assert until(lambda: shown() == (False, 2)), shown()
    b = again(b)
    try:
        assert until(lambda: all(has(b, url) for url in urls))
        assert until(lambda: shown() == (True, 0)), shown()
        assert set(origin.asked.values()) == {1}
    finally:
        b.stop()


def test_deleting_removes_record_base_and_derivatives_here_and_on_the_peer(node: Start, origin: Origin) -> None:
    a, b = node("a"), node("b")
    befriend(a.data, named(b, "b", clone=True))
    body = pictures.jpeg(120, 80, seed=90)
    url, ident = origin.picture("/gone.jpg", body), ident_of(body)
    fetched(a, url)
    names = [fetched(a, url, resize_width=str(side)).headers["link"].split(">")[0][1:] for side in (20, 30)]
    assert until(lambda: has(b, url))
    fetched(b, url, resize_width="20")
    for _ in range(3):
        assert image(a.http, url, resize_width="20").status_code == 200  # it is in memory too
    answer = a.writer.delete("/delete_image", params={"url": url})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert {name: said[name] for name in ("url", "ident", "record", "base", "derivatives", "peers")} == {
        "url": url,
        "ident": ident,
        "record": True,
        "base": True,
        "derivatives": 2,
        "peers": ["b"],
    }
    for parameters in ({}, {"resize_width": "20"}, {"no_image": "true"}):
        assert image(a.http, url, **parameters).status_code == 401, "nothing of it is given out"
    assert [a.http.get(name).status_code for name in (f"/images/{ident}", *names)] == [404] * 3
    assert not record_file(a.data, url).exists()
    assert (has_base(a.data, ident), in_trash(a.data, ident)) == (False, True)
    assert rows(a.data, "SELECT id FROM imagecloud_remoteimage") == []
    assert until(lambda: not has(b, url))
    assert until(lambda: not has_base(b.data, ident))
    assert image(b.http, url, resize_width="20").status_code == 401
    assert until(lambda: clones(a.data) == []), clones(a.data)
    assert a.writer.delete("/delete_image", params={"url": url}).status_code == 404
    assert fetched(a, url).headers["x-cache-status"] == "MISS", "it may be had again"
    assert fetched(a, url, resize_width="20").status_code == 200
    assert until(lambda: has(b, url))


def test_a_deletion_reaches_the_node_that_a_copy_came_from(node: Start, origin: Origin) -> None:
    a, b, c = node("a"), node("b"), node("c")
    befriend(a.data, named(b, "b", clone=True))
    befriend(b.data, named(a, "a"), named(c, "c"), {"name": "old", "url": c.url, "token": "x", "plain": True})
    body = pictures.jpeg(120, 80, seed=91)
    url = origin.picture("/copied.jpg", body)
    fetched(a, url)
    assert until(lambda: has(b, url))
    assert b.writer.delete("/delete_image", params={"url": url}).raise_for_status().json()["peers"] == ["a", "c"]
    assert until(lambda: not has(a, url))
    assert until(lambda: not has_base(a.data, ident_of(body)))
    assert until(lambda: clones(b.data) == []), "c never had it, and is told once"


def test_the_backlog_is_what_clone_requests_counts(node: Start, origin: Origin) -> None:
    a, b = node("a"), node("b")
    befriend(a.data, named(b, "b", clone=True))
    count = "SELECT count(*) FROM clone_requests"
    assert rows(a.data, count) == [(0,)]
    b.stop()
    fetched(a, origin.picture("/one.jpg", pictures.jpeg(60, 40, seed=92)))
    assert until(lambda: rows(a.data, count) == [(1,)])
    b = again(b)
    try:
        assert until(lambda: clones(a.data) == [("copy", "done", "b")])
        assert rows(a.data, count) == [(0,)]
    finally:
        b.stop()


@pytest.mark.parametrize("gone", ["keep", "drop"])
@pytest.mark.parametrize("status", [404, 410, 403, 500])
def test_what_its_origin_has_no_more_is_kept_or_dropped(node: Start, origin: Origin, gone: str, status: int) -> None:
    a = node("a", MEZZOTINT_FETCH_GONE=gone, MEZZOTINT_FETCH_MIN_AGE="0.1s", MEZZOTINT_FETCH_MAX_AGE="0.1s")
    body = pictures.jpeg(60, 40, seed=93)
    url = origin.picture("/there.jpg", body)
    fetched(a, url)
    origin.answers["/there.jpg"] = status_of(status)
    asked = origin.asked["/there.jpg"]
    assert until(lambda: image(a.writer, url).status_code and origin.asked["/there.jpg"] > asked)
    if gone == "drop" and status in {404, 410}:
        assert until(lambda: image(a.writer, url).status_code == status)
        assert until(lambda: rows(a.data, "SELECT ident FROM imagecloud_deletedbase WHERE superseded") != [])
        assert until(lambda: rows(a.data, "SELECT url FROM imagecloud_remoteimage WHERE ident != ''") == [])
        assert a.http.get(f"/images/{ident_of(body)}").status_code == 200, "for a grace"
    else:
        answer = image(a.writer, url)
        assert (answer.status_code, answer.headers["x-cache-status"], answer.content) == (200, "STALE", body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_an_origins_4xx_is_the_clients(node: Start, origin: Origin, status: int) -> None:
    a = node("a")
    origin.answers["/x.jpg"] = status_of(status)
    told = [image(a.writer, origin.url("/x.jpg")) for _ in range(3)]
    assert [answer.status_code for answer in told] == [status] * 3
    assert origin.asked["/x.jpg"] == 1
    assert all("origin" in answer.json()["detail"] for answer in told)
    assert "Bearer" not in told[0].headers.get("www-authenticate", "")


def test_what_is_larger_than_may_be_fetched_is_not_and_an_upload_of_it_is(node: Start, origin: Origin) -> None:
    body = pictures.jpeg(600, 400, seed=94)
    a = node("a", MEZZOTINT_FETCH_MAX_BYTES=str(len(body) - 1))
    url = origin.picture("/large.jpg", body)
    assert image(a.writer, url).status_code == 502
    assert a.upload(body) == ident_of(body)


def test_a_picture_that_leads_back_to_itself_is_refused_and_one_through_here_is_not(
    node: Start, origin: Origin
) -> None:
    a = node("a", MEZZOTINT_FETCH_FOR_ALL="true")
    limit(a.data, all=1)
    loop = origin.url("/loop")
    origin.answers["/loop"] = leading(f"{a.url}/get_image?url={quote(loop)}")
    answer = image(a.writer, loop)
    assert answer.status_code == 400 and answer.elapsed.total_seconds() < IN_TIME
    through = origin.picture("/through.jpg", pictures.jpeg(60, 40, seed=99))
    for _ in range(3):
        through = f"{a.url}/get_image?url={quote(through, safe='')}"
    assert image(a.writer, through).status_code == 200


def test_a_list_is_had_from_the_peers_first(node: Start, origin: Origin, tmp_path: Path) -> None:
    a, b = node("a"), node("b")
    befriend(a.data, named(b, "b"))
    both = [origin.picture(f"/p{n}.jpg", pictures.jpeg(60, 40, seed=95 + n)) for n in range(2)]
    fetched(b, both[0])
    (tmp_path / "urls.txt").write_bytes(b"\xef\xbb\xbf" + f'"{both[0]}"\r\n<{both[1]}>\r\n'.encode())
    done = run(a.data, "prefetch", str(tmp_path / "urls.txt"), "--from-peers", "--json", **OPEN)
    assert json.loads(done.stdout)["queued"] == 2, done.stderr
    assert (origin.asked["/p0.jpg"], origin.asked["/p1.jpg"]) == (1, 1)
    assert all(has(a, url) for url in both)


def test_deleting_tells_nobody_where_only_here_is_asked(node: Start, origin: Origin) -> None:
    a, b = node("a"), node("b")
    befriend(a.data, named(b, "b", clone=True))
    url = origin.picture("/only-here.jpg", pictures.jpeg(60, 40, seed=91))
    fetched(a, url)
    assert until(lambda: has(b, url))
    answer = a.writer.post("/delete_image", params={"url": url, "only_here": "true"})
    assert (answer.status_code, answer.json()["peers"]) == (200, [])
    assert [clone for clone in clones(a.data) if clone[0] == "delete"] == []
    assert not has(a, url) and has(b, url)


def test_a_base_that_something_else_refers_to_stays(node: Start, origin: Origin) -> None:
    a = node("a")
    twice, kept = pictures.jpeg(60, 40, seed=92), pictures.jpeg(60, 40, seed=93)
    one, two = origin.picture("/one.jpg", twice), origin.picture("/two.jpg", twice)
    shelved = origin.picture("/shelved.jpg", kept)
    ident = a.upload(kept)
    for url in (one, two, shelved):
        fetched(a, url)
    said = a.writer.delete("/delete_image", params={"url": one}).raise_for_status().json()
    assert (said["record"], said["base"]) == (True, False)
    assert image(a.http, one).status_code == 401
    assert image(a.http, two).content == twice
    said = a.writer.post("/delete_image", json={"url": shelved}).raise_for_status().json()
    assert (said["record"], said["base"]) == (True, False)
    assert a.http.get(f"/images/{ident}").content == kept
    assert image(a.http, shelved).status_code == 401
    said = a.writer.delete("/delete_image", params={"url": two}).raise_for_status().json()
    assert (said["base"], has_base(a.data, ident_of(twice))) == (True, False)


def test_deleting_needs_a_token_of_scope_write(node: Start, origin: Origin) -> None:
    a = node("a")
    url = origin.picture("/stays.jpg", pictures.jpeg(60, 40, seed=94))
    fetched(a, url)
    with a.client(tokens.Scope.READ) as reader:
        for method in ("DELETE", "POST"):
            assert a.http.request(method, "/delete_image", params={"url": url}).status_code == 401
            assert reader.request(method, "/delete_image", params={"url": url}).status_code == 403
        assert reader.get("/delete_image", params={"url": url}).status_code in {403, 405}
    for wrong in ({}, {"url": ""}, {"url": "nonsense"}, {"url": url, "only_here": "perhaps"}):
        assert a.writer.delete("/delete_image", params=wrong).status_code == 400, wrong
    assert a.writer.post("/delete_image", json=["x"]).status_code == 400
    assert has(a, url)
