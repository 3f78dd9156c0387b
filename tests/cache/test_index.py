"""Either index of the cache: exact totals, the least recently used first."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mezzotint.cache import Entry, Index, Totals
from tests.cache.indexes import Indexes, counted, entry

CHURN = """
import itertools, random
from mezzotint.cache import Entry

index, seed, rounds = open_index.at(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
choose = random.Random(seed)
for n in range(rounds) if rounds else itertools.count():
    path = f"p{choose.randrange(40)}"
    kind = choose.choice(["native", "remote", "release"])
    match choose.randrange(4):
        case 0 | 1:
            index.add(Entry(path, kind, f"g{choose.randrange(9)}", choose.randrange(1000), n))
        case 2:
            index.remove([path, f"p{choose.randrange(40)}"])
        case 3:
            index.touch([(path, n)])
    if n == 50:
        index.totals()
        print("under way", flush=True)
index.close()
"""


@pytest.fixture
def index(open_index: Indexes, tmp_path: Path) -> Index:
    return open_index.at(tmp_path)


def kinds_of(index: Index) -> dict[str, Totals]:
    """Those that have files."""
    return {kind: totals for kind, totals in index.totals_by_kind().items() if totals != Totals(0, 0)}


def test_what_was_added_is_found_as_it_was(index: Index) -> None:
    index.add(entry("a", 7, 3))
    assert index.find("a") == entry("a", 7, 3)
    assert index.find("b") is None


def test_adding_again_replaces_and_counts_once(index: Index) -> None:
    index.add(entry("a", 10))
    index.add(entry("a", 25))
    assert index.totals() == Totals(1, 25)


def test_adding_again_moves_an_entry_to_its_new_kind_and_group(index: Index) -> None:
    index.add(entry("a", 10, kind="native", group="one"))
    index.add(entry("a", 25, kind="remote", group="two"))
    assert kinds_of(index) == {"remote": Totals(1, 25)}
    assert index.of_group("one") == []
    assert [one.path for one in index.of_group("two")] == ["a"]


def test_removing_what_is_not_there_changes_nothing(index: Index) -> None:
    index.add(entry("a"))
    index.remove(["b", "c"])
    index.remove([])
    assert index.totals() == Totals(1, 10)
    index.remove(["a", "a"])
    assert index.totals() == Totals(0, 0)


def test_many_are_removed_at_once(index: Index) -> None:
    for n in range(1200):
        index.add(entry(str(n)))
    index.remove(str(n) for n in range(1, 1200))
    assert index.totals() == counted(index) == Totals(1, 10)


def test_the_least_recently_used_come_first(index: Index) -> None:
    for n, path in enumerate("cabd"):
        index.add(entry(path, used=n))
    index.touch([("c", 50), ("a", 40)])
    assert [one.path for one in index.least_recently_used(10)] == ["b", "d", "a", "c"]
    assert [one.path for one in index.least_recently_used(2)] == ["b", "d"]
    assert [one.used for one in index.least_recently_used(10)] == [2, 3, 40, 50]


def test_a_use_that_is_told_late_does_not_make_a_file_older(index: Index) -> None:
    index.add(entry("a", used=100))
    index.touch([("a", 5), ("missing", 7)])
    index.touch([])
    found = index.find("a")
    assert found is not None and found.used == 100
    assert index.totals().files == len(index.least_recently_used(10)) == 1


def test_a_group_has_all_of_its_files_and_no_others(index: Index) -> None:
    for path, group in (("a", "one"), ("b", "two"), ("c", "one")):
        index.add(entry(path, group=group))
    assert sorted(found.path for found in index.of_group("one")) == ["a", "c"]
    assert index.of_group("three") == []


def test_totals_are_kept_for_each_kind(index: Index) -> None:
    index.add(entry("a", 5, kind="native"))
    index.add(entry("b", 7, kind="remote"))
    index.add(entry("c", 8, kind="remote"))
    assert kinds_of(index) == {"native": Totals(1, 5), "remote": Totals(2, 15)}
    assert index.totals() == Totals(3, 20)


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_all_of_it_can_be_gone_through(index: Index, count: int) -> None:
    for n in range(1500):
        index.add(entry(str(n)))
    assert {found.path for batch in index.batches(count) for found in batch} == {str(n) for n in range(1500)}


def test_an_empty_index_has_nothing(index: Index) -> None:
    assert index.totals() == Totals(0, 0)
    assert index.least_recently_used(10) == []
    assert [found for batch in index.batches(10) for found in batch] == []


BEGIN = """
from mezzotint.cache import Entry
print("ready", flush=True)
for line in sys.stdin:
    index = open_index.at(Path(line.strip()))
    index.add(Entry(sys.argv[1], "native", "g", 1, 1))
    index.close()
    print("done", flush=True)
"""


def test_processes_that_begin_together_on_an_empty_directory_share_one(open_index: Indexes, tmp_path: Path) -> None:
    processes = [open_index.process(BEGIN, n) for n in range(6)]
    answers = [process.stdout.readline() for process in processes if process.stdout]
    for turn in range(40):
        for process in processes:
            with suppress(BrokenPipeError):  # one that failed says so at the end
                print(tmp_path / f"{turn}", file=process.stdin, flush=True)
        answers += [process.stdout.readline() for process in processes if process.stdout]
        assert open_index.at(tmp_path / f"{turn}").totals().files == answers[-6:].count("done\n")
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 6
    assert answers == ["ready\n"] * 6 + ["done\n"] * 240


def test_an_index_is_the_same_for_all_who_share_it(index: Index, open_index: Indexes, tmp_path: Path) -> None:
    identity = index.identity
    other = open_index.at(tmp_path)
    for one in (index, other):
        one.look()
        assert one.available
        assert one.identity == identity
    assert open_index.at(tmp_path / "another").identity != identity


def test_whoever_is_alone_leads(index: Index) -> None:
    assert index.lead()
    assert index.lead()
    index.resign()
    index.resign()
    assert index.lead()


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "touch"]),
        st.sampled_from("abcdef"),
        st.integers(0, 10**12),
        st.sampled_from(["native", "release"]),
        st.sampled_from("gh"),
    ),
    max_size=40,
)


@given(steps)
@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_an_index_is_as_its_model_whatever_is_done(
    open_index: Indexes, tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, int, str, str]]
) -> None:
    index, model = open_index.at(tmp_path_factory.mktemp("index")), dict[str, Entry]()
    for what, path, number, kind, group in done:
        match what:
            case "add":
                model[path] = Entry(path, kind, group, number, number)
                index.add(model[path])
            case "remove":
                index.remove([path])
                model.pop(path, None)
            case "touch":
                index.touch([(path, number)])
                if (known := model.get(path)) is not None:
                    model[path] = Entry(path, known.kind, known.group, known.size, max(known.used, number))
        assert index.totals() == Totals(len(model), sum(one.size for one in model.values()))
    found = index.least_recently_used(100)
    assert {one.path: one for one in found} == model
    assert [one.used for one in found] == sorted(one.used for one in model.values())
    for kind, totals in kinds_of(index).items():
        assert totals == Totals(*map(sum, zip(*((1, o.size) for o in model.values() if o.kind == kind), strict=True)))
    assert counted(index) == index.totals()
    index.close()


def test_totals_are_exact_under_threads(index: Index) -> None:
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


def test_totals_are_exact_under_processes(index: Index, open_index: Indexes, tmp_path: Path) -> None:
    processes = [open_index.process(CHURN, tmp_path, seed, 300) for seed in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 3
    assert index.totals() == counted(index)
    assert index.totals().files > 0


def test_totals_are_exact_after_processes_were_killed(index: Index, open_index: Indexes, tmp_path: Path) -> None:
    for seed in range(0, 12, 3):
        processes = [open_index.process(CHURN, tmp_path, seed + n, 0) for n in range(3)]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "under way\n"
        for process in processes:
            process.kill()
        assert [(process.communicate()[1], process.returncode) for process in processes] == [("", -signal.SIGKILL)] * 3
        assert index.totals() == counted(index)
        assert index.totals().files == sum(kind.files for kind in kinds_of(index).values()) > 0


def test_the_index_is_found_again_after_it_was_closed(index: Index, open_index: Indexes, tmp_path: Path) -> None:
    index.add(entry("a", 11))
    index.close()
    again = open_index.at(tmp_path)
    assert again.find("a") == entry("a", 11)
    assert again.totals() == Totals(1, 11)
