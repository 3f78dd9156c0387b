"""Pictures that nobody took: ridges in the haze, at every time of day. The same seed is the same picture."""

from __future__ import annotations

import io

import numpy
from PIL import Image

_SKIES = [  # above, at the horizon, the nearest ridge
    ((28, 41, 82), (236, 152, 98), (18, 20, 34)),
    ((96, 151, 205), (232, 236, 228), (26, 52, 58)),
    ((58, 36, 82), (233, 120, 116), (24, 14, 34)),
    ((120, 136, 148), (222, 220, 212), (40, 46, 50)),
    ((16, 24, 48), (86, 122, 152), (6, 9, 18)),
    ((214, 172, 120), (250, 232, 196), (72, 42, 24)),
    ((60, 110, 120), (246, 214, 158), (16, 44, 44)),
    ((146, 70, 60), (248, 190, 110), (44, 16, 22)),
]
SHAPES = [(1500, 1000), (1000, 1500), (1600, 1000), (1200, 1200), (1800, 900), (1500, 1000)]


def landscape(seed: int) -> bytes:
    """A JPEG of some 1.5 megapixels."""
    random = numpy.random.default_rng(seed)
    width, height = SHAPES[seed % len(SHAPES)]
    above, horizon, near = (numpy.array(colour, float) for colour in _SKIES[seed % len(_SKIES)])
    down = numpy.linspace(0, 1, height)[:, None]
    level = random.uniform(0.35, 0.6)
    rows = above + (horizon - above) * numpy.clip(down / level, 0, 1) ** 1.4
    pixels = numpy.repeat(rows[:, None, :], width, axis=1)
    _sun(pixels, random, level, horizon)
    ridges = int(random.integers(4, 8))
    for number in range(ridges):
        depth = (number + 1) / ridges
        line = (level + (1 - level) * depth * 0.8 - _ridge(random, width, 0.16 * (0.4 + depth))) * height
        colour = horizon + (near - horizon) * depth**0.9
        pixels[numpy.arange(height)[:, None] > line[None, :]] = colour
        haze = numpy.clip((numpy.arange(height)[:, None] - line[None, :]) / (height * 0.35), 0, 1) * 0.35 * (1 - depth)
        pixels += (horizon - pixels) * haze[:, :, None]
    pixels += random.normal(0, 3.0, (height, width, 1))  # as a film has it
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _sun(pixels: numpy.ndarray, random: numpy.random.Generator, level: float, colour: numpy.ndarray) -> None:
    height, width = pixels.shape[:2]
    across, at = random.uniform(0.2, 0.8) * width, level * random.uniform(0.55, 0.95) * height
    y, x = numpy.mgrid[0:height, 0:width]
    away = numpy.hypot(x - across, y - at) / (0.045 * min(width, height))
    light = numpy.clip(1.15 - away, 0, 1) ** 0.4 + 0.35 * numpy.exp(-away / 5)
    pixels += (numpy.minimum(colour * 1.25, 255) - pixels) * numpy.clip(light, 0, 1)[:, :, None]


def _ridge(random: numpy.random.Generator, width: int, size: float) -> numpy.ndarray:
    """Heights along the width, of waves ever shorter."""
    x, heights = numpy.linspace(0, 1, width), numpy.zeros(width)
    for octave in range(1, 9):
        waves = 2**octave * random.uniform(0.7, 1.3)
        heights += numpy.abs(numpy.sin(x * waves * numpy.pi / 2 + random.uniform(0, 7))) * size / 1.75**octave
    return heights
