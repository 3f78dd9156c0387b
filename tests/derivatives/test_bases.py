"""Bases: verified on their way in, the same bytes on their way out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mezzotint.derivatives import Bases
from mezzotint.derivatives.intake import Intake, MemoryLimit
from mezzotint.errors import DamagedImage, InvalidInput, NotAnImage, NotFound, TooManyBytes, TooManyPixels
from mezzotint.names import FORMATS, Ident
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore
from tests.cache.caches import OwnCache, open_cache
from tests.pictures import encoded, jpeg, photograph, png
from tests.transforms.rendering import RENDERER

ABSENT = Ident("ab" * 32)


def open_bases(
    directory: Path, store: ObjectStore, cache: OwnCache, max_bytes: int = 1_000_000, memory: int = 1 << 30
) -> Bases:
    limit = MemoryLimit(memory, "MEZZOTINT_DECODE_MEMORY")
    intake = Intake(max_bytes, 100_000, 10, limit, FORMATS.keys() - {"svg"}, RENDERER)
    return Bases(store, cache, cache.host, directory / "incoming", intake)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


@pytest.fixture(params=["directory", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return DirectoryStore(tmp_path / "store") if request.param == "directory" else MemoryStore()


@pytest.fixture
def bases(tmp_path: Path, store: ObjectStore, cache: OwnCache) -> Bases:
    return open_bases(tmp_path, store, cache)


def whole(bases: Bases, ident: Ident, start: int = 0, length: int | None = None) -> bytes:
    with bases.open(ident, start, length) as reader:
        return b"".join(reader.chunks())


def test_a_base_is_kept_byte_for_byte_under_its_hash(bases: Bases, store: ObjectStore) -> None:
    data = jpeg(200, 100)
    base = bases.add([data[:7], b"", data[7:]])
    assert base.ident == hashlib.sha256(data).hexdigest()
    assert whole(bases, base.ident) == data
    assert whole(bases, base.ident, 10, 20) == data[10:30]
    assert store.read(f"images/{base.ident}") == data
    assert (base.facts.width, base.facts.height, base.facts.format, base.facts.bytes) == (200, 100, "jpg", len(data))
    assert base.new


def test_the_same_bytes_again_are_the_same_base(bases: Bases, store: ObjectStore) -> None:
    first, second = bases.add([jpeg(200, 100)]), bases.add([jpeg(200, 100)])
    assert first.ident == second.ident
    assert (first.new, second.new) == (True, False)
    assert len(list(store.list())) == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotAnImage),
        (b"no picture at all", NotAnImage),
        (jpeg(200, 100)[:-30], DamagedImage),
        (png(500, 400), TooManyPixels),
        (b"\xff\xd8\xff" + b"x" * 1_000_000, TooManyBytes),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    bases: Bases, store: ObjectStore, tmp_path: Path, data: bytes, error: type[InvalidInput]
) -> None:
    with pytest.raises(error) as refused:
        bases.add([data])
    assert refused.value.field == "file"
    assert list(store.list()) == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_too_many_bytes_are_refused_while_they_arrive(tmp_path: Path, store: ObjectStore, cache: OwnCache) -> None:
    taken = []

    def pouring() -> Iterator[bytes]:
        for n in range(1000):
            taken.append(n)
            yield b"\xff\xd8\xff" + b"x" * 997

    with pytest.raises(TooManyBytes) as refused:
        open_bases(tmp_path, store, cache, max_bytes=5000).add(pouring())
    assert len(taken) == 6
    assert "5000" in str(refused.value.limit)


def test_a_sender_that_breaks_off_leaves_nothing_behind(bases: Bases, store: ObjectStore, tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield jpeg(200, 100)[:1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        bases.add(breaking())
    assert list(store.list()) == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_facts_are_found_again_by_a_process_that_never_saw_the_base(
    bases: Bases, store: ObjectStore, cache: OwnCache, tmp_path: Path
) -> None:
    base = bases.add([jpeg(200, 100)])
    remembered = open_bases(tmp_path, store, cache)
    assert remembered.facts(base.ident) == base.facts
    cache.host.facts.forget(base.ident)
    from_the_header = open_bases(tmp_path, store, cache)
    assert from_the_header.facts(base.ident) == base.facts
    assert cache.host.facts.recall(base.ident) is not None


def test_what_is_not_there_is_not_found(bases: Bases) -> None:
    assert not bases.exists(ABSENT)
    with pytest.raises(NotFound):
        bases.facts(ABSENT)
    with pytest.raises(NotFound):
        bases.open(ABSENT)
    with pytest.raises(NotFound), bases.on_disk(ABSENT):
        pass


def test_a_base_is_given_as_a_local_file_whatever_its_store(bases: Bases, tmp_path: Path) -> None:
    data = jpeg(200, 100)
    ident = bases.add([data]).ident
    with bases.on_disk(ident) as path:
        assert path.read_bytes() == data
    assert list((tmp_path / "incoming").iterdir()) == []
    assert whole(bases, ident) == data


def test_a_discarded_base_is_in_the_trash_and_can_be_recovered(bases: Bases, store: ObjectStore) -> None:
    data = jpeg(200, 100)
    ident = bases.add([data]).ident
    bases.life.discard(ident)
    bases.life.discard(ident)
    assert not bases.exists(ident)
    with pytest.raises(NotFound):
        bases.facts(ident)
    assert [info.key.split("/")[0] for info in store.list()] == ["trash"]
    assert bases.life.recover(ident) is True
    assert bases.life.recover(ident) is False
    assert whole(bases, ident) == data
    assert bases.facts(ident).width == 200


def test_a_discarded_base_can_be_added_anew(bases: Bases) -> None:
    data = jpeg(200, 100)
    ident = bases.add([data]).ident
    bases.life.discard(ident)
    assert bases.add([data]).new
    assert whole(bases, ident) == data


def test_frames_have_a_limit_where_a_picture_is_taken_in(tmp_path: Path, cache: OwnCache) -> None:
    bases = open_bases(tmp_path, MemoryStore(), cache)
    assert bases.add([animation(10)]).facts.frames == 10
    with pytest.raises(TooManyPixels, match="MEZZOTINT_MAX_FRAMES"):
        bases.add([animation(11)])


def test_what_takes_too_much_memory_to_decode_is_refused_where_it_is_taken_in(tmp_path: Path, cache: OwnCache) -> None:
    bases = open_bases(tmp_path, MemoryStore(), cache, memory=43_400_000)
    assert bases.add([encoded(photograph(200, 150), "WEBP")]).new
    with pytest.raises(TooManyPixels) as caught:
        bases.add([encoded(photograph(400, 240), "WEBP")])
    assert caught.value.limit == "41 MB, MEZZOTINT_DECODE_MEMORY"


def animation(frames: int) -> bytes:
    """A GIF."""
    pictures = [Image.new("L", (2, 2), n) for n in range(frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()
