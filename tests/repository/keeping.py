"""What the tests of durability share: something to keep, and a database that is lost and made again."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import psycopg
from django.contrib.auth.models import Group, Permission, User

from mezzotint.names import Ident
from mezzotint.repository import commits, services
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Captured, Collection, Commit, Image, Membership, Removal, UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.durability.oracle import rows
from tests.repository.adding import add_image
from tests.servers import environment

_BESIDE = ("", "-wal", "-shm")


def put_in(engine: Engine, seed: int, **fields: object) -> Ident:
    """One picture, committed, on the shelf."""
    base = engine.bases.add([pictures.png(seed=seed)])
    services.at_once("tester", lambda s: add_image(s, base, fields, {"shelf": "Shelf"}))
    return base.ident


def furnish(engine: Engine) -> list[Ident]:
    """A repository with something of every kind, all of it committed; the images that are live."""
    idents = [put_in(engine, seed, title=f"No. {seed}", tags=["a", "b"]) for seed in range(4)]
    services.at_once("anna", lambda s: services.put_collection(s, "other", {"title": "Other"}, None, idents[1:]))
    services.at_once("anna", lambda s: services.edit_image(s, idents[0], 1, {"title": "Edited"}))
    services.at_once("anna", lambda s: services.remove_image(s, idents[3]))
    permissions = Permission.objects.filter(content_type__app_label="repository").order_by("codename")
    printers, binders = (Group.objects.create(name=name) for name in ("printers", "binders"))
    printers.permissions.set(permissions[:3])
    binders.permissions.set(permissions[1:2])
    for name in ("anna", "bela"):
        user = User.objects.create(username=name, email=f"{name}@example.org", password="pbkdf2_sha256$1$x$x")
        user.groups.add(printers)
        user.user_permissions.set(permissions[3:5])
    assert commits.flush("tester") is not None
    return idents[:3]


def emptied_database() -> None:
    with capture.silenced():
        for model in (Membership, Image, Collection, Removal, Commit, UpdateSession, User, Group):
            model.objects.all().delete()


def rebuilt_equals_live() -> None:
    """Everything that the journal holds comes back from it, and nothing else."""
    before = rows()
    emptied_database()
    commits.catch_up()
    after = rows()
    wrong = {kind: (before[kind], after[kind]) for kind in before if before[kind] != after[kind]}
    assert not wrong, f"live, and rebuilt: {wrong}"
    assert not Captured.objects.exists(), "rebuilding was captured"


def lose_database(data: Path, *, and_what_is_beside: bool = True) -> None:
    """The database of this data directory is gone; of SQLite's files the -wal too, if so asked."""
    if name := _on_server(data):
        _as_owner(f"DROP DATABASE {name} WITH (FORCE)")
        return
    for suffix in _BESIDE if and_what_is_beside else _BESIDE[:1]:
        Path(f"{data}/mezzotint.sqlite3{suffix}").unlink(missing_ok=True)


def kept_database(data: Path) -> str:
    """A copy of the database, which nobody uses now, for `put_database_back`."""
    if name := _on_server(data):
        copy = f"kept_{uuid.uuid4().hex[:12]}"
        _as_owner(f"CREATE DATABASE {copy} TEMPLATE {name}")
        return copy
    kept = data.parent / f"kept-{uuid.uuid4().hex[:12]}"
    kept.mkdir()
    for suffix in _BESIDE:
        source = Path(f"{data}/mezzotint.sqlite3{suffix}")
        if source.exists():
            shutil.copy2(source, kept)
    return str(kept)


def put_database_back(data: Path, kept: str) -> None:
    lose_database(data)
    if name := _on_server(data, create=False):
        _as_owner(f"CREATE DATABASE {name} TEMPLATE {kept}")
        return
    for file in Path(kept).iterdir():
        shutil.copy2(file, data)


def _on_server(data: Path, *, create: bool = True) -> str:
    """The database's name where it is PostgreSQL's, else nothing."""
    if "DATABASE_URL" not in os.environ:
        return ""
    name = environment(data)["DATABASE_URL"].rpartition("/")[2]
    if not create:
        _as_owner(f"DROP DATABASE {name}")
    return name


def _as_owner(statement: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.encode())
