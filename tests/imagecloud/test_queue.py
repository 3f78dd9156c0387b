"""The queue in the database: what comes into it, who gets what of it, and what becomes of those who are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connections

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.imagecloud import leases, prefetching
from mezzotint.imagecloud.models import PrefetchBatch, PrefetchItem
from mezzotint.repository.owners import Owner
from mezzotint.wiring import Engine

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(engine: Engine) -> Iterator[Owner]:
    made = Owner()
    yield made
    made.close()


@pytest.fixture
def other(engine: Engine) -> Iterator[Owner]:
    made = Owner()
    yield made
    made.close()


def put_in(group: str, count: int) -> None:
    batch = PrefetchBatch.objects.create(by="tester")
    PrefetchItem.objects.bulk_create(
        [PrefetchItem(batch=batch, url=f"http://{group}/{n}.jpg", group=group) for n in range(count)]
    )


def claim(owner: Owner, count: int = 100) -> list[PrefetchItem]:
    return leases.claim(PrefetchItem, owner, lambda group: count, 1000)


def the_only() -> PrefetchItem:
    return PrefetchItem.objects.get()


def test_a_list_is_looked_at_and_each_url_is_in_it_once(engine: Engine) -> None:
    given = [
        "http://example.com/a.jpg",
        "HTTP://EXAMPLE.com:80/b/../a.jpg#x",
        "http://example.com/b.jpg",
        "http://Other.example/a.jpg",
        "http://127.0.0.1/a.jpg",
        "http://example.com:22/a.jpg",
        "mailto:a@example.com",
        "",
        None,
        7,
    ]
    accepted = prefetching.enqueue(given, "anna")
    numbers = (accepted.given, accepted.queued, accepted.duplicates, accepted.invalid)
    assert numbers == (10, 3, 1, 6)
    assert [one["index"] for one in accepted.refused] == [4, 5, 6, 7, 8, 9]
    assert all(one["detail"] for one in accepted.refused)
    items = list(PrefetchItem.objects.order_by("id").values_list("url", "group"))
    assert items == [
        ("http://example.com/a.jpg", "example.com"),
        ("http://example.com/b.jpg", "example.com"),
        ("http://other.example/a.jpg", "other.example"),
    ]
    assert prefetching.batch(accepted.batch.pk).by == "anna"
    assert prefetching.counts(accepted.batch) == {"waiting": 3, "running": 0, "done": 0, "dead": 0}


def test_more_than_may_be_at_once_is_refused_and_nothing_of_it_is_there(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="urls"):
        prefetching.enqueue(["http://example.com/a.jpg"] * (prefetching.MOST_AT_ONCE + 1), "anna")
    assert not PrefetchBatch.objects.exists()
    accepted = prefetching.enqueue([f"x{number}" for number in range(5000)], "anna")
    assert (accepted.invalid, 0 < len(accepted.refused) <= 1000) == (5000, True), "the first say why"


def test_a_queue_that_is_full_takes_nothing_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetching, "MOST_WAITING", 5)
    prefetching.enqueue([f"http://example.com/{number}.jpg" for number in range(4)], "anna")
    with pytest.raises(InvalidInput, match="full"):
        prefetching.enqueue(["http://example.com/8.jpg", "http://example.com/9.jpg"], "anna")
    assert PrefetchItem.objects.count() == 4


def test_a_batch_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound):
        prefetching.batch("00000000-0000-0000-0000-000000000000")


def test_one_group_with_ten_thousand_waiting_keeps_no_other_out(owner: Owner) -> None:
    put_in("big.example", 10_000)
    put_in("small.example", 3)
    put_in("other.example", 30)
    claimed = [item.group for item in claim(owner, 4)]
    assert {group: claimed.count(group) for group in claimed} == {
        "big.example": 4,
        "small.example": 3,
        "other.example": 4,
    }
    assert [item.group for item in leases.claim(PrefetchItem, owner, lambda g: int(g == "other.example"), 9)] == [
        "other.example"
    ]
    assert leases.claim(PrefetchItem, owner, lambda group: 0, 9) == []


def test_within_a_group_the_first_come_first(owner: Owner) -> None:
    put_in("a.example", 5)
    assert [item.url for item in claim(owner, 3)] == [f"http://a.example/{n}.jpg" for n in range(3)]


def test_two_never_have_the_same_job(engine: Engine) -> None:
    for number in range(5):
        put_in(f"{number}.example", 40)
    had: list[list[int]] = [[] for _ in range(4)]
    wrong: list[BaseException] = []

    def work(mine: list[int]) -> None:
        owner = Owner()
        try:
            while items := claim(owner, 3):
                mine += [item.pk for item in items]
        except BaseException as error:
            wrong.append(error)
        finally:
            owner.close()
            connections.close_all()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in had]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    everything = sorted(pk for mine in had for pk in mine)
    assert everything == sorted(PrefetchItem.objects.values_list("pk", flat=True)), "each once, and none left out"


def test_what_an_owner_that_lives_has_is_left_to_it(owner: Owner, other: Owner) -> None:
    put_in("a.example", 2)
    assert len(claim(owner)) == 2
    assert (claim(other), leases.take_over(PrefetchItem), claim(other)) == ([], 0, [])


def test_what_the_dead_had_is_taken_over_at_once(owner: Owner, other: Owner) -> None:
    put_in("a.example", 2)
    (first, second) = claim(owner)
    leases.finish(PrefetchItem, [first])
    owner.close()
    assert leases.take_over(PrefetchItem) == 1
    assert [item.pk for item in claim(other)] == [second.pk]
    assert leases.finish(PrefetchItem, [second]) == 0
    leases.bury(second, "too late")
    leases.again(second, 5, "too late")
    second.refresh_from_db()
    assert second.state == "running" and second.owner.startswith(other.name), "who has lost it has nothing to say"


def test_a_lease_that_is_over_is_taken_over_and_one_that_is_renewed_is_not(owner: Owner, other: Owner) -> None:
    put_in("a.example", 1)
    (item,) = claim(owner)
    elsewhere = "another-host:0123"  # nobody here can tell whether that one lives
    PrefetchItem.objects.update(owner=elsewhere)
    assert leases.take_over(PrefetchItem) == 0
    PrefetchItem.objects.update(lease=time.time() - 1)
    assert (leases.take_over(PrefetchItem), [one.pk for one in claim(other)]) == (1, [item.pk])
    PrefetchItem.objects.update(lease=time.time() - 1)
    leases.renew(PrefetchItem, other, [item.pk])
    assert leases.take_over(PrefetchItem) == 0
    assert the_only().lease > time.time() + leases.LEASE / 2


def test_what_is_to_be_tried_again_is_not_due_before(owner: Owner) -> None:
    put_in("a.example", 1)
    (item,) = claim(owner)
    assert item.attempts == 1
    leases.again(item, 1000, "it was slow")
    assert (the_only().state, the_only().reason, claim(owner)) == ("waiting", "it was slow", [])
    PrefetchItem.objects.update(due=time.time() - 1)
    (item,) = claim(owner)
    assert (item.attempts, the_only().attempts) == (2, 2)


def test_what_was_not_its_own_fault_counts_for_nothing(owner: Owner) -> None:
    put_in("a.example", 1)
    for _ in range(8):
        (item,) = claim(owner)
        assert item.attempts == 1
        leases.again(item, -1, "the origin wanted to be left alone", counts=False)
        assert the_only().attempts == 0
    claim(owner)
    leases.release(PrefetchItem, owner)
    assert (the_only().state, the_only().attempts, the_only().owner) == ("waiting", 0, "")


def test_the_dead_stay_dead_until_they_are_retried(owner: Owner) -> None:
    put_in("a.example", 2)
    first, second = claim(owner)
    leases.bury(first, "there is none")
    leases.finish(PrefetchItem, [second])
    batch = PrefetchBatch.objects.get()
    assert prefetching.dead(batch) == [{"url": first.url, "reason": "there is none"}]
    assert prefetching.counts() == {"waiting": 0, "running": 0, "done": 1, "dead": 1}
    assert (claim(owner), leases.take_over(PrefetchItem)) == ([], 0)
    assert leases.retry(PrefetchItem.objects.all()) == 1
    (item,) = claim(owner)
    assert (item.pk, item.attempts) == (first.pk, 1)
    assert prefetching.dead(batch) == []


def test_a_group_may_be_called_anything(owner: Owner) -> None:
    names = ["a", "A", "ä", "%", "'; --", "z" * 255, "_"]
    for name in names:
        put_in(name, 1)
    assert sorted(item.group for item in claim(owner)) == sorted(names)
