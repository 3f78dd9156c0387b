"""Origins that want a pause of decades, and a store that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from mezzotint.errors import OriginBusy, StoreUnavailable
from mezzotint.names import Ident
from mezzotint.objects import MemoryStore
from mezzotint.sources.failures import Failures
from mezzotint.sources.records import RemoteRecord, RemoteRecords
from tests.cache.caches import OwnCache, open_cache
from tests.faults import FaultyStore
from tests.network.host import Host, status
from tests.origin import Origin

KEY, OTHER = "ab" * 32, "cd" * 32
RECORD = RemoteRecord("http://a.test/b", Ident("12" * 32), 1.5, 2.5, 3.5)
HOUR = 3600


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("said", ["2000000000", formatdate(4e9, usegmt=True)])
def test_a_pause_of_decades_is_one_of_an_hour_for_whoever_is_told_of_it(host: Host, code: int, said: str) -> None:
    with Origin() as origin:
        origin.answers["/busy"] = status(code, retry_after=said)
        for _ in range(2):  # by the origin, and by what is remembered of it
            with pytest.raises(OriginBusy) as caught:
                host.load(origin.url("/busy"))
            assert HOUR - 60 <= caught.value.retry_after <= HOUR
        assert origin.asked == {"/busy": 1}
        origin.picture("/busy", b"a picture")
        host.ahead = HOUR + 1
        assert host.load(origin.url("/busy"))[1] == b"a picture"


def test_what_the_host_has_seen_is_known_while_the_store_does_not_answer(cache: OwnCache) -> None:
    clock, store = Clock(), FaultyStore(MemoryStore())
    RemoteRecords(store, cache, Failures(cache.host.database), lambda host: True, clock).put(KEY, RECORD, kept=True)
    clock.now += HOUR
    records = RemoteRecords(store, cache, Failures(cache.host.database), lambda host: True, clock)
    with store.down():
        assert records.look_again(KEY) == RECORD
        assert records.find(KEY) == RECORD
        with pytest.raises(StoreUnavailable):
            records.look_again(OTHER)
        with pytest.raises(StoreUnavailable):
            records.delete(KEY)  # nobody is told that it is gone
    assert store.injected["refused"] >= 3, "it was asked"
    assert records.look_again(KEY) == RECORD
