"""A base goes to the trash and comes back; what the store says of it is believed only where that can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.errors import NotFound, StoreUnavailable
from mezzotint.names import base_key
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Engine]:
    with engine_on(tmp_path / "data") as engine:
        yield engine


def test_a_base_that_is_said_to_be_gone_and_is_there_is_not_discarded(
    opened: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would stay public after it was removed."""
    ident = opened.bases.add([pictures.png(seed=1)]).ident

    def confused(source: str, target: str) -> None:
        raise NotFound(f"there is no object {source}")

    monkeypatch.setattr(opened.store, "move", confused)
    with pytest.raises(StoreUnavailable, match="is there"):
        opened.bases.life.discard(ident)
    monkeypatch.undo()
    opened.bases.life.discard(ident)
    assert not opened.bases.exists(ident)
    assert opened.bases.life.is_in_trash(ident)
    opened.bases.life.discard(ident)  # it is gone already
    assert opened.bases.life.recover(ident)
    assert opened.store.stat(base_key(ident)).size
