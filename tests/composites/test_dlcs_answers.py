"""What a DLCS may answer, or not: whether something was done, was not, or has to be found out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from mezzotint.composites import dlcs as module
from mezzotint.composites import dlcstarget
from mezzotint.composites.dlcs import Dlcs, DlcsRefuses, DlcsUnavailable, OutcomeUnknown, Registered
from mezzotint.composites.models import Status
from tests.composites.dlcs import KEY, answers, hangs_up, loses_answer, once
from tests.composites.dlcs import Dlcs as Server
from tests.composites.world import World, settle
from tests.documents import text_pdf
from tests.origin import Origin
from tests.waiting import HANGS, PATIENCE

pytestmark = pytest.mark.processes


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Dlcs]]:
    """Callers of servers at these addresses, who wait for moments only."""
    monkeypatch.setattr(module, "_CONNECT", 0.3)
    monkeypatch.setattr(module, "_READ", 0.3)
    with ExitStack() as stack:

        def made(root: str) -> Dlcs:
            client = Dlcs(root, 99, KEY)
            stack.callback(client.close)
            return client

        yield made


def post(client: Dlcs) -> str:
    return client.post([{"id": "a", "space": 7, "mediaType": "image/jpeg"}])


def test_a_server_that_does_not_take_the_connection_has_done_nothing(caller: Callable[[str], Dlcs]) -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):  # nobody accepts them, and there is no room for more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        with pytest.raises(DlcsUnavailable, match="the DLCS does not answer: ConnectTimeout"):
            post(caller(f"http://127.0.0.1:{listening.getsockname()[1]}"))


def test_a_server_that_is_not_there_has_done_nothing(
    caller: Callable[[str], Dlcs], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*arguments: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(DlcsUnavailable, match="the DLCS cannot be reached"):
        post(caller("http://127.0.0.1:1"))
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DlcsUnavailable, match="the DLCS cannot be reached"):
        post(caller("http://nowhere.invalid"))


def test_a_server_that_hangs_may_have_taken_it(caller: Callable[[str], Dlcs], dlcs: Server) -> None:
    ended = threading.Event()

    def hangs(handler: Any) -> bool:
        ended.wait(PATIENCE)
        return hangs_up(handler)

    dlcs.faults = [hangs]
    with pytest.raises(OutcomeUnknown, match="the DLCS did not answer: ReadTimeout"):
        post(caller(dlcs.root))
    ended.set()


def test_a_server_that_hangs_up_may_have_taken_it(caller: Callable[[str], Dlcs], dlcs: Server) -> None:
    dlcs.faults = [loses_answer]
    with pytest.raises(OutcomeUnknown, match="the DLCS hung up"):
        post(caller(dlcs.root))
    assert len(dlcs.batches) == 1


@pytest.mark.parametrize("status", [200, 204, 302, 500, 502, 503, 504])
def test_what_is_neither_yes_nor_no_has_to_be_found_out(
    caller: Callable[[str], Dlcs], dlcs: Server, status: int
) -> None:
    dlcs.faults = [answers(status, b"<h1>Oh\n no</h1>")]
    with pytest.raises(OutcomeUnknown, match=f"the DLCS answered {status}"):
        post(caller(dlcs.root))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"origin": "http://a/1.jpg", "batch": "b/1"}', Registered("http://a/1.jpg", "b/1")),
        (200, b'{"origin": 3, "batch": null}', Registered("", "")),
        (200, b"[]", Registered("", "")),
        (200, b"<html>", Registered("", "")),
        (400, b"", None),
        (404, b"", None),
        (405, b"", None),
        (501, b"", None),
        (401, b"", DlcsRefuses),
        (403, b'{"hydra:title": "No"}', DlcsRefuses),
        (204, b"", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (500, b"", OutcomeUnknown),
    ],
)
def test_what_it_knows_of_an_image(
    caller: Callable[[str], Dlcs], origin: Origin, status: int, body: bytes, expected: Any
) -> None:
    origin.picture("/customers/99/spaces/7/images/a%2Fb", body, status)
    client = caller(origin.url(""))
    if isinstance(expected, type):
        with pytest.raises(expected, match=f"the DLCS answered {status}"):
            client.image(7, "a/b")
    else:
        assert client.image(7, "a/b") == expected


def test_whoever_looks_does_not_wait_for_ever(caller: Callable[[str], Dlcs], origin: Origin) -> None:
    origin.picture("/customers/99/spaces/7/images/a", b"{}", delay=HANGS)
    with pytest.raises(DlcsUnavailable, match="the DLCS did not answer: ReadTimeout"):
        caller(origin.url("")).image(7, "a")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the DLCS has not taken at once it does not take."""
    monkeypatch.setattr(dlcstarget, "UNDER_WAY", 0.0)
    monkeypatch.setattr(dlcstarget, "LONGEST", 0.0)
    monkeypatch.setattr(dlcstarget, "_LOOKS", (0.0,))


@pytest.mark.parametrize("error", [OutcomeUnknown("the DLCS answered 500"), DlcsRefuses("the DLCS answered 403")])
@pytest.mark.usefixtures("hurried")
def test_a_batch_whose_answer_is_lost_is_posted_again_where_nobody_says_what_became_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def silent(self: Dlcs, space: Any, name: str) -> None:
        raise error

    monkeypatch.setattr(Dlcs, "image", silent)
    world.dlcs.faults = [once(loses_answer)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, world.dlcs.posts) == (Status.COMPLETED, 2)
    assert member.batches.get().uri == list(world.dlcs.batches)[1]


@pytest.mark.usefixtures("hurried")
def test_a_look_that_is_refused_afterwards_finds_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    image, looks = Dlcs.image, list[str]()

    def refused_later(self: Dlcs, space: Any, name: str) -> Registered | None:
        looks.append(name)
        if len(looks) > 1:
            raise DlcsRefuses("the DLCS answered 403")
        return image(self, space, name)

    monkeypatch.setattr(Dlcs, "image", refused_later)
    world.dlcs.faults = [once(loses_answer)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, world.dlcs.posts, len(looks)) == (Status.COMPLETED, 2, 2)


def test_without_its_dlcs_a_member_is_refused(world: World) -> None:
    member = world.composite(text_pdf(1))
    settle(dlcs_root=None)
    member = world.work(member)
    assert (member.status, member.ended, world.dlcs.posts) == (Status.ERROR, True, 0)
    assert member.error == "there is no DLCS here any more (DLCS_API_ROOT)"
