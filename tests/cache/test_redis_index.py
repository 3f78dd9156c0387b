"""What is of the index in Redis alone: its name there, what its commands cost, and who leads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from redis import from_url

from mezzotint.cache import Index, Totals
from tests.backends.redis import Redis
from tests.cache.indexes import Indexes, counted, entry


def test_indexes_of_two_directories_do_not_see_each_other(open_redis: Indexes, tmp_path: Path) -> None:
    one, two = open_redis.at(tmp_path / "1"), open_redis.at(tmp_path / "2")
    one.add(entry("a", 5))
    assert two.find("a") is None
    assert two.totals() == counted(two) == Totals(0, 0)
    assert one.identity != two.identity
    two.add(entry("a", 6))
    two.remove(["a"])
    assert one.find("a") == entry("a", 5)
    assert one.lead() and two.lead()


def test_indexes_of_one_directory_see_each_other(open_redis: Indexes, tmp_path: Path) -> None:
    one, two = open_redis.at(tmp_path), open_redis.at(tmp_path)
    one.add(entry("a", 5))
    assert two.find("a") == entry("a", 5)
    assert two.totals() == Totals(1, 5)
    assert one.identity == two.identity
    two.remove(["a"])
    assert one.find("a") is None


def test_a_directory_whose_name_was_cut_short_is_not_taken_for_another(open_redis: Indexes, tmp_path: Path) -> None:
    """As a power cut may leave it: without the bytes that were never synced."""
    for which in "12":
        (tmp_path / which / ".control").mkdir(parents=True)
        (tmp_path / which / ".control" / "name").touch()
    one, two = open_redis.at(tmp_path / "1"), open_redis.at(tmp_path / "2")
    one.add(entry("a", 5))
    assert two.totals() == Totals(0, 0)


def test_indexes_agree_on_the_name_after_it_was_removed_and_another_began(open_redis: Indexes, tmp_path: Path) -> None:
    one = open_redis.at(tmp_path)
    (tmp_path / ".control" / "name").unlink()
    two = open_redis.at(tmp_path)
    for index in (one, two, one):
        index.look()
    one.add(entry("a", 5))
    assert two.totals() == Totals(1, 5)


def _work(index: Index, n: int) -> None:
    """Each operation once, on two files of a group of their own."""
    group = f"worked-on-{n}"
    for name in ("x", "y", "x"):
        index.add(entry(f"{group}-{name}", group=group))
    index.touch([(f"{group}-x", 2**40)])
    assert index.find(f"{group}-x") is not None
    assert len(index.least_recently_used(5)) == 5
    assert len(index.of_group(group)) == 2
    assert index.totals().files == sum(kind.files for kind in index.totals_by_kind().values())
    assert index.identity
    assert index.lead()
    index.resign()
    index.remove([f"{group}-x", f"{group}-y"])


def test_what_an_operation_costs_does_not_depend_on_how_much_there_is(breakable_redis: Redis, tmp_path: Path) -> None:
    open_index = Indexes(breakable_redis.database())
    index, client = open_index.at(tmp_path), breakable_redis.client()

    def cost(n: int) -> tuple[dict[str, int], int]:
        """Commands, those in scripts too, and bytes of answers."""
        client.config_resetstat()
        _work(index, n)
        commands = {name: of["calls"] for name, of in client.info("commandstats").items()}
        commands.pop("cmdstat_config|resetstat")
        return commands, int(client.info("stats")["total_net_output_bytes"])

    for n in range(10):
        index.add(entry(str(n), used=n))
    cost(0)  # the scripts are loaded
    few, bytes_of_few = cost(1)
    for n in range(10, 5000):
        index.add(entry(str(n), used=n, group=str(n % 100)))
    many, bytes_of_many = cost(2)
    client.close()
    open_index.close()
    assert few == many
    assert abs(bytes_of_few - bytes_of_many) < 2000


def test_one_leads_at_a_time(open_redis: Indexes, tmp_path: Path) -> None:
    indexes = [open_redis.at(tmp_path) for _ in range(5)]
    for _ in range(20):
        barrier, leaders = threading.Barrier(5), list[Index]()

        def attempt(index: Index, barrier: threading.Barrier = barrier, leaders: list[Index] = leaders) -> None:
            barrier.wait()
            if index.lead():
                leaders.append(index)

        threads = [threading.Thread(target=attempt, args=(index,)) for index in indexes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(leaders) == 1
        leaders[0].resign()


def test_leading_passes_on_when_the_leader_resigns_and_not_before(open_redis: Indexes, tmp_path: Path) -> None:
    one, two = open_redis.at(tmp_path), open_redis.at(tmp_path)
    assert one.lead() and one.lead()
    assert not two.lead()
    two.resign()
    assert not two.lead()
    one.resign()
    assert two.lead()
    assert not one.lead()


LEAD = """
assert open_index.at(Path(sys.argv[1])).lead()
print("leads", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("asked_again", [False, True])
def test_a_leader_that_was_killed_is_followed_within_a_minute(
    breakable_redis: Redis, tmp_path: Path, asked_again: bool
) -> None:
    open_index = Indexes(breakable_redis.url)
    leader, index = open_index.process(LEAD, tmp_path), open_index.at(tmp_path)
    assert leader.stdout is not None and leader.stdout.readline() == "leads\n"
    leader.kill()
    leader.communicate()
    if asked_again:
        assert not index.lead()
    with breakable_redis.client() as client:
        expiring = [key for key in client.scan_iter() if client.pttl(key) > 0]
        assert len(expiring) == 1
        assert client.pttl(expiring[0]) <= 60_000
        client.pexpire(expiring[0], 1)
        while client.exists(expiring[0]):
            pass
    assert index.lead()
    open_index.close()


def test_the_identity_changes_when_entries_may_be_missing(breakable_redis: Redis, tmp_path: Path) -> None:
    open_index = Indexes(breakable_redis.url)
    index = open_index.at(tmp_path)
    seen = [index.identity]
    breakable_redis.restart(empty=False)
    index.look()
    seen.append(index.identity)
    with breakable_redis.client() as client:
        client.flushall()
    seen.append(index.identity)
    (tmp_path / ".control" / "name").unlink()
    open_index.at(tmp_path)
    index.look()
    seen.append(index.identity)
    assert len(set(seen)) == 4 and all(seen)
    breakable_redis.kill()
    assert (index.identity, index.available) == ("", False)
    breakable_redis.restart()
    open_index.close()


def test_what_an_earlier_release_has_put_in_is_counted(open_redis: Indexes, tmp_path: Path) -> None:
    """Its entries had a digest, and its mark another name."""
    index = open_redis.at(tmp_path)
    index.add(entry("a", 5))
    name = (tmp_path / ".control" / "name").read_text()
    assert open_redis.url is not None
    with from_url(open_redis.url) as client:
        earlier = {"a": "5 native g " + "0" * 64, ":complete": ".id-1.id-2 run"}
        client.hset(f"mezzotint:{{{name}}}:entries", mapping=earlier)
    assert index.find("a") == entry("a", 5)
    assert [one.path for batch in index.batches(100) for one in batch] == ["a"]
    index.remove(["a"])
    assert index.totals() == Totals(0, 0)
