"""Several who commit at once, and one who freezes in the middle and wakes up: each number of the journal has one
winner, and of those who lost it nothing is seen and nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mezzotint import wiring
from mezzotint.errors import ReadOnly
from mezzotint.objects import DirectoryStore
from tests.backends.swift import SwiftCluster
from tests.durability.directories import program
from tests.durability.oracle import State, check_directory, look, rows, started
from tests.durability.walk import colour
from tests.repository.adding import add_image

SHARED = colour(0, 0, 0)


def share(data: Path, **variables: str) -> tuple[str, int]:
    """A picture that everybody will want to rename; its ident, and the number of the last commit."""
    from mezzotint.repository import services, standing
    from mezzotint.wiring import engine

    with started(data, variables):
        base = engine().bases.add([SHARED])
        services.at_once("ada", lambda session: add_image(session, base, {"title": "Shared"}))
        return base.ident, standing.head().seq


def is_frozen(process: subprocess.Popen[str]) -> bool:
    status = Path(f"/proc/{process.pid}/stat")
    return process.poll() is None and status.read_text().rpartition(")")[2].split()[0] == "T"


def run_all(processes: list[subprocess.Popen[str]], journal: Path, *, wait: bool) -> tuple[list[Any], int]:
    """What each of them says, and how many times one was woken up that the others had overtaken.

    A frozen one is woken when the journal has grown, if the others can make it grow: `wait`.
    """
    overtaken = 0
    frozen: dict[int, tuple[float, int]] = {}
    try:
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        while any(process.poll() is None for process in processes):
            for process in filter(is_frozen, processes):
                since, before = frozen.setdefault(process.pid, (time.monotonic(), length(journal)))
                others_go_on = any(other.poll() is None and not is_frozen(other) for other in processes)
                if wait and others_go_on and length(journal) == before and time.monotonic() - since < 10:
                    continue
                if not wait and time.monotonic() - since < 0.05:
                    continue
                overtaken += length(journal) > before
                del frozen[process.pid]
                process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        ended = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0] * len(processes), [err for _, err in ended]
    return [[json.loads(line) for line in said.splitlines()] for said, _ in ended], overtaken


def length(journal: Path) -> int:
    return sum(1 for file in journal.rglob("0*.zst") if file.is_file())


def expected(shared: str, said: dict[str, list[Any]], first: int) -> State:
    """Who committed what, as they were told; it has to be all that there is."""
    won = [answer for answers in said.values() for answer in answers if "seq" in answer]
    assert sorted(answer["seq"] for answer in won) == list(range(first + 1, first + 1 + len(won)))
    last = max(won, key=lambda answer: answer["seq"])
    mine = {name: [answer["ident"] for answer in answers if "seq" in answer] for name, answers in said.items()}
    images = {answer["ident"]: answer["title"] for answer in won} | {shared: last["title"]}
    assert not images.keys() & {a["refused"] for answers in said.values() for a in answers if "refused" in a}
    return State(dict(sorted(images.items())), dict(sorted(mine.items())), {})


def test_two_databases_on_one_store_and_a_committer_that_freezes(tmp_path: Path) -> None:
    store = {"MEZZOTINT_STORE": f"file://{tmp_path}/store"}
    one, other = tmp_path / "one", tmp_path / "other"
    shared, first = share(one, **store)
    with started(other, store):
        pass
    processes = [
        program("committer", one, "a", "80", "0", shared, **store),
        program("committer", other, "b", "60", "20", shared, **store),
    ]
    (by_a, by_b), overtaken = run_all(processes, tmp_path / "store" / "journal", wait=True)
    assert overtaken >= 5, "nobody was overtaken: nothing was injected"
    assert len(by_a) + len(by_b) == 140
    state = expected(shared, {"a": by_a, "b": by_b}, first)
    assert any("refused" in answer for answer in by_b)
    check_directory(one, [state], store)
    check_directory(other, [state], store)
    found = []
    for data in (one, other):
        with started(data, store):
            found.append(rows())
    assert found[0] == found[1]


def test_two_processes_of_one_database_and_a_committer_that_freezes(tmp_path: Path) -> None:
    """Who freezes holds the database's lock: the others wait for it, and nobody is overtaken."""
    data = tmp_path / "data"
    shared, first = share(data)
    processes = [
        program("committer", data, "a", "30", "0", shared),
        program("committer", data, "b", "30", "10", shared),
    ]
    (by_a, by_b), overtaken = run_all(processes, data / "store" / "journal", wait=False)
    assert (overtaken, len(by_a) + len(by_b)) == (0, 60)
    check_directory(data, [expected(shared, {"a": by_a, "b": by_b}, first)])


class LooseDirectory(DirectoryStore):
    """Says of itself what Swift says."""

    def arbitrates(self) -> bool:
        return False


@pytest.fixture(params=["directory", "swift"])
def loose(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of a store that cannot say which of two came first."""
    if request.param == "directory":
        monkeypatch.setattr(wiring, "open_store", lambda *_: LooseDirectory(tmp_path / "store"))
        return {}
    swift: SwiftCluster = request.getfixturevalue("swift")
    return swift.environment() | {"MEZZOTINT_STORE": f"swift://{swift.new_container()}/here"}


def put(slug: str) -> int:
    """A commit; its epoch."""
    from mezzotint.repository import services

    return int(services.at_once("ada", lambda session: services.put_collection(session, slug, {}))[1].epoch)


def test_where_the_store_does_not_arbitrate_the_newest_database_takes_over(
    loose: dict[str, str], tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with started(one, loose):
        first = put("by-one")
        with started(other, loose):
            assert put("by-other") == first + 1
            assert put("by-other-again") == first + 1
        for slug in ("late", "later"):
            with pytest.raises(ReadOnly, match="taken over"):
                put(slug)
        assert sorted(look().collections) == ["by-one", "by-other", "by-other-again"]
    with started(one, loose), pytest.raises(ReadOnly, match="taken over"):
        put("after-a-restart")
    state = State({}, {"by-one": [], "by-other": [], "by-other-again": []}, {})
    check_directory(other, [state], loose)
    check_directory(one, [state], loose)


def test_of_two_new_databases_that_begin_at_once_one_has_the_say(loose: dict[str, str], tmp_path: Path) -> None:
    """The second has not seen yet that the first has begun: with its first commit it takes over from it."""
    with started(tmp_path / "before", loose):
        before = put("before")
    with started(tmp_path / "one", loose), started(tmp_path / "other", loose):
        with started(tmp_path / "one", loose, ready=False):
            assert put("by-one") == before + 1
        assert put("by-other") == before + 2
        with started(tmp_path / "one", loose, ready=False), pytest.raises(ReadOnly, match="taken over"):
            put("late")
    check_directory(tmp_path / "other", (), loose)
