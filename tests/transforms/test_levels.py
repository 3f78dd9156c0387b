"""What is derived from a level looks as what is derived from the base, and is the same wherever the level came from.

The measure is SSIM (Wang, Bovik, Sheikh, Simoncelli 2004; a Gaussian of 1.5 pixels, 8-bit luma) against the same
rendition made from the base itself; 1 is equality. People begin to see a difference in photographs somewhere below
0.95, and JPEG at its default takes more than 0.03 from a detailed one, so 0.97 is less than the encoder's own loss.
Thin lines on white are harder on the measure than on the eye: beside a stroke it compares the encoder's noise with
the encoder's noise, so line art and text have a bound of their own, and so has the hundredth of the neighbourhoods
where each picture differs most.

A thumbnail of a whole page is all aliasing, direct or not, and no two ways of making it agree. There a careful
reduction (Lanczos over the whole base) is the judge: the level's may not be further from it than the direct one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mezzotint.derivatives.levels import name_of
from mezzotint.errors import InvalidRendition
from mezzotint.names import (
    Facts,
    Format,
    Ident,
    Mode,
    Region,
    Rendition,
    Size,
    canonical,
    print_name,
)
from mezzotint.transforms import geometry, libvips
from mezzotint.transforms.libvips import Source
from mezzotint.wiring import Engine
from tests.conftest import engine_on
from tests.pictures import drawing, encoded, grey, opened, photograph, text_scan
from tests.transforms.rendering import header, made, pixel, rendition
from tests.transforms.test_exif import marked
from tests.waiting import PATIENCE

PHOTOGRAPH, DRAWN = (0.97, 0.90), (0.94, 0.70)
"""the least mean, and the least of all but one in a hundred neighbourhoods"""
SLACK = 0.03

SIDES = (2900, 1500)
"""Just large enough for levels: the least reduction, so the hardest case."""

SIZES = ["-w1200", "-w800", "-w400", "-cover500x500", "-x700y300w1000h900-w300", "-w600-rotate90-gray"]


def blurred(values: numpy.ndarray) -> numpy.ndarray:
    weights = numpy.exp(-(numpy.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    for _ in (0, 1):
        count = len(values) - 10
        values = sum(weight * values[i : i + count] for i, weight in enumerate(weights)).T
    return values


def ssim(one: Image.Image, other: Image.Image) -> numpy.ndarray:
    """The index at every pixel that has its whole neighbourhood."""
    a, b = grey(one), grey(other)
    assert a.shape == b.shape
    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    measured: numpy.ndarray = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    measured /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return measured


def test_the_measure_tells_equal_from_different() -> None:
    image = photograph(200, 150)
    assert ssim(image, image).min() > 0.999999
    assert ssim(image, image.resize((25, 19)).resize((200, 150))).mean() < 0.9
    assert ssim(image, Image.fromarray(numpy.roll(numpy.asarray(image), 1, 1))).mean() < 0.95


@dataclass(frozen=True)
class Scene:
    """An engine that has a base, and the base's own file."""

    engine: Engine
    ident: Ident
    path: Path
    bounds: tuple[float, float]

    def by_level(self, text: str) -> Image.Image:
        asked = rendition(text, header(self.path).facts)
        return opened(self.engine.manager.request(self.ident, asked).result(PATIENCE).data)

    def directly(self, text: str) -> Image.Image:
        return opened(made(self.path, text))


BASES: dict[str, Callable[[], bytes]] = {
    "photograph": lambda: encoded(photograph(*SIDES, seed=5), "JPEG", quality=92),
    "turned photograph": lambda: encoded(photograph(*SIDES, seed=6), "JPEG", quality=92, exif=marked(6)),
    "text scan": lambda: encoded(text_scan(*SIDES), "JPEG", quality=90),
    "drawing": lambda: encoded(drawing(*SIDES), "PNG", compress_level=1),
}


