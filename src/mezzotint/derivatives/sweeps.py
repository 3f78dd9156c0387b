"""Sweeps: one pass over a large base, of which many take their tiles as it comes by."""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from mezzotint.derivatives.pyramid import Kept, Writing, encoded
from mezzotint.names import Facts
from mezzotint.transforms import libvips, tiles
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Kind, Tile

_STRIPS_WAITING = 3
"""of which the tiles are not all encoded: each is some megabytes"""


class NothingWanted(Exception):
    """All that was wanted was given: the rest need not be looked at."""


class Sweep:
    """Makes the tiles that are wanted, and no other: as quick as the base can be decoded."""

    def __init__(self, facts: Facts, kind: Kind) -> None:
        self.facts, self.kind, self.stop = facts, kind, Stop()
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._wanted: dict[Tile, Future[Kept | None]] = {}
        self._waiting: Counter[Tile] = Counter()
        self._passed: defaultdict[int, int] = defaultdict(int)
        self._layers = tiles.layers(facts)

    def want(self, tile: Tile) -> Future[Kept | None]:
        """The tile, once it comes by; None where it does not any more. The future raises what ends the sweep."""
        with self._lock:
            self._waiting[tile] += 1
            if (found := self._wanted.get(tile)) is None:
                found = Future()
                found.set_running_or_notify_cancel()
                at_hand = None if self.ended.is_set() else self._at_hand(tile)
                if at_hand is not None or self.ended.is_set() or self._passed[tile.layer] > tile.row:
                    found.set_result(at_hand)
                else:
                    self._wanted[tile] = found
            return found

    @property
    def is_wanted(self) -> bool:
        return bool(self._wanted) and not self.ended.is_set()

    def leave(self, wanted: Iterable[Tile]) -> None:
        """Who has wanted these does not wait any more. What nobody wants is not made."""
        with self._lock:
            for tile in wanted:
                self._waiting[tile] -= 1
                if self._waiting[tile] <= 0:
                    del self._waiting[tile]
                    self._wanted.pop(tile, None)

    def begin(self) -> libvips.Halving:
        """From the top, where it came to nothing before too. No deeper than is wanted by now."""
        with self._lock:
            deepest = max((tile.layer for tile in self._wanted), default=0)
            for layer in range(deepest + 1, len(self._layers)):
                self._passed[layer] = self._layers[layer].down
        return libvips.Halving(self._layers[: deepest + 1], self._take)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        with self._lock:
            left, self._wanted = self._wanted, {}
            self.ended.set()
        for future in left.values():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _at_hand(self, tile: Tile) -> Kept | None:
        """What has come by, where it was kept."""
        return None

    def _take(self, layer: int, row: int, strip: libvips.Strip) -> None:
        wanted = self._come_by(layer, row)
        for tile in wanted:
            self._give(tile, Kept.of(encoded(strip, tile.column, self.kind)))
        with self._lock:
            if self._wanted:
                return
            self.ended.set()
        raise NothingWanted

    def _come_by(self, layer: int, row: int) -> list[Tile]:
        with self._lock:
            self._passed[layer] = max(self._passed[layer], row + 1)
            return [tile for tile in self._wanted if (tile.layer, tile.row) == (layer, row)]

    def _give(self, tile: Tile, kept: Kept) -> None:
        with self._lock:
            future = self._wanted.pop(tile, None)
        if future is not None:
            future.set_result(kept)


class FullSweep(Sweep):
    """Makes all tiles, into a file; they are encoded in a thread beside the one that decodes."""

    def __init__(self, facts: Facts, kind: Kind, file: tuple[Path, BinaryIO], told: Callable[[int, int], None]) -> None:
        """`file`: where it is, and open to write. `told`: how many tiles there are already, and of how many."""
        super().__init__(facts, kind)
        (path, self._stream), self._told = file, told
        self._reading = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="tiles")
        self._room = threading.Semaphore(_STRIPS_WAITING)
        self._error: BaseException | None = None
        self._writing = Writing(self._stream, facts, kind)

    def begin(self) -> libvips.Halving:
        self._encoder.submit(lambda: None).result()  # what was begun before is done with
        with self._lock:
            self._stream.seek(0)
            self._stream.truncate()
            self._writing = Writing(self._stream, self.facts, self.kind)
        return libvips.Halving(self._layers, self._take)

    def finish(self) -> str:
        """The digest of the whole file. Raises what went wrong with it."""
        self._encoder.shutdown(wait=True)
        if self._error is not None:
            raise self._error
        return self._writing.end()

    @property
    def size(self) -> int:
        return self._writing.size

    def end(self, error: BaseException | None = None) -> None:
        self._encoder.shutdown(wait=True, cancel_futures=True)
        super().end(error)
        with self._lock:
            os.close(self._reading)

    def _at_hand(self, tile: Tile) -> Kept | None:
        return self._writing.read(tile, self._reading)

    def _take(self, layer: int, row: int, strip: libvips.Strip) -> None:
        while not self._room.acquire(timeout=1):
            self.stop.check()
        if self._error is not None:
            raise self._error
        self._encoder.submit(self._encode, layer, row, strip)

    def _encode(self, layer: int, row: int, strip: libvips.Strip) -> None:
        try:
            for column in range(self._layers[layer].across):
                self.stop.check()
                tile = Tile(layer, row, column)
                kept = Kept.of(encoded(strip, column, self.kind))
                with self._lock:
                    self._writing.add(tile, kept)
                self._give(tile, kept)
            self._come_by(layer, row)
            self._told(self._writing.count, tiles.count(self.facts))
        except BaseException as error:
            self._error = error
        finally:
            self._room.release()
