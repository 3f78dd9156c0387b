"""The cache's index: exact totals, the least recently used first."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mezzotint.cache import Entry, SqliteIndex, Totals

CHURN = """
import random, sys
from pathlib import Path
from mezzotint.cache import Entry, SqliteIndex

index, seed = SqliteIndex(Path(sys.argv[1])), int(sys.argv[2])
choose = random.Random(seed)
for n in range(300):
    path = f"p{choose.randrange(40)}"
    match choose.randrange(4):
        case 0 | 1:
            index.add(Entry(path, "native", path, choose.randrange(1000), n, ""))
        case 2:
            index.remove([path, f"p{choose.randrange(40)}"])
        case 3:
            index.touch([(path, n)])
    if n % 50 == 0:
        index.totals()
index.close()
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    opened = SqliteIndex(tmp_path / "index.sqlite3")
    yield opened
    opened.close()


def entry(path: str, size: int = 10, used: int = 0, group: str = "g", kind: str = "native") -> Entry:
    return Entry(path, kind, group, size, used, "digest of " + path)


def counted(index: SqliteIndex) -> Totals:
    """The totals, by counting every entry."""
    entries = index.least_recently_used(1_000_000)
    return Totals(len(entries), sum(one.size for one in entries))


def test_what_was_added_is_found_as_it_was(index: SqliteIndex) -> None:
    index.add(entry("a", 7, 3))
    assert index.find("a") == entry("a", 7, 3)
    assert index.find("b") is None


def test_adding_again_replaces_and_counts_once(index: SqliteIndex) -> None:
    index.add(entry("a", 10))
    index.add(entry("a", 25))
    assert index.totals() == Totals(1, 25)


def test_removing_what_is_not_there_changes_nothing(index: SqliteIndex) -> None:
    index.add(entry("a"))
    index.remove(["b", "c"])
    index.remove([])
    index.remove(["a", "a"])
    assert index.totals() == Totals(0, 0)


def test_the_least_recently_used_come_first(index: SqliteIndex) -> None:
    for n, path in enumerate("cabd"):
        index.add(entry(path, used=n))
    index.touch([("c", 50), ("a", 40)])
    assert [one.path for one in index.least_recently_used(10)] == ["b", "d", "a", "c"]
    assert [one.path for one in index.least_recently_used(2)] == ["b", "d"]


def test_a_use_that_is_told_late_does_not_make_a_file_older(index: SqliteIndex) -> None:
    index.add(entry("a", used=100))
    index.touch([("a", 5), ("missing", 7)])
    found = index.find("a")
    assert found is not None and found.used == 100
    assert index.totals().files == 1


def test_a_group_has_all_of_its_files_and_no_others(index: SqliteIndex) -> None:
    for path, group in (("a", "one"), ("b", "two"), ("c", "one")):
        index.add(entry(path, group=group))
    assert sorted(found.path for found in index.of_group("one")) == ["a", "c"]
    assert index.of_group("three") == []


def test_totals_are_kept_for_each_kind(index: SqliteIndex) -> None:
    index.add(entry("a", 5, kind="native"))
    index.add(entry("b", 7, kind="remote"))
    index.add(entry("c", 8, kind="remote"))
    kinds = index.totals_by_kind()
    assert (kinds["native"], kinds["remote"]) == (Totals(1, 5), Totals(2, 15))
    assert index.totals() == Totals(3, 20)


def test_all_of_it_can_be_gone_through(index: SqliteIndex) -> None:
    for path in "bcaed":
        index.add(entry(path))
    batches = list(index.batches(2))
    assert sorted({found.path for batch in batches for found in batch}) == list("abcde")


def test_a_damaged_index_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite3").write_bytes(b"no database at all " * 500)
    opened = SqliteIndex(tmp_path / "index.sqlite3")
    opened.add(entry("a", 5))
    assert opened.totals() == Totals(1, 5)
    opened.close()


def test_facts_are_remembered_until_they_are_forgotten(index: SqliteIndex, tmp_path: Path) -> None:
    index.remember("a", "1")
    index.remember("a", "2")
    again = SqliteIndex(tmp_path / "index.sqlite3")
    assert (again.recall("a"), again.recall("b")) == ("2", None)
    again.forget("a")
    again.forget("a")
    assert index.recall("a") is None
    again.close()


steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "touch", "clear"]), st.sampled_from("abcdef"), st.integers(0, 10**12)),
    max_size=40,
)


@given(steps)
@examples(max_examples=30)
def test_totals_are_exact_whatever_is_done(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, int]]
) -> None:
    index, model = SqliteIndex(tmp_path_factory.mktemp("index") / "index.sqlite3"), dict[str, int]()
    for what, path, number in done:
        match what:
            case "add":
                index.add(entry(path, size=number))
                model[path] = number
            case "remove":
                index.remove([path])
                model.pop(path, None)
            case "touch":
                index.touch([(path, number)])
        assert index.totals() == Totals(len(model), sum(model.values()))
    index.close()


def test_totals_are_exact_under_threads(index: SqliteIndex) -> None:
    def churn(seed: int) -> None:
        for n in range(150):
            path = f"p{(n * 7 + seed) % 25}"
            if (n + seed) % 3:
                index.add(entry(path, size=n))
            else:
                index.remove([path])

    threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.totals() == counted(index)
    assert index.totals().files > 0


def test_totals_are_exact_under_processes(index: SqliteIndex, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHURN, str(tmp_path / "index.sqlite3")]
    processes = [subprocess.Popen([*command, str(seed)], stderr=subprocess.PIPE) for seed in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 3
    assert index.totals() == counted(index)
    assert index.totals().files > 0


def test_the_index_is_found_again_after_its_process_has_ended(index: SqliteIndex, tmp_path: Path) -> None:
    index.add(entry("a", 11))
    index.close()
    again = SqliteIndex(tmp_path / "index.sqlite3")
    assert again.find("a") == entry("a", 11)
    assert again.totals() == Totals(1, 11)
    again.close()