@pytest.fixture(scope="module", params=BASES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("levels")
    path = directory / "base"
    path.write_bytes(BASES[request.param]())
    with engine_on(directory / "data") as engine:
        ident = engine.bases.add([path.read_bytes()]).ident
        yield Scene(engine, ident, path, PHOTOGRAPH if "photograph" in request.param else DRAWN)


@pytest.mark.parametrize("output", ["jpg", "webp", "png"])
def test_what_comes_from_a_level_looks_as_what_comes_from_the_base(scene: Scene, output: str) -> None:
    least, worst = scene.bounds
    unlike = {}
    for size in SIZES:
        text = f"{size}.{output}"
        likeness = ssim(scene.by_level(text), scene.directly(text))
        if likeness.mean() < least or numpy.quantile(likeness, 0.01) < worst:
            unlike[size] = (likeness.mean(), numpy.quantile(likeness, 0.01))
    assert unlike == {}


@pytest.mark.parametrize("output", ["jpg", "webp"])
@pytest.mark.parametrize("size", ["-w800", "-w150"])
def test_a_level_is_as_good_a_source_as_the_base(scene: Scene, size: str, output: str) -> None:
    one, other = scene.by_level(f"{size}.{output}"), scene.directly(f"{size}.{output}")
    whole = ImageOps.exif_transpose(opened(scene.path.read_bytes()))
    careful = whole.resize(one.size, Image.Resampling.LANCZOS)
    assert ssim(one, careful).mean() >= ssim(other, careful).mean() - SLACK


def kept(scene: Scene) -> set[str]:
    """Names of levels in the cache, once nothing is on its way there."""
    scene.engine.manager.levels.settle()
    return {entry.path.rpartition("/")[2] for entry in scene.engine.cache.index.of_group(scene.ident)} & {
        name_of(scene.ident, level) for level in geometry.levels(scene.engine.bases.facts(scene.ident))
    }


def test_what_comes_out_is_the_same_from_memory_from_the_cache_and_made_anew(scene: Scene) -> None:
    """One name, one sequence of bytes: on a node that has a level and on one that has none."""
    engine, ident, facts = scene.engine, scene.ident, header(scene.path).facts
    for text in ("-w100.jpg", "-w400.webp", "-w800.jpg", "-w1200.jpg", "-x700y300w1000h900-w300.png"):
        asked = rendition(text, header(scene.path).facts)
        engine.cache.purge(ident)
        anew = engine.manager.request(ident, asked).result(PATIENCE).data
        engine.cache.purge_file(print_name(ident, asked))
        from_memory = engine.manager.request(ident, asked).result(PATIENCE).data
        assert bool(kept(scene)) == any(geometry.serves(level, asked, facts) for level in geometry.levels(facts))
        engine.cache.purge_file(print_name(ident, asked))
        engine.manager.levels.forget()
        from_cache = engine.manager.request(ident, asked).result(PATIENCE).data
        assert anew == from_memory == from_cache


def test_a_level_is_kept_when_nobody_wants_anything(scene: Scene, tmp_path: Path) -> None:
    with engine_on(tmp_path / "data") as engine:
        ident = engine.bases.add([scene.path.read_bytes()]).ident
        alone = replace(scene, engine=engine)
        asked = rendition("-w101.jpg", header(scene.path).facts)
        engine.manager.request(ident, asked).result(PATIENCE)
        assert kept(alone)
        assert engine.cache.purge(ident) >= 2


def test_a_damaged_level_is_made_again(scene: Scene) -> None:
    engine, ident = scene.engine, scene.ident
    asked = rendition("-w103.jpg", header(scene.path).facts)
    right = engine.manager.request(ident, asked).result(PATIENCE).data
    for level in geometry.levels(engine.bases.facts(ident)):
        for damaged in (b"", b"MZL1", b"MZL1" + bytes(200)):
            engine.cache.put(name_of(ident, level), damaged)
            engine.cache.purge_file(print_name(ident, asked))
            engine.manager.levels.forget()
            assert engine.manager.request(ident, asked).result(PATIENCE).data == right


def test_levels_can_be_deleted_and_are_made_again(scene: Scene) -> None:
    engine, ident, path = scene.engine, scene.ident, scene.path
    asked = rendition("-w410.png", header(path).facts)
    before = engine.manager.request(ident, asked).result(PATIENCE).data
    assert engine.cache.purge(ident) > 0
    assert engine.cache.totals().files == 0
    after = engine.manager.request(ident, asked).result(PATIENCE)
    assert after.made
    assert ssim(opened(before), opened(after.data)).mean() > 0.999


sides = st.integers(1, 30_000)
any_facts = st.builds(
    Facts, sides, sides, st.sampled_from(["jpg", "png", "tif", "webp", "svg"]), st.just(1), alpha=st.booleans()
)


@given(any_facts.filter(lambda facts: min(facts.width, facts.height) >= 100))
def test_levels_are_few_and_smaller(facts: Facts) -> None:
    made_levels = geometry.levels(facts)
    assert len(made_levels) <= 2
    assert sum(level.width * level.height for level in made_levels) < facts.width * facts.height / 1.4


@given(any_facts, st.integers(1, 4000), st.sampled_from([Mode.FIT, Mode.ENLARGE]), st.sampled_from(list(Format)[:-1]))
def test_a_level_never_serves_what_is_larger_than_itself(facts: Facts, side: int, mode: Mode, output: Format) -> None:
    try:
        asked = canonical(Rendition(output, size=Size(side, side, mode)), facts)
    except InvalidRendition:
        return
    for level in geometry.levels(facts):
        if geometry.serves(level, asked, facts):
            assert asked.size is not None
            assert asked.size.width <= level.width and asked.size.height <= level.height  # type: ignore[operator]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_lies_in_a_level_where_it_lies_in_the_base(orientation: int) -> None:
    """A level is turned already, whichever way its base was stored."""
    facts = Facts(6000, 3000, "jpg", 1, orientation)
    level = geometry.levels(facts)[0]
    asked = Rendition(Format.JPG, Region(3000, 600, 1500, 1200), Size(100, 80))
    crop = geometry.plan(asked, facts, level.stored).crop
    assert crop == Region(960, 192, 480, 384)


def test_animations_and_small_pictures_leave_no_levels() -> None:
    assert geometry.levels(Facts(6000, 4000, "gif", 1, frames=2)) == []
    assert geometry.levels(Facts(2000, 1500, "jpg", 1)) == []
    assert len(geometry.levels(Facts(4000, 3000, "jpg", 1))) == 2


def test_a_transparent_base_keeps_its_alpha_by_way_of_a_level(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2900, 500), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 1450, 500))
    path = tmp_path / "base"
    image.save(path, "PNG", compress_level=1)
    facts = header(path).facts
    level = geometry.levels(facts)[-1]
    whole = Source(path, geometry.stored(facts), facts.format)
    pixels = libvips.reduce(whole, geometry.level_plan(level, whole.stored))
    source = Source(pixels, level.stored, facts.format)
    asked = rendition("-290x50.png", facts)
    answer = opened(libvips.render(source, geometry.plan(asked, facts, source.stored))).convert("RGBA")
    assert pixel(answer, (20, 25))[3] == 0
    assert answer.getpixel((270, 25)) == (200, 30, 30, 255)
