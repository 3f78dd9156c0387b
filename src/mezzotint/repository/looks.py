"""What pictures look like: which are nearly the same, and what stands for them until they have come.

It is made again where it is lost: the journal does not hold it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from mezzotint.repository.models import Image
from mezzotint.repository.readers import Reader
from mezzotint.repository.tables import Look, LookBand

BANDS, _BITS = 4, 16
NEAR = 10
"""bits of 64 that nearly the same pictures differ in at most"""
_MOST, _SHOWN = 2_000, 24
_SIGN, _ALL, _PART = 1 << 63, (1 << 64) - 1, 0xFFFF
_COMMON = {0, _PART}
"""parts of what is plain there: too many have them"""


def bands(likeness: int) -> list[int]:
    """Four parts of it, with their place: of two that differ in three bits or less one at least is the same."""
    return [band << _BITS | (likeness >> (band * _BITS)) & 0xFFFF for band in range(BANDS)]


def keep(image_id: int, likeness: int | None, placeholder: bytes) -> None:
    """In a transaction."""
    text, signed = base64.b64encode(placeholder).decode(), None if likeness is None else likeness - _SIGN
    Look.objects.update_or_create(image_id=image_id, defaults={"likeness": signed, "placeholder": text})
    LookBand.objects.filter(image_id=image_id).delete()
    if likeness is not None:
        LookBand.objects.bulk_create(LookBand(value=value, image_id=image_id) for value in bands(likeness))


def near(image: Image, reader: Reader) -> list[Image]:
    """Those that look nearly the same, the nearest first, of those that the reader sees."""
    mine = Look.objects.filter(image=image).values_list("likeness", flat=True).first()
    if mine is None:
        return []
    found = set[int]()
    for value in bands(mine + _SIGN):
        if value & _PART not in _COMMON:
            found.update(LookBand.objects.filter(value=value).values_list("image_id", flat=True)[:_MOST])
    looks = Look.objects.filter(image_id__in=found - {image.pk}).values_list("image_id", "likeness")
    distances = {pk: ((mine ^ other) & _ALL).bit_count() for pk, other in looks if other is not None}
    there = reader.images().in_bulk([pk for pk, distance in distances.items() if distance <= NEAR])
    return sorted(there.values(), key=lambda one: (distances[one.pk], one.pk))[:_SHOWN]


def placeholders(images: Iterable[Image]) -> dict[int, str]:
    """By number, of those that have one, as `data:` addresses."""
    found = Look.objects.filter(image__in=[image.pk for image in images]).values_list("image_id", "placeholder")
    return {pk: f"data:image/webp;base64,{text}" for pk, text in found}
