"""Every base is read and hashed; what does not match its name is never served and heals where it can."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mezzotint.errors import NotFound
from mezzotint.names import Ident, base_key, trash_key
from mezzotint.names.keys import damaged_key
from mezzotint.objects import DirectoryStore
from mezzotint.repository import services
from mezzotint.repository.models import Image
from mezzotint.repository.upkeep import verifying
from mezzotint.repository.upkeep.verifying import VerifyReport
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import PROGRAM, environment
from tests.repository.keeping import furnish, put_in
from tests.servers import run
from tests.waiting import PATIENCE, until


def flip(engine: Engine, key: str) -> None:
    """One bit, in the middle; the size stays."""
    data = bytearray(engine.store.read(key))
    data[len(data) // 2] ^= 1
    engine.store.put(key, bytes(data))


def is_there(engine: Engine, key: str) -> bool:
    try:
        engine.store.stat(key)
    except NotFound:
        return False
    return True


def total(engine: Engine, *idents: Ident) -> VerifyReport:
    return VerifyReport(len(idents), sum(engine.store.stat(base_key(ident)).size for ident in idents))


def test_a_whole_repository_is_whole(repository: Engine) -> None:
    idents = furnish(repository)
    expected = total(repository, *idents)
    assert verifying.verify() == expected
    assert verifying.quick() == expected
    assert verifying.total_bytes() == expected.bytes


def test_a_damaged_base_is_put_where_nobody_finds_it_and_heals_by_uploading_it(repository: Engine) -> None:
    damaged, whole = put_in(repository, 1), put_in(repository, 2)
    flip(repository, base_key(damaged))
    report = verifying.verify()
    assert (report.damaged, report.healed, report.missing) == ([damaged], [], [])
    assert is_there(repository, damaged_key(damaged))
    assert not repository.bases.exists(damaged)
    assert repository.bases.exists(whole)
    assert Image.objects.filter(ident=damaged).exists()
    again = verifying.verify()
    assert (again.objects, again.damaged, again.missing) == (1, [], [damaged])
    repository.bases.add([pictures.png(seed=1)])
    assert verifying.verify() == total(repository, damaged, whole)


def test_a_damaged_base_heals_from_the_trash(repository: Engine) -> None:
    ident = put_in(repository, 1)
    repository.store.put(trash_key(ident), repository.store.read(base_key(ident)))
    flip(repository, base_key(ident))
    report = verifying.verify()
    assert (report.damaged, report.healed, report.missing) == ([], [ident], [])
    assert verifying.verify() == total(repository, ident)


def test_a_copy_in_the_trash_that_is_damaged_too_heals_nothing(repository: Engine) -> None:
    ident = put_in(repository, 1)
    repository.store.put(trash_key(ident), repository.store.read(base_key(ident)))
    flip(repository, base_key(ident))
    flip(repository, trash_key(ident))
    assert verifying.verify().damaged == [ident]
    assert not repository.bases.exists(ident)


def test_the_quick_look_finds_what_is_missing_and_of_another_size(repository: Engine) -> None:
    missing, short, flipped, whole = (put_in(repository, seed) for seed in range(4))
    repository.store.delete(base_key(missing))
    repository.store.put(base_key(short), repository.store.read(base_key(short))[:-1])
    flip(repository, base_key(flipped))
    report = verifying.quick()
    assert (report.objects, report.damaged, report.missing) == (3, [short], [missing])
    full = verifying.verify()
    assert (full.damaged, sorted(full.missing)) == ([flipped], sorted([missing, short]))
    assert repository.bases.exists(whole)


def test_what_was_removed_is_neither_missing_nor_damaged(repository: Engine) -> None:
    removed, kept = put_in(repository, 1), put_in(repository, 2)
    services.at_once("x", lambda s: services.remove_image(s, removed))
    assert verifying.verify() == total(repository, kept)


def test_the_rate_is_kept(repository: Engine) -> None:
    idents = [put_in(repository, seed) for seed in range(3)]
    size = total(repository, *idents).bytes
    started = time.monotonic()
    verifying.verify(rate=size * 2)
    assert time.monotonic() - started >= 0.4


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A data directory whose store has six hundred small objects of the right names."""
    data = tmp_path / "data"
    store = data / "store"
    for number in range(600):
        body = b"%096d" % number
        name = hashlib.sha256(body).hexdigest()
        path = (
            DirectoryStore(store).local_path(base_key(Ident(name)))
            if number == 0
            else store / "images" / name[:2] / name
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return data


def test_one_that_was_killed_goes_on_where_it_was(many: Path) -> None:
    command = [str(PROGRAM), "verify", "--rate", "30K"]
    slow = subprocess.Popen(command, env=environment(many), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until((many / "verify.json").exists)
    finally:
        slow.send_signal(signal.SIGKILL)
        slow.wait(PATIENCE)
    rest = json.loads(run(many, "verify", "--json").stdout)
    assert rest["objects"] in {600 - 256, 600 - 512}
    (many / "verify.json").write_text('{"after": "images/ff')
    whole = run(many, "verify", "--json")
    assert (whole.returncode, json.loads(whole.stdout)["objects"]) == (0, 600)
    assert not (many / "verify.json").exists()
