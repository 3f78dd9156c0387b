"""The generation: what moves on for all processes of a host at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mezzotint.host import Generation


def test_the_generation_moves_on_for_all_who_share_it(tmp_path: Path) -> None:
    one, other = Generation(tmp_path / "host" / "generation"), Generation(tmp_path / "host" / "generation")
    seen = {one.now()}
    for _ in range(5):
        other.advance()
        assert one.now() == other.now()
        seen.add(one.now())
    assert len(seen) == 6
    one.close()
    other.close()


def test_a_generation_that_was_removed_begins_as_none_that_there_was(tmp_path: Path) -> None:
    seen = set()
    for _ in range(5):
        generation = Generation(tmp_path / "generation")
        seen.add(generation.now())
        generation.advance()
        seen.add(generation.now())
        generation.close()
        (tmp_path / "generation").unlink()
    assert len(seen) == 10


@pytest.mark.parametrize("length", [0, 3, 7])
def test_a_generation_that_was_cut_short_goes_on(tmp_path: Path, length: int) -> None:
    (tmp_path / "generation").write_bytes(b"\1" * length)
    generation = Generation(tmp_path / "generation")
    before = generation.now()
    generation.advance()
    assert len(before) == 8
    assert generation.now() != before
    generation.close()
