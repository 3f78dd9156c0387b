"""What the commands for what is kept tell people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint import wiring
from mezzotint.cli import durability
from mezzotint.names import base_key, trash_key
from mezzotint.names.keys import IMAGES, JOURNAL, REMOTE
from mezzotint.objects import DirectoryStore, ObjectStore
from mezzotint.objects.copying import copy
from mezzotint.repository import services
from mezzotint.repository.models import Image, Snapshot
from mezzotint.repository.upkeep import reconciling
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.cli.calling import Done, Program
from tests.conftest import run
from tests.faults import FaultyStore
from tests.repository.keeping import put_in
from tests.repository.upkeep.test_verifying import flip

NO_ENTRY, MEND, OVER, NOWHERE = (
    "no entry: to the trash",
    "missing, and in the trash: mend",
    "in the trash, grace over: delete",
    "missing, and nowhere to be had",
)
YOUNG = "no entry, seen too short a time ago: wait"


def row(done: Done, what: str) -> str:
    """What the table says of something, after its name."""
    (line,) = [line for line in done.lines() if line.startswith(what)]
    return line.removeprefix(what).strip()


def test_reconcile_shows_a_plan_and_does_it_only_when_asked_to(mezzotint: Program, keeping: Engine) -> None:
    mended, removed, kept = (put_in(keeping, seed) for seed in (1, 2, 3))
    stray = keeping.bases.add([pictures.png(seed=4)]).ident
    keeping.bases.life.discard(mended)
    services.at_once("x", lambda s: services.remove_image(s, removed))
    keeping.store.put("images/shared-300x200.jpg", b"a derivative")
    first = mezzotint("reconcile")
    assert (first.status, row(first, YOUNG), row(first, NO_ENTRY)) == (0, "1", "0")
    age(keeping)
    shown = mezzotint("reconcile")
    assert shown.status == 0
    assert "2 bases, 2 entries, 1 other objects below images/" in shown.lines()
    assert [row(shown, what) for what in (NO_ENTRY, MEND, OVER, NOWHERE, YOUNG)] == [
        f"1 {stray}", f"1 {mended}", f"1 {removed}", "0", "0",
    ]  # fmt: skip
    assert "nothing was changed: --apply does it" in shown.lines()
    assert keeping.bases.exists(stray) and not keeping.bases.exists(mended)
    done = mezzotint("reconcile", "--apply")
    assert (done.status, "done: 1 to the trash, 1 mended, 1 deleted for good" in done.lines()) == (0, True)
    assert [keeping.bases.exists(ident) for ident in (stray, mended, kept)] == [False, True, True]
    clean = mezzotint("reconcile", "--apply")
    assert (clean.status, row(clean, NO_ENTRY)) == (0, "0")
    assert "--apply" not in clean.out and "done" not in clean.out


def test_reconcile_names_what_is_lost_and_ends_with_one(mezzotint: Program, keeping: Engine) -> None:
    idents = sorted(put_in(keeping, seed) for seed in range(4))
    for ident in idents:
        keeping.store.delete(base_key(ident))
    done = mezzotint("reconcile", "--apply")
    assert (done.status, row(done, NOWHERE)) == (1, f"4 {idents[0]}")
    assert idents[2] in done.out and idents[3] not in done.out, "three are enough for an example"
    assert Image.objects.count() == 4


def test_more_strays_than_the_cap_are_left_alone_and_told(
    mezzotint: Program, keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "CAP_COUNT", 2)
    strays = [keeping.bases.add([pictures.png(seed=seed)]).ident for seed in (1, 2, 3)]
    reconciling.plan()
    age(keeping)
    refused = mezzotint("reconcile", "--apply")
    assert (refused.status, "--over-cap" in refused.err) == (2, True)
    assert all(keeping.bases.exists(ident) for ident in strays)
    done = mezzotint("reconcile", "--apply", "--over-cap")
    assert (done.status, "done: 3 to the trash, 0 mended, 0 deleted for good" in done.lines()) == (0, True)


def test_a_snapshot_that_is_asked_for_is_told_where_to_look(mezzotint: Program, keeping: Engine) -> None:
    put_in(keeping, 1)
    done = mezzotint("snapshot")
    asked = Snapshot.objects.get(by="snapshot")
    assert (done.status, asked.state, asked.key) == (0, Snapshot.State.WAITING, "")
    assert f"GET /api/snapshots/{asked.pk}/" in done.out


@pytest.mark.parametrize("rate", ["fast", "-1", "1.5M", ""])
def test_a_rate_that_is_none_is_refused(mezzotint: Program, keeping: Engine, rate: str) -> None:
    done = mezzotint("verify", "--rate", rate)
    assert (done.status, f"rate: cannot be {rate!r}" in done.err, done.out) == (2, True, "")


def test_of_many_that_are_damaged_twenty_are_named(mezzotint: Program, keeping: Engine) -> None:
    idents = sorted(put_in(keeping, seed) for seed in range(23))
    healed = idents.pop()
    keeping.store.put(trash_key(healed), keeping.store.read(base_key(healed)))
    for ident in (*idents, healed):
        flip(keeping, base_key(ident))
    done = mezzotint("verify")
    assert done.status == 1
    assert [line for line in done.out.splitlines() if line.startswith("damaged  ")] == [
        *(f"damaged  {ident}" for ident in idents[:20]),
        "damaged  and 2 more",
    ]
    assert f"mended  {healed}" in done.out.splitlines()
    assert "22 damaged, 1 mended, 0 missing" in done.out


def test_verify_names_what_it_could_not_read(
    mezzotint: Program, keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = put_in(keeping, 1)
    faulty = FaultyStore(keeping.store)
    faulty.fail("refused", operation="get", key=base_key(ident))
    monkeypatch.setattr(wiring, "_engine", replace(keeping, store=faulty))
    done = mezzotint("verify")
    assert (done.status, f"unread  {ident}" in done.out.splitlines()) == (1, True)
    assert "0 damaged, 0 mended, 0 missing" in done.out
    assert mezzotint("verify").status == 0


@pytest.mark.processes
def test_a_store_with_damage_is_copied_without_it(keeping: Engine, tmp_path: Path) -> None:
    damaged, whole = put_in(keeping, 1), put_in(keeping, 2)
    flip(keeping, base_key(damaged))
    source, target = keeping.settings.data / "store", tmp_path / "copy"
    done = run(tmp_path / "other", "copy-store", f"file://{source}", f"file://{target}")
    assert done.returncode == 1
    assert f"damaged, not copied  {base_key(damaged)}" in done.stdout.splitlines()
    assert done.stdout.rstrip().endswith("1 damaged")
    assert [info.key for info in DirectoryStore(target).list(IMAGES)] == [base_key(whole)]


class Noting:
    """A store that notes the media types that it is given."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self.types = store, dict[str, str | None]()

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self.types[key] = content_type
        self._store.put(key, body, content_type)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_what_is_copied_has_its_media_type(keeping: Engine, tmp_path: Path) -> None:
    ident = put_in(keeping, 1)
    remote = f"{REMOTE}{'a' * 64}.json"
    keeping.store.put(remote, b"{}")
    keeping.store.put("images/odd", b"no picture")
    target = Noting(DirectoryStore(tmp_path / "copy"))
    copy(keeping.store, target, tmp_path, durability._content_type)  # type: ignore[arg-type]
    assert target.types[base_key(ident)] == "image/png"
    assert (target.types[remote], target.types["images/odd"]) == ("application/json", "application/octet-stream")
    assert {kind for key, kind in target.types.items() if key.startswith(f"{JOURNAL}0")} == {"application/zstd"}


@pytest.mark.processes
def test_a_repository_is_restored_as_it_is_now(keeping: Engine, tmp_path: Path) -> None:
    put_in(keeping, 1, title="Kallitype")
    put_in(keeping, 2)
    store = {"MEZZOTINT_STORE": f"file://{keeping.settings.data}/store"}
    done = run(tmp_path / "other", "restore", **store)
    assert (done.returncode, "restored up to commit 2" in done.stdout) == (0, True), done.stderr
    listed = json.loads(run(tmp_path / "other", "commits", "--json", **store).stdout)
    assert [one["seq"] for one in listed if one["by"] == "tester"] == [2, 1]
