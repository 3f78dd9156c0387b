"""A walk through everything that writes, for a process that will be killed somewhere in it.

`begin` makes the data directory that each case gets a copy of; `go` does the steps, and says of each on a line of its
own that it was acknowledged; `recover` starts again, as a server would. `STATES` is what has to be seen after
so many steps: said here, and not taken from a run.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image

from tests.durability.states import State
from tests.repository.adding import add_image

if TYPE_CHECKING:
    from mezzotint.derivatives import Base


@cache
def colour(red: int, green: int, blue: int) -> bytes:
    """A picture of one colour, made without what takes a process long to import."""
    stream = io.BytesIO()
    Image.new("RGB", (24, 16), (red, green, blue)).save(stream, "PNG")
    return stream.getvalue()


def picture(name: str) -> bytes:
    return colour(ord(name), 99, 99)


def ident(name: str) -> str:
    return hashlib.sha256(picture(name)).hexdigest()


def _images(**titles: str) -> dict[str, str]:
    return {ident(name): title for name, title in titles.items()}


def _collections(**members: str) -> dict[str, list[str]]:
    return {slug: [ident(name) for name in names] for slug, names in members.items()}


_BEGUN = State(_images(a="A", b="B", c="C", d="D"), _collections(one="abc"), {"reader": ["view_image"]})
_COMMITTED = State(
    _images(a="Edited", c="C", d="D", e="E", f="F"), _collections(one="ca", two="ef"), {"reader": ["view_image"]}
)
_PEOPLE = State(_COMMITTED.images, _COMMITTED.collections, {"ada": ["add_image"], "reader": []})
_RETURNED = State({**_PEOPLE.images, **_images(b="B")}, _collections(one="cab", two="ef"), _PEOPLE.users)
_REMOVED = State({k: v for k, v in _RETURNED.images.items() if k != ident("d")}, _RETURNED.collections, _PEOPLE.users)
STATES = [_BEGUN, _COMMITTED, _PEOPLE, _PEOPLE, _RETURNED, _RETURNED, _RETURNED, _REMOVED, _REMOVED]


def begin() -> None:
    from django.contrib.auth.models import Permission, User

    from mezzotint.repository import commits, services
    from mezzotint.repository.models import Snapshot
    from mezzotint.repository.upkeep import checkpointing

    _commit_pictures("abcd", {})
    services.at_once("ada", lambda s: services.put_collection(s, "one", {}, images=[ident(name) for name in "abc"]))
    reader = User.objects.create_user("reader")
    reader.user_permissions.add(Permission.objects.get(codename="view_image"))
    commits.flush("ada")
    for _ in range(checkpointing.KEPT):
        checkpointing.make(Snapshot.objects.create(by="begin"))


def _commit_pictures(names: str, collections: dict[str, str]) -> None:
    from mezzotint.repository import services

    bases = [_upload(name) for name in names]
    services.at_once(
        "ada",
        lambda session: [
            add_image(session, base, {"title": name.upper()}, collections)
            for name, base in zip(names, bases, strict=True)
        ],
    )


def _upload(name: str) -> Base:
    from mezzotint.wiring import engine

    return engine().bases.add([picture(name)])


def _commit() -> None:
    """Images added, edited and removed, collections made and put in another order: all in one."""
    from mezzotint.repository import commits, queries, services

    session = services.open_session("ada", "all at once")
    for name in "ef":
        add_image(session, _upload(name), {"title": name.upper()}, {"two": "Two"})
    services.edit_image(session, ident("a"), 1, {"title": "Edited"})
    services.remove_image(session, ident("b"))
    one = queries.collection("one")
    services.put_collection(session, "one", {}, one.version, [ident("c"), ident("a")])
    commits.commit(session)


def _change_people() -> None:
    from django.contrib.auth.models import Permission, User
    from django.db import transaction

    from mezzotint.repository import commits

    with transaction.atomic():
        User.objects.create_user("ada").user_permissions.add(Permission.objects.get(codename="add_image"))
        User.objects.get(username="reader").user_permissions.clear()
    commits.flush("ada")


def _checkpoint() -> None:
    from mezzotint.repository.models import Snapshot
    from mezzotint.repository.upkeep import checkpointing

    checkpointing.make(Snapshot.objects.create(by="walk"))


def _bring_back() -> None:
    from mezzotint.repository import services

    services.at_once("ada", lambda session: services.bring_back(session, ident("b")))


def _reconcile() -> None:
    """A base that nobody refers to, and one that is referred to and lies in the trash; what the first time
    moves there the second time deletes, as there is no grace."""
    from mezzotint.names import Ident
    from mezzotint.repository.upkeep import reconciling
    from mezzotint.wiring import engine

    _upload("g")
    engine().bases.life.discard(Ident(ident("c")))
    for _ in range(2):
        reconciling.carry_out(reconciling.plan())


def _abandon() -> None:
    from mezzotint.repository import services

    session = services.open_session("ada", "thrown away")
    add_image(session, _upload("h"), {}, {"two": "Two"})
    services.edit_image(session, ident("a"), 2, {"title": "Never"})
    services.abort(session)


def _remove() -> None:
    from mezzotint.repository import services

    services.at_once("ada", lambda session: services.remove_image(session, ident("d")))


def _purge() -> None:
    from mezzotint.objects.clock import store_time
    from mezzotint.repository.upkeep import removals
    from mezzotint.wiring import engine

    assert removals.purge_expired(store_time(engine().store)) == 1


STEPS: list[Callable[[], None]] = [
    _commit,
    _change_people,
    _checkpoint,
    _bring_back,
    _reconcile,
    _abandon,
    _remove,
    _purge,
]


def go() -> None:
    for step in STEPS:
        step()
        sys.stdout.write("acknowledged\n")
        sys.stdout.flush()


def _main(what: str) -> None:
    from mezzotint.site.prepare import prepare

    ready = prepare()
    assert ready.alarm is None, ready.alarm
    programs: dict[str, Callable[[], None]] = {"begin": begin, "go": go, "recover": lambda: None}
    programs[what]()


if __name__ == "__main__":
    _main(sys.argv[1])
