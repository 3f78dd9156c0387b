"""Which part of a large base is asked for, and what of its pyramid shows it. Pure.

A pyramid has the base at full size and at halves of it, in tiles. What a region is made of follows from the rendition
and the base alone, as it does with levels: never from what happens to be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from mezzotint.names import FORMATS, Facts, Format, Region, Rendition
from mezzotint.names.canonical import picture_size, region_size
from mezzotint.names.formats import OUTPUTS
from mezzotint.names.iiif import TILE
from mezzotint.names.rendition import WHITE
from mezzotint.transforms.geometry import FINE, FINE_OVERSAMPLE, LEVEL_SIDES, Plan, Stored, plan

LARGE = 20_000_000
"""pixels from which a base has a pyramid"""
MOST_TILES = 64
"""Of more than these a region is made of the base, in one pass."""


class Kind(StrEnum):
    """How its tiles are kept: as JPEG, just as they are given out, or every pixel."""

    JPEG = "jpg"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Layer:
    """One resolution, in pixels, and how many tiles that is."""

    scale: int
    width: int
    height: int

    @property
    def across(self) -> int:
        return -(-self.width // TILE)

    @property
    def down(self) -> int:
        return -(-self.height // TILE)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """`layer` counts from the full size."""

    layer: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Detail:
    """A rectangle of a layer. `tile` is set where the bytes of that one are what is asked for."""

    kind: Kind
    layer: int
    region: Region
    tile: Tile | None

    @property
    def tiles(self) -> list[Tile]:
        """Those that show it, row by row."""
        return [Tile(self.layer, row, column) for row in self._rows for column in self._columns]

    @property
    def area(self) -> Region:
        """Of the layer, that all its tiles cover, beyond the picture's edges too."""
        return Region(self._columns[0] * TILE, self._rows[0] * TILE, len(self._columns) * TILE, len(self._rows) * TILE)

    @property
    def _columns(self) -> range:
        return range(self.region.x // TILE, -(-(self.region.x + self.region.width) // TILE))

    @property
    def _rows(self) -> range:
        return range(self.region.y // TILE, -(-(self.region.y + self.region.height) // TILE))


def is_large(facts: Facts) -> bool:
    return facts.width * facts.height >= LARGE and not facts.animated and facts.format != "svg"


def kinds(facts: Facts) -> list[Kind]:
    """That a base may have: every pixel is kept of those alone whose own format does, or that have alpha."""
    if not is_large(facts):
        return []
    return [Kind.JPEG, Kind.EXACT] if FORMATS[facts.format].lossless or facts.alpha else [Kind.JPEG]


def layers(facts: Facts) -> list[Layer]:
    """From the full size to the last that no level serves."""
    found: list[Layer] = []
    scale = 1
    while not found or max(facts.width, facts.height) > LEVEL_SIDES[1] * scale:
        found.append(Layer(scale, -(-facts.width // scale), -(-facts.height // scale)))
        scale *= 2
    return found


def most_bytes(facts: Facts, kind: Kind) -> int:
    """That a pyramid takes, of noise."""
    bands = (1 if facts.gray else 3) + facts.alpha
    return facts.width * facts.height * 4 // 3 * (bands if kind is Kind.EXACT else 1)


def detail(rendition: Rendition, facts: Facts) -> Detail | None:
    """What of its pyramid a canonical rendition is made of; None where it is made of the base, or a level of it."""
    if not isinstance(rendition.region, Region) or not is_large(facts):
        return None
    kind = _kind(rendition, facts)
    if kind not in kinds(facts):
        return None
    found = _aligned(rendition, facts, kind) or _nearest(rendition, facts, kind)
    return found if len(found.tiles) <= MOST_TILES else None


def _kind(rendition: Rendition, facts: Facts) -> Kind:
    output = OUTPUTS[rendition.format]
    quality = rendition.encoding if rendition.encoding is not None else output.quality
    shows_through = output.alpha or (rendition.canvas is not None and rendition.canvas.colour != WHITE)
    exact = output.exact or (quality or 0) > FINE or (facts.alpha and shows_through)
    return Kind.EXACT if exact else Kind.JPEG


def _aligned(rendition: Rendition, facts: Facts, kind: Kind) -> Detail | None:
    """Pixel for pixel what a layer has."""
    region, wanted = rendition.region, picture_size(rendition, facts)
    assert isinstance(region, Region)
    for number, layer in enumerate(layers(facts)):
        scale = layer.scale
        if region.x % scale or region.y % scale:
            return None
        right, below = region.x + region.width, region.y + region.height
        if (right % scale and right != facts.width) or (below % scale and below != facts.height):
            continue
        if wanted == (-(-region.width // scale), -(-region.height // scale)):
            shown = Region(region.x // scale, region.y // scale, *wanted)
            return Detail(kind, number, shown, _whole(shown, number, layer, rendition))
    return None


def _whole(shown: Region, number: int, layer: Layer, rendition: Rendition) -> Tile | None:
    """The tile that is all that is asked for, as it is kept."""
    plain = replace(rendition, region=None, size=None) == Rendition(Format.JPG)
    tile = Tile(number, shown.y // TILE, shown.x // TILE)
    return tile if plain and shown == region_of(tile, layer) else None


def region_of(tile: Tile, layer: Layer) -> Region:
    left, top = tile.column * TILE, tile.row * TILE
    return Region(left, top, min(TILE, layer.width - left), min(TILE, layer.height - top))


def _nearest(rendition: Rendition, facts: Facts, kind: Kind) -> Detail:
    """The smallest layer that has twice the pixels, each way: its own fall between those that come out by a quarter of
    one. Else the full size."""
    shown, wanted = region_size(rendition, facts), picture_size(rendition, facts)
    reduced = min(shown[0] / wanted[0], shown[1] / wanted[1]) / FINE_OVERSAMPLE
    number = max((number for number, layer in enumerate(layers(facts)) if layer.scale <= reduced), default=0)
    layer = layers(facts)[number]
    crop = plan(rendition, facts, Stored(layer.width, layer.height, 1)).crop
    assert crop is not None
    return Detail(kind, number, crop, None)


def tiles(facts: Facts) -> Iterator[Tile]:
    """All of a base's pyramid, layer by layer and row by row."""
    for number, layer in enumerate(layers(facts)):
        for row in range(layer.down):
            for column in range(layer.across):
                yield Tile(number, row, column)


def count(facts: Facts) -> int:
    """How many those are."""
    return sum(layer.across * layer.down for layer in layers(facts))


def plan_of_all(facts: Facts, source: Stored, kind: Kind) -> Plan:
    """All of a base's pixels, as the tiles of its full size show them."""
    kept = Format.PNG if kind is Kind.EXACT else Format.JPG
    return plan(Rendition(kept), facts, source)


def stored_of_detail(facts: Facts, found: Detail) -> Stored:
    """What the tiles of `found` are, joined."""
    layer, area = layers(facts)[found.layer], found.area
    return Stored(min(area.width, layer.width - area.x), min(area.height, layer.height - area.y), 1)


def plan_of_detail(rendition: Rendition, facts: Facts, found: Detail) -> Plan:
    """The plan for a rendition, made from the tiles of `found`, joined."""
    layer, area = layers(facts)[found.layer], found.area
    whole = plan(rendition, facts, Stored(layer.width, layer.height, 1))
    return replace(whole, crop=replace(found.region, x=found.region.x - area.x, y=found.region.y - area.y))
